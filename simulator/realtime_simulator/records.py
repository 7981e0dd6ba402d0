"""What the simulator remembers for tests to assert on: requests, sessions and calls, within bounds.

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

from realtime_simulator.session_record import SessionRecord

logger = logging.getLogger("realtime_simulator")
CallState = Literal["ringing", "connecting", "connected", "ended"]
MAX_BODIES_BYTES = 64 * 1024 * 1024
"""Of all requests' bodies together this much is kept."""
MAX_SESSIONS_BYTES = 256 * 1024 * 1024
"""Of all ended sessions' sound and events together about this much is kept; the oldest ones are emptied."""


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
        """Whether the receiver answered with 200; anything else is tried again."""
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
            self._let_go_of_bodies()
        elif isinstance(record, SessionRecord):
            self.sessions.append(record)
            del self.sessions[: -self._kept]
            self._let_go_of_sessions()
        else:
            self.calls.append(record)
            del self.calls[: -self._kept]
        self.changed()

    def _let_go_of_bodies(self) -> None:
        """Keep the latest bodies up to `MAX_BODIES_BYTES`; older ones are empty from then on."""
        left = MAX_BODIES_BYTES
        for record in reversed(self.requests):
            left -= len(record.body)
            if left < 0:
                record.body = b""

    def _let_go_of_sessions(self) -> None:
        """Keep what the latest ended sessions hold, up to `MAX_SESSIONS_BYTES`."""
        left = MAX_SESSIONS_BYTES
        for record in reversed([record for record in self.sessions if record.ended is not None]):
            left -= record.size
            if left < 0:
                record.forget()

    def differs(self, difference: str) -> None:
        """Keep where a client didn't send what is being replayed."""
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
