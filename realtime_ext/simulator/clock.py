"""Time as the simulator sees it, so that tests can replace it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that was put off and can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """A clock on which things can be put off. All methods are called in the simulator's event loop."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def unix(self) -> float:
        """Return the time of day in unix seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at `when`, in the seconds of `monotonic`."""
        ...


class RealClock:
    """The event loop's own time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def unix(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_at(when, callback)
