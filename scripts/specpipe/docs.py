"""Reference pages: one for all operations, one per model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from . import output
from .document import ref_name, references, union_of
from .plan import Operation, Plan
from .transforms.kinds import kind_of
from .transforms.notation import NULL

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
    """Return text escaped for a table cell."""
    return " ".join(str(text).replace("|", "\\|").split())


def code(annotation: str) -> str:
    """Return an annotation as code in a table cell."""
    return "`" + annotation.replace("|", "\\|") + "`"


def limits(schema: Any) -> str:
    """Return a schema's constraints in words."""
    found: list[str] = []
    stack = [schema]
    while stack:
        node = stack.pop(0)
        if not isinstance(node, dict):
            continue
        for keyword, words in _LIMITS.items():
            if keyword in node:
                value = node[keyword]
                found.append(
                    words.format(value if isinstance(value, (int, float, str)) else json.dumps(value))
                )
        stack.extend(union_of(node) or [])
        if node.get("type") == "array":
            stack.append(node.get("items"))
    return cell("; ".join(dict.fromkeys(found)))


def pages(render: Callable[..., str], plan: Plan, title: str) -> dict[str, str]:
    """Return the pages by path in `docs/`."""
    users: dict[str, list[str]] = {name: [] for name in plan.names}
    for name in plan.names:
        schema = (plan.models.get(name) or plan.aliases[name]).schema
        for target in dict.fromkeys(references(schema)):
            if target in users:
                users[target].append(name)
    used_by_operations = {name: operations_with(plan, name) for name in plan.names}
    examples = {name: example(plan, operation) for name, operation in plan.operations.items()}
    page = render("docs/operations.md.jinja", examples=examples, envelopes=envelopes(plan))
    out = {f"{title}.md": _formatted(page)}
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


def readme(render: Callable[..., str], plan: Plan) -> str:
    """Return the package's README, with an example of an operation with only a JSON body if possible."""

    def simple(operation: Operation) -> bool:
        return [body.kind for body in operation.bodies] == ["json"] and not operation.path_parameters

    every = list(plan.operations.values())
    shown = next((operation for operation in every if simple(operation)), every[0] if every else None)
    page = render("README.md.jinja", op=shown, example=example(plan, shown) if shown else {})
    return _formatted(page) if shown else page


def _formatted(page: str) -> str:
    """Return a page with formatted Python blocks."""
    fence = re.compile(r"(?<=```python\n)(from .*?)(?=```)", re.DOTALL)
    blocks = fence.findall(page)
    laid_out = iter(output.format_source("\n# ---\n".join(blocks)).split("# ---\n"))
    return fence.sub(lambda _: next(laid_out).strip() + "\n", page)


def links(plan: Plan, schema: dict[str, Any]) -> list[str]:
    """Return the sorted models and aliases that a schema refers to."""
    return sorted({name for name in references(schema) if name in plan.models or name in plan.aliases})


def envelopes(plan: Plan) -> list[str]:
    """Return the types of all error response bodies."""
    answers = [answer for operation in plan.operations.values() for answer in operation.answers]
    kinds = [body.annotation for answer in answers if answer.last >= 400 for body in answer.bodies]
    return list(dict.fromkeys(kinds))


def operations_with(plan: Plan, name: str) -> list[Operation]:
    """Return the operations whose request or response has this model."""
    return [
        operation
        for operation in plan.operations.values()
        if any(name == used for _, used in operation.classes)
    ]


def example(plan: Plan, operation: Operation) -> dict[str, str]:
    """Return the arguments of an operation's example, as source."""
    needed = [parameter for parameter in operation.parameters if parameter.required]
    body = next(iter(operation.bodies), None)
    return {
        **{parameter.name: _value(parameter.example or f"<{parameter.name}>") for parameter in needed},
        **({"body": construct(plan, body.schema, body.example)} if body is not None else {}),
    }


def construct(plan: Plan, schema: Any, value: Any, seen: tuple[str, ...] = ()) -> str:
    """Return source that builds a JSON value from models.

    A value `<name>` becomes a variable.  Without a value, required properties get sample values; a schema
    that requires itself becomes `...`.
    """
    name = ref_name(schema)
    if name in plan.models:
        if name in seen and value is None:
            return "..."
        inside = (*seen, str(name))
        model = plan.models[name]
        given = value if isinstance(value, dict) else {}
        arguments = [
            f"{field.name}={construct(plan, field.schema, given.get(field.key), inside)}"
            for field in model.fields
            if "const" not in field.schema and not field.read_only and (field.key in given or field.required)
        ]
        return f"models.{name}({', '.join(arguments)})"
    if name in plan.aliases:
        return construct(plan, plan.aliases[name].schema, value, seen)
    members = [member for member in union_of(schema) or [] if member != NULL]
    if members:
        chosen = next((member for member in members if _is(plan, member, value)), members[0])
        return construct(plan, chosen, value, seen)
    if isinstance(value, list):
        return f"[{', '.join(construct(plan, schema.get('items', {}), item, seen) for item in value)}]"
    if value is None:
        made_up = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}
        value = schema.get("const", next(iter(schema.get("enum", ())), made_up.get(schema.get("type"))))
    return _value(value)


def _is(plan: Plan, member: Any, value: Any) -> bool:
    """Whether a value's constants match a union member."""
    name = ref_name(member)
    if name in plan.models and isinstance(value, dict):
        fields = plan.models[name].fields
        return all(
            value.get(f.key, f.schema["const"]) == f.schema["const"] for f in fields if "const" in f.schema
        )
    if name in plan.aliases:
        members = union_of(plan.aliases[name].schema) or [plan.aliases[name].schema]
        return any(_is(plan, one, value) for one in members)
    return name is None and "type" in member and kind_of(value, member["type"])


def _value(value: Any) -> str:
    placeholder = re.fullmatch(r"<([a-z_]+)>", value) if isinstance(value, str) else None
    return placeholder[1] if placeholder else repr(value)


FILTERS: dict[str, Callable[..., object]] = {"cell": cell, "code": code, "limits": limits}
