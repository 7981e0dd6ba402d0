"""Kinds of events: what `on`, `wait_for` and `expect` accept, and which events match."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Collection
from functools import cache
from itertools import takewhile
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

import attrs

from ..._core.callbacks import ordinary
from ...events import Reconnected, SessionExpiring, TalkedOver
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

Several: TypeAlias = UnionType | tuple["Kind", ...]  # a union, or a tuple as isinstance accepts it
Kind: TypeAlias = str | type | Several  # an event type, an event class, or several of those
Where: TypeAlias = Callable[[Any], object]
LOCAL_PREFIX = "realtime_ext."
LOCAL_TYPES: tuple[str, ...] = tuple(
    attrs.fields(kind).type.default for kind in (Reconnected, SessionExpiring, TalkedOver)
)
"""The types of the events that a connection adds itself."""


def keys_of(kind: Kind) -> tuple[str | type, ...]:
    """Return the event types and classes that a kind stands for.

    Args:
        kind: An event type such as `response.done`, an event class, or a union or a tuple of those.

    Raises:
        TypeError: It is something else.
        ValueError: The type, or the tuple, is empty; or the type is misspelled, or that of a client event.
    """
    if isinstance(kind, str):
        check_type(kind)
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


@cache
def server_types() -> frozenset[str]:
    """Return the types of all events that a server sends, of both APIs."""
    from realtime_api import events

    return frozenset().union(
        events.SERVER_EVENTS,
        events.TRANSLATION_SERVER_EVENTS,
        events.LIVE_SIDEBAND_SERVER_EVENTS,
    )


@cache
def client_types() -> frozenset[str]:
    """Return the types of all events that only a client sends, of both APIs."""
    from realtime_api import events

    return (
        frozenset().union(
            events.CLIENT_EVENTS,
            events.TRANSLATION_CLIENT_EVENTS,
            events.LIVE_CLIENT_EVENTS,
            events.LIVE_FORK_CLIENT_EVENTS,
            events.LIVE_SIDEBAND_CLIENT_EVENTS,
        )
        - server_types()
    )


def check_type(kind: str) -> None:
    """Check the type of an event that a program waits for.

    A type that is one letter away from a known one is misspelled. Any other unknown type is accepted and
    logged: servers may send events that this version does not know.

    Raises:
        ValueError: It is empty, misspelled, or that of an event that only clients send.
    """
    if not kind:
        raise ValueError("event: expected an event type such as 'response.done', got ''")
    if kind.startswith(LOCAL_PREFIX):
        if kind not in LOCAL_TYPES:
            raise ValueError(f"event: expected one of {', '.join(LOCAL_TYPES)}, got {kind!r}")
    elif kind not in server_types():
        if kind in client_types():
            hint = _hint(kind, server_types(), 0.9)
            raise ValueError(f"event: {kind!r} is sent by clients and is never received{hint}")
        if any(_is_typo(kind, known) for known in server_types()):
            raise ValueError(f"event: {kind!r} is not known{_hint(kind, server_types())}")
        warn_if_unknown(kind, server_types())


def _is_typo(kind: str, known: str) -> bool:
    """Return whether one letter is wrong, missing or superfluous, or two have changed places."""
    pairs = zip(kind, known, strict=False)
    equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    got, meant = kind[equal:], known[equal:]
    swapped = meant[:2][::-1] + meant[2:]
    return got[1:] in (meant, meant[1:]) or got in (meant[1:], swapped)


def _hint(kind: str, known: Collection[str], likeness: float = 0.6) -> str:
    near = difflib.get_close_matches(kind, known, 1, likeness)
    return f"; did you mean {near[0]!r}?" if near else ""


def name_of(kind: Kind) -> str:
    """Return the name of a kind, for messages: its type, or its classes' names."""
    if isinstance(kind, str):
        return kind
    members = kind if isinstance(kind, tuple) else get_args(kind)
    return " | ".join(map(name_of, members)) if members else getattr(kind, "__name__", repr(kind))


def warn_if_unknown(kind: str, known: Collection[str]) -> None:
    """Log a warning for an event type that is not among the known ones, with the closest of them."""
    if kind not in known:
        logger.warning("unknown event type %r%s", kind, _hint(kind, known))


class EventWaiter(Waiter[Any]):
    """Waits for one event of a kind.

    Args:
        kind: An event type, an event class, or a union or a tuple of those.
        where: A further condition on the event.

    Attributes:
        number: The number of the event that it was filled with, in order of arrival.

    Raises:
        TypeError: The kind is neither a type nor a class, or the condition is not a plain function.
        ValueError: The type is empty.
    """

    __slots__ = ("_classes", "_types", "_where", "number")

    def __init__(self, kind: Kind, where: Where | None = None) -> None:
        super().__init__()
        keys = keys_of(kind)
        if where is not None and (not callable(where) or inspect.iscoroutinefunction(where)):
            got = "an async one" if callable(where) else type(where).__name__
            raise TypeError(f"where: expected a function of an event, or None, got {got}")
        self._types = frozenset(key for key in keys if isinstance(key, str))
        self._classes = tuple(key for key in keys if isinstance(key, type))
        self._where = where
        self.number: int = 0

    def offer(self, event: Any, number: int) -> None:
        """Fill the waiter if the event matches; an exception of the condition fills it too."""
        if event.type not in self._types and not isinstance(event, self._classes):
            return
        try:
            is_match = self._where is None or bool(self._where(event))
        except BaseException as error:  # raised by the program's own condition, for the program
            self.fail(ordinary(error, "where"))
            return
        if is_match:
            self.number = number
            self.resolve(event)
