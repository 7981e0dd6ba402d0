"""A session without a server: its client is a function call, and its time passes when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from realtime_simulator._core.clock import ManualClock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import INTERNAL_ERROR
from realtime_simulator._engine.turn import Cue, Pacing
from realtime_simulator._faults.catalog import Faults
from realtime_simulator._live.session import LiveSession
from realtime_simulator._media.voice import Speaker
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Records
from realtime_simulator._scenario.rules import Behavior
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.live_sessions import LiveSessions
from realtime_simulator._sessions.services import Services
from realtime_simulator._sessions.settings import Settings
from realtime_simulator._stepping.change import RerunError

_CLOCK = 1_790_000_000


class SimulatedSession:
    """One session, as a simulator has it; nothing of a running simulator is part of it.

    Args:
        behavior: The behavior of the model and the user.
        pacing: How fast the model answers.
        received: Called with each event that the session sends.
    """

    def __init__(
        self, behavior: Behavior, pacing: Pacing, received: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._clock = ManualClock(_CLOCK)
        self._received = received
        self._workers = ThreadPoolExecutor(max_workers=1)
        self._driver: SessionDriver | None = None
        self._has_failed = False
        self._services = Services(
            settings=Settings(api_key="", webhook_secret="", pacing=pacing, espeak=False),
            ids=Ids(),
            clock=self._clock,
            speaker=Speaker(use_espeak=False),
            workers=self._workers,
            records=Records(1),
            behavior=behavior,
            faults=Faults(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)

    @property
    def now(self) -> float:
        """Seconds from its start."""
        return self._clock.monotonic()

    @property
    def position_ms(self) -> int:
        """Where the timeline of a Live session is."""
        return self._live.position_ms

    @property
    def _live(self) -> LiveSession:
        assert self._driver is not None and isinstance(self._driver.session, LiveSession)
        return self._driver.session

    def begin_realtime(self, model: str, initial: Mapping[str, Any] | None) -> None:
        """Begin a session of the Realtime API, whose first event is `session.created`."""
        session_id = self._services.ids.new("sess")
        session = self._services.new_session(session_id, initial, model=model)
        log = SessionLog(session_id, transport="websocket")
        self._driver = SessionDriver(session, log, self._services, on_end=lambda code, reason: None)
        self._driver.attach(self._received, greet=True, on_end=self._ended)

    def begin_live(self) -> None:
        """Begin a session of the Live API, which waits for `session.start`."""
        self._driver = LiveSessions(self._services).open()
        self._driver.attach(self._received, greet=False, on_end=self._ended)

    def _ended(self, code: int, reason: str) -> None:
        self._has_failed = code == INTERNAL_ERROR

    def follow(self, cues: Sequence[Cue] | None) -> None:
        """Let the model of a Live session do these cues from now on; None for one that answers by itself."""
        assert self._driver is not None
        self._driver.act(lambda _: self._live.follow(cues))

    def close(self, reason: str) -> None:
        """End a Live session from outside."""
        assert self._driver is not None
        self._driver.act(lambda _: self._live.close(reason))

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event of the client."""
        assert self._driver is not None
        self._driver.receive(json.dumps(event))

    async def until(self, at: float) -> None:
        """Let time pass; what is due on the way happens in order, and takes no time itself."""
        while await self.step(at):
            pass

    async def step(self, until: float) -> bool:
        """Let time pass until something is due and has happened; return whether anything was.

        Raises:
            RerunError: The simulator failed, as its log says.
        """
        assert self._driver is not None
        await self._driver.settled()
        is_due = self._clock.step(until)
        await self._driver.settled()
        if self._has_failed:
            raise RerunError("the simulator failed; its log says why")
        return is_due
