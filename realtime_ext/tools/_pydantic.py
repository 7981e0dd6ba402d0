"""Pydantic's types as parameters. Pydantic itself is imported only when such a type is met.

This module must not be needed by tools that don't use pydantic.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

__all__ = ["dump", "is_pydantic", "json_schema", "validate"]


def is_pydantic(cls: Any) -> bool:
    """Say whether pydantic knows how to check a type: a model, or one of its own types."""
    return isinstance(cls, type) and hasattr(cls, "__get_pydantic_core_schema__")


def json_schema(cls: Any) -> dict[str, Any]:
    """Give pydantic's JSON Schema of a type.

    Returns:
        The schema, with `$defs` of its own if types are nested; references are `#/$defs/Name`.
    """
    schema: dict[str, Any] = _adapter(cls).json_schema()
    return schema


def validate(cls: Any, value: Any) -> Any:
    """Make a value of a pydantic type.

    Args:
        cls: The type.
        value: Decoded JSON.

    Raises:
        ValueError: It doesn't fit; the message has every fault with its place.
    """
    import pydantic

    try:
        return _adapter(cls).validate_json(msgspec.json.encode(value))
    except pydantic.ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        texts = [": ".join(filter(None, [_place(fault["loc"]), fault["msg"]])) for fault in faults]
        raise ValueError("; ".join(texts)) from error


def dump(value: Any) -> Any:
    """Give a pydantic value as plain values for JSON."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


@cache
def _adapter(cls: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(cls)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
