"""Rules for the events of every session, independent of recordings.

A recording shows the kinds of events and their fixed values. Texts, sounds, counts and times differ from
session to session; but deltas make up their text, sums add up, ids stand for one thing, and positions grow.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from realtime_simulator._core.schema import shown
from realtime_simulator._recordings.lines import is_marker

Event = Mapping[str, Any]
_TRANSLATED = "session.output_audio"
_LONGEST_MS = 3_600_000
_SOUNDS = ("response.output_audio", "response.audio")
_WORDS = {
    "response.audio_transcript": "transcript",
    "response.text": "text",
    "response.output_audio_transcript": "transcript",
    "response.output_text": "text",
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "conversation.item.input_audio_transcription": "transcript",
}
"""The field of the last event of a text that has deltas."""
_ENDS = dict.fromkeys((*_SOUNDS, *_WORDS), "done")
_ENDS["conversation.item.input_audio_transcription"] = "completed"
_COUNTS = ("_tokens", "_ms", "limit", "remaining", "seconds", "_index")
_EARLY = "conversation.item.input_audio_transcription."
"""Words of the user may come before their item."""
_SPOKEN_TOGETHER = 2_000
"""Milliseconds by which the end of speech may exceed the audio that was sent: silence that follows it."""


def faults(
    events: Sequence[Event], *, now: float | None = None, sent_ms: float | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the number of each event that cannot be, and why.

    Args:
        events: All that one connection received, in order.
        now: The time in unix seconds at which the first was received; None if that is unknown.
        sent_ms: The audio that the client has sent on this connection; None if it went elsewhere.
    """
    judge = _Judge(
        whole=bool(events) and events[0].get("type") == "session.created", now=now, sent_ms=sent_ms
    )
    for number, event in enumerate(events):
        for what in judge.see(event):
            yield number, what


class EventIds:
    """The ids of the events of one connection."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def see(self, event: Event) -> Iterator[str]:
        """Yield what is wrong with an event's id."""
        event_id = event.get("event_id")
        if event_id is None or is_marker(event_id):
            return
        if not isinstance(event_id, str) or not event_id:
            yield f"the event_id {event_id!r}"
        elif event_id in self._ids:
            yield f"the event_id {event_id!r} twice"
        else:
            self._ids.add(event_id)


class Streams:
    """Texts and sounds that come in deltas.

    Attributes:
        texts: What the deltas made up so far, by the kind of events, the item and its part.
    """

    def __init__(self) -> None:
        self.texts: dict[tuple[Any, ...], str] = {}
        self._ended: set[tuple[Any, ...]] = set()
        self._sounds: dict[tuple[Any, ...], str] = {}

    def see(self, event: Event) -> Iterator[str]:
        """Yield what is wrong with deltas, and with what they make up."""
        name, _, step = str(event.get("type")).rpartition(".")
        if name == _TRANSLATED and "delta" in event and not is_marker(event["delta"]):
            yield from self._sounded(event["delta"], (name,))
        if name not in _ENDS:
            return
        key = (name, event.get("item_id"), event.get("content_index"))
        if step == "delta":
            delta = event.get("delta")
            if key in self._ended:
                yield "a delta after the end"
            if is_marker(delta):
                return
            if not isinstance(delta, str):
                yield f"the delta {delta!r}"
            elif name in _SOUNDS:
                yield from self._sounded(delta, key)
            else:
                self.texts[key] = self.texts.get(key, "") + delta
        elif step == _ENDS[name] and event.get("status") != "in_progress":
            if key in self._ended:
                yield "an end twice"
            self._ended.add(key)
            text, whole = self.texts.get(key), event.get(_WORDS.get(name, ""))
            if text is not None and isinstance(whole, str) and text.strip() != whole.strip():
                yield f"{shown(whole)} after deltas of {shown(text)}"
            if text is not None and name == "response.function_call_arguments" and _parsed(whole) is ...:
                yield f"the arguments {shown(whole)}, which are not JSON"
            if text is not None and isinstance(whole, str):
                self.texts[key] = whole

    def _sounded(self, delta: Any, key: tuple[Any, ...]) -> Iterator[str]:
        try:
            sound = base64.b64decode(delta, validate=True)
        except (binascii.Error, ValueError, TypeError):
            yield "audio that is not base64"
            return
        if not sound:
            yield "no audio"
        if len(set(sound)) > 2 and self._sounds.get(key) == delta:
            yield "the same audio twice"
        self._sounds[key] = delta


