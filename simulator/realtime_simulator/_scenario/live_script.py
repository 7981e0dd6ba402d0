"""The script of a recorded session of the Live API: what the user says, what the model does along the
timeline, and what its backend answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.schema import value_at
from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.turn import Action, CallTool, Delegate, Fail, Output, Think
from realtime_simulator._media.speech import Speech
from realtime_simulator._recordings.lines import is_marker, is_number
from realtime_simulator._recordings.steps import Message

INPUT_WORDS = "session.input_transcript.delta"
OUTPUT_WORDS = "session.output_transcript.delta"
DELEGATION = "session.delegation.created"
NESTED = "response.event"
ENDS = ("response.completed", "response.failed", "response.incomplete")
OUTPUTS = ("function_call_output", "custom_tool_call_output")
FRAME_MS = 200
_PAUSE_MS = 1000
"""Words that are further apart belong to two utterances."""
_ANSWERS_CLIENT = (
    "unknown_parameter",
    "invalid_value",
    "immutable_field_update",
    "invalid_audio",
    "invalid_event",
    "invalid_json",
    "missing_required_parameter",
    "context_injection_incomplete",
)
"""Codes of errors that answer what the client has sent; others are the service's own."""


@attrs.frozen
class Utterances:
    """What the user says in a session.

    Args:
        words: The words of each utterance.
        voices: From where to where each is on the timeline, in ms.
    """

    words: Sequence[str] = ()
    voices: Sequence[tuple[int, int]] = ()


@attrs.frozen
class LiveScript:
    """What a session's replay depends on.

    Args:
        said: What the user says.
        timeline: What the model does along the timeline, by the position in seconds.
        answers: The answers of its backend, in the order of their responses.
        refusal: The error with which the service refuses the start; None if it starts.
    """

    said: Utterances
    timeline: Mapping[float, Sequence[Action]]
    answers: Sequence[Sequence[Action]]
    refusal: Mapping[str, Any] | None


def read(messages: Sequence[Message]) -> LiveScript:
    """Return the script of a session.

    Args:
        messages: All messages of its connections, in order.
    """
    received = [message for message in messages if message.direction == "received"]
    started = any(message.type.startswith("session.") for message in received)
    errors = (message.data.get("error") for message in received if message.type == "error")
    error = next((error for error in errors if isinstance(error, Mapping)), None)
    timeline: dict[float, list[Action]] = {}
    for _, at, action in cues(messages):
        timeline.setdefault(at / 1000, []).append(action)
    return LiveScript(
        said=_said(received),
        timeline=timeline,
        answers=[actions for _, actions in answers(messages)],
        refusal=None if started else error,
    )


