"""The simulator's clock: real time that can be advanced, so that tests don't wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

_SWEEP = 64
_LAST = 253_402_300_800


class Timer(Protocol):
    """A call in the future that can be cancelled."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """A clock with timers. All methods are called in the simulator's event loop."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def unix(self) -> float:
        """Return the time of day in unix seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at `when`, in the seconds of `monotonic`."""
        ...


class _Due:
    """A callback that waits in the heap.

    Args:
        callback: Called once, unless it was cancelled.
        cancelled: Called when it is cancelled.
    """

    __slots__ = ("_cancelled", "callback")

    def __init__(self, callback: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback
        self._cancelled = cancelled

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._cancelled()


class AdvancingClock:
    """The event loop's time, plus the time by which it was advanced.

    Args:
        fixed: The time of day, in unix seconds, which only changes when the clock is advanced;
            None for the real time.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._speed = 1.0
        self._offset = self._latest = 0.0
        self._ahead = 0.0
        self._heap: list[tuple[float, int, _Due]] = []
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._cancelled = 0

    def monotonic(self) -> float:
        now = asyncio.get_running_loop().time() * self._speed + self._offset + self._ahead
        self._latest = max(self._latest, now)
        return now

    def unix(self) -> float:
        return time.time() + self._ahead if self._fixed is None else self._fixed

    def fix(self, unix: float) -> None:
        """Fix the time of day from now on."""
        self._fixed = unix

    def run_at(self, speed: float) -> None:
        """Set how many seconds pass in a real one; with 0, time passes by `advance` alone.

        The time of day, by which signatures expire, keeps its pace. Faster than in reality, the clock does
        not count the time by which the process is late: calls would break up on a busy machine.
        """
        self._offset = self.monotonic() - self._ahead - asyncio.get_running_loop().time() * speed
        self._speed = speed
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._set_alarm()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        due = _Due(callback, self._count_cancelled)
        heapq.heappush(self._heap, (when, next(self._order), due))
        self._set_alarm()
        return due

    async def advance(self, seconds: float) -> None:
        """Advance the clock; timers that become due on the way run in order, each at its own time.

        Args:
            seconds: How far, 0 or more.
        """
        begun, fixed = self.monotonic(), self._fixed
        until = begun + seconds
        while self._next() is not None and self._heap[0][0] <= until:
            when, _, due = heapq.heappop(self._heap)
            self._ahead += max(0.0, when - self.monotonic())
            if fixed is not None:
                self._fixed = fixed + max(0.0, when - begun)
            self._call(due)
            # Tasks that a callback has started run before the time advances further.
            await asyncio.sleep(0)
        self._ahead += max(0.0, until - self.monotonic())
        if fixed is not None:
            self._fixed = fixed + seconds
        self._set_alarm()

    def _count_cancelled(self) -> None:
        """Sweep the heap when most of it was cancelled: distant timers would stay there for an hour."""
        self._cancelled += 1
        if self._cancelled > _SWEEP and self._cancelled > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _next(self) -> _Due | None:
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][2] if self._heap else None

    def _set_alarm(self) -> None:
        """Set the loop's alarm to the first timer."""
        if self._next() is None or not self._speed:
            return
        first = self._heap[0][0]
        if self._alarm is not None:
            if self._alarm_at <= self._real(first):
                return
            self._alarm.cancel()
        self._alarm_at = self._real(first)
        self._alarm = asyncio.get_running_loop().call_at(self._alarm_at, self._ring)

    def _real(self, when: float) -> float:
        """Return the event loop's time at a time of this clock."""
        return (when - self._ahead - self._offset) / self._speed

    def _ring(self) -> None:
        self._alarm = None
        if self._speed > 1 and self._next() is not None:
            latest = max(self._latest, self._heap[0][0])
            self._offset -= max(0.0, self.monotonic() - latest)
            self._latest = latest
        try:
            now = self.monotonic()
            while self._next() is not None and self._heap[0][0] <= now:
                self._call(heapq.heappop(self._heap)[2])
        finally:
            self._set_alarm()

    @staticmethod
    def _call(due: _Due) -> None:
        callback, due.callback = due.callback, None
        if callback is not None:
            callback()


class ManualClock:
    """A clock whose time passes by `step` alone, for a session that runs by itself.

    Args:
        unix: The time of day at which it begins, in unix seconds.
    """

    def __init__(self, unix: float) -> None:
        self._unix, self._now = unix, 0.0
        self._heap: list[tuple[float, int, _Due]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self._now

    def unix(self) -> float:
        return self._unix + self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        due = _Due(callback, lambda: None)
        heapq.heappush(self._heap, (when, next(self._order), due))
        return due

    def step(self, until: float) -> bool:
        """Let time pass to the next timer, and call it; without one, to `until`.

        Args:
            until: The time up to which it may pass.

        Returns:
            Whether there was a timer.
        """
        while self._heap and self._heap[0][0] <= until:
            when, _, due = heapq.heappop(self._heap)
            if due.callback is not None:
                self._now = max(self._now, when)
                due.callback()
                return True
        self._now = max(self._now, until)
        return False


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait on a clock.

    Args:
        clock: The clock.
        seconds: How long.
    """
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    timer = clock.call_at(clock.monotonic() + seconds, wake)
    try:
        await woken
    finally:
        timer.cancel()


def read_time(value: object) -> float:
    """Return a time of day as unix seconds.

    Args:
        value: Unix seconds, an aware datetime, or one as ISO 8601 writes it: `2026-01-15T12:00:00Z`.

    Raises:
        TypeError: It is of another type.
        ValueError: It has no time zone, is not a time, or lies before 1970 or after 9999.
    """
    if isinstance(value, str):
        text = value
        try:
            value = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"clock: {text[:80]!r} is not a time such as 2026-01-15T12:00:00Z") from error
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"clock: a time zone is needed, such as {value.isoformat()}Z")
        value = value.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"clock: a time such as 2026-01-15T12:00:00Z is needed, got {type(value).__name__}")
    if not 0 <= value < _LAST:
        raise ValueError(f"clock: allowed is a time from 1970 to 9999, got {value!r}")
    return float(value)
