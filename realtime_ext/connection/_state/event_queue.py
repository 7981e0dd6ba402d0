"""The bounded queue of events for the program, and the waiters for single events.

It must neither wait nor interpret events.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .event_kinds import EventWaiter
from .messages import SizeOf, length_of, memory_of
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

LATEST = 1000  # events that are kept for a program that only asks
COUNTS_MEMORY = 2**20  # bytes: from this limit on, memory is counted rather than length
_BATCH_EVENTS = 256
_BATCH_BYTES = 2**20


class Budget:
    """A limit in bytes that several queues share.

    Args:
        limit: Bytes; at least 1.

    Attributes:
        used: Bytes queued now.
        half: Half of the limit.
        over: Whether the limit was ever exceeded.
        size_of: Returns the size that a message counts for: an estimate of its memory, or its length where
            the limit is below 1 MiB.
    """

    __slots__ = ("_warned", "half", "limit", "over", "size_of", "used")

    def __init__(self, limit: int) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"max_queue_bytes: expected an int, got {type(limit).__name__}")
        if limit < 1:
            raise ValueError(f"max_queue_bytes: expected 1 or more, got {limit}")
        self.limit: int = limit
        self.used: int = 0
        self.over: bool = False
        self.half: int = limit // 2
        self.size_of: SizeOf = memory_of if limit >= COUNTS_MEMORY else length_of
        self._warned = False

    def add(self, size: int) -> bool:
        """Count an event that was queued; return True the first time that half of the limit is exceeded."""
        self.used = used = self.used + size
        if used <= self.half:
            return False
        if used > self.limit:
            self.over = True
        is_first, self._warned = not self._warned, True
        return is_first

    def release(self, size: int) -> None:
        """Count an event that was removed; once the queues are empty, a later rise warns again."""
        self.used -= size
        if self.used == 0:
            self._warned = False


class EventQueue:
    """One connection's queued events, its readers, and its waiters for single events.

    Events are numbered from 1 in order of arrival. The program's place in the stream is the number of the
    latest event that it was given, or that had arrived when it last sent; `wait_for` counts from there.

    Args:
        budget: The limit that queued events count against.

    Attributes:
        received: The number of the latest event.
        is_asked: Whether the program follows turns, and so may never read events.
        is_consumed: Whether the program has begun to read events.
        is_closed: Whether no more events will come.
    """

    __slots__ = (
        "_budget",
        "_drops",
        "_events",
        "_given",
        "_prefetched",
        "_readers",
        "_sent",
        "_waiters",
        "is_asked",
        "is_closed",
        "is_consumed",
        "received",
    )

    def __init__(self, budget: Budget) -> None:
        self.received: int = 0
        self.is_asked: bool = False
        self.is_consumed: bool = False
        self.is_closed: bool = False
        self._budget = budget
        self._events: deque[tuple[Any, int, int]] | None = None  # an empty one would take 600 bytes
        self._prefetched: deque[tuple[Any, int]] | None = None  # events that another thread will read
        self._readers: list[Waiter[None]] = []
        self._waiters: list[EventWaiter] = []
        self._given = 0
        self._sent = 0
        self._drops = False

    # The program's place in the stream

    @property
    def place(self) -> int:
        """The number of the event from which `wait_for` counts."""
        return max(self._given, self._sent)

    def given(self, number: int) -> None:
        """Record that the program was given an event; any thread may call this."""
        if number > self._given:
            self._given = number

    def mark_sent(self) -> None:
        """Record that the program sends an event now."""
        self._sent = self.received

    def unread(self) -> Iterator[tuple[int, Any]]:
        """Yield the numbers and events that the program was not given yet, oldest first."""
        if self._prefetched:
            for event, number in self._prefetched.copy():
                yield number, event
        for event, _, number in self._events or ():
            yield number, event

    # Events

    def put(self, event: Any, size: int) -> bool:
        """Queue the latest event and wake a reader; returns `Budget.add`'s result."""
        events = self._events
        if events is None:
            events = self._events = deque()
        events.append((event, size, self.received))
        warns = self._budget.add(size)
        if self._readers:
            self._wake()
        return warns

    def put_unconsumed(self, event: Any, size: int) -> bool:
        """Queue an event that may never be read; where turns are followed, only the latest are kept."""
        warns = self.put(event, size)
        if self.is_asked and self._events is not None and len(self._events) > LATEST:
            self._pop()
            if not self._drops:
                self._drops = True
                logger.info("events are not being consumed: only the latest %d are kept", LATEST)
        return warns

    def take(self) -> Any:
        """Remove the oldest event and return it to the program; None if the queue is empty."""
        self.is_consumed = True
        if self._events is None:
            return None
        event, number = self._pop()
        self.given(number)
        return event

    def fetch(self, events: deque[tuple[Any, int]], done: Callable[[bool], object]) -> None:
        """Move events to a deque that another thread reads: now, or once there is one.

        Args:
            events: Where events and their numbers are added, about 1 MiB at most; they no longer count
                towards the limit. The reader reports delivered events with `given`.
            done: Called then, with False if no more events will come.
        """
        self.is_consumed = True
        self._prefetched = events
        count = size = 0
        while self._events and count < _BATCH_EVENTS and size < _BATCH_BYTES:
            count, size = count + 1, size + self._events[0][1]
            events.append(self._pop())
        if count or self.is_closed:
            done(count > 0)
        else:
            self.wait().when_done(lambda: self.fetch(events, done))

    def wait(self) -> Waiter[None]:
        """Return a waiter that is filled when there is an event to read, or none will come."""
        self.is_consumed = True
        waiter: Waiter[None] = Waiter()
        if self._events or self.is_closed:
            waiter.resolve(None)
        else:
            self._readers.append(waiter)
        return waiter

    def cancel(self, waiter: Waiter[None]) -> None:
        """Stop waiting; if the waiter was just woken, another reader is woken in its place."""
        if waiter in self._readers:
            self._readers.remove(waiter)
        elif self._events:
            self._wake()

    def close(self, error: Callable[[], Exception]) -> None:
        """Record that no more events will come; queued ones can still be read."""
        self.is_closed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.fail(error())
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.resolve(None)

    # Waiters for single events

    def add_waiter(self, waiter: EventWaiter) -> None:
        """Offer each further event to a waiter, until it is filled or removed."""
        self._waiters.append(waiter)

    def remove_waiter(self, waiter: EventWaiter) -> None:
        """Stop offering events to a waiter."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def offer(self, event: Any) -> None:
        """Number an event that has arrived, and fill the waiters that it matches."""
        self.received += 1
        if self._waiters:
            for waiter in self._waiters:
                waiter.offer(event, self.received)
            self._waiters = [waiter for waiter in self._waiters if not waiter.done]

    def _pop(self) -> tuple[Any, int]:
        assert self._events is not None
        event, size, number = self._events.popleft()
        if not self._events:
            self._events = None
        self._budget.release(size)
        return event, number

    def _wake(self) -> None:
        if self._readers:
            self._readers.pop(0).resolve(None)
