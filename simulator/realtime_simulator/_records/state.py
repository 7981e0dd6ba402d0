"""The state of a session after an event, rebuilt from the events up to it. No I/O."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from realtime_simulator._core.schema import value_at
from realtime_simulator._recordings.lines import LEFT_OUT, is_number
from realtime_simulator._records.session import SessionRecord

_BYTES_PER_SECOND = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
_DELTAS = {
    "response.output_text.delta": "text",
    "response.output_audio_transcript.delta": "transcript",
}
LIVE_WORDS = {"session.input_transcript.delta": "user", "session.output_transcript.delta": "assistant"}
_UTTERANCE_MS = 1000
VIEWS = ("session", "items", "audio", "tools")
"""The parts of a state that can be shown."""

Side = Literal["client", "server"]


@attrs.frozen(kw_only=True)
class Event:
    """An event of a session.

    Args:
        number: Its place, from 1.
        at: When, in seconds from the first one.
        side: The side that sent it.
        data: The event.
    """

    number: int
    at: float
    side: Side
    data: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def type(self) -> str:
        return str(self.data.get("type"))


@attrs.define
class State:
    """What a session was like.

    Args:
        session: The configuration, as the service showed it last.
        items: The conversation's items in their order, as far as they were made.
        audio: Seconds of sound, what is spoken and played now, and what was cut.
        tools: The calls of functions, with their outputs.
        response: The response in progress; None between responses.
    """

    session: dict[str, Any] = attrs.field(factory=dict)
    items: list[dict[str, Any]] = attrs.field(factory=list)
    audio: dict[str, Any] = attrs.field(factory=dict)
    tools: list[dict[str, Any]] = attrs.field(factory=list)
    response: str | None = None


def events_of(session: SessionRecord) -> list[Event]:
    """Return the events of a session's record that are kept, with their numbers there."""
    return [
        Event(
            number=one.number,
            at=one.time - session.begun,
            side="client" if one.direction == "received" else "server",
            data=one.event,
        )
        for one in session.events
    ]


def state_after(events: Iterable[Event]) -> State:
    """Return the state after events, all from the first one on."""
    builder = _Builder()
    for event in events:
        builder.add(event)
    return builder.state


