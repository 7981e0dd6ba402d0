"""Who wants to be called with which events.

It must not call anybody: shells do, each in its own way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ._matching import Kind, keys_of

__all__ = ["Handler", "Handlers"]

Handler: TypeAlias = Callable[[Any], Any]


class Handlers:
    """A register of handlers, in the order in which they came.

    Lists are replaced, never changed, so that reading needs no lock.

    Attributes:
        by_key: Them, and whether each is to be called once; empty if nobody wants to be called.
    """

    __slots__ = ("by_key",)

    def __init__(self) -> None:
        self.by_key: dict[str | type, tuple[tuple[Handler, bool], ...]] = {}

    def add(self, kind: Kind, handler: Handler, *, once: bool = False) -> None:
        """Register a handler.

        Args:
            kind: An event type, an event class or a union of classes.
            handler: What to call with the event.
            once: Whether the first event is the last.

        Raises:
            TypeError: The kind is no kind of event, or the handler can't be called.
            ValueError: The kind is empty.
        """
        if not callable(handler):
            raise TypeError(f"handler: expected a function, got {type(handler).__name__}")
        for key in keys_of(kind):
            self.by_key[key] = (*self.by_key.get(key, ()), (handler, once))

    def remove(self, kind: Kind, handler: Handler | None = None) -> None:
        """Take a handler out, or all of that kind; one that isn't there is passed over."""
        for key in keys_of(kind):
            kept = tuple(
                entry for entry in self.by_key.get(key, ()) if handler is not None and entry[0] != handler
            )
            self.by_key[key] = kept

    def take(self, event: Any) -> tuple[Handler, ...]:
        """Give the handlers for an event, those by type first; what is to be called once is taken out."""
        if not self.by_key:
            return ()
        found: list[Handler] = []
        for key in (event.type, *type(event).__mro__):
            entries = self.by_key.get(key)
            if not entries:
                continue
            found += [handler for handler, _ in entries]
            if any(once for _, once in entries):
                # A once-handler of a union is gone from all its members.
                gone = {id(handler) for handler, once in entries if once}
                for other, others in self.by_key.items():
                    self.by_key[other] = tuple(e for e in others if not (e[1] and id(e[0]) in gone))
        return tuple(found)