def key_of(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kind of an event, which for nested ones has their own type."""
    kind = str(event.get("type"))
    inner = event.get("event")
    if kind != NESTED or not isinstance(inner, Mapping):
        return (kind,)
    item = inner.get("item")
    of = (str(item.get("type")),) if isinstance(item, Mapping) else ()
    return (kind, *of, str(inner.get("type")))


def count(event: Mapping[str, Any], counts: dict[tuple[str, ...], int]) -> None:
    """Count an event by its kind: of words the characters, of other deltas only whether there is any; what a
    session sends from time to time does not count."""
    key = key_of(event)
    if key[0] in (INPUT_WORDS, OUTPUT_WORDS):
        counts[key] = counts.get(key, 0) + len(str(event.get("delta") or ""))
    elif key[0] != "session.usage.updated":
        counts[key] = 1 if key[-1].endswith(".delta") else counts.get(key, 0) + 1


def is_word(message: Message, kind: str) -> bool:
    """Return whether a message has words and their place."""
    event = message.data
    places = (event.get("start_ms"), event.get("end_ms"))
    return message.type == kind and isinstance(event.get("delta"), str) and all(map(is_number, places))


def _said(received: Sequence[Message]) -> Utterances:
    words: list[str] = []
    voices: list[tuple[int, int]] = []
    for message in received:
        if not is_word(message, INPUT_WORDS):
            continue
        event = message.data
        if voices and voices[-1][0] <= event["start_ms"] <= voices[-1][1] + _PAUSE_MS:
            words[-1] += event["delta"]
            voices[-1] = voices[-1][0], max(voices[-1][1], event["end_ms"])
        else:
            words.append(event["delta"])
            voices.append((event["start_ms"], event["end_ms"]))
    return Utterances(words, voices)


def cues(messages: Sequence[Message]) -> Iterator[tuple[int, int, Action]]:
    """Yield what the model says, delegates and fails at, except for delegations that the client began: the
    place of its message, from 0, its position on the timeline in ms, and the action."""
    at, by_client, outputs = 0, 0, False
    for number, message in enumerate(messages):
        event = message.data
        if message.direction == "sent":
            if message.type == "response.item.create":
                outputs = outputs or value_at(event, "item", "type") in OUTPUTS
            elif message.type == "response.create":
                by_client += not outputs
                outputs = False
            continue
        if is_word(message, OUTPUT_WORDS):
            at = max(0, event["start_ms"])
            yield number, at, _spoken(event["delta"])
        elif message.type == DELEGATION and is_number(event.get("offset_ms")):
            if by_client:
                by_client -= 1
            else:
                at = max(0, event["offset_ms"])
                yield number, at, Delegate()
        elif message.type == "error" and value_at(event, "error", "code") not in _ANSWERS_CLIENT:
            error = event.get("error")
            if isinstance(error, Mapping) and not error.get("client_event_id"):
                kind = str(error.get("type") or "server_error")
                yield number, at, Fail(error.get("code"), str(error.get("message") or ""), type=kind)
        elif is_number(event.get("start_ms")):
            at = max(0, event["start_ms"])


def _spoken(text: str) -> Utterance:
    sound = hum(FRAME_MS)
    return Utterance(text, speech=Speech(text, sound))


def hum(milliseconds: int) -> bytes:
    """Return so much of a hum, PCM16 mono at 24 kHz."""
    from realtime_simulator._media.sounds import sound

    return sound(0, milliseconds, [(0, milliseconds)])


# The backend


def nested(message: Message) -> Mapping[str, Any]:
    """Return the event that a `response.event` holds; empty for other messages."""
    event = message.data.get("event") if message.type == NESTED else None
    return event if isinstance(event, Mapping) else {}


def answers(messages: Sequence[Message]) -> Iterator[tuple[int, Sequence[Action]]]:
    """Yield the answers of the backend, each with the place of the message that began it, from 0.

    The events of a delegation belong to its latest response.
    """
    found: list[tuple[int, list[Mapping[str, Any]]]] = []
    latest: dict[str, list[Mapping[str, Any]]] = {}
    for number, message in enumerate(messages):
        event = nested(message) if message.direction == "received" else {}
        if not event:
            continue
        delegation = str(message.data.get("delegation_id"))
        if event.get("type") == "response.created":
            latest[delegation] = []
            found.append((number, latest[delegation]))
        elif delegation in latest:
            latest[delegation].append(event)
    for number, events in found:
        yield number, list(_actions(events))


def _actions(events: Sequence[Mapping[str, Any]]) -> Iterator[Action]:
    end = next((event for event in events if event.get("type") in ENDS), {})
    tokens = value_at(end, "response", "usage", "output_tokens_details", "reasoning_tokens")
    if is_number(tokens) and tokens:
        yield Think(int(tokens))
    items: dict[Any, list[Mapping[str, Any]]] = {}
    for event in events:
        if "output_index" in event:
            items.setdefault(event["output_index"], []).append(event)
    for about in items.values():
        yield _action(about)
    if end and end["type"] != "response.completed":
        code = value_at(end, "response", "error", "code")
        yield Fail(code, str(value_at(end, "response", "error", "message") or ""))


def _action(events: Sequence[Mapping[str, Any]]) -> Action:
    """Return the action that makes an output item."""
    kinds = [event.get("type") for event in events]
    item: Mapping[str, Any] = next(
        (event["item"] for event in reversed(events) if isinstance(event.get("item"), Mapping)), {}
    )
    if item.get("type") == "function_call" and "name" in item:
        written = _last(events, "response.function_call_arguments.done", "arguments")
        pieces = [str(event.get("delta")) for event in events if str(event.get("type")).endswith(".delta")]
        return CallTool(str(item["name"]), str(item.get("arguments") or written or "".join(pieces)))
    if item.get("type") == "message" and not any("annotation" in str(kind) for kind in kinds):
        text = _last(events, "response.output_text.done", "text")
        if text is None:
            deltas = (event for event in events if event.get("type") == "response.output_text.delta")
            text = "".join(str(event.get("delta")) for event in deltas)
        return Utterance(str(text), speech=Speech(str(text), b""))
    return Output([event for event in events if isinstance(event.get("type"), str)])


def _last(events: Sequence[Mapping[str, Any]], kind: str, key: str) -> Any:
    return next((event.get(key) for event in reversed(events) if event.get("type") == kind), None)


# What was sent


def completed(value: Any, key: str = "") -> Any:
    """Return what a client sent, with made-up values for those that are not in the recording."""
    if is_marker(value):
        return _IMAGE if "image" in key else "Not in the recording."
    if isinstance(value, Mapping):
        return {inner: completed(one, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [completed(one, key) for one in value]
    return value


_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABc3UBGAAAAABJRU5E"
    "rkJggg=="
)
