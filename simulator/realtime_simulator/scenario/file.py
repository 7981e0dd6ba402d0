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

Rules are tried in the order of the file; what none of them answers is left to the default. This only reads; a
faulty file is refused as a whole, with the line and the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator.engine.pacing import Pacing
from realtime_simulator.engine.turn import Action, Fail, Turn, call_mcp, call_tool, say
from realtime_simulator.faults.faults import Faults
from realtime_simulator.scenario.answers import Answer, Scenario, sequence
from realtime_simulator.scenario.default import since_user
from realtime_simulator.scenario.located import Located, read_yaml
from realtime_simulator.scenario.script import Match

_ACTIONS: Mapping[str, Sequence[str]] = {
    "say": (),
    "call_tool": ("arguments",),
    "call_mcp": ("name", "arguments", "output", "error"),
    "fail": ("message",),
    "all": (),
    "steps": ("repeat",),
}
_CONDITIONS = ("match", "after_tool", "times")


@attrs.frozen
class FileRule:
    """One rule: what is answered, to which turns, how often."""

    answer: Answer | Scenario
    match: Match | None
    times: int | None


@attrs.frozen(kw_only=True)
class ScenarioFile:
    """What a file says.

    Args:
        rules: What the model answers; the first that matches.
        heard: What the user's audio is taken to say, turn by turn.
        mcp_servers: The tools of MCP servers, by label.
        pacing: How fast the model answers; None if the file doesn't say.
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
        ScenarioError: It is no YAML, or says what can't be done; the message has line and field.
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
        servers[label] = []
        for tool in tools.list():
            fields = tool.fields(("name", "description", "input_schema"))
            if "name" not in fields:
                tool.refuse("'name' is needed")
            servers[label].append({"input_schema": {"type": "object"}, **tool.value})  # type: ignore[union-attr]
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
