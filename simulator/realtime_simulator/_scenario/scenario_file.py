"""Scenarios as YAML files: the model's answers, the users' words, pace, callers, and faults.

    seed: 7
    clock: 2026-01-15T12:00:00Z
    pacing: {first_audio: 0.3, speed: 1}
    heard:
      - Hello?
      - {text: Book a room for two nights., delay: 2}
      - {fail: The line was too noisy.}
    responses:
      - match: for (?P<nights>\\w+) nights
        call_tool: book_room
        arguments: {nights: "{nights}"}
      - after_tool: book_room
        say: Your room is booked.
        delay: 1.5
      - steps:
          - say: {wav: hello.wav, text: Good morning.}
          - fail: server_error
    timeline:
      - {at: 0.4, say: Good morning.}
      - {at: 6, delegate: true}
    caller:
      - {press: "12#", delay: 3}
      - {hang_up: true, delay: 10}
    refer: {status: 486, delay: 1}
    faults:
      - name: rate_limit
        on: calls.create
        times: 1

Rules are tried in the order of the file; turns that none of them answers are passed on to earlier rules
and the default. An invalid file is rejected as a whole, with the line and the field.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs
import yaml

from realtime_simulator._core.clock import read_time
from realtime_simulator._core.problem import did_you_mean
from realtime_simulator._engine.turn import (
    LATENCIES,
    Action,
    Fail,
    Pacing,
    Transcript,
    Turn,
    call_mcp,
    call_tool,
    chosen_pacing,
    delegate,
    pause,
    say,
)
from realtime_simulator._faults.catalog import Faults
from realtime_simulator._media.files import read_sound
from realtime_simulator._scenario import built_in_mcp
from realtime_simulator._scenario.callers import CallerAct, Referral, check_keys
from realtime_simulator._scenario.expressions import Expression
from realtime_simulator._scenario.rules import (
    PLACE,
    Answer,
    Behavior,
    Match,
    Scenario,
    actions,
    cues,
    sequence,
    since_user,
)

_MAX_PARTS = 20_000
_DEEPEST = 200
_NAMES: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_ACTIONS: Mapping[str, Sequence[str]] = {
    "say": (),
    "call_tool": ("arguments",),
    "call_mcp": ("name", "arguments", "output", "error"),
    "delegate": (),
    "fail": ("message",),
    "all": (),
    "steps": ("repeat",),
}
_CONDITIONS = ("match", "after_tool", "times")
_WITHOUT_GROUPS = ("match", "call_tool", "call_mcp", "name", "fail", "wav")
_DELAY = "delay"
_WAV = {"wav": "a sound file's path"}


class ScenarioError(ValueError):
    """An invalid scenario; the message has its name, the line and the field."""


@attrs.frozen(eq=False)
class Located:
    """A value of a YAML file.

    Args:
        value: The value.
        path: Its field, such as `responses[0].say`.
        line: Its line, or that of its key, from 1.
        name: The file's name.
        folder: The file's folder.
        parts: Its elements, by key or index.
    """

    value: Any
    path: str
    line: int
    name: str
    folder: Path
    parts: Mapping[Any, Located]

    def refuse(self, why: str) -> NoReturn:
        """Raise an error about it.

        Raises:
            ScenarioError: Always.
        """
        where = f"{self.path}: " if self.path else ""
        raise ScenarioError(f"{self.name}, line {self.line}: {where}{why}")

    def expect(self, what: str) -> NoReturn:
        """Raise an error about its kind."""
        self.refuse(f"expected {what}, got {_NAMES.get(type(self.value), 'nothing')}")

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse it, or the field that the message begins with, for an error that its value causes."""
        try:
            yield
        except ScenarioError:
            raise
        except (TypeError, ValueError) as error:
            self.parts.get(str(error).partition(":")[0], self).refuse(str(error))

    def fields(
        self, known: Collection[str] | None, needed: Mapping[str, str] | None = None
    ) -> dict[str, Located]:
        """Return a mapping's fields; None in place of `known` accepts any. `needed` has what some are."""
        if not isinstance(self.value, dict):
            self.expect("a mapping")
        for key, part in self.parts.items():
            if known is not None and key not in known:
                names = ", ".join(dict.fromkeys(known))
                part.refuse(f"unknown field; known are {names}{did_you_mean(key, known)}")
        for name, what in (needed or {}).items():
            if name not in self.parts:
                self.refuse(f"{name!r} is needed" + (f": {what}" if what else ""))
        return dict(self.parts)

    def kind(self, kinds: Collection[str]) -> str:
        """Return which of some fields it has; refuse it unless that is one."""
        found = [kind for kind in kinds if kind in self.parts]
        if len(found) != 1:
            names, got = ", ".join(kinds), ", ".join(found or map(str, self.parts)) or "none"
            self.refuse(f"one of {names} is needed, and only one; got {got}")
        return found[0]

    def list(self, at_least: int = 0) -> list[Located]:
        """Return a list's elements."""
        if not isinstance(self.value, list):
            self.expect("a list")
        if len(self.value) < at_least:
            self.refuse(f"expected at least {at_least} element")
        return list(self.parts.values())

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.expect("a text (in quotes, if it looks like something else)")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.expect("true or false")
        return self.value

    def number(self, low: float) -> float:
        """Return a number of at least `low`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.expect("a number")
        if not low <= self.value < float("inf"):
            self.refuse(f"allowed is a number of at least {low:g}, got {self.value:g}")
        return self.value

    def whole(self, low: int) -> int:
        """Return a whole number of at least `low`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.expect("a whole number")
        return int(self.number(low))

    def mapping_or_text(self) -> dict[str, Any] | str:
        """Return a mapping or a text."""
        if not isinstance(self.value, dict | str):
            self.expect("a mapping, or JSON as a text")
        return self.value


