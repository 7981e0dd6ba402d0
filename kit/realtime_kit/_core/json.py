"""Values of a program as the JSON that is stored of them."""

from __future__ import annotations

import json
from typing import Any


def as_stored(value: Any) -> Any:
    """Return what reading a value back from JSON gives.

    Args:
        value: Plain values, and anything within them that has a `to_dict()`, as generated models do, or that
            msgspec can write, such as dates and dataclasses.

    Raises:
        ValueError: Something in the value has no JSON form, or is nested too deeply.
    """
    try:
        return json.loads(json.dumps(value, default=_plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not writable as JSON: {error}") from error


def _plain(value: Any) -> Any:
    import msgspec

    to_dict = getattr(value, "to_dict", None)
    return to_dict() if callable(to_dict) else msgspec.to_builtins(value, str_keys=True)
