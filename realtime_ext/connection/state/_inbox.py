"""Events that wait for the application, bounded in bytes.

It must not wait or wake anybody.
"""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["Budget", "Inbox"]


class Budget:
    """A bound on bytes that several queues share.

    Args:
        limit: Bytes; at least 1.

    Attributes:
        used: Bytes that wait now.
        half: Half of the limit.
        over: Whether there were ever more than the limit.
    """

    __slots__ = ("_warned", "half", "limit", "over", "used")

    def __init__(self, limit: int) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"max_queue_bytes: expected an int, got {type(limit).__name__}")
        if limit < 1:
            raise ValueError(f"max_queue_bytes: expected 1 or more, got {limit}")
        self.limit = limit
        self.used = 0
        self.over = False
        self.half = limit // 2
        self._warned = False

    def add(self, size: int) -> bool:
        """Count what came in; say whether this is the moment to warn that half of the limit is used."""
        self.used = used = self.used + size
        if used <= self.half:
            return False
        if used > self.limit:
            self.over = True
        is_first, self._warned = not self._warned, True
        return is_first

    def release(self, size: int) -> None:
        """Count what was taken out; when all is taken, a later rise warns again."""
        self.used -= size
        if self.used == 0:
            self._warned = False


class Inbox:
    """A queue of events with their sizes.

    Args:
        budget: What their bytes count against.
    """

    __slots__ = ("_budget", "_events")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._events: deque[tuple[Any, int]] | None = None  # an empty one would take 600 bytes

    def put(self, event: Any, size: int) -> bool:
        """Append an event of so many bytes; the result is `Budget.add`'s."""
        events = self._events
        if events is None:
            events = self._events = deque()
        events.append((event, size))
        # As `add` has it; these two methods are run for every event, and calls are what takes their time.
        budget = self._budget
        used = budget.used + size
        if used > budget.half:
            return budget.add(size)
        budget.used = used
        return False

    def take(self) -> Any:
        """Give the oldest event; None if there is none."""
        events = self._events
        if events is None:
            return None
        event, size = events.popleft()
        if not events:
            self._events = None
        budget = self._budget
        if budget.used > size:
            budget.used -= size
        else:
            budget.release(size)
        return event

    def take_batch(self, limit_events: int, limit_bytes: int) -> list[Any]:
        """Remove and return the oldest events, up to a number of events or about so many bytes."""
        batch: list[Any] = []
        size = 0
        while self._events and len(batch) < limit_events and size < limit_bytes:
            size += self._events[0][1]
            batch.append(self.take())
        return batch

    def clear(self) -> None:
        """Drop everything."""
        while self._events:
            self.take()

    def __len__(self) -> int:
        return 0 if self._events is None else len(self._events)
