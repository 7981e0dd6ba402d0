"""Handlers: the functions that a program registers with `on` and `once`. It must not call them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
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

    def pop(self, event: Any) -> Iterable[Handler]:
        """Yield the handlers of an event, those by type first; those registered with `once` are removed then.

        So if a handler raises, those after it that are called once remain.
        """
        if not self.by_key:
            return ()
        with self._lock:
            found = [e for key in (event.type, *type(event).__mro__) for e in self.by_key.get(key, ())]
        if all(registration is None for _, registration in found):
            return [handler for handler, _ in found]
        return (handler for handler, registration in found if self._take(registration))

    def _take(self, registration: object | None) -> bool:
        """Remove a handler that is called once, for all its kinds; return whether it was there."""
        if registration is None:
            return True
        with self._lock:
            is_there = any(e[1] is registration for entries in self.by_key.values() for e in entries)
            for key, entries in self.by_key.items() if is_there else ():
                self.by_key[key] = tuple(e for e in entries if e[1] is not registration)
        return is_there
