"""Reference pages: one for all operations, one for each model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .document import references, union_of
from .plan import Operation, Plan

_LIMITS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "exclusiveMinimum": "> {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
    "pattern": "matches `{}`",
    "format": "format {}",
    "default": "default `{}`",
}


def cell(text: Any) -> str:
    """Text inside a table's cell."""
    return " ".join(str(text).replace("|", "\\|").split())


def code(annotation: str) -> str:
    """An annotation as code inside a table's cell; bars need no escape that would show."""
    return "`" + annotation.replace("|", "\\|") + "`"


def limits(schema: Any) -> str:
    """What is allowed of a value, in words."""
    found: list[str] = []
    stack = [schema]
    while stack:
        node = stack.pop(0)
        if not isinstance(node, dict):
            continue
        for keyword, words in _LIMITS.items():
            if keyword in node:
                value = node[keyword]
                found.append(words.format(value if isinstance(value, (int, float, str)) else json.dumps(value)))
        stack.extend(union_of(node) or [])
        if node.get("type") == "array":
            stack.append(node.get("items"))
    return cell("; ".join(dict.fromkeys(found)))


def pages(render: Callable[..., str], plan: Plan) -> dict[str, str]:
    """Every page by its path in `docs/`."""
    users: dict[str, list[str]] = {name: [] for name in plan.names}
    for name in plan.names:
        schema = (plan.models.get(name) or plan.aliases[name]).schema
        for target in dict.fromkeys(references(schema)):
            if target in users:
                users[target].append(name)
    used_by_operations = {name: operations_with(plan, name) for name in plan.names}
    out = {"RealtimeApi.md": render("docs/operations.md.jinja", examples={n: example(o) for n, o in plan.operations.items()})}
    for name in plan.names:
        what = plan.models.get(name) or plan.aliases[name]
        out[f"models/{name}.md"] = render(
            "docs/model.md.jinja",
            model=what,
            is_model=name in plan.models,
            links=links(plan, what.schema),
            users=users[name],
            operations=used_by_operations[name],
        )
    return out


def links(plan: Plan, schema: dict[str, Any]) -> list[str]:
    """Models and aliases that a schema refers to, sorted."""
    return sorted({name for name in references(schema) if name in plan.models or name in plan.aliases})


def operations_with(plan: Plan, name: str) -> list[Operation]:
    """The operations whose request or answers are of this model."""
    return [operation for operation in plan.operations.values() if any(name == used for _, used in operation.classes)]


def example(operation: Operation) -> dict[str, Any]:
    """The values with which an operation's example runs."""
    return {
        "path": {parameter.name: "rtc_u1_example" for parameter in operation.path_parameters},
        "body": next((body.annotation for body in operation.bodies), None),
    }




FILTERS: dict[str, Callable[..., object]] = {"cell": cell, "code": code, "limits": limits}