def text_of(file: Path) -> str:
    """Return a file's text.

    Raises:
        ScenarioError: It is not UTF-8.
        OSError: It can't be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{file.name}: it is not UTF-8") from error


def read_yaml(text: str, name: str, folder: Path) -> Located:
    """Return a YAML document; an empty one is an empty mapping.

    Args:
        text: The document.
        name: Its file's name.
        folder: Its file's folder.

    Raises:
        ScenarioError: It isn't YAML.
    """
    loader = None
    if _depth(text) > _DEEPEST:
        raise ScenarioError(f"{name}: it is nested too deeply")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Located({}, "", 1, name, folder, {})
        return _Reader(loader, name, folder).read(node, "")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "invalid YAML"
        raise ScenarioError(f"{name}{line}: {problem}") from error
    except RecursionError as error:
        raise ScenarioError(f"{name}: it is nested too deeply, or contains itself") from error
    finally:
        if loader is not None:
            loader.dispose()


def _depth(text: str) -> int:
    """Return the maximum depth of a document's brackets; the loader slows down with the depth."""
    deepest = depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


class _Loader(yaml.SafeLoader):
    """A loader for which dates are texts, as in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as in the base class)
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Reader:
    """Turns nodes into values.

    Args:
        loader: The loader that they came from.
        name: The file's name.
        folder: The file's folder.
    """

    def __init__(self, loader: yaml.SafeLoader, name: str, folder: Path) -> None:
        self._loader = loader
        self._name = name
        self._folder = folder
        self._count = 0

    def read(self, node: yaml.Node, path: str, key: yaml.Node | None = None) -> Located:
        self._count += 1
        line = (key or node).start_mark.line + 1
        if self._count > _MAX_PARTS:
            raise ScenarioError(f"{self._name}, line {line}: it has more than {_MAX_PARTS} parts")
        parts: dict[Any, Located] = {}
        value: Any
        if isinstance(node, yaml.MappingNode):
            for name, (key_node, value_node) in self._fields(node, line).items():
                parts[name] = self.read(value_node, f"{path}.{name}" if path else name, key_node)
            value = {name: part.value for name, part in parts.items()}
        elif isinstance(node, yaml.SequenceNode):
            for index, element in enumerate(node.value):
                parts[index] = self.read(element, f"{path}[{index}]")
            value = [part.value for part in parts.values()]
        else:
            try:
                value = self._loader.construct_object(node, deep=True)
            except ValueError as error:
                raise ScenarioError(f"{self._name}, line {line}: {path}: {error}") from error
        return Located(value, path, line, self._name, self._folder, parts)

    def _fields(self, node: yaml.MappingNode, line: int) -> dict[str, tuple[yaml.ScalarNode, yaml.Node]]:
        """Return the names and values of a mapping, with those that `<<` merges into it."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ScenarioError(f"{self._name}, line {line}: a field's name must be a text")
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ScenarioError(f"{self._name}, line {line}: the field {key.value!r} is duplicated")
            seen.add(key.value)
        self._loader.flatten_mapping(node)
        # As written, since YAML reads `on` and `no` as truth values. What is merged comes first.
        found = {key.value: (key, value) for key, value in node.value}
        node.value = list(found.values())  # an alias is read again
        return found


