"""What was handed over and hasn't gone out: it waits for the link, for its turn, or never could be sent.

It must not send, nor decide what goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ._closing import Ending
from ._waiters import Waiter

__all__ = ["Departures", "Unsent"]

Unsent = Callable[[], list[dict[str, Any]]]  # gives the events that somebody is waiting to send


class Departures:
    """The events of one connection that are on their way out."""

    __slots__ = ("_failed", "_for_link", "_held")

    def __init__(self) -> None:
        self._for_link: list[Waiter[None]] = []
        self._held: dict[Waiter[None], Unsent] = {}
        self._failed: list[Any] = []

    def hold(self, waiter: Waiter[None], unsent: Unsent | None, *, for_link: bool = False) -> None:
        """Note that somebody waits before they send.

        Args:
            waiter: What they wait for.
            unsent: Gives what they hold; None for nothing that is to be given back.
            for_link: Whether they wait for the link.
        """
        if for_link:
            self._for_link.append(waiter)
        if unsent is not None and not waiter.done:
            self._held[waiter] = unsent

    def leave(self, waiter: Waiter[None]) -> None:
        """Note that somebody waits no more."""
        self._held.pop(waiter, None)
        if waiter in self._for_link:
            self._for_link.remove(waiter)

    def failed(self, events: Iterable[Any]) -> None:
        """Note what a link didn't take."""
        self._failed += events

    def link_ready(self) -> None:
        """Let those go on who wait for the link; what the last one didn't take its senders know by now."""
        self._failed.clear()
        waiters, self._for_link = self._for_link, []
        for waiter in waiters:
            waiter.resolve(None)

    def ended(self, ending: Ending) -> Ending:
        """Give back all of it: to those who hold it, and in the ending."""
        held = {waiter: unsent() for waiter, unsent in self._held.items() if not waiter.done}
        unsent = (*ending.unsent, *self._failed, *(event for events in held.values() for event in events))
        ending = attrs.evolve(ending, unsent=unsent)
        for waiter, events in held.items():
            waiter.fail(ending.error(tuple(events)))
        for waiter in self._for_link:
            waiter.fail(ending.error())
        self._held.clear()
        self._for_link.clear()
        return ending
