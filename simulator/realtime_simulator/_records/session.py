"""The record of a session, for users to read, and the log that the simulator writes it with."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._core.schema import value_at
from realtime_simulator._records.sound import Budget, Track

MAX_EVENTS = 20_000
"""The events that are kept of a session; the oldest tenth is dropped when there are more."""
MAX_EVENTS_BYTES = 16 * 1024 * 1024
"""About how much is kept of a session's events; the newest one is kept in any case."""
_EVENT_BYTES = 512
"""Assumed size of an object in bytes, besides its texts."""
_LONG = 256
_BINARY = ("audio", "delta", "image_url")
_SHOWN = 80
_SHOWN_IN_VIEW = 200
MAX_NAME = 80
"""The characters of a session's name."""
_TELLING = (
    ("error", "message"),
    ("session", "model"),
    ("audio",),
    ("delta",),
    ("transcript",),
    ("text",),
    ("arguments",),
    ("content",),
    ("delegation", "target"),
    ("reason",),
    ("event",),
    ("item_id",),
)
Direction = Literal["received", "sent"]
Transport = Literal["webrtc", "websocket", "sip"]


@attrs.frozen(kw_only=True)
class SessionEvent:
    """An event of a session.

    Args:
        number: Its place among all events of the session, from 1.
        time: When, in unix seconds on the simulator's clock.
        direction: `received` from a client, or `sent` by the simulator.
        event: The event, without long audio.
        size: About how many bytes it occupies.
    """

    number: int
    time: float
    direction: Direction
    event: dict[str, Any]
    _size: int = attrs.field(repr=False)


class SessionRecord:
    """One session, with the events of both directions; created by simulators and read by programs."""

    def __init__(self, log: SessionLog) -> None:
        self._log = log

    def __repr__(self) -> str:
        return f"<SessionRecord {self.id} ({self.transport}), {self.ended or 'running'}>"

    @property
    def id(self) -> str:
        """The session's id, `sess_…`."""
        return self._log.id

    @property
    def name(self) -> str | None:
        """The name set by a program or the console, up to 80 characters; None without one.

        Raises:
            TypeError: It is set to something else than a str or None.
            ValueError: It is longer.
        """
        return self._log.name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: expected a str or None, got {type(name).__name__}")
        if name is not None and len(name) > MAX_NAME:
            raise ValueError(f"name: allowed are up to {MAX_NAME} characters, got {len(name)}")
        self._log.name = name or None

    @property
    def transport(self) -> Transport:
        """The transport of the session: `webrtc`, `websocket` or `sip`."""
        return self._log.transport

    @property
    def replay_of(self) -> str | None:
        """The id of the session that was replayed when it began; None if none was."""
        return self._log.replay_of

    @property
    def begun(self) -> float:
        """When it began, in unix seconds on the simulator's clock."""
        return self._log.begun

    @property
    def ended(self) -> str | None:
        """Why it ended; None while it lasts."""
        return self._log.ended

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the API shows it."""
        return self._log.config()

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation's items, oldest first."""
        return self._log.items()

    @property
    def events(self) -> Sequence[SessionEvent]:
        """The events in order: client events, also those that were refused, and server events."""
        return list(self._log.events)

    @property
    def received(self) -> Sequence[dict[str, Any]]:
        """The client events in order, also those that were refused, without long audio."""
        return self._in("received")

    @property
    def sent(self) -> Sequence[dict[str, Any]]:
        """The server events in order, without long audio."""
        return self._in("sent")

    def types_sent(self) -> list[str]:
        """Return the types of the server events, in order."""
        return [str(event["type"]) for event in self.sent]

    @property
    def received_audio(self) -> bytes:
        """The user's audio, PCM16 mono at 24 kHz, if `keep_audio` requests it.

        Raises:
            RuntimeError: It was not requested.
        """
        return self._log.audio_in.pcm

    @property
    def sent_audio(self) -> bytes:
        """The model's audio, PCM16 mono at 24 kHz, if `keep_audio` requests it; for calls only what
        was actually played.

        Raises:
            RuntimeError: It was not requested.
        """
        return self._log.audio_out.pcm

    @property
    def received_audio_seconds(self) -> float:
        """The length of the user's audio, whether it is kept or not."""
        return self._log.audio_in.seconds

    @property
    def sent_audio_seconds(self) -> float:
        """The length of the model's audio, whether it is kept or not."""
        return self._log.audio_out.seconds

    def _in(self, direction: Direction) -> list[dict[str, Any]]:
        return [one.event for one in list(self._log.events) if one.direction == direction]