@attrs.frozen
class FileRule:
    """One rule: the answer, the turns that it applies to, and how often."""

    answer: Answer | Scenario
    match: Match | None
    times: int | None
    delay: float = 0.0


@attrs.frozen(kw_only=True)
class ScenarioFile:
    """The content of a file.

    Args:
        rules: The rules of the model's answers; the first match applies.
        heard: The words of the user's audio, turn by turn, and how their transcripts come.
        speech: Where the user speaks in each session's audio, from and to, in ms; None for detection.
        timeline: What the model of a Live session does, with its position in seconds; None if the file has
            none.
        mcp_servers: The tools of MCP servers, by label.
        pacing: How fast the model answers; None if the file has none.
        caller: The acts of each phone call's caller once the call is accepted; None if the file has none.
        refer: The outcome of referring a caller; None if the file has none.
        seed: Makes ids repeatable; None if the file has none.
        clock: The time of day, which stands still, in unix seconds; None if the file has none.
        faults: The arguments of `Simulator.fault`.
    """

    rules: Sequence[FileRule] = ()
    heard: Sequence[str | Transcript] = ()
    speech: Sequence[tuple[int, int]] | None = None
    timeline: Mapping[float, Sequence[Action]] | None = None
    mcp_servers: Mapping[str, Sequence[Mapping[str, Any]] | None] = attrs.field(factory=dict)
    pacing: Pacing | None = None
    caller: Sequence[CallerAct] | None = None
    refer: Referral | None = None
    seed: int | None = None
    clock: float | None = None
    faults: Sequence[Mapping[str, Any]] = ()

    def apply(self, behavior: Behavior) -> None:
        """Add what it says of the model and the users to a behavior."""
        for rule in reversed(self.rules):
            behavior.script.add(rule.answer, rule.match, rule.times, rule.delay)
        behavior.hear_in_turn(self.heard)
        behavior.mcp_servers.update(self.mcp_servers)
        if self.timeline is not None:
            behavior.cues = cues(self.timeline)
        if self.speech is not None:
            behavior.speech = self.speech
        if self.caller is not None:
            behavior.caller = self.caller
        if self.refer is not None:
            behavior.refer = self.refer


def parse(
    text: str, name: str = "scenario", folder: Path | None = None, *, projects: Iterable[str] = ()
) -> ScenarioFile:
    """Read a scenario.

    Args:
        text: YAML.
        name: The file's name, for messages.
        folder: Where the sound files are that it names; the current folder if None.
        projects: The names of the projects that its faults can be for.

    Raises:
        ScenarioError: It is invalid YAML, or an invalid scenario; the message has line and field.
    """
    root = read_yaml(text, name, folder or Path())
    known: dict[str, Callable[[Located], Any]] = {
        "responses": lambda part: [_rule(rule) for rule in part.list()],
        "heard": lambda part: [_heard(words) for words in part.list()],
        "speech": _speech,
        "timeline": _timeline,
        "mcp_servers": _servers,
        "pacing": _pacing,
        "caller": lambda part: [_caller_act(act) for act in part.list()],
        "refer": _refer,
        "seed": lambda part: part.whole(0),
        "clock": _clock,
        "faults": lambda part: [_fault(fault, projects) for fault in part.list()],
    }
    fields = root.fields(known)
    read = {key: known[key](part) for key, part in fields.items()}
    if "responses" in read:
        read["rules"] = read.pop("responses")
    return ScenarioFile(**read)


def _rule(part: Located) -> FileRule:
    names = (name for names in _ACTIONS.values() for name in names)
    fields = part.fields((*_CONDITIONS, _DELAY, *_ACTIONS, *names))
    delay = fields.pop(_DELAY).number(0) if _DELAY in fields else 0.0
    times = fields["times"].whole(1) if "times" in fields else None
    if "match" in fields and "after_tool" in fields:
        part.refuse("say either 'match' or 'after_tool', not both")
    match: Match | None = None
    if "match" in fields:
        match = _pattern(fields["match"])
        _check_groups(part, Expression(match).names)
    elif "after_tool" in fields:
        match = _after(fields["after_tool"].text())
    return FileRule(_answer(part, fields), match, times, delay)


