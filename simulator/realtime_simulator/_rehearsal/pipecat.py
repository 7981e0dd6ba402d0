"""The scenarios of pipecat's evals (YAML with `turns`) as the steps of a script.

    name: greeting
    turns:
      - expect: [{event: response, text_contains: How can I help, within_ms: 3000}]
      - user: What's the weather in Paris?
        expect:
          - {event: function_call, name: get_weather, args: {city: Paris}}
          - {event: response, eval: says that it rains}

What takes a model to judge (`eval`) is only awaited. `send_after` interrupts the app's reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from realtime_simulator._scenario.scenario_file import Located

_CALL = "function_call"
_SAID = ("response", "llm_response", "tts_response")
_AWAITED = ("llm_started", "llm_marker", "tts_started", "bot_started_speaking", "bot_interrupted")
_EXPECTATION = ("event", "name", "args", "calls", "text_contains", "within_ms", "eval", "judge")
_REPLY_SECONDS = 10.0


def steps_of(turns: Located) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Yield the kind, the value and the options of each step.

    Args:
        turns: The list of turns.

    Raises:
        ScenarioError: It has something that a caller can't do; the message has the line and the field.
    """
    for turn in turns.list(1):
        fields = turn.fields(("user", "expect", "send_after"))
        if "user" in fields:
            if "send_after" in fields:
                after = fields["send_after"].fields(("event", "delay_ms"))
                yield "interrupts", fields["user"].text(), {"after": _seconds(after.get("delay_ms"), 0.0)}
            else:
                yield "says", fields["user"].text(), {}
        for one in fields["expect"].list() if "expect" in fields else ():
            yield from _expected(one)


def _expected(part: Located) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    fields = part.fields(_EXPECTATION, {"event": ""})
    kind = fields["event"].text()
    within = _seconds(fields.get("within_ms"), _REPLY_SECONDS)
    if kind == _CALL:
        for name, arguments in _calls(fields):
            yield "expects_tool", name, {"arguments": arguments, "within": within}
    elif kind in _SAID and "text_contains" in fields:
        text = fields["text_contains"]
        for one in text.list(1) if isinstance(text.value, list) else [text]:
            yield "hears", one.text(), {"within": within}
    elif kind in _SAID or kind in _AWAITED:
        yield "listens", within, {}
    else:
        fields["event"].refuse(f"known are {', '.join((_CALL, *_SAID, *_AWAITED))}, got {kind!r}")


def _calls(fields: Mapping[str, Located]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    if "calls" not in fields:
        named = [fields] if "name" in fields else []
    else:
        named = [
            {"name": one} if isinstance(one.value, str) else one.fields(("name", "args"))
            for one in fields["calls"].list(1)
        ]
    if not named:
        fields["event"].refuse("'name' or 'calls' is needed: which tool")
    return [
        (one["name"].text(), dict(one["args"].value) if "args" in one and one["args"].fields(None) else {})
        for one in named
    ]


def _seconds(part: Located | None, default: float) -> float:
    return default if part is None else part.number(0) / 1000
