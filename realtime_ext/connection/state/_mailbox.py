"""Events on their way to the application: the queue, and those who wait for one event.

It must not wait by itself, nor know what events mean.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ._inbox import Budget, Inbox
from ._matching import Kind, Matcher, Where
from ._waiters import Waiter

__all__ = ["LATEST", "EventWaiter", "Mailbox"]

logger = logging.getLogger("realtime_ext")

LATEST = 1000  # events that are kept for a program that only asks


class EventWaiter(Waiter[Any]):
    """Waits for the next event of a kind.

    Args:
        matcher: The test.
    """

    __slots__ = ("matcher",)

    def __init__(self, matcher: Matcher) -> None:
        super().__init__()
        self.matcher = matcher


class Mailbox:
    """One connection's events.

    Args:
        budget: What waiting events count against.

    Attributes:
        is_asked: Whether anybody has followed turns, and so may never take events.
        is_consumed: Whether anybody has begun to take events.
        is_closed: Whether no more events will come.
    """

    __slots__ = ("_consumers", "_forgets", "_inbox", "_waiters", "is_asked", "is_closed", "is_consumed")

    def __init__(self, budget: Budget) -> None:
        self.is_asked = False
        self.is_consumed = False
        self.is_closed = False
        self._inbox = Inbox(budget)
        self._consumers: list[Waiter[None]] = []
        self._waiters: list[EventWaiter] = []
        self._forgets = False

    def put(self, event: Any, size: int) -> bool:
        """Queue an event and wake a consumer; the result is `Budget.add`'s."""
        warn = self._inbox.put(event, size)
        if self._consumers:
            self._wake()
        return warn

    def put_unconsumed(self, event: Any, size: int) -> bool:
        """Queue an event that perhaps nobody takes: where turns are followed, only the latest are kept."""
        warn = self.put(event, size)
        if self.is_asked and len(self._inbox) > LATEST:
            self._inbox.take()
            if not self._forgets:
                self._forgets = True
                logger.info("nobody takes events: only the latest %d are kept", LATEST)
        return warn

    def tell_waiters(self, event: Any) -> None:
        """Fill the waiters that the event is for."""
        if not self._waiters:
            return
        for waiter in self._waiters:
            try:
                if waiter.matcher(event):
                    waiter.resolve(event)
            except Exception as error:  # the user's condition raised, which is the user's to see
                waiter.fail(error)
        self._waiters = [waiter for waiter in self._waiters if not waiter.done]

    def take(self) -> Any:
        """Give the oldest event, or None if there is none now."""
        self.is_consumed = True
        return self._inbox.take()

    def take_batch(self, limit_events: int, limit_bytes: int) -> list[Any]:
        """Remove and return the oldest events; none if there are none now."""
        self.is_consumed = True
        return self._inbox.take_batch(limit_events, limit_bytes)

    def wait(self) -> Waiter[None]:
        """Give a waiter that is filled when there is an event to take, or none will come."""
        self.is_consumed = True
        waiter: Waiter[None] = Waiter()
        if self._inbox or self.is_closed:
            waiter.resolve(None)
        else:
            self._consumers.append(waiter)
        return waiter

    def leave(self, waiter: Waiter[None]) -> None:
        """Stop waiting; if it was just woken, somebody else is woken in its place."""
        if waiter in self._consumers:
            self._consumers.remove(waiter)
        elif self._inbox:
            self._wake()

    def wait_for(self, kind: Kind, where: Where | None) -> EventWaiter:
        """Give a waiter for the next event of a kind; raises as `Matcher` does."""
        waiter = EventWaiter(Matcher(kind, where))
        self._waiters.append(waiter)
        return waiter

    def forget(self, waiter: EventWaiter) -> None:
        """Stop waiting for an event of a kind."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def close(self, error: Callable[[], Exception]) -> None:
        """Note that no more events will come; those in the queue can still be taken."""
        self.is_closed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.fail(error())
        while self._consumers:
            self._wake()

    def _wake(self) -> None:
        if self._consumers:
            self._consumers.pop(0).resolve(None)