class _Judge:
    """Sees the events of one connection in order.

    Args:
        whole: Whether these are all events of the session, so that nothing unknown may be mentioned.
        now: The time of the first event.
        sent_ms: The audio that the client has sent.
    """

    def __init__(self, *, whole: bool, now: float | None, sent_ms: float | None) -> None:
        self._whole, self._now, self._sent_ms = whole, now, sent_ms
        self._ids, self._streams = EventIds(), Streams()
        self._session: dict[str, Any] = {}
        self._responses: dict[str, set[str]] = {}
        self._items: set[str] = set()
        self._deleted: set[str] = set()
        self._owners: dict[str, str] = {}
        self._elapsed: dict[str, int] = {}
        self._speech = 0
        self._speaks: str | None = None

    def see(self, event: Event) -> Iterator[str]:
        kind = str(event.get("type"))
        yield from self._ids.see(event)
        yield from _counted(event, kind)
        yield from self._related(event, kind)
        yield from self._streams.see(event)
        yield from self._timed(event, kind)
        yield from self._heard(event, kind)
        if kind in ("session.created", "session.updated") and isinstance(event.get("session"), Mapping):
            yield from self._described(event["session"])
        response = event.get("response")
        if isinstance(response, Mapping):
            yield from _used(response.get("usage"))
        if kind.endswith("input_audio_transcription.completed"):
            yield from _used(event.get("usage"))

    def _described(self, session: Mapping[str, Any]) -> Iterator[str]:
        expires = session.get("expires_at")
        if self._now is not None and isinstance(expires, int | float) and 0 < expires < self._now:
            yield f"a session that expired {self._now - expires:.0f} s ago"
        for key in ("id", "object", "type", "model"):
            was, value = self._session.get(key), session.get(key)
            if was is not None and value is not None and value != was:
                yield f"the session's {key} {value!r} after {was!r}"
        self._session = {**self._session, **session}

    def _related(self, event: Event, kind: str) -> Iterator[str]:
        """Yield mentions of what is not there."""
        item = event.get("item")
        item_id = item.get("id") if isinstance(item, Mapping) else event.get("item_id")
        response_id = event.get("response_id")
        if kind == "response.created":
            self._responses.setdefault(str(_object(event, "response").get("id")), set())
        elif kind == "response.done":
            yield from self._finished(_object(event, "response"))
        elif isinstance(response_id, str) and self._whole and response_id not in self._responses:
            yield f"the unknown response {response_id}"
        if kind == "response.output_item.added" and isinstance(response_id, str):
            self._responses.setdefault(response_id, set()).add(str(item_id))
            self._owners[str(item_id)] = response_id
        elif isinstance(response_id, str) and isinstance(item_id, str) and kind.startswith("response."):
            owner = self._owners.get(item_id)
            if (owner is not None and owner != response_id) or (owner is None and self._whole):
                yield f"the item {item_id}, which is not of the response {response_id}"
        if not isinstance(item_id, str):
            return
        if isinstance(item, Mapping) or kind.startswith("input_audio_buffer."):
            self._items.add(item_id)
        elif self._whole and item_id not in self._items and not kind.startswith(_EARLY):
            yield f"the unknown item {item_id}"
        if item_id in self._deleted and kind != "conversation.item.deleted":
            yield f"the item {item_id}, which was deleted"
        if kind == "conversation.item.deleted":
            self._deleted.add(item_id)

    def _finished(self, response: Mapping[str, Any]) -> Iterator[str]:
        response_id = str(response.get("id"))
        if self._whole and response_id not in self._responses:
            yield f"the unknown response {response_id}"
        made = self._responses.get(response_id, set())
        put_out = {str(item.get("id")) for item in _list(response, "output")}
        if self._whole and put_out - made:
            yield f"the output {', '.join(sorted(put_out - made))}, of which nothing was sent"
        if self._whole and response.get("status") == "completed" and made - put_out:
            yield f"no output {', '.join(sorted(made - put_out))}"
        for item in _list(response, "output"):
            yield from self._summed_up(item)

    def _summed_up(self, item: Event) -> Iterator[str]:
        """Yield what an item of `response.done` has other than its events had."""
        if item.get("status") != "completed":
            return
        for index, part in enumerate(_list(item, "content")):
            for name, field in _WORDS.items():
                was = self._streams.texts.get((name, item.get("id"), index))
                if was is not None and isinstance(part.get(field), str) and part[field] != was:
                    yield f"the item {item.get('id')} with {shown(part[field])} after {shown(was)}"
        for name in ("response.function_call_arguments", "response.mcp_call_arguments"):
            was = self._streams.texts.get((name, item.get("id"), None))
            if was is not None and isinstance(item.get("arguments"), str) and item["arguments"] != was:
                yield f"the item {item.get('id')} with {shown(item['arguments'])} after {shown(was)}"

    def _timed(self, event: Event, kind: str) -> Iterator[str]:
        name = kind.rpartition(".")[0]
        if name.startswith("session.") and isinstance(event.get("elapsed_ms"), int):
            before, self._elapsed[name] = self._elapsed.get(name, 0), event["elapsed_ms"]
            if not before <= event["elapsed_ms"] <= before + _LONGEST_MS:
                yield f"elapsed_ms {event['elapsed_ms']} after {before}"

    def _heard(self, event: Event, kind: str) -> Iterator[str]:
        for key in ("audio_start_ms", "audio_end_ms"):
            position = event.get(key)
            if not kind.startswith("input_audio_buffer.") or not isinstance(position, int | float):
                continue
            if position < self._speech and key == "audio_end_ms":
                yield f"{key} {position:g} after {self._speech:g}"
            if self._sent_ms is not None and position > self._sent_ms + _SPOKEN_TOGETHER:
                yield f"{key} {position:g}, though {self._sent_ms:.0f} ms were sent"
            self._speech = max(self._speech, int(position))
        if kind == "input_audio_buffer.speech_started":
            if self._speaks is not None:
                yield "speech that starts twice"
            self._speaks = str(event.get("item_id"))
        elif kind == "input_audio_buffer.speech_stopped":
            if self._speaks is not None and self._speaks != event.get("item_id"):
                yield f"the end of {event.get('item_id')}, while {self._speaks} is spoken"
            self._speaks = None


