"""The Live sessions of a simulator: those that run, and the stored ones that can be forked and downloaded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._live.config import LiveConfig
from realtime_simulator._live.session import LiveSession
from realtime_simulator._records.session import SessionLog, Transport
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.services import Services

logger: logging.Logger = logging.getLogger("realtime_simulator")
_MAX_STORED = 256
_MAX_RECORDINGS = 16
"""Stored sessions whose sound is kept, the newest ones."""


class LiveSessions:
    """The Live sessions of a simulator.

    Args:
        services: The services that sessions share.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._drivers: dict[str, SessionDriver] = {}
        self._stored: OrderedDict[str, LiveSession] = OrderedDict()

    def open(self, source: str | None = None, drawing: Drawing | None = None) -> SessionDriver:
        """Return a new session over a WebSocket, which waits for `session.start`.

        Args:
            source: The id of the stored session that it continues; None for none.
            drawing: The faults of its connection; None for none.

        Raises:
            ApiProblem: 404: no such session is stored.
        """
        continued = None if source is None else self.source(source)
        session_id = self.new_id()
        if drawing is not None:
            drawing.begun(session_id)
        session = self._new(session_id, "websocket", None, continued, drawing)
        log = SessionLog(session.id, transport="websocket")
        driver = SessionDriver(session, log, self._services)
        self._services.records.add(log)
        return self.add(driver)

    def new_id(self) -> str:
        """Return the id of a new session."""
        return f"live_u1_{self._services.ids.new('', 32)[1:]}"

    def begin(
        self,
        session_id: str,
        transport: Transport,
        session: Mapping[str, Any],
        *,
        source: LiveSession | None = None,
        drawing: Drawing | None = None,
    ) -> LiveSession:
        """Return a session that has begun, for a transport that carries its audio; `add` must follow.

        Args:
            session_id: Its id.
            transport: The transport.
            session: The checked session object.
            source: The stored session that it continues; None for none.
            drawing: The faults of its request; None for none.

        Raises:
            ApiProblem: The service refuses the session.
        """
        expires = int(self._services.clock.unix() + 2 * self._services.settings.session_seconds)
        given = session if source is None or source.config is None else source.config.fork(session)
        config = LiveConfig(session_id, expires, given, media=True)
        return self._new(session_id, transport, config, source, drawing)

    def add(self, driver: SessionDriver) -> SessionDriver:
        """Remember a session while it runs, and afterwards if it is stored."""
        self._sweep()
        self._drivers[driver.log.id] = driver
        if driver.session.view().get("model"):  # it has begun, before anything is connected
            driver.greet()
        logger.info("session %s: begun (live)", driver.log.id)
        return driver

    def find(self, session_id: str) -> SessionDriver:
        """Return a running session.

        Raises:
            ApiProblem: 404: there is none.
        """
        driver = self._drivers.get(session_id)
        if driver is None or driver.session.ended:
            raise no_session()
        return driver

    def source(self, session_id: str) -> LiveSession:
        """Return a stored session that has ended.

        Raises:
            ApiProblem: 404: there is none.
        """
        self._sweep()
        if session_id not in self._stored:
            raise no_session()
        return self._stored[session_id]

    def _new(
        self,
        session_id: str,
        transport: Transport,
        config: LiveConfig | None,
        source: LiveSession | None,
        drawing: Drawing | None,
    ) -> LiveSession:
        services = self._services
        settings = services.session_settings()
        return LiveSession(
            session_id,
            services.ids,
            services.clock.monotonic(),
            services.clock.unix(),
            attrs.evolve(settings, lifetime=2 * settings.lifetime),
            transport=transport,
            config=config,
            source=source,
            draw=(drawing or Drawing(services.faults, ("connect",))).draw,
        )

    def _sweep(self) -> None:
        """Forget the sessions that have ended, except for the newest stored ones."""
        for session_id, driver in list(self._drivers.items()):
            session = driver.session
            assert isinstance(session, LiveSession)
            if session.ended:
                del self._drivers[session_id]
                if session.config is not None and session.config.stored:
                    self._stored[session_id] = session
        while len(self._stored) > _MAX_STORED:
            self._stored.popitem(last=False)
        for session in list(self._stored.values())[:-_MAX_RECORDINGS]:
            session.output.recording = None


def hang_up(session: object) -> None:
    """End a session as its application asks for."""
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
