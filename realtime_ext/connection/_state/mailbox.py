"""Events on their way to the program: read, queued within a bound, and matched with those who wait for them.

It must not wait by itself, nor act on what an event means.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from ..._core import json as _json
from ...events import UnknownEvent, parse_event
from .waiters import Waiter

__all__ = [
    "LATEST",
    "LOCAL_SIZE",
    "Budget",
    "EventWaiter",
    "Handler",
    "Handlers",
    "Kind",
    "Mailbox",
    "Message",
    "Several",
    "Where",
    "hint",
    "name_of",
    "read_message",
]

logger: logging.Logger = logging.getLogger("realtime_ext")

JSON = Mapping[str, Any]
Several: TypeAlias = UnionType | tuple["Kind", ...]  # a union, or a tuple as isinstance takes it
Kind: TypeAlias = str | type | Several  # an event type, an event class, or several of those
Where: TypeAlias = Callable[[Any], object]
Handler: TypeAlias = Callable[[Any], Any]
Message: TypeAlias = str | bytes | bytearray
SizeOf: TypeAlias = Callable[[Message, Any], int]  # of a message and its JSON

LATEST = 1000  # events that are kept for a program that only asks
LOCAL_SIZE = 64  # bytes that an event of this package's own counts for
COUNTS_MEMORY = 2**20  # bytes: limits from this on are of memory
EVENT_SIZE = 320  # bytes of memory, as measured: an event without anything in it
CONTAINER_SIZE = 64  # an object or array in it
VALUE_SIZE = 32  # each further value
_SCALARS = frozenset({str, int, float, bool, type(None)})


def length_of(data: Message, content: object = None) -> int:
    """Return a message's length."""
    return len(data)


def read_message(data: Message, size_of: SizeOf = length_of) -> tuple[JSON, Any, int]:
    """Read one message of the link; nothing that comes in raises.

    Args:
        data: The message.
        size_of: Returns what it counts for.

    Returns:
        The JSON object (empty if it is none), the event, and the size that it counts for.
    """
    try:
        content = _json.decode(data)
    except ValueError as fault:
        raw = bytes(data) if isinstance(data, bytearray) else data
        return {}, UnknownEvent("", {"raw": raw}, str(fault)), size_of(data, None)
    if not isinstance(content, dict):
        return {}, UnknownEvent("", {"raw": content}, "not a JSON object"), size_of(data, content)
    return content, parse_event(content), size_of(data, content)


def cost_of(data: Message, content: object) -> int:
    """Return about how many bytes of memory a message costs while it waits, read as an event.

    Small and nested ones cost many times their length: every value is an object.

    Args:
        data: The message.
        content: Its JSON.
    """
    if type(content) is dict and _SCALARS.issuperset(map(type, content.values())):
        # Most events, above all the long ones: deltas, whose text need not be searched.
        return EVENT_SIZE + len(data) + CONTAINER_SIZE + VALUE_SIZE * len(content)
    if isinstance(data, str):
        containers, values = data.count("[") + data.count("{"), data.count(",")
    else:
        containers, values = data.count(b"[") + data.count(b"{"), data.count(b",")
    return EVENT_SIZE + len(data) + CONTAINER_SIZE * containers + VALUE_SIZE * values


# Which events are meant


def keys_of(kind: Kind) -> tuple[str | type, ...]:
    """Return the types and classes that a kind of event stands for.

    Args:
        kind: An event type such as `response.done`, an event class, or a union or a tuple of those.

    Raises:
        TypeError: It is something else.
        ValueError: The type, or the tuple, is empty.
    """
    if isinstance(kind, str):
        if not kind:
            raise ValueError("event: expected an event type such as 'response.done', got ''")
        from realtime_api import events

        hint(kind, {*events.SERVER_EVENTS, *events.TRANSLATION_SERVER_EVENTS})
        return (kind,)
    if isinstance(kind, tuple):
        if not kind:
            raise ValueError("event: expected event types or classes, got an empty tuple")
        return tuple(key for member in kind for key in keys_of(member))
    origin: Any = get_origin(kind)
    if isinstance(kind, UnionType) or origin is Union:
        return tuple(key for member in get_args(kind) for key in keys_of(member))
    if isinstance(kind, type) and callable(getattr(kind, "to_dict", None)):
        return (kind,)
    raise TypeError(
        "event: expected an event type such as 'response.done', an event class, or a union or a tuple of "
        f"those, got {kind!r}"
    )