def _counted(value: Any, kind: str, key: str = "") -> Iterator[str]:
    """Yield negative counts."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _counted(inner, kind, str(name))
        limit, remaining = value.get("limit"), value.get("remaining")
        if isinstance(limit, int | float) and isinstance(remaining, int | float) and remaining > limit:
            yield f"{remaining} remaining of a limit of {limit}"
    elif isinstance(value, list):
        for inner in value:
            yield from _counted(inner, kind, key)
    elif (
        isinstance(value, int | float) and not isinstance(value, bool) and value < 0 and key.endswith(_COUNTS)
    ):
        yield f"{key} {value}"


def _used(usage: Any) -> Iterator[str]:
    """Yield sums of a usage that do not add up."""
    if not isinstance(usage, Mapping):
        return
    counts = {
        key: value for key, value in usage.items() if isinstance(value, int) and not isinstance(value, bool)
    }
    total, given, made = (counts.get(f"{what}_tokens") for what in ("total", "input", "output"))
    if total is not None and given is not None and made is not None and total != given + made:
        yield f"total_tokens {total}, though {given} + {made} were used"
    for side in ("input", "output"):
        details = usage.get(f"{side}_token_details")
        if not isinstance(details, Mapping) or f"{side}_tokens" not in counts:
            continue
        parts = [details.get(f"{what}_tokens") for what in ("text", "audio", "image")]
        summed = sum(part for part in parts if isinstance(part, int))
        if any(isinstance(part, int) for part in parts) and summed != counts[f"{side}_tokens"]:
            yield f"{side}_tokens {counts[f'{side}_tokens']}, though the details make {summed}"
        cached = details.get("cached_tokens")
        if isinstance(cached, int) and cached > counts[f"{side}_tokens"]:
            yield f"cached_tokens {cached} of {counts[f'{side}_tokens']}"


def _object(value: Event, key: str) -> Event:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _list(value: Event, key: str) -> list[Event]:
    inner = value.get(key)
    return [one for one in inner if isinstance(one, Mapping)] if isinstance(inner, list) else []


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return ...
