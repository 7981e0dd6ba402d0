"""A SIP call: it rings until somebody accepts or rejects it, then it is a session on a line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from realtime_simulator.engine.config import SessionConfig
from realtime_simulator.engine.ids import Ids
from realtime_simulator.engine.session import Session
from realtime_simulator.live import LiveSession, Studio
from realtime_simulator.problem import ApiProblem
from realtime_simulator.records import Call
from realtime_simulator.settings import Settings
from realtime_simulator.sip.line import Line, LineHandlers

logger = logging.getLogger("realtime_simulator")


class SipCall:
    """One incoming call.

    Args:
        record: Its record; it rings.
        studio: What sessions share.
        settings: The simulator's settings.
        ids: Where the session's ids come from.
        line_speed: How fast the line's time goes; 1 is real time.
        on_end: Called with this call and the reason when it ends by itself; `end` follows.
    """

    def __init__(
        self,
        record: Call,
        studio: Studio,
        settings: Settings,
        ids: Ids,
        line_speed: float,
        on_end: Callable[[SipCall, str], None],
    ) -> None:
        self.record = record
        self._studio = studio
        self._settings = settings
        self._ids = ids
        self._on_end = on_end
        self._live: LiveSession | None = None
        handlers = LineHandlers(on_heard=self._heard, on_played=self._played, on_drained=self._drained)
        self.line = Line(studio.clock, line_speed, handlers)

    @property
    def live(self) -> LiveSession:
        """Its session.

        Raises:
            ApiProblem: 404: it still rings.
        """
        if self._live is None:
            raise ApiProblem(
                f"The call '{self.record.id}' has not been accepted yet.",
                status=404,
                code="call_not_found",
                param="call_id",
            )
        return self._live

    def accept(self, session: Mapping[str, Any]) -> None:
        """Begin the session.

        Args:
            session: The checked session object.

        Raises:
            ApiProblem: 409: it was accepted before.
        """
        self.require_ringing("accepted")
        clock = self._studio.clock
        config = SessionConfig(
            self.record.session.id, int(clock.unix() + self._settings.session_seconds), session
        )
        engine = Session(
            config,
            self._ids,
            clock.monotonic(),
            lifetime=self._settings.session_seconds,
            plays_audio=True,
            pacing=self._settings.pacing,
        )
        self._live = LiveSession(
            engine, self.record.session, self._studio, on_end=self._session_ended, player=self.line
        )
        self._studio.records.add(self.record.session)
        self.record.begun = clock.monotonic()
        self._become("connected")
        self.line.begin()

    def reject(self, status_code: int) -> None:
        """Turn it down; its end must follow.

        Args:
            status_code: The SIP status for the caller.

        Raises:
            ApiProblem: 409: it was accepted before.
        """
        self.require_ringing("rejected")
        self.record.reject_code = status_code

    def refer(self, target_uri: str) -> None:
        """Pass the caller on: what becomes of it is up to the caller's side.

        Args:
            target_uri: The Refer-To.

        Raises:
            ApiProblem: 409: it still rings.
        """
        if self.record.state != "connected":
            raise ApiProblem(
                f"The call '{self.record.id}' has not been accepted, and only then can be referred.",
                status=409,
                code="call_not_accepted",
            )
        self.record.refers.append(target_uri)
        self._studio.records.changed()
        logger.info("call %s: referred", self.record.id)

    async def end(self, reason: str) -> None:
        """End line and session at once.

        Args:
            reason: For the record.
        """
        self.line.end()
        self.record.ended = reason
        self._become("ended", f" ({reason})")
        if self._live is not None:
            self._live.end(1000, reason)

    def require_ringing(self, what: str) -> None:
        """Refuse what only a ringing call can take.

        Raises:
            ApiProblem: 409: it was accepted before.
        """
        if self.record.state != "ringing":
            raise ApiProblem(
                f"The call '{self.record.id}' was accepted before and cannot be {what} any more.",
                status=409,
                code="call_already_accepted",
            )

    def _become(self, state: Any, detail: str = "") -> None:
        self.record.state = state
        self._studio.records.changed()
        logger.info("call %s: %s%s", self.record.id, state, detail)

    def _heard(self, pcm: bytes) -> None:
        if self._live is not None:
            self._live.hear(pcm)

    def _played(self, pcm: bytes) -> None:
        if self._live is not None:
            self._live.played(pcm)

    def _drained(self, response_id: str) -> None:
        if self._live is not None:
            self._live.drained(response_id)

    def _session_ended(self, code: int, reason: str) -> None:
        self._on_end(self, "expired" if code == 1001 else reason)
