"""Apply a rule to every schema of a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..document import DATA, NAME_MAPS, SCHEMAS, Document, escape, rebuild

Rule = Callable[[dict[str, Any]], dict[str, Any]]
Change = Callable[[dict[str, Any], str], dict[str, Any]]
#: Components that contain schemas without being schemas.
PARTS = ("parameters", "requestBodies", "responses", "headers", "pathItems")


def each_schema(document: Document, rule: Rule) -> tuple[Document, int]:
    """Rewrite every schema of components and operations, innermost first.

    Args:
        document: The document, not modified.
        rule: Returns the same object if it does not match, and a new schema if it does.

    Returns:
        The new document and the number of matches.
    """
    count = 0

    def visit(schema: dict[str, Any]) -> dict[str, Any]:
        nonlocal count
        built = rebuild(schema, visit)
        changed = rule(built)
        count += changed is not built
        return changed

    return each_root(document, lambda schema, _: visit(schema)), count


def each_root(document: Document, change: Change) -> Document:
    """Return a copy of a document with `change(schema, pointer)` applied to every outermost schema."""
    out = dict(document)
    components = dict(out["components"])
    components["schemas"] = {
        name: change(schema, SCHEMAS + escape(name)) if isinstance(schema, dict) else schema
        for name, schema in components["schemas"].items()
    }
    for kind in PARTS:
        if kind in components:
            components[kind] = _in_parts(components[kind], change, f"/components/{kind}", True)
    out["components"] = components
    out["paths"] = _in_parts(out["paths"], change, "/paths", True)
    return out


def _in_parts(node: Any, change: Change, at: str, names: bool) -> Any:
    if isinstance(node, dict):
        out = {}
        for key, value in node.items():
            here = f"{at}/{escape(key)}"
            if not names and key == "schema" and isinstance(value, dict):
                out[key] = change(value, here)
            elif not names and (key in DATA or key.startswith("x-")):
                out[key] = value
            else:
                out[key] = _in_parts(value, change, here, not names and key in NAME_MAPS)
        return out
    if isinstance(node, list):
        return [_in_parts(value, change, f"{at}/{index}", False) for index, value in enumerate(node)]
    return node