def _answer(part: Located, fields: Mapping[str, Located]) -> Answer | Scenario:
    kind = part.kind(_ACTIONS)
    for name in fields:
        if name not in (*_CONDITIONS, kind, *_ACTIONS[kind]):
            fields[name].refuse(f"'{kind}' doesn't go with it")
    if kind == "all":
        return [action for one in fields["all"].list(1) for action in _actions(one)]
    if kind == "steps":
        repeat = "repeat" in fields and fields["repeat"].truth()
        return sequence(*(_step(one) for one in fields["steps"].list(1)), repeat=repeat)
    return _simple(kind, fields)


def _step(part: Located) -> Answer | Scenario:
    return _part(part, "steps")


def _actions(part: Located) -> list[Action]:
    answer = _part(part, "all", "steps")
    assert not callable(answer)
    return actions(answer)


def _part(part: Located, *without: str) -> Answer | Scenario:
    """Return an answer that is a part of another one, with the pause before it."""
    names = [name for kind in _ACTIONS if kind not in without for name in (kind, *_ACTIONS[kind])]
    fields = part.fields([*names, _DELAY])
    delay = fields.pop(_DELAY).number(0) if _DELAY in fields else 0.0
    answer = _answer(part, fields)
    if not delay:
        return answer
    assert not callable(answer)
    return [pause(delay), *actions(answer)]


def _simple(kind: str, fields: Mapping[str, Located]) -> Action:
    arguments = fields["arguments"].mapping_or_text() if "arguments" in fields else None
    said = {name: fields[name].text() for name in ("output", "error") if name in fields}
    match kind:
        case "say":
            return _say(fields["say"])
        case "delegate":
            if not fields["delegate"].truth():
                fields["delegate"].refuse("allowed is true")
            return delegate()
        case "call_tool":
            return call_tool(fields["call_tool"].text(), arguments)
        case "call_mcp":
            if "name" not in fields:
                fields["call_mcp"].refuse("'name' is needed too: the tool's name")
            return call_mcp(fields["call_mcp"].text(), fields["name"].text(), arguments, **said)
        case _:
            message = {"message": fields["message"].text()} if "message" in fields else {}
            return Fail(fields["fail"].text(), **message)


def _say(part: Located) -> Action:
    """Return a message: a text, or a sound file and its words."""
    if isinstance(part.value, str):
        return say(part.value)
    if not isinstance(part.value, dict):
        part.expect("a text, or {wav: FILE, text: …}")
    fields = part.fields(("wav", "text"), _WAV)
    words = fields["text"].text() if "text" in fields else ""
    return say(words, audio=_sound(fields["wav"]))


def _sound(part: Located) -> bytes:
    try:
        with part.refusing():
            return read_sound(part.folder / part.text())
    except OSError as error:
        part.refuse(f"cannot read it: {error.strerror or type(error).__name__}")


def _heard(part: Located) -> str | Transcript:
    """Return the user's words in one turn, and how their transcript is sent."""
    if not isinstance(part.value, dict):
        return part.text()
    fields = part.fields(("text", _DELAY, "fail", "code"))
    if "text" not in fields and "fail" not in fields:
        part.refuse("'text' is needed, or 'fail': why there is no transcript")
    if "code" in fields and "fail" not in fields:
        fields["code"].refuse("'fail' is needed too: why there is no transcript")
    texts = {name: fields[name].text() for name in ("text", "fail", "code") if name in fields}
    delay = fields[_DELAY].number(0) if _DELAY in fields else 0.0
    code = {"code": texts["code"]} if "code" in texts else {}
    return Transcript(texts.get("text", ""), delay=delay, error=texts.get("fail"), **code)


def _timeline(part: Located) -> Mapping[float, Sequence[Action]]:
    """Return what the model of a Live session does along its timeline."""
    found: dict[float, list[Action]] = {}
    for cue in part.list():
        names = [name for kind in _ACTIONS if kind != "steps" for name in (kind, *_ACTIONS[kind])]
        fields = cue.fields(("at", *names), {"at": "the position in seconds"})
        at = fields.pop("at").number(0)
        answer = _answer(cue, fields)
        assert not callable(answer)
        found.setdefault(at, []).extend(actions(answer))
    return found


