"""A tool's definition against the API's own schema of definitions, and its parameters against JSON Schema's.

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
        ValueError: The API would refuse it, it has no name, or its parameters are no schema of an object.
    """
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"tool: expected a definition with a name, got the name {name!r}")
    problems = check(_schema(), definition) or check(_PARAMETERS, definition)
    if problems:
        raise ValueError(f"tool {name}: {'; '.join(problem.message for problem in problems)}")
    try:
        check(definition.get("parameters"), {})
    except RecursionError as error:
        raise ValueError(f"tool {name}: parameters: a reference leads back to itself") from error
    return definition


_TYPES = ["string", "number", "integer", "boolean", "array", "object", "null"]
_SCHEMA = {"$ref": "#/$defs/schema"}
_SCHEMAS = {"type": "array", "items": _SCHEMA, "minItems": 1}
_SCHEMA_MAP = {"type": "object", "additionalProperties": _SCHEMA}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_TEXTS = {"type": "array", "items": {"type": "string"}}
# JSON Schema's own schema, as far as arguments are checked.
_PARAMETERS: dict[str, Any] = {
    "properties": {"parameters": {"allOf": [_SCHEMA, {"properties": {"type": {"const": "object"}}}]}},
    "$defs": {
        "schema": {
            "type": ["object", "boolean"],
            "properties": {
                "type": {"anyOf": [{"enum": _TYPES}, {"type": "array", "items": {"enum": _TYPES}}]},
                "enum": {"type": "array", "minItems": 1},
                "required": _TEXTS,
                "pattern": {"type": "string"},
                "multipleOf": {"type": "number", "exclusiveMinimum": 0},
                "$ref": {"type": "string"},
                **dict.fromkeys(("properties", "patternProperties", "$defs"), _SCHEMA_MAP),
                **dict.fromkeys(("additionalProperties", "items", "propertyNames", "not"), _SCHEMA),
                **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _SCHEMAS),
                **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
                **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _COUNT),
                **dict.fromkeys(("minProperties", "maxProperties"), _COUNT),
            },
        }
    },
}


@cache
def _schema() -> Any:
    from realtime_api import schemas

    return schemas.standalone("RealtimeFunctionTool")
