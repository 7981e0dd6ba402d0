"""The agenda of a Live session: what it does at a time, not at a place of its timeline."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable


class Agenda:
    """The agenda of one session.

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
        heapq.heappush(self._entries, (self._now() + seconds, next(self._order), do))

    def run(self) -> None:
        """Call the functions that are due."""
        while self.due <= self._now():
            heapq.heappop(self._entries)[2]()

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
