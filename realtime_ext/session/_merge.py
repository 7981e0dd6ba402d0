"""A running session and an update to it, as the API puts them together.

This module must not check anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._given import SessionLike, read

__all__ = ["merge"]

# Objects that an update changes field by field; any other value replaces what was there.
_BY_FIELD = frozenset({"audio", "audio.input", "audio.output"})


def merge(current: SessionLike, update: SessionLike) -> dict[str, Any]:
    """Apply an update to a session.

    Args:
        current: The session as it is: as it was asked for, or as `session.created` or `session.updated` tell
            it.
        update: What changes. What is absent stays, an empty string or list clears, null turns off.

    Returns:
        The session as it will be; new, and neither of the two is changed.

    Raises:
        SessionConfigError: One of them is nested too deeply.
        TypeError: One of them is no session.

    Source: https://platform.openai.com/docs/api-reference/realtime-client-events/session/update
    """
    return _merged(read(current).body, read(update).body, "")


def _merged(current: Mapping[str, Any], update: Mapping[str, Any], path: str) -> dict[str, Any]:
    result = dict(current)
    for name, value in update.items():
        at, old = f"{path}{name}", current.get(name)
        if at in _BY_FIELD and isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value, f"{at}.")
        result[name] = value
    return result
