"""Which events came before: what adds up must not be added up twice.

Only as many ids are kept as a repetition can be late. It must not keep events.
"""

from __future__ import annotations

__all__ = ["Repeats"]

_GENERATION = 512  # ids; one to two generations are remembered


class Repeats:
    """The ids of the latest events that add something up."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now: set[str] | None = None  # an empty one would take 200 bytes
        self._before: set[str] | None = None

    def has(self, event_id: object) -> bool:
        """Whether an event with this id came before; it is remembered. One without an id never did."""
        if not isinstance(event_id, str) or not event_id:
            return False
        now = self._now
        if now is None:
            now = self._now = set()
        if event_id in now or (self._before is not None and event_id in self._before):
            return True
        if len(now) >= _GENERATION:
            self._before = now
            now = self._now = set()
        now.add(event_id)
        return False

    def forget(self) -> None:
        """Begin anew."""
        self._now = self._before = None