def name_of(kind: Kind) -> str:
    """Return the name of a kind, for messages: its type, or its classes' names."""
    if isinstance(kind, str):
        return kind
    members = kind if isinstance(kind, tuple) else get_args(kind)
    return " | ".join(map(name_of, members)) if members else getattr(kind, "__name__", repr(kind))


def hint(kind: str, known: Collection[str]) -> None:
    """Warn of an event type that is not among the known ones, and name the nearest of them."""
    if kind in known or kind.startswith("realtime_ext."):
        return
    near = difflib.get_close_matches(kind, known, 1)
    logger.warning(
        "%r is no event type that this version knows%s", kind, f"; did you mean {near[0]!r}?" if near else ""
    )


class Handlers:
    """The functions to be called with events of a kind, in the order in which they were registered.

    It calls nothing itself; several threads may use it.

    Attributes:
        by_key: For each type or class the functions, and whether each is to be called once.
    """

    __slots__ = ("_lock", "by_key")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_key: dict[str | type, tuple[tuple[Handler, bool], ...]] = {}

    def add(self, kind: Kind, handler: Handler, *, once: bool = False) -> None:
        """Register a function.

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            handler: What to call with the event.
            once: Whether the first event is the last.

        Raises:
            TypeError: The kind is no kind of event, or the handler can't be called.
            ValueError: The kind is empty.
        """
        if not callable(handler):
            raise TypeError(f"handler: expected a function, got {type(handler).__name__}")
        keys = keys_of(kind)
        with self._lock:
            for key in keys:
                self.by_key[key] = (*self.by_key.get(key, ()), (handler, once))

    def remove(self, kind: Kind, handler: Handler | None = None) -> None:
        """Remove a function, or all of that kind; one that isn't registered is ignored."""
        keys = keys_of(kind)
        with self._lock:
            for key in keys:
                entries = self.by_key.get(key, ())
                self.by_key[key] = tuple(e for e in entries if handler is not None and e[0] != handler)

    def pop(self, event: Any) -> tuple[Handler, ...]:
        """Return the functions for an event, those by type first; those for one event alone are removed."""
        if not self.by_key:
            return ()
        found: list[Handler] = []
        with self._lock:
            for key in (event.type, *type(event).__mro__):
                entries = self.by_key.get(key)
                if not entries:
                    continue
                found += [handler for handler, _ in entries]
                # What is registered once for a union is removed from all its members.
                if gone := {id(handler) for handler, once in entries if once}:
                    for other, others in self.by_key.items():
                        self.by_key[other] = tuple(e for e in others if not (e[1] and id(e[0]) in gone))
        return tuple(found)


class EventWaiter(Waiter[Any]):
    """Waits for the next event of a kind.

    Args:
        kind: An event type, an event class, or a union or a tuple of those.
        where: A further condition on the event.

    Raises:
        TypeError: The kind is neither a type nor a class, or the condition is no plain function.
        ValueError: The type is empty.
    """

    __slots__ = ("_classes", "_types", "_where")

    def __init__(self, kind: Kind, where: Where | None = None) -> None:
        super().__init__()
        keys = keys_of(kind)
        if where is not None and (not callable(where) or inspect.iscoroutinefunction(where)):
            got = "an async one" if callable(where) else type(where).__name__
            raise TypeError(f"where: expected a function of an event, or None, got {got}")
        self._types = frozenset(key for key in keys if isinstance(key, str))
        self._classes = tuple(key for key in keys if isinstance(key, type))
        self._where = where

    def offer(self, event: Any) -> None:
        """Fill it with the event, if that is meant; what the condition raises fills it too."""
        try:
            if self.is_for(event):
                self.resolve(event)
        except Exception as error:  # the program's condition raised, and the program is to see it
            self.fail(error)

    def is_for(self, event: Any) -> bool:
        """Return whether an event is meant; what the condition raises comes through."""
        if event.type not in self._types and not isinstance(event, self._classes):
            return False
        return self._where is None or bool(self._where(event))


# The queue