class SessionLog:
    """The writer of a session's record.

    Args:
        id: The session's id, `sess_…`.
        transport: Its transport.
    """

    def __init__(self, id: str, transport: Transport) -> None:
        self.id = id
        self.transport: Transport = transport
        self.name: str | None = None
        self.replay_of: str | None = None
        self.begun: float = 0.0
        self.ended: str | None = None
        self.audio_in: Track = Track()
        self.audio_out: Track = Track()
        self.events: list[SessionEvent] = []
        self.size: int = 0
        """About how many bytes the events occupy."""
        self.speech: deque[Any] | None = None
        """What the model says, for a caller that recognizes it by its sound; None if it is not kept."""
        self.config: Callable[[], dict[str, Any]] = dict
        self.items: Callable[[], list[dict[str, Any]]] = list
        self.record: SessionRecord = SessionRecord(self)
        self._count = 0
        self._watchers: set[Callable[[], None]] = set()
        self._receive: Callable[[str], None] | None = None

    @classmethod
    def of(cls, record: SessionRecord) -> SessionLog:
        """Return the log behind a record."""
        log: SessionLog = record._log
        return log

    def follow(
        self,
        config: Callable[[], dict[str, Any]],
        items: Callable[[], list[dict[str, Any]]],
        receive: Callable[[str], None],
    ) -> None:
        """Read configuration and items from the running session from now on, and pass on injected events."""
        self.config, self.items, self._receive = config, items, receive

    def close(self, reason: str) -> None:
        """Keep configuration and items as they are now, and drop the reference to the session."""
        config, items = self.config(), self.items()
        self.config, self.items, self._receive = lambda: config, lambda: items, None
        self.ended = reason
        self._notify()

    def keep_audio(self, seconds: float, budget: Budget) -> None:
        """Keep the sound of both directions from now on; the arguments are those of `Track.keep`."""
        self.audio_in.keep(seconds, budget)
        self.audio_out.keep(seconds, budget)

    def add(self, direction: Direction, event: Mapping[str, Any], time: float) -> None:
        """Keep an event.

        Args:
            direction: Its direction.
            event: The event.
            time: When, in unix seconds.
        """
        shown, size = _without_binary(event)
        self._count += 1
        self.events.append(
            SessionEvent(number=self._count, time=time, direction=direction, event=shown, size=size)
        )
        self.size += size
        while len(self.events) > 1 and (len(self.events) > MAX_EVENTS or self.size > MAX_EVENTS_BYTES):
            over = max(1, len(self.events) // 10)
            self.size -= sum(one._size for one in self.events[:over])
            del self.events[:over]
        self._notify()

    def inject(self, event: Mapping[str, Any]) -> None:
        """Process an event as one that a client sent; in the simulator's thread only.

        Raises:
            LookupError: The session doesn't run.
        """
        if self._receive is None:
            raise LookupError(f"the session {self.id!r} has ended, or has not begun")
        self._receive(json.dumps(event))

    async def changed(self, after: int) -> None:
        """Wait, in the simulator's event loop, for an event after this number, or for the session's end.

        Args:
            after: The number of the last event that is known.
        """
        news = asyncio.Event()
        self._watchers.add(news.set)
        try:
            while self.ended is None and self._count <= after:
                news.clear()
                await news.wait()
        finally:
            self._watchers.discard(news.set)

    def since(self, number: int) -> Sequence[SessionEvent]:
        """Return the events after the one with this number, as far as they are kept."""
        events = list(self.events)
        return events[max(0, number - events[0].number + 1) :] if events else events

    def forget(self) -> None:
        """Drop sound and events; configuration and items stay."""
        self.events.clear()
        self.size = 0
        self.forget_audio()

    def forget_audio(self) -> None:
        """Drop the sound."""
        for track in (self.audio_in, self.audio_out):
            track.forget()

    def view(self) -> dict[str, Any]:
        """Return the session's state as JSON shows it, without its events."""
        config = self.config()
        return {
            "id": self.id,
            "name": self.name,
            "replay_of": self.replay_of,
            "type": kind_of(config),
            "model": config.get("model"),
            "transport": self.transport,
            "begun": round(self.begun, 6),
            "ended": self.ended,
            "events": self._count,
            "received_audio_seconds": round(self.audio_in.seconds, 3),
            "sent_audio_seconds": round(self.audio_out.seconds, 3),
        }

    def _notify(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def kind_of(config: Mapping[str, Any]) -> str:
    """Return the kind of session that a configuration is of: its type, `live` or `translation`."""
    return str(config.get("type") or ("live" if "delegation" in config else "translation"))


def is_copy(event: SessionEvent) -> bool:
    """Return whether an event is a copy of a Live session's audio, which only its sidebands receive."""
    kind = event.event.get("type")
    of_output = kind == "session.output_audio.delta" and "start_ms" in event.event
    return event.direction == "sent" and (of_output or kind == "session.input_audio.append")


def event_view(event: SessionEvent) -> dict[str, Any]:
    """Return an event of a session as JSON shows it."""
    return {
        "number": event.number,
        "time": round(event.time, 6),
        "direction": event.direction,
        "summary": _cut(telling(event.event), _SHOWN_IN_VIEW),
        "event": event.event,
    }


def summary(event: Mapping[str, Any]) -> str:
    """Return an event as one line for a log: its type, and what tells it from others of its type."""
    words = telling(event)
    return f"{event['type']} {json.dumps(_cut(words, _SHOWN))}" if words else str(event["type"])


def telling(event: Mapping[str, Any]) -> str:
    """Return what tells an event from others of its type: the words of a message, an error's text, …"""
    if event.get("type") == "response.event" and isinstance(inner := event.get("event"), Mapping):
        return " ".join(filter(None, (_text(inner, "type"), telling(inner))))
    for key in ("item", "part", "response"):
        if isinstance(event.get(key), Mapping) and (words := _words(event[key])):
            return words
    for names in _TELLING:
        value = value_at(event, *names)
        if isinstance(value, str) and value:
            return f"<{len(value)} characters>" if _is_binary(names[-1], value) else value
    return ""


def _words(value: Mapping[str, Any]) -> str:
    """Return the words of a response, of an item, or of a part of its content."""
    if "output" in value and isinstance(value["output"], list):
        said = " ".join(filter(None, (_words(one) for one in value["output"] if isinstance(one, Mapping))))
        return ": ".join(filter(None, (_text(value, "status"), said)))
    if isinstance(value.get("content"), list):
        parts = " ".join(_words(part) for part in value["content"] if isinstance(part, Mapping))
        return ": ".join(filter(None, (_text(value, "role"), parts)))
    words = next(filter(None, (_text(value, key) for key in ("text", "transcript", "output"))), "")
    called = " ".join(filter(None, (_text(value, "name"), _text(value, "arguments"))))
    return words or called or _text(value, "status" if "output" in value else "type")


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _cut(text: str, most: int) -> str:
    return text[:most] + "…" * (len(text) > most)


def _is_binary(key: str, text: str) -> bool:
    return len(text) > _LONG and key in _BINARY and " " not in text[:_LONG]


def _without_binary(event: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return an event with long base64 replaced by its length, and about how many bytes that occupies."""
    shown, size = dict(event), _EVENT_BYTES
    for key, value in event.items():
        if isinstance(value, str):
            if _is_binary(key, value):
                shown[key] = f"<{len(value)} characters>"
            else:
                size += len(value)
        elif isinstance(value, dict):
            shown[key], inside = _without_binary(value)
            size += inside
        elif isinstance(value, list):
            parts = [_without_binary({key: one}) for one in value]
            shown[key] = [part[key] for part, _ in parts]
            size += sum(inside for _, inside in parts)
    return shown, size
