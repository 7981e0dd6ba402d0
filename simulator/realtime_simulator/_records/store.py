"""The records of requests and calls, and the store of all records of a simulator."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._core.problem import EXPIRED
from realtime_simulator._records import sound
from realtime_simulator._records.session import SessionLog, SessionRecord
from realtime_simulator._records.sound import Budget

logger: logging.Logger = logging.getLogger("realtime_simulator")
MAX_SESSIONS_BYTES = 64 * 1024 * 1024
"""About how much is kept of all ended sessions' events together; the oldest sessions lose theirs."""
MAX_BODIES_BYTES = 64 * 1024 * 1024
"""How much is kept of the bodies of all requests and their answers together."""
CallState = Literal["ringing", "connecting", "connected", "ended"]
REMOTE_HANGUP = "remote_hangup"
CONNECTION_LOST = "connection_lost"
ENDS: Mapping[str, str] = {
    "hangup": "close_requested",
    "expired": "expired",
    "peer": REMOTE_HANGUP,
    "referred": REMOTE_HANGUP,
    "rejected": CONNECTION_LOST,
    "shutdown": CONNECTION_LOST,
    "failed": CONNECTION_LOST,
    "lost": CONNECTION_LOST,
}
"""Why calls end, with the reason that `session.closed` gives for it in the Live API. A call has `failed` if
it did not connect, or the network failed; it is `lost` if its transport failed."""


def end_of(code: int, reason: str) -> str:
    """Return why a call ends whose session has ended by itself.

    Args:
        code: The session's close code.
        reason: Why it ended.
    """
    return "expired" if code == EXPIRED else reason


