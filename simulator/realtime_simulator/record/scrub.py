"""Keeps secrets out of tapes: by their shape, by the field that holds them, and those that are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from realtime_ext.secrets import MASK, mask

_FIELDS = {
    "authorization",
    "api_key",
    "api-key",
    "client_secret",
    "password",
    "secret",
    "token",
    "access_token",
}
_LONG = 4096
"""Texts beyond this are sound or pictures."""


def scrubbed(value: Any, known: Iterable[str] = ()) -> Any:
    """Return a JSON value without its secrets.

    Args:
        value: The value; it stays as it is.
        known: Secrets to take out wherever they stand.
    """
    if isinstance(value, Mapping):
        return {key: _field(str(key), inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, known) for inner in value]
    if not isinstance(value, str) or (len(value) > _LONG and " " not in value):
        return value
    return mask(value, known)


def _field(name: str, value: Any, known: Iterable[str]) -> Any:
    if name.lower() in _FIELDS and isinstance(value, str) and value:
        return MASK
    if name == "headers" and isinstance(value, Mapping):  # what a tool sends to its MCP server
        return dict.fromkeys(value, MASK)
    return scrubbed(value, known)