def _caller_act(part: Located) -> CallerAct:
    kinds = ("press", "say", "hang_up")
    fields = part.fields((*kinds, _DELAY))
    kind = part.kind(kinds)
    delay = fields[_DELAY].number(0) if _DELAY in fields else 0.0
    with fields[kind].refusing():
        if kind == "press":
            return CallerAct(delay, keys=check_keys(fields[kind].text()))
        if kind == "say":
            from realtime_simulator._media.codecs import through_telephone

            wav = fields[kind].fields(("wav",), _WAV)["wav"]
            return CallerAct(delay, sound=through_telephone(_sound(wav)))
    if not fields[kind].truth():
        fields[kind].refuse("allowed is true")
    return CallerAct(delay, hangs_up=True)


def _refer(part: Located) -> Referral:
    needed = {"status": "the SIP status with which the referral ends"}
    fields = part.fields(("status", _DELAY), needed)
    delay = fields[_DELAY].number(0) if _DELAY in fields else 0.0
    with fields["status"].refusing():
        return Referral(fields["status"].whole(0), delay)


def _clock(part: Located) -> float:
    with part.refusing():
        return read_time(part.value)


def _pattern(part: Located) -> str:
    with part.refusing():
        Expression(part.text())
    return part.text()


def _check_groups(part: Located, names: Sequence[str], without: Collection[str] = _WITHOUT_GROUPS) -> None:
    """Refuse a text of an answer that names a group which its match does not have.

    Args:
        part: The rule, or a part of it.
        names: The groups.
        without: The fields that no groups are put into.
    """
    if isinstance(part.value, str):
        for name in PLACE.findall(part.value):
            if name not in names:
                near = did_you_mean(name, names)
                part.refuse(f"the match has no group {name!r}; it has {', '.join(names) or 'none'}{near}")
        return
    for field, inner in part.parts.items():
        if field not in without:
            _check_groups(inner, names, () if field == "arguments" else without)


def _after(tool: str) -> Callable[[Turn], bool]:
    """Return a condition: a tool's output came in after the user's last words."""

    def matches(turn: Turn) -> bool:
        calls = {item.get("call_id") for item in turn.items if item.get("name") == tool}
        return any(
            item.get("type") == "function_call_output" and item.get("call_id") in calls
            for item in since_user(turn)
        )

    return matches


def _servers(part: Located) -> dict[str, Sequence[Mapping[str, Any]] | None]:
    servers: dict[str, Sequence[Mapping[str, Any]] | None] = {}
    for label, tools in part.fields(None).items():
        if tools.value == "built-in":
            servers[label] = built_in_mcp.TOOLS
            continue
        if tools.value is None:
            servers[label] = None
            continue
        listed: list[Mapping[str, Any]] = []
        for tool in tools.list():
            tool.fields(("name", "description", "input_schema"), {"name": ""})
            listed.append({"input_schema": {"type": "object"}, **tool.value})
        servers[label] = listed
    return servers


def _speech(part: Located) -> Sequence[tuple[int, int]]:
    placed: list[tuple[int, int]] = []
    for one in part.list():
        edges = [round(edge.number(0) * 1000) for edge in one.list()]
        if len(edges) != 2 or edges[0] >= edges[1] or (placed and edges[0] < placed[-1][1]):
            one.refuse("expected the start and end of speech in seconds, one stretch after the other")
        placed.append((edges[0], edges[1]))
    return placed


def _pacing(part: Located) -> Pacing:
    if isinstance(part.value, str) and part.value in ("none", *LATENCIES):
        return chosen_pacing(part.value)  # type: ignore[arg-type]
    if isinstance(part.value, str):
        part.refuse(f"allowed is none, {', '.join(LATENCIES)}, or a mapping; got {part.value!r}")
    fields = part.fields(("first_audio", "speed", "transcript"))
    return Pacing(**{name: one.number(0) for name, one in fields.items()})


def _fault(part: Located, projects: Iterable[str]) -> Mapping[str, Any]:
    part.fields(None)
    if not isinstance(part.value.get("name"), str):
        part.refuse("'name' is needed: the fault's name")
    arguments = {key: value for key, value in part.value.items() if key in ("name", "on", "rate", "times")}
    arguments["settings"] = {key: value for key, value in part.value.items() if key not in arguments}
    with part.refusing():
        Faults(projects=projects).add(**arguments)
    return arguments