class Budget:
    """A bound on bytes that several queues share.

    Args:
        limit: Bytes; at least 1.

    Attributes:
        used: Bytes that wait now.
        half: Half of the limit.
        over: Whether there were ever more than the limit.
        size_of: Returns what a message counts for: about the memory that it takes, or where the limit is so
            small that this doesn't matter, its length.
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
        self.size_of: SizeOf = cost_of if limit >= COUNTS_MEMORY else length_of
        self._warned = False

    def add(self, size: int) -> bool:
        """Count what came in; return whether this is the moment to warn that half of the limit is used."""
        self.used = used = self.used + size
        if used <= self.half:
            return False
        if used > self.limit:
            self.over = True
        is_first, self._warned = not self._warned, True
        return is_first

    def release(self, size: int) -> None:
        """Count what was taken out; once all is out, a later rise warns again."""
        self.used -= size
        if self.used == 0:
            self._warned = False


class Mailbox:
    """One connection's events that wait for the program, and those who wait for an event.

    Args:
        budget: What waiting events count against.

    Attributes:
        is_asked: Whether the program has followed turns, and so may never read events.
        is_consumed: Whether the program has begun to read events.
        is_closed: Whether no more events will come.
    """

    __slots__ = (
        "_budget",
        "_consumers",
        "_events",
        "_forgets",
        "_waiters",
        "is_asked",
        "is_closed",
        "is_consumed",
    )

    def __init__(self, budget: Budget) -> None:
        self.is_asked: bool = False
        self.is_consumed: bool = False
        self.is_closed: bool = False
        self._budget = budget
        self._events: deque[tuple[Any, int]] | None = None  # an empty one would use 600 bytes
        self._consumers: list[Waiter[None]] = []
        self._waiters: list[EventWaiter] = []
        self._forgets = False

    def put(self, event: Any, size: int) -> bool:
        """Queue an event of so many bytes and wake a consumer; the result is `Budget.add`'s."""
        events = self._events
        if events is None:
            events = self._events = deque()
        events.append((event, size))
        warns = self._budget.add(size)
        if self._consumers:
            self._wake()
        return warns

    def put_unconsumed(self, event: Any, size: int) -> bool:
        """Queue an event that perhaps nobody reads: where turns are followed, only the latest are kept."""
        warns = self.put(event, size)
        if self.is_asked and self._events is not None and len(self._events) > LATEST:
            self._pop()
            if not self._forgets:
                self._forgets = True
                logger.info("nobody takes events: only the latest %d are kept", LATEST)
        return warns

    def offer(self, event: Any) -> None:
        """Fill the waiters that the event is for."""
        if self._waiters:
            for waiter in self._waiters:
                waiter.offer(event)
            self._waiters = [waiter for waiter in self._waiters if not waiter.done]

    def take(self) -> Any:
        """Remove and return the oldest event; None if there is none now."""
        self.is_consumed = True
        return None if self._events is None else self._pop()

    def take_batch(self, limit_events: int, limit_bytes: int) -> list[Any]:
        """Remove and return the oldest events, up to a number of events or about so many bytes."""
        self.is_consumed = True
        batch: list[Any] = []
        size = 0
        while self._events and len(batch) < limit_events and size < limit_bytes:
            size += self._events[0][1]
            batch.append(self._pop())
        return batch

    def wait(self) -> Waiter[None]:
        """Return a waiter that is filled when there is an event to read, or none will come."""
        self.is_consumed = True
        waiter: Waiter[None] = Waiter()
        if self._events or self.is_closed:
            waiter.resolve(None)
        else:
            self._consumers.append(waiter)
        return waiter

    def cancel(self, waiter: Waiter[None]) -> None:
        """Stop waiting; if it was just woken, another consumer is woken in its place."""
        if waiter in self._consumers:
            self._consumers.remove(waiter)
        elif self._events:
            self._wake()

    def wait_for(self, kind: Kind, where: Where | None) -> EventWaiter:
        """Return a waiter for the next event of a kind; raises as `EventWaiter` does."""
        waiter = EventWaiter(kind, where)
        self._waiters.append(waiter)
        return waiter

    def forget(self, waiter: EventWaiter) -> None:
        """Stop waiting for an event of a kind."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def holds(self, waiter: EventWaiter) -> bool:
        """Return whether an event in the queue is what a waiter waits for."""
        with contextlib.suppress(Exception):  # of the program's condition
            return any(waiter.is_for(event) for event, _ in self._events or ())
        return False

    def close(self, error: Callable[[], Exception]) -> None:
        """Record that no more events will come; those in the queue can still be read."""
        self.is_closed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.fail(error())
        while self._consumers:
            self._wake()

    def _pop(self) -> Any:
        assert self._events is not None
        event, size = self._events.popleft()
        if not self._events:
            self._events = None
        self._budget.release(size)
        return event

    def _wake(self) -> None:
        if self._consumers:
            self._consumers.pop(0).resolve(None)
