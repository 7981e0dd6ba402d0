"""A tool's definition against the API's own schema of definitions.

This module must not know where a definition comes from.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._check import check

__all__ = ["checked_definition"]


def checked_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """Check a definition.

    Args:
        definition: What a session's `tools` would hold.

    Returns:
        The definition.

    Raises:
        ValueError: The API would refuse it, or it has no name.
    """
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"tool: expected a definition with a name, got the name {name!r}")
    problems = check(_schema(), definition)
    if problems:
        raise ValueError(f"tool {name}: {'; '.join(problem.message for problem in problems)}")
    return definition


@cache
def _schema() -> Any:
    from realtime_api import schemas

    return schemas.standalone("RealtimeFunctionTool")
