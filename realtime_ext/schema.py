"""The API's schemas, and what they allow.

Limits come from `realtime_api.schemas` alone, which is loaded on first use. This module must not know about
sessions, tools or events.
"""

from __future__ import annotations

import functools

__all__ = ["bounds"]


@functools.cache
def bounds(schema_name: str, *path: str) -> tuple[int, int]:
    """Return the range of a number in the API's schemas.

    Args:
        schema_name: The schema's name in the API's description.
        path: Property names from there on.

    Returns:
        The smallest and the largest value allowed.

    Raises:
        KeyError: There is no such schema or property, or it has no limits.
    """
    from realtime_api import schemas

    found = schemas.get(schema_name)
    for name in path:
        found = found["properties"][name]
        if "$ref" in found:
            found = schemas.get(found["$ref"].rpartition("/")[2])
    return found["minimum"], found["maximum"]
