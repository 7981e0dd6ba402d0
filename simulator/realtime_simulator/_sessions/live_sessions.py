"""The Live sessions of a simulator: those that run, and the stored ones that can be forked."""

from __future__ import annotations

import logging
from collections import OrderedDict

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._live.session import LiveSession
from realtime_simulator._records.session import SessionLog, Transport
from realtime_simulator._sessions.driver import Services, SessionDriver

logger: logging.Logger = logging.getLogger("realtime_simulator")
_MAX_STORED = 256


class LiveSessions:
    """The Live sessions of a simulator.

    Args:
        services: The services that sessions share.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._running: dict[str, SessionDriver] = {}
        self._stored: OrderedDict[str, LiveSession] = OrderedDict()

    def open(self, source: str | None = None, drawing: Drawing | None = None) -> SessionDriver:
        """Return a new session over a WebSocket, which waits for `session.start`.

        Args:
            source: The id of the stored session that it continues; None for none.
            drawing: The faults of its connection; None for none.

        Raises:
            ApiProblem: 404: no such session is stored.
        """
        services = self._services
        session = LiveSession(
            f"live_u1_{services.ids.new('', 32)[1:]}",
            services.ids,
            services.clock.monotonic(),
            services.clock.unix(),
            lifetime=2 * services.settings.session_seconds,
            pacing=services.settings.pacing,
            source=None if source is None else self._source(source),
            cues=services.behavior.cues,
            draw=(drawing or Drawing(services.faults, ("connect",))).draw,
        )
        return self._start(session, "websocket")

    def find(self, session_id: str) -> SessionDriver:
        """Return a running session.

        Raises:
            ApiProblem: 404: there is none.
        """
        driver = self._running.get(session_id)
        if driver is None:
            raise no_session()
        return driver

    def end(self, session_id: str) -> None:
        """End a session, as `hangup` does.

        Raises:
            ApiProblem: 404: there is none.
        """
        self.find(session_id).act(_hang_up)

    def _source(self, session_id: str) -> LiveSession:
        if session_id not in self._stored:
            raise no_session()
        return self._stored[session_id]

    def _start(self, session: LiveSession, transport: Transport) -> SessionDriver:
        def ended(code: int, reason: str) -> None:
            logger.info("session %s: ended (%s)", session.id, reason)
            self._running.pop(session.id, None)
            if session.config is not None and session.config.stored:
                self._stored[session.id] = session
                while len(self._stored) > _MAX_STORED:
                    self._stored.popitem(last=False)

        log = SessionLog(session.id, transport=transport)
        driver = SessionDriver(session, log, self._services, on_end=ended)
        self._running[session.id] = driver
        self._services.records.add(log)
        logger.info("session %s: begun (live)", session.id)
        return driver


def _hang_up(session: BaseSession) -> None:
    assert isinstance(session, LiveSession)
    session.close("close_requested")


def no_session() -> ApiProblem:
    """Return the refusal of a request about a session that has ended or never existed."""
    return ApiProblem(
        "No session found for the provided session_id",
        status=404,
        code="session_id_not_found",
        param="session_id",
    )
