"""What the simulator remembers for tests to assert on: requests, sessions, their sound and calls, within
bounds.

The simulator's thread writes them; any thread may read them at any time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._media.speech import RATE

logger: logging.Logger = logging.getLogger("realtime_simulator")
MAX_AUDIO_SECONDS = 600
"""Of each direction of a session this much sound can be kept, from its start."""
MAX_AUDIO_BYTES = 256 * 1024 * 1024
"""Of all sessions' sound together this much is kept."""
MAX_EVENTS = 20_000
"""Of a session this many events are kept; the oldest tenth goes when there are more."""
MAX_EVENTS_BYTES = 16 * 1024 * 1024
"""Of a session's events about this much is kept, and the newest one in any case."""
MAX_SESSIONS_BYTES = 64 * 1024 * 1024
"""Of all ended sessions' events together about this much is kept; the oldest sessions lose theirs."""
MAX_BODIES_BYTES = 64 * 1024 * 1024
"""Of all requests' bodies together this much is kept."""
_EVENT_BYTES = 512
"""What an object counts for, besides its texts."""
_LONG = 256
_BINARY = ("audio", "delta", "image_url")
_SHOWN = 80
_TELLING = (
    ("error", "message"),
    ("response", "status"),
    ("item", "type"),
    ("part", "type"),
    ("session", "model"),
    ("audio",),
    ("delta",),
    ("transcript",),
    ("text",),
    ("arguments",),
    ("event",),
    ("item_id",),
)
CallState = Literal["ringing", "connecting", "connected", "ended"]
Direction = Literal["received", "sent"]


class Budget:
    """How many bytes of sound all sessions of a simulator may still keep.

    Args:
        left: Bytes.
    """

    def __init__(self, left: int | None = None) -> None:
        self.left: int = MAX_AUDIO_BYTES if left is None else left


