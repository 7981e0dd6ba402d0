"""Rules about `allOf` and about alternatives beside properties."""

from __future__ import annotations

from typing import Any

from ..document import SCHEMAS, Document, escape, ref_name, union_of
from ..errors import SpecError
from .spelling import NULL, POINTER
from .walk import each_schema

#: Keywords that say nothing of a value's shape; a schema of these alone allows everything.
_SILENT = ("description", "default", "deprecated", "readOnly", "writeOnly", POINTER)


def drop_constraint_unions(document: Document) -> tuple[Document, int]:
    """Alternatives whose members say only which properties are required."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        members = union_of(schema)
        if members is None or "properties" not in schema:
            return schema
        if all(set(member) - set(_SILENT) <= {"required", "not"} for member in members):
            return {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        return schema

    return each_schema(document, rule)


def merge_all_of(document: Document) -> tuple[Document, int]:
    """Every `allOf` as the one schema that it amounts to; a union beside properties likewise."""
    source: dict[str, Any] = document["components"]["schemas"]
    open_names: list[str] = []

    def component(name: str) -> dict[str, Any]:
        if name in open_names:
            raise SpecError(
                "a schema is part of itself through allOf",
                pointer=SCHEMAS + escape(name),
                hint=f"break the circle {' → '.join([*open_names, name])}",
            )
        open_names.append(name)
        try:
            return rule(source.get(name, {}))
        finally:
            open_names.pop()

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        silent = {key: schema[key] for key in _SILENT if key in schema}
        rest = {key: value for key, value in schema.items() if key not in silent}
        if "allOf" in rest:
            parts = [*rest.pop("allOf"), rest]
        elif union_of(rest) is not None and "properties" in rest:
            alternatives = {key: rest.pop(key) for key in ("anyOf", "oneOf", "discriminator") if key in rest}
            parts = [rest, alternatives]
        else:
            return schema
        telling = [part for part in parts if set(part) - set(_SILENT)]
        if len(telling) == 1:
            return {**telling[0], **silent}
        merged: dict[str, Any] = {}
        for part in telling:
            merged = merge(merged, part)
        return {**merged, **silent}

    def expand(part: dict[str, Any]) -> dict[str, Any]:
        name = ref_name(part)
        whole = part if name is None else component(name)
        return {key: value for key, value in whole.items() if key not in ("description", POINTER)}

    def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        left, right = expand(left), expand(right)
        for one, other, flip in ((left, right, False), (right, left, True)):
            members = union_of(one)
            if members is not None:
                pairs = [(other, member) if flip else (member, other) for member in members if member != NULL]
                kept = {key: one[key] for key in ("discriminator",) if key in one}
                return {"anyOf": [merge(*pair) for pair in pairs], **kept} if other else one
        out = {**left, **right}
        if "properties" in left or "properties" in right:
            out["properties"] = {**left.get("properties", {}), **right.get("properties", {})}
            out["type"] = "object"
        required = list(dict.fromkeys([*left.get("required", []), *right.get("required", [])]))
        if required:
            out["required"] = required
        if (
            left.get("additionalProperties") is False
            and "additionalProperties" not in right
            and "properties" in right
        ):
            out.pop("additionalProperties")
        return out

    return each_schema(document, rule)
