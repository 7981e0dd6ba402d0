"""An event loop whose time stands still while the process does.

A laptop sleeps, a container is throttled, a debugger stops the program: what arrived meanwhile is not late.
Every limit of the simulator, and of the libraries that it uses, is a timer of this loop; none has to know.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TICK_SECONDS = 0.2
"""How often the loop looks at the time at least, also while nothing happens."""
STOPPED_SECONDS = 0.5
"""If it has not looked for so long, the process did not run."""
_LOOKS = 20
"""Iterations for which time stands still after that, so that what has arrived is processed."""

if sys.platform == "win32":
    from asyncio import ProactorEventLoop as _Loop
else:
    from asyncio import SelectorEventLoop as _Loop


class EventLoop(_Loop):
    """The platform's event loop, whose `time` counts only time in which the process ran."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = super().time()
        self._stopped = 0.0
        self._looks = 0
        self._tick()

    def time(self) -> float:
        """Return seconds that never go back."""
        now = super().time()
        passed, self._seen = now - self._seen, now
        if passed > STOPPED_SECONDS and not self._looks:
            self._looks = _LOOKS
            self.call_soon(self._look)
        if self._looks:
            self._stopped += passed
        return now - self._stopped

    def _look(self) -> None:
        self._looks -= 1
        if self._looks:
            self.call_soon(self._look)

    def _tick(self) -> None:
        self.call_later(TICK_SECONDS, self._tick)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new event loop of this kind, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(coroutine)
