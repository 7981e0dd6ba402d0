"""Messages of the link: decoded into events, and how much memory each counts for while it is queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..._core import json as _json
from ...events import UnknownEvent, parse_event

JSON: TypeAlias = Mapping[str, Any]
Message: TypeAlias = str | bytes | bytearray
SizeOf: TypeAlias = Callable[[Message, Any], int]  # of a message and its JSON

LOCAL_SIZE = 64  # bytes that an event of this package's own counts for
EVENT_SIZE = 320  # bytes of memory, as measured: an event without anything in it
CONTAINER_SIZE = 64  # an object or array in it
VALUE_SIZE = 32  # each further value
_SCALARS = frozenset({str, int, float, bool, type(None)})


def read_message(
    data: Message, size_of: SizeOf | None = None, *, is_live: bool = False
) -> tuple[JSON, Any, int]:
    """Decode one message of the link; no input raises.

    Args:
        data: The message.
        size_of: Returns the size that it counts for; None for its length.
        is_live: Whether it is from a Live session, some of whose events have the names of others.

    Returns:
        The JSON object (empty if the message is none), the event, and its size.
    """
    size_of = size_of or length_of
    try:
        content = _json.decode(data)
    except ValueError as error:
        raw = bytes(data) if isinstance(data, bytearray) else data
        return {}, UnknownEvent("", {"raw": raw}, str(error)), size_of(data, None)
    if not isinstance(content, dict):
        return {}, UnknownEvent("", {"raw": content}, "not a JSON object"), size_of(data, content)
    event = parse_event(content, live=True) if is_live else parse_event(content)
    return content, event, size_of(data, content)


def length_of(data: Message, content: object = None) -> int:
    """Return a message's length."""
    return len(data)


def memory_of(data: Message, content: object) -> int:
    """Estimate the bytes of memory that a message takes while it is queued as an event.

    Small and nested messages take many times their length, since every value is an object.

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


def text_or_none(value: Any) -> str | None:
    """Return a value if it is text."""
    return value if isinstance(value, str) else None
