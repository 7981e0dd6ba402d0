"""What the simulator remembers for tests to assert on: requests, sessions, their sound and calls, within
bounds.

The simulator's thread writes them; any thread may read them at any time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator.media.speech import RATE

logger: logging.Logger = logging.getLogger("realtime_simulator")
MAX_AUDIO_SECONDS = 600
"""Of each direction of a session this much sound is kept, from its start."""
MAX_EVENTS = 20_000
"""Of each direction of a session this many events are kept; the oldest tenth goes when there are more."""
_EVENT_BYTES = 1024
"""What an event counts for."""
_LONG = 256
CallState = Literal["ringing", "connecting", "connected", "ended"]
MAX_BODIES_BYTES = 64 * 1024 * 1024
"""Of all requests' bodies together this much is kept."""
MAX_SESSIONS_BYTES = 256 * 1024 * 1024
"""Of all ended sessions' sound and events together about this much is kept; the oldest ones are emptied."""


class Recording:
    """Sound as it went by, PCM16 mono at 24 kHz.

    Only the first `MAX_AUDIO_SECONDS` are kept; `seconds` counts on.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0

    def add(self, pcm: bytes) -> None:
        self._size += len(pcm)
        room = MAX_AUDIO_SECONDS * RATE * 2 - len(self._kept)
        if room > 0:
            self._kept += pcm[:room]

    def forget(self) -> None:
        self._kept = bytearray()

    @property
    def pcm(self) -> bytes:
        return bytes(self._kept)

    @property
    def size(self) -> int:
        return len(self._kept)

    @property
    def seconds(self) -> float:
        return self._size / 2 / RATE


@attrs.define(kw_only=True, eq=False)
class SessionRecord:
    """One session, with the events and the sound of both directions.

    Args:
        id: `sess_…`.
        transport: How it came.
        received: Client events in order, also those that were refused, without long audio.
        sent: Server events in order, without long audio.
        ended: Why it ended; None while it lasts.
    """

    id: str
    transport: Literal["webrtc", "websocket", "sip"]
    received: list[dict[str, Any]] = attrs.field(factory=list, repr=False)
    sent: list[dict[str, Any]] = attrs.field(factory=list, repr=False)
    audio_in: Recording = attrs.field(factory=Recording, repr=False)
    audio_out: Recording = attrs.field(factory=Recording, repr=False)
    ended: str | None = None
    _look: Callable[[], tuple[dict[str, Any], list[dict[str, Any]]]] = attrs.field(
        default=lambda: ({}, []), repr=False
    )

    def read_from(self, look: Callable[[], tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
        """Read configuration and items from the running session from now on."""
        self._look = look

    def close(self, reason: str) -> None:
        """Keep configuration and items as they are now, and drop the reference to the session."""
        last = self._look()
        self._look = lambda: last
        self.ended = reason

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the API shows it."""
        return self._look()[0]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation's items, oldest first."""
        return self._look()[1]

    @property
    def received_audio(self) -> bytes:
        """The user's sound, PCM16 mono at 24 kHz."""
        return self.audio_in.pcm

    @property
    def sent_audio(self) -> bytes:
        """The model's sound, PCM16 mono at 24 kHz; on a call only what was really played."""
        return self.audio_out.pcm

    def add_sent(self, event: Mapping[str, Any]) -> None:
        """Keep a server event."""
        _keep(self.sent, event)

    def add_received(self, event: Mapping[str, Any]) -> None:
        """Keep a client event."""
        _keep(self.received, event)

    def forget(self) -> None:
        """Drop sound and events; configuration and items stay."""
        for kept in (self.received, self.sent):
            kept.clear()
        for recording in (self.audio_in, self.audio_out):
            recording.forget()

    @property
    def size(self) -> int:
        """About how many bytes sound and events occupy."""
        events = len(self.received) + len(self.sent)
        return self.audio_in.size + self.audio_out.size + events * _EVENT_BYTES

    def types_sent(self) -> list[str]:
        """Return the types of the server events, in order."""
        return [str(event["type"]) for event in self.sent]


def _keep(events: list[dict[str, Any]], event: Mapping[str, Any]) -> None:
    events.append(without_audio(event))
    if len(events) > MAX_EVENTS:
        del events[: MAX_EVENTS // 10]


def without_audio(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with long base64 replaced by its length; the sound itself is in the recordings."""
    shown = dict(event)
    for field in ("audio", "delta"):
        value = shown.get(field)
        if isinstance(value, str) and len(value) > _LONG and " " not in value:
            shown[field] = f"<{len(value)} characters>"
    return shown


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
        ended: Why it ended: `hangup`, `rejected`, `peer`, `shutdown`, `expired`, `failed`; None while it
            lasts.
        sip_headers: The INVITE's headers, in order; names may repeat.
        begun: When it was answered, in seconds on the simulator's clock; None while it rings.
        reject_code: The SIP status that it was rejected with, if it was.
        refers: Where it was referred to, oldest first.
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

    def add(self, record: RequestRecord | SessionRecord | Call) -> None:
        """Keep a record, at the cost of the oldest of its kind."""
        if isinstance(record, RequestRecord):
            self.requests.append(record)
            del self.requests[: -self._kept]
            self._drop_old_bodies()
        elif isinstance(record, SessionRecord):
            self.sessions.append(record)
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
        """Keep what the latest ended sessions hold, up to `MAX_SESSIONS_BYTES`."""
        left = MAX_SESSIONS_BYTES
        for record in reversed([record for record in self.sessions if record.ended is not None]):
            left -= record.size
            if left < 0:
                record.forget()

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