@attrs.define(kw_only=True, eq=False)
class RequestRecord:
    """One HTTP request, or a WebSocket's handshake, and its answer.

    Args:
        method: `POST`, …
        path: The path as it was sent, still percent-encoded, without the query.
        query: The query as it was sent; it can carry keys, so it is not in the repr.
        headers: Lower-case names; they carry keys, so they are not in the repr.
        body: The body as it came, up to the size limit.
        request_id: The answer's `x-request-id`.
        status: The answer's status, 101 for a WebSocket; 0 while there is none.
        response_headers: The answer's headers, lower-case names.
        response_body: The answer's body.
        error: The API's error if it was refused: `message`, `type`, `code` and `param`.
        time: When it arrived, in unix seconds on the simulator's clock.
        ended: When its answer was complete, or its WebSocket closed; None before.
        session: The id of the session that it opened or attached to.
    """

    method: str
    path: str
    query: str = attrs.field(default="", repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    request_id: str
    body: bytes = attrs.field(default=b"", repr=False)
    status: int = 0
    response_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    response_body: bytes = attrs.field(default=b"", repr=False)
    error: Mapping[str, Any] | None = None
    time: float = 0.0
    ended: float | None = None
    session: str | None = None

    @property
    def refused(self) -> bool:
        """Whether it was refused: by a status from 400 on, or by an error right after a handshake."""
        return self.status >= 400 or self.error is not None

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt to deliver a webhook.

    Args:
        webhook_id: Its `webhook-id`; the same for each attempt and each duplicate.
        type: Its event's type, such as `realtime.call.incoming`.
        status: The receiver's status; None if there was no response.
        error: Why there was no response.
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
        kind: Its transport.
        offer: The SDP offer as it was sent, byte for byte.
        answer: The SDP answer.
        session: Its session; on SIP it begins when the call is accepted.
        state: Its state.
        ended: Why it ended: one of `ENDS`, or what its session of the Live API says; None while it lasts.
        sip_headers: The INVITE's headers, in order; names may repeat.
        begun: When it was answered, in seconds on the simulator's clock; None while it rings.
        reject_code: The SIP status with which it was rejected; None if it wasn't.
        refers: The targets that it was referred to, oldest first.
        refer_status: The SIP status of the last referral; None while it is unknown.
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
    def live_session_id(self) -> str:
        """The id by which the Live API knows it, `live_u1_…`, as webhooks announce it."""
        return self.id if self.id.startswith("live_") else f"live_{self.id.removeprefix('rtc_')}"

    @property
    def received_audio(self) -> bytes:
        """The audio of the peer's track, PCM16 mono at 24 kHz."""
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
        self.requested: int = 0
        """How many requests there were, also those that are no longer kept."""
        self.logs: list[SessionLog] = []
        self.sessions: list[SessionRecord] = []
        self.calls: list[Call] = []
        self.differences: list[str] = []
        self.replaying: str | None = None
        """The id of the session that is replayed to the sessions that begin."""
        self.audio: Budget = Budget()
        self.on_session: Callable[[SessionLog], object] | None = None
        """Called with the log of each session that begins, in the simulator's thread."""

    def add(self, record: RequestRecord | SessionLog | Call) -> None:
        """Keep a record, at the cost of the oldest of its kind."""
        if isinstance(record, RequestRecord):
            self.requested += 1
            self.requests.append(record)
            del self.requests[: -self._kept]
            self._drop_old_bodies()
        elif isinstance(record, SessionLog):
            record.replay_of = self.replaying
            if self.on_session is not None:
                self.on_session(record)
            self.keep(record)
        else:
            self.calls.append(record)
            del self.calls[: -self._kept]
        self.changed()

    def keep(self, log: SessionLog) -> None:
        """Keep the log of a session, also of one that no client has begun."""
        self.logs.append(log)
        self.sessions.append(log.record)
        for dropped in self.logs[: -self._kept]:
            dropped.forget_audio()
        del self.logs[: -self._kept]
        del self.sessions[: -self._kept]
        self._drop_old_sessions()
        self.changed()

    def session(self, session_id: str) -> SessionLog:
        """Return the log of a session.

        Args:
            session_id: `sess_…`.

        Raises:
            LookupError: It does not exist, or is no longer remembered.
        """
        for log in self.logs:
            if log.id == session_id:
                return log
        raise LookupError(f"there is no session {session_id!r}")

    def session_of(self, call_id: str | None) -> str | None:
        """Return the id of a call's session; None without such a call."""
        return next((call.session.id for call in self.calls if call.id == call_id), None)

    def clear_requests(self) -> None:
        """Drop the requests that were answered."""
        self.requests[:] = [record for record in self.requests if record.ended is None]
        self.changed()

    def clear_sessions(self) -> None:
        """Drop the sessions and calls that have ended, but not the session that is replayed."""
        gone = [log for log in self.logs if log.ended is not None and log.id != self.replaying]
        for log in gone:
            log.forget()
        self.logs[:] = [log for log in self.logs if log not in gone]
        self.sessions[:] = [log.record for log in self.logs]
        self.calls[:] = [call for call in self.calls if call.ended is None]
        self.changed()

    def _drop_old_bodies(self) -> None:
        """Keep the latest bodies up to `MAX_BODIES_BYTES`; older ones are empty from then on."""
        left = MAX_BODIES_BYTES
        for record in reversed(self.requests):
            left -= len(record.body) + len(record.response_body)
            if left < 0:
                record.body = record.response_body = b""

    def _drop_old_sessions(self) -> None:
        """Keep the events of the latest ended sessions, up to `MAX_SESSIONS_BYTES`, and half of the room for
        sound free."""
        ended = [log for log in self.logs if log.ended is not None]
        left = MAX_SESSIONS_BYTES
        for log in reversed(ended):
            left -= log.size
            if left < 0:
                log.forget()
        for log in ended:
            if self.audio.left >= sound.MAX_AUDIO_BYTES // 2:
                break
            log.forget_audio()

    def differs(self, difference: str) -> None:
        """Record a difference between a client and the replayed session."""
        logger.warning("%s", difference)
        self.differences.append(difference)
        del self.differences[: -self._kept]
        self.changed()

    def changed(self) -> None:
        """Notify waiting threads."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds; it is evaluated again after every change of the records.

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
