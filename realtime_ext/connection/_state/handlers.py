"""Handlers: the functions that a program registers with `on` and `once`. It must not call them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from .event_kinds import Kind, keys_of

Handler: TypeAlias = Callable[[Any], Any]


class Handlers:
    """Handlers by kind of event, in order of registration; several threads may use it.

    Attributes:
        by_key: For each type or class its handlers; and for one that is called only once, its registration.
    """

    __slots__ = ("_lock", "by_key")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_key: dict[str | type, tuple[tuple[Handler, object | None], ...]] = {}

    def add(self, kind: Kind, handler: Handler, *, once: bool = False) -> None:
        """Register a function.

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            handler: The function to call with the event.
            once: Whether it is removed with the first event.

        Raises:
            TypeError: The kind is not a kind of event, or the handler can't be called.
            ValueError: The kind is empty or misspelled, or clients send it.
        """
        if not callable(handler):
            raise TypeError(f"handler: expected a function, got {type(handler).__name__}")
        keys = keys_of(kind)
        registration = object() if once else None
        with self._lock:
            for key in keys:
                self.by_key[key] = (*self.by_key.get(key, ()), (handler, registration))

    def remove(self, kind: Kind, handler: Handler | None = None) -> None:
        """Remove a function, or all functions of that kind; one that isn't registered is ignored."""
        keys = keys_of(kind)
        with self._lock:
            for key in keys:
                entries = self.by_key.get(key, ())
                self.by_key[key] = tuple(e for e in entries if handler is not None and e[0] != handler)

    def pop(self, event: Any) -> tuple[Handler, ...]:
        """Return the handlers of an event, those by type first, and remove those registered with `once`."""
        if not self.by_key:
            return ()
        found: list[Handler] = []
        with self._lock:
            for key in (event.type, *type(event).__mro__):
                entries = self.by_key.get(key)
                if not entries:
                    continue
                found += [handler for handler, _ in entries]
                # A handler registered once for a union is removed from all its members.
                if gone := {registration for _, registration in entries if registration is not None}:
                    for other, others in self.by_key.items():
                        self.by_key[other] = tuple(e for e in others if e[1] not in gone)
        return tuple(found)