class _Builder:
    """Follows a session, event by event."""

    def __init__(self) -> None:
        self.state = State()
        self.state.audio = {
            "heard_seconds": 0.0,
            "uncommitted_seconds": 0.0,
            "user_speaks": False,
            "made_seconds": 0.0,
            "plays": None,
            "cut": [],
        }
        self._live_ends: dict[str, float] = {}

    def add(self, event: Event) -> None:
        data = event.data
        if data.get("type") == "response.event" and isinstance(data.get("event"), Mapping):
            data = data["event"]
        if event.side == "client":
            self._of_client(event, data)
        else:
            self._of_server(event, data)

    def _of_client(self, event: Event, data: Mapping[str, Any]) -> None:
        audio = self.state.audio
        match data.get("type"):
            case "input_audio_buffer.append" | "session.input_audio.append":
                seconds = _seconds(data.get("audio"), self._format("input"))
                audio["heard_seconds"] = round(audio["heard_seconds"] + seconds, 3)
                audio["uncommitted_seconds"] = round(audio["uncommitted_seconds"] + seconds, 3)
            case "input_audio_buffer.clear":
                audio["uncommitted_seconds"] = 0.0
            case "conversation.item.create" | "response.item.create":
                self._answered(event, data.get("item"))

    def _of_server(self, event: Event, data: Mapping[str, Any]) -> None:
        state = self.state
        kind = str(data.get("type"))
        match kind:
            case "session.created" | "session.updated" | "session.started":
                if isinstance(data.get("session"), Mapping):
                    state.session = dict(data["session"])
            case "conversation.item.added" | "conversation.item.created" | "conversation.item.done":
                self._item(event, data.get("item"), data.get("previous_item_id", state))
            case "response.output_item.added" | "response.output_item.done":
                self._item(event, data.get("item"), state, is_known=True)
            case "conversation.item.deleted":
                state.items = [item for item in state.items if item.get("id") != data.get("item_id")]
            case "conversation.item.truncated":
                cut = {
                    "item_id": data.get("item_id"),
                    "heard_ms": data.get("audio_end_ms"),
                    "event": event.number,
                }
                state.audio["cut"].append(cut)
            case "conversation.item.input_audio_transcription.completed":
                self._words(data, "transcript", str(data.get("transcript")), replaces=True)
            case "input_audio_buffer.speech_started" | "input_audio_buffer.speech_stopped":
                state.audio["user_speaks"] = kind.endswith("started")
            case "input_audio_buffer.committed" | "input_audio_buffer.cleared":
                state.audio["uncommitted_seconds"] = 0.0
            case "output_audio_buffer.started":
                state.audio["plays"] = data.get("response_id")
            case "output_audio_buffer.stopped" | "output_audio_buffer.cleared":
                state.audio["plays"] = None
            case "response.created":
                state.response = _id(data.get("response"))
            case "response.done" | "response.completed" | "response.failed":
                state.response = None
            case "response.output_audio.delta" | "session.output_audio.delta":
                made = _seconds(data.get("delta"), self._format("output"))
                state.audio["made_seconds"] = round(state.audio["made_seconds"] + made, 3)
            case _ if kind in _DELTAS:
                self._words(data, _DELTAS[kind], str(data.get("delta")))
            case _ if kind in LIVE_WORDS:
                self._live_words(event, data, LIVE_WORDS[kind])

    def _item(self, event: Event, given: Any, previous: Any, *, is_known: bool = False) -> None:
        """Add an item, or what is new of it; `is_known` if the conversation has told of it before."""
        if not isinstance(given, Mapping):
            return
        items = self.state.items
        place = next((number for number, one in enumerate(items) if one.get("id") == given.get("id")), None)
        if place is not None:
            old = items[place]
            content = given.get("content") or old.get("content")
            items[place] = {**old, **given, **({} if content is None else {"content": content})}
        elif not is_known or given.get("type") == "function_call":
            after = [number for number, one in enumerate(items) if one.get("id") == previous]
            items.insert(0 if previous == "root" else after[0] + 1 if after else len(items), dict(given))
        if given.get("type") == "function_call":
            self._called(event, given)
        self._answered(event, given)

    def _called(self, event: Event, item: Mapping[str, Any]) -> None:
        known = next((one for one in self.state.tools if one["call_id"] == item.get("call_id")), None)
        if known is None:
            known = {"call_id": item.get("call_id"), "called": event.number, "answered": None, "output": None}
            self.state.tools.append(known)
        known.update(name=item.get("name"), arguments=item.get("arguments"))

    def _answered(self, event: Event, item: Any) -> None:
        if isinstance(item, Mapping) and item.get("type") == "function_call_output":
            for one in self.state.tools:
                if one["call_id"] == item.get("call_id") and one["answered"] is None:
                    one.update(answered=event.number, output=item.get("output"))

    def _words(self, data: Mapping[str, Any], key: str, words: str, *, replaces: bool = False) -> None:
        """Add words to a part of an item."""
        item = next((one for one in self.state.items if one.get("id") == data.get("item_id")), None)
        if item is None:
            return
        parts = [dict(part) for part in item.get("content") or ()]
        index = data.get("content_index")
        index = index if isinstance(index, int) and 0 <= index < 100 else 0
        while len(parts) <= index:
            kind = "output_text" if key == "text" else "output_audio"
            parts.append({"type": kind})
        part = parts[index]
        part[key] = words if replaces else str(part.get(key) or "") + words
        item["content"] = parts

    def _live_words(self, event: Event, data: Mapping[str, Any], role: str) -> None:
        """Add words of a Live session, whose conversation has no items, to an utterance."""
        start, end = (_number(data.get(name)) for name in ("start_ms", "end_ms"))
        last = next((one for one in reversed(self.state.items) if one.get("role") == role), None)
        if last is None or start > self._live_ends.get(role, 0.0) + _UTTERANCE_MS:
            last = {"id": f"event_{event.number}", "type": "message", "role": role, "start_ms": start}
            last["content"] = [{"type": "transcript", "transcript": ""}]
            self.state.items.append(last)
        last["content"][0]["transcript"] += str(data.get("delta"))
        self._live_ends[role] = end

    def _format(self, side: str) -> str:
        audio = self.state.session.get("audio")
        found = value_at(audio, side, "format") or value_at(audio, "format")
        return str(found.get("type") if isinstance(found, Mapping) else found or "audio/pcm")


def _id(value: Any) -> str | None:
    return str(value.get("id")) if isinstance(value, Mapping) else None


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0


def _seconds(value: Any, format: str) -> float:
    """Return the length of sound in an event, also where a recording has left it out."""
    size = 0
    if isinstance(value, str):
        if found := LEFT_OUT.fullmatch(value):
            size = int(found[1]) // 4 * 3
        else:
            try:
                size = len(base64.b64decode(value, validate=True))
            except (binascii.Error, ValueError):
                return 0.0
    elif isinstance(value, Mapping):
        if "$audio_ms" in value:
            return _number(value["$audio_ms"]) / 1000
        size = int(_number(value.get("$audio_bytes")))
    return size / _BYTES_PER_SECOND.get(format, 48_000)
