"""The transform that names inline schemas."""

from __future__ import annotations

import json
from typing import Any

from ..document import SCHEMAS, Document, ref_name, ref_to, resolve, unescape, union_of, words
from .kinds import SCALARS
from .notation import NULL, POINTER, POINTERS
from .walk import each_root

_BESIDE = ("description", "default", "deprecated")
#: Names become file names.
_LONGEST = 100


def hoist(document: Document) -> tuple[Document, int]:
    """Hoist inline objects with properties, and unions that need decoding, to named components.

    A name is the parent's and the property's (`Answer` + `usage`), in the singular for list items, with the
    tag for union members.  `names` replaces it if a better one was chosen.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]
    hoisted: dict[str, Any] = {}
    count = 0

    def visit(schema: dict[str, Any], hint: str, root: bool) -> dict[str, Any]:
        nonlocal count
        built = dict(schema)
        if isinstance(built.get("properties"), dict):
            built["properties"] = {
                key: visit(value, hint + pascal(key), False) if isinstance(value, dict) else value
                for key, value in built["properties"].items()
            }
        if isinstance(built.get("items"), dict):
            built["items"] = visit(built["items"], singular(hint), False)
        if isinstance(built.get("additionalProperties"), dict):
            built["additionalProperties"] = visit(built["additionalProperties"], hint + "Value", False)
        members = union_of(built)
        if members is not None:
            alone = sum(member != NULL for member in members) == 1
            words = {"description": built["description"]} if alone and "description" in built else {}
            built["anyOf"] = [
                visit(
                    member if member == NULL or "$ref" in member else {**words, **member},
                    hint if alone else hint + variant(member, number),
                    False,
                )
                for number, member in enumerate(members, 1)
            ]
        if root or not _needs_name(built, schemas):
            return built
        count += 1
        nullable = NULL in built.get("anyOf", ())
        body = {key: value for key, value in built.items() if key != "default"}
        if nullable:
            body["anyOf"] = [member for member in body["anyOf"] if member != NULL]
        ref = ref_to(_add(body, hint, schemas, hoisted))
        beside = {key: built[key] for key in _BESIDE if key in built}
        return {"anyOf": [ref, dict(NULL)], **beside} if nullable else {**ref, **beside}

    def change(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
        root = pointer.startswith(SCHEMAS)
        hint = unescape(pointer[len(SCHEMAS) :]) if root else _operation_hint(document, pointer)
        return visit(schema, hint, root)

    out = each_root(document, change)
    out["components"]["schemas"] |= hoisted
    return out, count


def pascal(key: str) -> str:
    """Return a key as part of a class name."""
    return "".join(word[0].upper() + word[1:] for word in words(key)) or "".join(
        part.capitalize() for part in key.split() if part.isidentifier()
    )


def singular(name: str) -> str:
    """Return the singular of a list's name: `RateLimits` → `RateLimit`, `Content` → `ContentPart`."""
    for plural, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if name.endswith(plural) and not name.endswith("ss"):
            return name[: -len(plural)] + one
    return name + "Part"


def variant(member: Any, number: int) -> str:
    """Return the name of a union member: its tag, its only property or its type."""
    if not isinstance(member, dict) or "properties" not in member:
        kind = {"array": "List", "object": "Map"}
        return (
            kind.get(member.get("type", ""), f"Choice{number}")
            if isinstance(member, dict)
            else f"Choice{number}"
        )
    tags = [
        p["const"]
        for p in member["properties"].values()
        if isinstance(p, dict) and isinstance(p.get("const"), str)
    ]
    if tags:
        return pascal(tags[0])
    names = member.get("required") or list(member["properties"])
    return "With" + pascal(names[0]) if len(names) == 1 else f"Choice{number}"


def _needs_name(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    if schema.get("properties"):
        return True
    members = [member for member in union_of(schema) or [] if member != NULL]
    return len(members) > 1 and any(not _scalar(member, schemas, ()) for member in members)


def _scalar(schema: Any, schemas: dict[str, Any], seen: tuple[str, ...]) -> bool:
    name = ref_name(schema)
    if name is not None:
        return name not in seen and name in schemas and _scalar(schemas[name], schemas, (*seen, name))
    members = union_of(schema)
    if members is not None:
        return all(_scalar(member, schemas, seen) for member in members)
    return schema.get("type") in SCALARS or "const" in schema


def _add(schema: dict[str, Any], hint: str, schemas: dict[str, Any], hoisted: dict[str, Any]) -> str:
    if len(hint) > _LONGEST:
        hint = hint[: _LONGEST // 2] + hint[-_LONGEST // 2 :]
    name, number = hint, 1
    while name in schemas or (name in hoisted and _shape(hoisted[name]) != _shape(schema)):
        number += 1
        name = f"{hint}{number}"
    kept = hoisted.setdefault(name, schema)
    if kept is not schema and POINTER in schema:
        hoisted[name] = {**kept, POINTERS: [*kept.get(POINTERS, []), schema[POINTER]]}
    return name


def _shape(schema: dict[str, Any]) -> str:
    return json.dumps(
        {k: v for k, v in schema.items() if k not in (*_BESIDE, POINTER, POINTERS)}, sort_keys=True
    )


def _operation_hint(document: Document, pointer: str) -> str:
    segments = [unescape(segment) for segment in pointer.split("/")]
    item = document["paths"][segments[2]]
    operation = item.get(segments[3]) if isinstance(item.get(segments[3]), dict) else {}
    stem = pascal(operation.get("operationId", "") or f"{segments[3]} {segments[2]}")
    if "parameters" in segments:
        parameter = resolve(document, pointer[: pointer.index("/parameters/")] + _parameter_step(pointer))
        return stem + pascal(parameter["name"])
    return stem + ("Request" if "requestBody" in segments else "Response")


def _parameter_step(pointer: str) -> str:
    _, _, rest = pointer.partition("/parameters/")
    return "/parameters/" + rest.split("/", 1)[0]
