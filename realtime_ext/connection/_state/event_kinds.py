"""Kinds of events: what `on`, `wait_for` and `expect` accept, and which events match."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Collection
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from ..._core.callbacks import ordinary
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

Several: TypeAlias = UnionType | tuple["Kind", ...]  # a union, or a tuple as isinstance accepts it
Kind: TypeAlias = str | type | Several  # an event type, an event class, or several of those
Where: TypeAlias = Callable[[Any], object]


def keys_of(kind: Kind) -> tuple[str | type, ...]:
    """Return the event types and classes that a kind stands for.

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

        warn_if_unknown(kind, {*events.SERVER_EVENTS, *events.TRANSLATION_SERVER_EVENTS})
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


def warn_if_unknown(kind: str, known: Collection[str]) -> None:
    """Log a warning for an event type that is not among the known ones, with the closest of them."""
    if kind in known or kind.startswith("realtime_ext."):
        return
    near = difflib.get_close_matches(kind, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    logger.warning("unknown event type %r%s", kind, hint)


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
