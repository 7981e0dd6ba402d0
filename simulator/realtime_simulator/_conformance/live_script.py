"""The script of a recorded session of the Live API: what the user says, what the model does along the
timeline, and what its backend answers.

Audio in recordings is left out, so it is generated: a hum where the user spoke, silence elsewhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.turn import Action, CallTool, Delegate, Fail, Output, Think
from realtime_simulator._media.speech import Speech
from realtime_simulator._recordings.lines import APPEND, is_marker, is_number
from realtime_simulator._recordings.steps import Message

INPUT_WORDS = "session.input_transcript.delta"
OUTPUT_WORDS = "session.output_transcript.delta"
DELEGATION = "session.delegation.created"
NESTED = "response.event"
OUTPUTS = ("function_call_output", "custom_tool_call_output")
FRAME_MS = 200
_PAUSE_MS = 1000
"""Words that are further apart belong to two utterances."""
_CUT_MS = 5
"""Audio in base64 that is shorter was cut."""
_BYTES_PER_MS = {"audio/pcmu": 8, "audio/pcma": 8}
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
    for at, action in _cues(messages):
        timeline.setdefault(at / 1000, []).append(action)
    return LiveScript(
        said=_said(received),
        timeline=timeline,
        answers=list(_answers(received)),
        refusal=None if started else error,
    )


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


def _cues(messages: Sequence[Message]) -> Iterator[tuple[int, Action]]:
    """Yield what the model says, delegates and fails at, with the position in ms, except for delegations that
    the client began."""
    at, by_client, outputs = 0, 0, False
    for message in messages:
        event = message.data
        if message.direction == "sent":
            if message.type == "response.item.create":
                outputs = outputs or _at(event, "item", "type") in OUTPUTS
            elif message.type == "response.create":
                by_client += not outputs
                outputs = False
            continue
        if is_word(message, OUTPUT_WORDS):
            at = max(0, event["start_ms"])
            yield at, _spoken(event["delta"])
        elif message.type == DELEGATION and is_number(event.get("offset_ms")):
            if by_client:
                by_client -= 1
            else:
                at = max(0, event["offset_ms"])
                yield at, Delegate()
        elif message.type == "error" and _at(event, "error", "code") not in _ANSWERS_CLIENT:
            error = event.get("error")
            if isinstance(error, Mapping) and not error.get("client_event_id"):
                kind = str(error.get("type") or "server_error")
                yield at, Fail(error.get("code"), str(error.get("message") or ""), type=kind)
        elif is_number(event.get("start_ms")):
            at = max(0, event["start_ms"])


def _spoken(text: str) -> Utterance:
    sound = hum(FRAME_MS)
    return Utterance(text, speech=Speech(text, sound))


def hum(milliseconds: int) -> bytes:
    """Return so much of a hum, PCM16 mono at 24 kHz."""
    from realtime_simulator._conformance.sounds import sound

    return sound(0, milliseconds, [(0, milliseconds)])


# The backend


def nested(message: Message) -> Mapping[str, Any]:
    """Return the event that a `response.event` holds; empty for other messages."""
    event = message.data.get("event") if message.type == NESTED else None
    return event if isinstance(event, Mapping) else {}


def _answers(received: Sequence[Message]) -> Iterator[Sequence[Action]]:
    """Yield the answers of the backend; the events of a delegation belong to its latest response."""
    answers: list[list[Mapping[str, Any]]] = []
    latest: dict[str, list[Mapping[str, Any]]] = {}
    for message in received:
        event = nested(message)
        if not event:
            continue
        delegation = str(message.data.get("delegation_id"))
        if event.get("type") == "response.created":
            latest[delegation] = []
            answers.append(latest[delegation])
        elif delegation in latest:
            latest[delegation].append(event)
    for events in answers:
        yield list(_actions(events))


def _actions(events: Sequence[Mapping[str, Any]]) -> Iterator[Action]:
    end = next((event for event in events if event.get("type") in _ENDS), {})
    tokens = _at(end, "response", "usage", "output_tokens_details", "reasoning_tokens")
    if is_number(tokens) and tokens:
        yield Think(int(tokens))
    items: dict[Any, list[Mapping[str, Any]]] = {}
    for event in events:
        if "output_index" in event:
            items.setdefault(event["output_index"], []).append(event)
    for about in items.values():
        yield _action(about)
    if end and end["type"] != "response.completed":
        code = _at(end, "response", "error", "code")
        yield Fail(code, str(_at(end, "response", "error", "message") or ""))


_ENDS = ("response.completed", "response.failed", "response.incomplete")


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


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


# Sound


def audio_ms(event: Mapping[str, Any], format: Mapping[str, Any] | None = None) -> int | None:
    """Return the length of a message's audio in ms; None if it is not known.

    Args:
        event: The message: an append, or output.
        format: The format of the session's audio; 24 kHz PCM if None.
    """
    audio = event.get("audio" if event.get("type") == APPEND else "delta")
    kind, rate = str((format or {}).get("type")), (format or {}).get("rate")
    per_ms = _BYTES_PER_MS.get(kind, 48)
    if kind == "audio/pcm" and is_number(rate):
        per_ms = 2 * int(rate) // 1000
    size: Any = None
    if isinstance(audio, Mapping):
        if is_number(audio.get("$audio_ms")):
            return int(audio["$audio_ms"])
        size = next((value for key, value in audio.items() if "bytes" in str(key)), None)
    elif isinstance(audio, str):
        try:
            size = len(base64.b64decode(audio))
        except ValueError:
            size = None
    if not is_number(size):
        return None
    length = int(size) // max(1, per_ms)
    return None if isinstance(audio, str) and length < _CUT_MS else length


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


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value)
