"""What a tool returned, as `function_call_output` takes it.

This module must not call tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .. import _json
from . import _pydantic
from ._values import Silent

__all__ = ["encode_result", "error_output"]


def encode_result(value: Any) -> tuple[str, bool]:
    """Write a tool's return value as one JSON document.

    Args:
        value: What msgspec encodes, generated models and pydantic models among it; `Silent` around it. Text
            that is a JSON object or array by itself goes as it is; other text becomes a JSON string. None
            becomes null.

    Returns:
        The JSON, and whether it was `Silent`.

    Raises:
        ValueError: Something in the value has no JSON form.
    """
    silent = isinstance(value, Silent)
    output = value.output if silent else value
    if isinstance(output, str) and _is_document(output):
        return output, silent
    return _json.encode(_plain(output)), silent


def error_output(kind: str, message: str) -> str:
    """Write the output that tells the model of a failure: `{"error": {"type": kind, "message": message}}`."""
    return _json.encode({"error": {"type": kind, "message": message}})


def _is_document(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _plain(value: Any) -> Any:
    if _pydantic.is_pydantic(type(value)):
        return _pydantic.dump(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
