"""JSON text to plain Python values and back: fast, and with one kind of error.

msgspec does the work and is loaded on first use. What it refuses though servers and people write it (lone
surrogates, NaN, a byte order mark, integers beyond 64 bits) goes through the standard library instead, so
that a stray character never costs an event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

_SCALARS = (str, int, float, bytes)

_fast_decode: Callable[[str | bytes | bytearray | memoryview], Any] | None = None
_errors: tuple[type[Exception], ...] = (ValueError, RecursionError)


def decode(data: str | bytes | bytearray | memoryview) -> Any:
    """Read one JSON value.

    Args:
        data: JSON text, or its bytes in UTF-8.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        ValueError: The data is not JSON, or is nested too deeply to read. The message quotes none of it.
    """
    global _fast_decode, _errors
    if _fast_decode is None:
        import msgspec

        _fast_decode = msgspec.json.Decoder().decode
        _errors = (*_errors, msgspec.DecodeError)  # no ValueError in msgspec 0.18
    try:
        return _fast_decode(data)
    except _errors as error:
        return _decode_leniently(data, error)


def encode(value: Any, *, plain: bool = False, hook: Callable[[Any], Any] | None = None) -> str:
    """Write a value as compact JSON: no blanks, not ASCII alone.

    Args:
        value: Plain values, and anything within them that has a `to_dict()`, as the generated models do.
            bytes become base64, which is how the API reads audio.
        plain: Whether the value holds plain values alone, as what `to_dict()` returns does.
        hook: Returns what stands for a value that has no JSON form otherwise, or raises TypeError.

    Returns:
        The JSON text.

    Raises:
        ValueError: Something in the value has no JSON form, or is nested too deeply.
    """
    import msgspec

    try:
        content = value if plain else _plain(value)
    except RecursionError as error:
        raise ValueError("nested too deeply, or contains itself: not writable as JSON") from error
    try:
        text: str = msgspec.json.encode(content, enc_hook=hook).decode()
    except (TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not writable as JSON: {error}") from error
    except ValueError:
        return _encode_leniently(content)
    if "null" in text and (number := _not_finite(content)) is not None:  # msgspec turns them into null
        raise ValueError(f"not writable as JSON: {number}")
    return text


def value_at(content: Any, *names: str) -> Any:
    """Return what stands in an object at these names, one inside the other; None if nothing does."""
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _decode_leniently(data: str | bytes | bytearray | memoryview, refused: Exception) -> Any:
    import json

    try:
        # Bytes are decoded here: json.loads would also read UTF-16 and UTF-32.
        text = data if isinstance(data, str) else bytes(data).decode("utf-8", "surrogatepass")
        return json.loads(text.removeprefix("\ufeff"))
    except RecursionError as deep:
        raise ValueError("nested too deeply") from deep
    except ValueError as error:
        raise ValueError(_describe(error, refused)) from None


def _describe(error: ValueError, refused: Exception) -> str:
    # The errors' own texts may quote the data (UnicodeDecodeError keeps all of it); positions are enough.
    import json

    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos}"
    if isinstance(error, UnicodeError):
        return "not JSON: not UTF-8"
    return f"not JSON: {type(refused).__name__}"


def _encode_leniently(content: Any) -> str:
    import json

    try:
        return json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not writable as JSON: {error}") from error


def _plain(value: Any) -> Any:
    # msgspec would write a generated model by its attributes, which is not the API's form: to_dict() is.
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    to_dict = getattr(value, "to_dict", None)
    return _plain(to_dict()) if callable(to_dict) else value


def _not_finite(value: Any) -> float | None:
    # Looks for a number that JSON doesn't have; deeper than functions can call each other.
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, float):
            if not math.isfinite(value):
                return value
        elif isinstance(value, Mapping):
            stack += value.values()
        elif isinstance(value, list | tuple):
            stack += value
    return None
