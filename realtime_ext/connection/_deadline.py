"""How long something may take, in several steps that share the time. It must not wait."""

from __future__ import annotations

import time

__all__ = ["Deadline"]


class Deadline:
    """A time limit, counted from now.

    Args:
        seconds: How long; None for no limit.

    Attributes:
        seconds: The same.
    """

    __slots__ = ("_at", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Give the seconds that are left, 0 or more; None for no limit."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())