class Recording:
    """Sound as it went by, PCM16 mono at 24 kHz. It is counted, and kept if that was asked for."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0
        self._limit: int | None = None
        self._budget = Budget(0)

    def keep(self, seconds: float, budget: Budget) -> None:
        """Keep sound from now on.

        Args:
            seconds: How much, from the start.
            budget: What it is taken from.
        """
        self._limit, self._budget = int(seconds * RATE) * 2, budget

    def add(self, pcm: bytes) -> None:
        self._size += len(pcm)
        if self._limit is not None:
            room = max(0, min(self._limit - len(self._kept), self._budget.left, len(pcm)))
            self._kept += pcm[:room]
            self._budget.left -= room

    def forget(self) -> None:
        self._budget.left += len(self._kept)
        self._kept = bytearray()

    @property
    def pcm(self) -> bytes:
        """What was kept.

        Raises:
            RuntimeError: Nobody asked for sound to be kept.
        """
        if self._limit is None:
            raise RuntimeError(
                "the simulator keeps no audio unless it is asked to: Simulator(keep_audio=True)"
            )
        return bytes(self._kept)

    @property
    def seconds(self) -> float:
        return self._size / 2 / RATE


@attrs.frozen(kw_only=True)
class SessionEvent:
    """An event that went by in a session.

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
    size: int = attrs.field(repr=False)

    def view(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return {
            "number": self.number,
            "time": round(self.time, 6),
            "direction": self.direction,
            "event": self.event,
        }


@attrs.define(kw_only=True, eq=False)
class SessionRecord:
    """One session, with what went by in both directions.

    Args:
        id: `sess_…`.
        transport: How it came.
        begun: When it began, in unix seconds on the simulator's clock.
        audio_in: The user's sound.
        audio_out: The model's sound; on a call only what was really played.
        ended: Why it ended; None while it lasts.
    """

    id: str
    transport: Literal["webrtc", "websocket", "sip"]
    begun: float = 0.0
    audio_in: Recording = attrs.field(factory=Recording, repr=False)
    audio_out: Recording = attrs.field(factory=Recording, repr=False)
    ended: str | None = None
    _events: list[SessionEvent] = attrs.field(factory=list, init=False, repr=False)
    _count: int = attrs.field(default=0, init=False, repr=False)
    _size: int = attrs.field(default=0, init=False, repr=False)
    _watchers: set[Callable[[], None]] = attrs.field(factory=set, init=False, repr=False)
    _config: Callable[[], dict[str, Any]] = attrs.field(default=dict, init=False, repr=False)
    _items: Callable[[], list[dict[str, Any]]] = attrs.field(default=list, init=False, repr=False)
    _receive: Callable[[str], None] | None = attrs.field(default=None, init=False, repr=False)

    def read_from(
        self,
        config: Callable[[], dict[str, Any]],
        items: Callable[[], list[dict[str, Any]]],
        receive: Callable[[str], None],
    ) -> None:
        """Read configuration and items from the running session from now on, and pass on what is injected."""
        self._config, self._items, self._receive = config, items, receive

    def close(self, reason: str) -> None:
        """Keep configuration and items as they are now, and drop the reference to the session."""
        config, items = self._config(), self._items()
        self._config, self._items, self._receive = lambda: config, lambda: items, None
        self.ended = reason
        self._tell()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the API shows it."""
        return self._config()

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation's items, oldest first."""
        return self._items()

    @property
    def events(self) -> Sequence[SessionEvent]:
        """What went by, oldest first: client events, also those that were refused, and server events."""
        return list(self._events)

    @property
    def received(self) -> Sequence[dict[str, Any]]:
        """Client events in order, also those that were refused, without long audio."""
        return self._in("received")

    @property
    def sent(self) -> Sequence[dict[str, Any]]:
        """Server events in order, without long audio."""
        return self._in("sent")

    def types_sent(self) -> list[str]:
        """Return the types of the server events, in order."""
        return [str(event["type"]) for event in self.sent]

    @property
    def received_audio(self) -> bytes:
        """The user's sound, PCM16 mono at 24 kHz, where `keep_audio` asks for it.

        Raises:
            RuntimeError: Nobody asked for it.
        """
        return self.audio_in.pcm

    @property
    def sent_audio(self) -> bytes:
        """The model's sound, PCM16 mono at 24 kHz, where `keep_audio` asks for it; on a call only what was
        really played.

        Raises:
            RuntimeError: Nobody asked for it.
        """
        return self.audio_out.pcm

    def keep_audio(self, seconds: float, budget: Budget) -> None:
        """Keep the sound of both directions from now on; otherwise as `Recording.keep`."""
        self.audio_in.keep(seconds, budget)
        self.audio_out.keep(seconds, budget)

    def add(self, direction: Direction, event: Mapping[str, Any], time: float) -> None:
        """Keep an event.

        Args:
            direction: Where it went.
            event: The event.
            time: When, in unix seconds.
        """
        shown, size = _without_binary(event)
        self._count += 1
        self._events.append(
            SessionEvent(number=self._count, time=time, direction=direction, event=shown, size=size)
        )
        self._size += size
        while len(self._events) > 1 and (len(self._events) > MAX_EVENTS or self._size > MAX_EVENTS_BYTES):
            over = max(1, len(self._events) // 10)
            self._size -= sum(one.size for one in self._events[:over])
            del self._events[:over]
        self._tell()

    def inject(self, event: Mapping[str, Any]) -> None:
        """Process an event as one that a client sent; in the simulator's thread only.

        Raises:
            LookupError: The session doesn't run.
        """
        if self._receive is None:
            raise LookupError(f"the session {self.id!r} has ended, or has not begun")
        self._receive(json.dumps(event))

    async def changed(self, after: int) -> None:
        """Wait, in the simulator's event loop, until there is an event behind this number or no more to come.

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
        events = list(self._events)
        return events[max(0, number - events[0].number + 1) :] if events else events

    def forget(self) -> None:
        """Drop sound and events; configuration and items stay."""
        self._events.clear()
        self._size = 0
        self.forget_audio()

    def forget_audio(self) -> None:
        """Drop the sound."""
        for recording in (self.audio_in, self.audio_out):
            recording.forget()

    @property
    def size(self) -> int:
        """About how many bytes its events occupy."""
        return self._size

    def view(self) -> dict[str, Any]:
        """Return what it is and how it goes as JSON shows it, without its events."""
        config = self.config
        return {
            "id": self.id,
            "type": config.get("type", "translation"),
            "model": config.get("model"),
            "transport": self.transport,
            "begun": round(self.begun, 6),
            "ended": self.ended,
            "events": self._count,
            "received_audio_seconds": round(self.audio_in.seconds, 3),
            "sent_audio_seconds": round(self.audio_out.seconds, 3),
        }

    def _in(self, direction: Direction) -> list[dict[str, Any]]:
        return [one.event for one in list(self._events) if one.direction == direction]

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def summary(event: Mapping[str, Any]) -> str:
    """Return an event as one line for a log: its type, and what tells it from others of its type."""
    for names in _TELLING:
        value: Any = event
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str) and value:
            if _is_binary(names[-1], value):
                return f"{event['type']} <{len(value)} characters>"
            return f"{event['type']} {json.dumps(value[:_SHOWN] + '…' * (len(value) > _SHOWN))}"
    return str(event["type"])


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


@attrs.define(kw_only=True, eq=False)
class RequestRecord:
    """One HTTP request and what was answered.

    Args:
        method: `POST`, …
        path: The path as it was sent, still percent-encoded, without the query.
        headers: Lower-case names; they carry keys, so they are not in the repr.
        body: The body as it came, up to the size limit.
        request_id: The answer's `x-request-id`.
        status: The answer's status; 0 while there is none.
    """

    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    request_id: str
    body: bytes = attrs.field(default=b"", repr=False)
    status: int = 0

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt to deliver a webhook.

    Args:
        webhook_id: Its `webhook-id`; the same for each attempt and each duplicate.
        type: `realtime.call.incoming` or `live.call.incoming`.
        status: What the receiver answered; None if no answer came.
        error: Why no answer came.
    """

    webhook_id: str
    type: str
    status: int | None = None
    error: str | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver answered with 200; anything else is delivered again."""
        return self.status == 200


@attrs.define(kw_only=True, eq=False)
class Call:
    """One call, over WebRTC or SIP.

    Args:
        id: `rtc_u1_…`.
        kind: How it came.
        offer: The SDP offer as it was sent, byte for byte.
        answer: The SDP answer.
        session: Its session; on SIP it begins when the call is accepted.
        state: How far it got.
        ended: Why it ended: `hangup`, `rejected`, `peer`, `referred`, `shutdown`, `expired`, `failed`; None
            while it lasts.
        sip_headers: The INVITE's headers, in order; names may repeat.
        begun: When it was answered, in seconds on the simulator's clock; None while it rings.
        reject_code: The SIP status that it was rejected with, if it was.
        refers: Where it was referred to, oldest first.
        refer_status: The SIP status that the last referral ended with, if it has.
        deliveries: Every attempt to announce it by webhook.
    """

    id: str
    kind: Literal["webrtc", "sip"]
    session: SessionRecord
    offer: bytes = attrs.field(default=b"", repr=False)
    answer: str = attrs.field(default="", repr=False)
    state: CallState = "connecting"
    ended: str | None = None
    begun: float | None = None
    sip_headers: Sequence[tuple[str, str]] = attrs.field(default=(), repr=False)
    reject_code: int | None = None
    refers: list[str] = attrs.field(factory=list)
    refer_status: int | None = None
    deliveries: list[Delivery] = attrs.field(factory=list, repr=False)

    @property
    def received_audio(self) -> bytes:
        """What came in on the audio track, PCM16 mono at 24 kHz."""
        return self.session.received_audio

    @property
    def sent_audio(self) -> bytes:
        """The speech that was really played to the peer, without the silence around it."""
        return self.session.sent_audio


class Records:
    """All records of one simulator.

    Args:
        kept: How many of each kind are kept; the oldest go first.
    """

    def __init__(self, kept: int = 256) -> None:
        self._kept = kept
        self._changed = threading.Condition()
        self.requests: list[RequestRecord] = []
        self.sessions: list[SessionRecord] = []
        self.calls: list[Call] = []
        self.differences: list[str] = []
        self.audio: Budget = Budget()

    def add(self, record: RequestRecord | SessionRecord | Call) -> None:
        """Keep a record, at the cost of the oldest of its kind."""
        if isinstance(record, RequestRecord):
            self.requests.append(record)
            del self.requests[: -self._kept]
            self._drop_old_bodies()
        elif isinstance(record, SessionRecord):
            self.sessions.append(record)
            for dropped in self.sessions[: -self._kept]:
                dropped.forget_audio()
            del self.sessions[: -self._kept]
            self._drop_old_sessions()
        else:
            self.calls.append(record)
            del self.calls[: -self._kept]
        self.changed()

    def _drop_old_bodies(self) -> None:
        """Keep the latest bodies up to `MAX_BODIES_BYTES`; older ones are empty from then on."""
        left = MAX_BODIES_BYTES
        for record in reversed(self.requests):
            left -= len(record.body)
            if left < 0:
                record.body = b""

    def _drop_old_sessions(self) -> None:
        """Keep the events of the latest ended sessions, up to `MAX_SESSIONS_BYTES`, and half of the room for
        sound free."""
        ended = [record for record in self.sessions if record.ended is not None]
        left = MAX_SESSIONS_BYTES
        for record in reversed(ended):
            left -= record.size
            if left < 0:
                record.forget()
        for record in ended:
            if self.audio.left >= MAX_AUDIO_BYTES // 2:
                break
            record.forget_audio()

    def differs(self, difference: str) -> None:
        """Record where a client didn't send what is being replayed."""
        logger.warning("%s", difference)
        self.differences.append(difference)
        del self.differences[: -self._kept]
        self.changed()

    def changed(self) -> None:
        """Wake up those who wait."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds; it is asked again whenever something was recorded.

        Args:
            condition: Called in the waiting thread.
            timeout: Seconds.

        Returns:
            Whether it holds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            # The longest sleep is short, for a condition may depend on more than the records.
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.1))
        return True
