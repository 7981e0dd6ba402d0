"""Scenarios as YAML files: what the model answers and hears, its pace, and faults, for the command line.

    pacing: {first_audio: 0.3, speed: 1}
    heard: ["Hello?", "Book a room for two nights."]
    responses:
      - match: book
        call_tool: book_room
        arguments: {nights: 2}
      - after_tool: book_room
        say: Your room is booked.
      - steps:
          - say: Good morning.
          - fail: server_error
    faults:
      - name: rate_limit
        on: calls.create
        times: 1

Rules are tried in the order of the file; what none of them answers is passed on to earlier rules and the
default. A faulty file is rejected as a whole, with the line and the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

import attrs
import yaml

from realtime_simulator.engine.turn import Action, Fail, Pacing, Turn, call_mcp, call_tool, say
from realtime_simulator.faults.catalog import Faults
from realtime_simulator.scenario.rules import Answer, Match, Scenario, sequence, since_user

_MAX_PARTS = 20_000
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
    "fail": ("message",),
    "all": (),
    "steps": ("repeat",),
}
_CONDITIONS = ("match", "after_tool", "times")


class ScenarioError(ValueError):
    """A scenario that can't be used; the message has its name, the line and the field."""


@attrs.frozen(eq=False)
class Located:
    """A value of a YAML file.

    Args:
        value: The value.
        path: Its field, such as `responses[0].say`.
        line: Its line, from 1.
        name: The file's name.
        parts: What is in it, by key or index.
    """

    value: Any
    path: str
    line: int
    name: str
    parts: Mapping[Any, Located]

    def refuse(self, why: str) -> NoReturn:
        """Raise an error about it.

        Raises:
            ScenarioError: Always.
        """
        where = f"{self.path}: " if self.path else ""
        raise ScenarioError(f"{self.name}, line {self.line}: {where}{why}")

    def _expect(self, what: str) -> NoReturn:
        self.refuse(f"expected {what}, got {_NAMES.get(type(self.value), 'nothing')}")

    def fields(self, known: Collection[str] | None) -> dict[str, Located]:
        """Return a mapping's fields; None in place of `known` accepts any."""
        if not isinstance(self.value, dict):
            self._expect("a mapping")
        for key, part in self.parts.items():
            if known is not None and key not in known:
                part.refuse(f"there is no such field; there are {', '.join(dict.fromkeys(known))}")
        return dict(self.parts)

    def list(self, at_least: int = 0) -> list[Located]:
        """Return a list's elements."""
        if not isinstance(self.value, list):
            self._expect("a list")
        if len(self.value) < at_least:
            self.refuse(f"expected at least {at_least} element")
        return list(self.parts.values())

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self._expect("a text (in quotes, if it looks like something else)")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self._expect("true or false")
        return self.value

    def number(self, low: float) -> float:
        """Return a number of at least `low`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._expect("a number")
        if not low <= self.value < float("inf"):
            self.refuse(f"allowed is a number of at least {low:g}, got {self.value:g}")
        return self.value

    def whole(self, low: int) -> int:
        """Return a whole number of at least `low`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self._expect("a whole number")
        return int(self.number(low))

    def mapping_or_text(self) -> dict[str, Any] | str:
        """Return a mapping or a text."""
        if not isinstance(self.value, dict | str):
            self._expect("a mapping, or JSON as a text")
        return self.value


