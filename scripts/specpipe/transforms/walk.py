"""Apply a rule to every schema of a document, wherever schemas stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..document import SCHEMAS, Document, escape, rebuild

Rule = Callable[[dict[str, Any]], dict[str, Any]]


def each_schema(document: Document, rule: Rule) -> tuple[Document, int]:
    """Rewrite every schema, innermost first, component schemas and those in operations alike.

    Args:
        document: Left as it is.
        rule: Gives the schema itself where it has nothing to do, and a new one where it matched.

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


def each_root(document: Document, change: Callable[[dict[str, Any], str], dict[str, Any]]) -> Document:
    """A copy of a document with `change(schema, pointer)` in place of every outermost schema."""
    out = dict(document)
    components = dict(out["components"])
    components["schemas"] = {
        name: change(schema, SCHEMAS + escape(name)) for name, schema in components["schemas"].items()
    }
    for kind in ("parameters", "requestBodies", "responses", "headers"):
        if kind in components:
            components[kind] = _in_operations(components[kind], change, f"/components/{kind}")
    out["components"] = components
    out["paths"] = _in_operations(out["paths"], change, "/paths")
    return out


def _in_operations(node: Any, change: Callable[[dict[str, Any], str], dict[str, Any]], pointer: str) -> Any:
    if isinstance(node, dict):
        return {
            key: change(value, f"{pointer}/schema")
            if key == "schema" and isinstance(value, dict)
            else _in_operations(value, change, f"{pointer}/{escape(str(key))}")
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_in_operations(value, change, f"{pointer}/{index}") for index, value in enumerate(node)]
    return node
