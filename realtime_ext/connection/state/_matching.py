"""Which events somebody means: by type, by class, or by a union or a tuple of those.

It must not hold handlers or waiters; those who do ask here.
"""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Collection
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

__all__ = ["Kind", "Matcher", "Several", "hint", "keys_of", "name_of"]

logger = logging.getLogger("realtime_ext")

Several: TypeAlias = UnionType | tuple["Kind", ...]  # a union, or a tuple as isinstance takes it
Kind: TypeAlias = str | type | Several  # an event type, an event class, or several of those
Where: TypeAlias = Callable[[Any], object]


def keys_of(kind: Kind) -> tuple[str | type, ...]:
    """Turn what a user named into look-up keys.

    Args:
        kind: An event type such as `response.done`, an event class, or a union or a tuple of those.

    Returns:
        The types and classes.

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
    """Give the name of a kind, for messages: its type, or its classes' names."""
    if isinstance(kind, str):
        return kind
    members = kind if isinstance(kind, tuple) else get_args(kind)
    return " | ".join(map(name_of, members)) if members else getattr(kind, "__name__", repr(kind))


def hint(kind: str, known: Collection[str]) -> None:
    """Warn of an event type that nobody knows, and name the nearest one.

    Args:
        kind: The type.
        known: Those that there are.
    """
    if kind in known or kind.startswith("realtime_ext."):
        return
    near = difflib.get_close_matches(kind, known, 1)
    logger.warning(
        "%r is no event type that this version knows%s", kind, f"; did you mean {near[0]!r}?" if near else ""
    )


class Matcher:
    """A test of events.

    Args:
        kind: As `keys_of` takes it.
        where: A further condition on the event.

    Raises:
        TypeError: The kind is neither a type nor a class, or the condition is no plain function.
        ValueError: The type is empty.
    """

    __slots__ = ("_classes", "_types", "_where")

    def __init__(self, kind: Kind, where: Where | None = None) -> None:
        keys = keys_of(kind)
        if where is not None and (not callable(where) or inspect.iscoroutinefunction(where)):
            got = "an async one" if callable(where) else type(where).__name__
            raise TypeError(f"where: expected a function of an event, or None, got {got}")
        self._types = frozenset(key for key in keys if isinstance(key, str))
        self._classes = tuple(key for key in keys if isinstance(key, type))
        self._where = where

    def __call__(self, event: Any) -> bool:
        """Whether the event is meant; raises what the condition raises."""
        if event.type not in self._types and not isinstance(event, self._classes):
            return False
        return self._where is None or bool(self._where(event))
