"""What comes in, from bytes to an event; nothing that comes in raises. It must not know the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import _json
from ...events import UnknownEvent, _readers, parse_event

__all__ = ["read_message"]

JSON = Mapping[str, Any]


def read_message(data: str | bytes) -> tuple[JSON, Any, int]:
    """Read what came in.

    Returns:
        The JSON object (empty if it is none), the event, and the size that it counts for.
    """
    try:
        content = _json.decode(data)
    except ValueError as fault:
        return {}, UnknownEvent("", {"raw": data}, str(fault)), len(data)
    if not isinstance(content, dict):
        return {}, UnknownEvent("", {"raw": content}, "not a JSON object"), len(data)
    kind = content.get("type")
    read = _readers.get(kind) if isinstance(kind, str) else None
    if read is not None:
        # The way of nearly all events; for whatever doesn't fit, parse_event finds the words.
        try:
            return content, read(content), len(data)
        except Exception:
            pass
    return content, parse_event(content), len(data)
