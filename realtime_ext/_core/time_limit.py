"""Limits on how long others, such as a server, may take.

They count time in which this process ran. A laptop sleeps, a container is throttled: what arrived meanwhile
is not late. So a limit waits in slices, and a stop of any length counts as one slice at most; and what has
arrived is processed before the limit takes effect. After a stop, a few slices more are left for the rest of
what was sent meanwhile, by a peer that may run as slowly.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

AnyFuture = TypeVar("AnyFuture", bound="asyncio.Future[Any]")

SLICE = 0.5  # seconds
AFTER_STOP = 4 * SLICE
_LOOKS = 20  # steps of the event loop in which what has arrived is processed


class Timer(Protocol):
    """A call in the future that can be cancelled."""

    def cancel(self) -> None: ...


def call_later(seconds: float, function: Callable[[], object]) -> Timer:
    """Call a function later, on the running event loop."""
    return asyncio.get_running_loop().call_later(seconds, function)


class Countdown:
    """Calls a function when a time is over; what has arrived by then is processed first.

    Args:
        seconds: How long.
        then: The function.
        call_later: Calls a function later; another than the event loop's in tests.
        is_real: Whether time in which the process did not run counts as well.
    """

    __slots__ = ("_call_later", "_grace", "_left", "_looks", "_slice", "_then", "_timer")

    _timer: Timer

    def __init__(
        self,
        seconds: float,
        then: Callable[[], object],
        *,
        call_later: Callable[[float, Callable[[], object]], Timer] = call_later,
        is_real: bool = False,
    ) -> None:
        self._left = seconds
        self._then = then
        self._call_later = call_later
        self._slice = math.inf if is_real else SLICE
        self._looks = _LOOKS
        self._grace = AFTER_STOP
        self._wait()

    def cancel(self) -> None:
        """Don't call the function."""
        self._timer.cancel()

    def _wait(self) -> None:
        seconds = min(self._left, self._slice)
        self._left -= seconds
        due = asyncio.get_running_loop().time() + seconds
        self._timer = self._call_later(seconds, self._wait if self._left > 0 else lambda: self._end(due))

    def _end(self, due: float) -> None:
        if self._grace and asyncio.get_running_loop().time() >= due + SLICE:  # the process was stopped
            self._left, self._grace = self._grace, 0.0
            self._wait()
        else:
            self._look()

    def _look(self) -> None:
        if self._looks == 0:
            self._then()
        else:
            self._looks -= 1
            self._timer = asyncio.get_running_loop().call_soon(self._look)


class TimeLimit:
    """Raises TimeoutError in a block that takes too long, as `asyncio.timeout` does.

    Args:
        seconds: How long it may take; None for no limit.
        call_later: As for `Countdown`.
        is_real: As for `Countdown`: for a limit that the program asked for.
    """

    def __init__(
        self,
        seconds: float | None,
        *,
        call_later: Callable[[float, Callable[[], object]], Timer] = call_later,
        is_real: bool = False,
    ) -> None:
        self._seconds = seconds
        self._call_later = call_later
        self._is_real = is_real
        self._timeout = asyncio.timeout(None)
        self._countdown: Countdown | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._countdown = Countdown(
                self._seconds, self._expire, call_later=self._call_later, is_real=self._is_real
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._countdown is not None:
            self._countdown.cancel()
            self._countdown = None
        await self._timeout.__aexit__(kind, error, trace)

    def expired(self) -> bool:
        """Return whether the block took too long."""
        return self._timeout.expired()

    def _expire(self) -> None:
        self._timeout.reschedule(-math.inf)


async def wait(
    futures: Collection[AnyFuture], seconds: float | None, *, return_when: str = asyncio.ALL_COMPLETED
) -> tuple[set[AnyFuture], set[AnyFuture]]:
    """Wait for futures within a limit, as `asyncio.wait` does; return those that are done, and the others."""
    try:
        async with TimeLimit(seconds):
            await asyncio.wait(futures, return_when=return_when)
    except TimeoutError:
        pass
    return {one for one in futures if one.done()}, {one for one in futures if not one.done()}


async def look() -> None:
    """Let the event loop process what has arrived."""
    for _ in range(_LOOKS):
        await asyncio.sleep(0)