def read_yaml(text: str, name: str) -> Located:
    """Return a YAML document; an empty one is an empty mapping.

    Args:
        text: The document.
        name: Its file's name.

    Raises:
        ScenarioError: It isn't YAML.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Located({}, "", 1, name, {})
        return _Reader(loader, name).read(node, "")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ScenarioError(f"{name}{line}: {problem}") from error
    except RecursionError as error:
        raise ScenarioError(f"{name}: it is nested too deeply, or contains itself") from error
    finally:
        if loader is not None:
            loader.dispose()


class _Reader:
    """Turns nodes into values.

    Args:
        loader: The loader that they came from.
        name: The file's name.
    """

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader = loader
        self._name = name
        self._count = 0

    def read(self, node: yaml.Node, path: str) -> Located:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > _MAX_PARTS:
            raise ScenarioError(f"{self._name}, line {line}: it has more than {_MAX_PARTS} parts")
        parts: dict[Any, Located] = {}
        value: Any
        if isinstance(node, yaml.MappingNode):
            self._loader.flatten_mapping(node)
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise ScenarioError(f"{self._name}, line {line}: a field's name must be a text")
                key = key_node.value  # as it is written: YAML reads `on` and `no` as truth values
                if key in parts:
                    line = key_node.start_mark.line + 1
                    raise ScenarioError(f"{self._name}, line {line}: the field {key!r} is there twice")
                parts[key] = self.read(value_node, f"{path}.{key}" if path else str(key))
            value = {key: part.value for key, part in parts.items()}
        elif isinstance(node, yaml.SequenceNode):
            for index, element in enumerate(node.value):
                parts[index] = self.read(element, f"{path}[{index}]")
            value = [part.value for part in parts.values()]
        else:
            value = self._loader.construct_object(node, deep=True)
        return Located(value, path, line, self._name, parts)


@attrs.frozen
class FileRule:
    """One rule: what is answered, to which turns, how often."""

    answer: Answer | Scenario
    match: Match | None
    times: int | None


@attrs.frozen(kw_only=True)
class ScenarioFile:
    """The content of a file.

    Args:
        rules: What the model answers; the first that matches.
        heard: The words of the user's audio, turn by turn.
        mcp_servers: The tools of MCP servers, by label.
        pacing: How fast the model answers; None if the file has none.
        faults: The arguments of `Simulator.fault`.
    """

    rules: Sequence[FileRule] = ()
    heard: Sequence[str] = ()
    mcp_servers: Mapping[str, Sequence[Mapping[str, Any]] | None] = attrs.field(factory=dict)
    pacing: Pacing | None = None
    faults: Sequence[Mapping[str, Any]] = ()


def parse(text: str, name: str = "scenario") -> ScenarioFile:
    """Read a scenario.

    Args:
        text: YAML.
        name: The file's name, for messages.

    Raises:
        ScenarioError: It is no YAML, or faulty; the message has line and field.
    """
    root = read_yaml(text, name)
    known: dict[str, Callable[[Located], Any]] = {
        "responses": lambda part: [_rule(rule) for rule in part.list()],
        "heard": lambda part: [words.text() for words in part.list()],
        "mcp_servers": _servers,
        "pacing": _pacing,
        "faults": lambda part: [_fault(fault) for fault in part.list()],
    }
    fields = root.fields(known)
    read = {key: known[key](part) for key, part in fields.items()}
    if "responses" in read:
        read["rules"] = read.pop("responses")
    return ScenarioFile(**read)


def _rule(part: Located) -> FileRule:
    fields = part.fields((*_CONDITIONS, *_ACTIONS, *(name for names in _ACTIONS.values() for name in names)))
    times = fields["times"].whole(1) if "times" in fields else None
    if "match" in fields and "after_tool" in fields:
        part.refuse("say either 'match' or 'after_tool', not both")
    match: Match | None = None
    if "match" in fields:
        match = _pattern(fields["match"])
    elif "after_tool" in fields:
        match = _after(fields["after_tool"].text())
    return FileRule(_answer(part, fields), match, times)


def _answer(part: Located, fields: Mapping[str, Located]) -> Answer | Scenario:
    kinds = [kind for kind in _ACTIONS if kind in fields]
    if len(kinds) != 1:
        part.refuse(f"one of {', '.join(_ACTIONS)} is needed, and only one; got {', '.join(kinds) or 'none'}")
    kind = kinds[0]
    for name in fields:
        if name not in (*_CONDITIONS, kind, *_ACTIONS[kind]):
            fields[name].refuse(f"'{kind}' doesn't go with it")
    if kind == "all":
        return [_action(one) for one in fields["all"].list(1)]
    if kind == "steps":
        repeat = "repeat" in fields and fields["repeat"].truth()
        return sequence(*(_step(one) for one in fields["steps"].list(1)), repeat=repeat)
    return _simple(kind, fields)


def _step(part: Located) -> Answer | Scenario:
    fields = part.fields([name for kind in _ACTIONS if kind != "steps" for name in (kind, *_ACTIONS[kind])])
    return _answer(part, fields)


def _action(part: Located) -> Action:
    fields = part.fields(
        [name for kind in _ACTIONS if kind not in ("all", "steps") for name in (kind, *_ACTIONS[kind])]
    )
    answer = _answer(part, fields)
    assert not callable(answer) and not isinstance(answer, str | Sequence)
    return answer


def _simple(kind: str, fields: Mapping[str, Located]) -> Action:
    arguments = fields["arguments"].mapping_or_text() if "arguments" in fields else None
    said = {name: fields[name].text() for name in ("output", "error") if name in fields}
    match kind:
        case "say":
            return say(fields["say"].text())
        case "call_tool":
            return call_tool(fields["call_tool"].text(), arguments)
        case "call_mcp":
            if "name" not in fields:
                fields["call_mcp"].refuse("'name' is needed too: the tool's")
            return call_mcp(fields["call_mcp"].text(), fields["name"].text(), arguments, **said)
        case _:
            message = {"message": fields["message"].text()} if "message" in fields else {}
            return Fail(fields["fail"].text(), **message)


def _pattern(part: Located) -> re.Pattern[str]:
    try:
        return re.compile(part.text(), re.IGNORECASE)
    except re.error as error:
        part.refuse(f"no regular expression: {error}")


def _after(tool: str) -> Callable[[Turn], bool]:
    """Whether a tool's output came in after the user's last words."""

    def matches(turn: Turn) -> bool:
        calls = {item.get("call_id") for item in turn.items if item.get("name") == tool}
        return any(
            item.get("type") == "function_call_output" and item.get("call_id") in calls
            for item in since_user(turn)
        )

    return matches


def _servers(part: Located) -> dict[str, list[Mapping[str, Any]] | None]:
    servers: dict[str, list[Mapping[str, Any]] | None] = {}
    for label, tools in part.fields(None).items():
        if tools.value is None:
            servers[label] = None
            continue
        listed: list[Mapping[str, Any]] = []
        for tool in tools.list():
            if "name" not in tool.fields(("name", "description", "input_schema")):
                tool.refuse("'name' is needed")
            listed.append({"input_schema": {"type": "object"}, **tool.value})
        servers[label] = listed
    return servers


def _pacing(part: Located) -> Pacing:
    fields = part.fields(("first_audio", "speed"))
    return Pacing(**{name: one.number(0) for name, one in fields.items()})


def _fault(part: Located) -> Mapping[str, Any]:
    part.fields(None)
    if not isinstance(part.value.get("name"), str):
        part.refuse("'name' is needed: the fault's")
    arguments = {key: value for key, value in part.value.items() if key in ("name", "on", "rate", "times")}
    arguments["settings"] = {key: value for key, value in part.value.items() if key not in arguments}
    try:
        Faults().add(**arguments)
    except (ValueError, TypeError) as error:
        part.refuse(str(error))
    return arguments
