"""Clocks for tests in which time has to pass: a client's, quicker or told to, and an event loop's.

Time limits are those of the event loop. So that one passes only when a test wants that, it is as long as all
limits of tests are, and the loop's time is put forward once what has to come first has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from realtime_ext import testing
from realtime_ext._core.time_limit import SLICE
from realtime_ext._http.sending import Clock
from tests.support.waiting import PATIENCE

NO_PINGS: dict[str, Any] = {"websocket_options": {"ping_interval": None}}
"""Options of a connection whose time is put forward: no answer to a ping could come meanwhile."""


def hurry(client: Any, times: float = 25) -> Any:
    """Speed up the clock of a client much more than users do; return the client."""
    return testing.hurry(client, times)


class ToldClock:
    """A clock whose time passes by sleeping alone.

    Args:
        late: By which share of its length each pause is too long.
    """

    def __init__(self, late: float = 0.0) -> None:
        self.time = 1000.0
        self._late = late

    async def asleep(self, seconds: float) -> None:
        self.time += seconds * (1 + self._late)
        await asyncio.sleep(0)

    def on(self, client: Any) -> Any:
        """Give it to a client, which is returned."""
        client._http.clock = Clock(monotonic=lambda: self.time, random=lambda: 0.0, asleep=self.asleep)
        return client


def put_forward(loop: asyncio.AbstractEventLoop, seconds: float = PATIENCE) -> None:
    """Let an event loop's time pass, in any thread: what is due by then is called.

    It passes in slices, each in a step of the loop, or limits would take it for a stop of the process.
    """

    def step(left: float) -> None:
        ahead = loop.time() - time.monotonic() + min(left, SLICE)
        loop.time = lambda: time.monotonic() + ahead  # type: ignore[method-assign]
        if left > SLICE:
            loop.call_later(0, step, left - SLICE)

    loop.call_soon_threadsafe(step, seconds)


def time_passes_after(kind: str) -> Callable[[str, Any, int], None]:
    """Make an observer of a connection: its loop's time passes once, when an event of a type has come."""

    def observer(direction: str, event: Any, at: int) -> None:
        if direction == "in" and event.type == kind:
            put_forward(asyncio.get_running_loop())

    return observer


class TimePasses:
    """An observer of a connection, whose loop's time passes again and again after an event of a type.

    So it does for a limit that begins only later, as those of sync methods do.

    Args:
        after: The type.

    Attributes:
        is_over: Whether it passes as usual again.
    """

    def __init__(self, after: str) -> None:
        self.is_over = False
        self._after = after

    def __call__(self, direction: str, event: Any, at: int) -> None:
        if direction == "in" and event.type == self._after:
            self._pass(asyncio.get_running_loop())

    def _pass(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.is_over:
            put_forward(loop)
            loop.call_later(0.01, self._pass, loop)


class ToldTimers:
    """A clock whose timers only go off when they are told how much time passes."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._waiting: list[tuple[float, _ToldTimer]] = []

    def call_later(self, seconds: float, function: Callable[[], object]) -> _ToldTimer:
        timer = _ToldTimer(function)
        self._waiting.append((self.time + seconds, timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.time + seconds
        while due := [one for one in self._waiting if one[0] <= until and one[1].function is not None]:
            self.time, timer = first = min(due, key=lambda one: one[0])
            self._waiting.remove(first)
            function, timer.function = timer.function, None
            assert function is not None
            function()
        self.time = until

    def stop(self, seconds: float) -> None:
        """Let time pass in which nothing runs."""
        self.time += seconds
        due = [one for one in self._waiting if one[0] <= self.time]
        for one in due:
            self._waiting.remove(one)
            if (function := one[1].function) is not None:
                function()

    def on(self, client: Any) -> Any:
        """Give it to a client, which is returned."""
        client._http.clock = Clock(monotonic=lambda: self.time, call_later=self.call_later)
        return client


class _ToldTimer:
    def __init__(self, function: Callable[[], object]) -> None:
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        self.function = None
