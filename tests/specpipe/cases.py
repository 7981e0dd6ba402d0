"""A test case of a transform: input and output."""

from __future__ import annotations

from typing import Any

import attrs

#: Components that every case's description has, for references.
OTHERS: dict[str, Any] = {
    "B": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
    "C": {"type": "object", "properties": {"c": {"type": "integer"}}},
    "Word": {"type": "string"},
}


@attrs.frozen
class Case:
    """A schema before and after one rule.

    Attributes:
        title: What the case is about.
        before: The schema `A`.
        after: What the rule makes of it; None for what it has to leave as it is.
        count: How often the rule matches.
        more: Components that are there besides `OTHERS`.
        made: Components that the rule adds, or makes of those in `more`.
    """

    title: str
    before: dict[str, Any]
    after: dict[str, Any] | None
    count: int = 1
    more: dict[str, Any] = attrs.field(factory=dict)
    made: dict[str, Any] = attrs.field(factory=dict)


def ref(name: str) -> dict[str, Any]:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def document(
    schemas: dict[str, Any], paths: dict[str, Any] | None = None, **components: Any
) -> dict[str, Any]:
    """A description of these schemas."""
    return {"openapi": "3.1.0", "paths": paths or {}, "components": {"schemas": schemas, **components}}
