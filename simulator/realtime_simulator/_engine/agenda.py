"""The agenda of a session: what it does at a time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable


class Agenda:
    """What one session does at a time.

    Args:
        now: Returns the time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    @property
    def due(self) -> float:
        """When the next entry is due; infinity if there is none."""
        return self._entries[0][0] if self._entries else math.inf

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Call a function some seconds later."""
        self.at(self._now() + seconds, do)

    def at(self, time: float, do: Callable[[], None]) -> None:
        """Call a function at a time, after those that were added for that time before."""
        heapq.heappush(self._entries, (time, next(self._order), do))

    def run(self) -> None:
        """Call the functions that are due."""
        while self.due <= self._now():
            heapq.heappop(self._entries)[2]()

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
