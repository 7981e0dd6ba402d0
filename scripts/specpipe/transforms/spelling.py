"""Rules that give one thing one spelling."""

from __future__ import annotations

from typing import Any

from ..document import Document, children, rebuild, union_of
from .walk import each_root, each_schema

NULL = {"type": "null"}
#: Where a schema stood in the document as written; `names` drops it.
POINTER = "x-pointer"
#: Further places at which a schema of the same shape stood.
POINTERS = "x-pointers"
#: Only what is made of other schemas can need a name.
_COMPOSED = ("properties", "additionalProperties", "items", "anyOf", "oneOf", "allOf")
_PROSE_KEYS = ("title", "example", "examples", "externalDocs", "xml")


def locate(document: Document) -> tuple[Document, int]:
    """Write the pointer of every inline schema into it; one that has a pointer keeps it."""
    count = 0

    def visit(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
        nonlocal count
        at = {id(child): pointer + step for step, child in children(schema)}
        if not any(keyword in schema for keyword in _COMPOSED):
            return schema
        count += 1
        return {
            **rebuild(schema, lambda child: visit(child, at[id(child)])),
            POINTER: schema.get(POINTER, pointer),
        }

    return each_root(document, visit), count


def strip_prose_keys(document: Document) -> tuple[Document, int]:
    """Drop titles, examples and vendor extensions; descriptions stay."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {
            key: value
            for key, value in schema.items()
            if key not in _PROSE_KEYS and (not key.startswith("x-") or key == POINTER)
        }
        return schema if len(kept) == len(schema) else kept

    return each_schema(document, rule)


def infer_types(document: Document) -> tuple[Document, int]:
    """Write the type that a schema's keywords imply."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        if "type" in schema or "$ref" in schema or union_of(schema) is not None or "allOf" in schema:
            return schema
        if "properties" in schema or isinstance(schema.get("additionalProperties"), dict):
            return {**schema, "type": "object"}
        if "items" in schema:
            return {**schema, "type": "array"}
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        if values and all(isinstance(value, str) for value in values):
            return {**schema, "type": "string"}
        return schema

    return each_schema(document, rule)


def split_type_lists(document: Document) -> tuple[Document, int]:
    """`type: [a, b]` as a union of a and b; keywords go to the member that they are about."""
    about = {
        "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        "array": ("items", "minItems", "maxItems", "uniqueItems"),
        "string": ("minLength", "maxLength", "pattern", "format"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    about["integer"] = about["number"]
    belongs = {keyword for keywords in about.values() for keyword in keywords}

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        types = schema.get("type")
        if not isinstance(types, list):
            return schema
        rest = {k: v for k, v in schema.items() if k not in belongs and k not in ("type", "enum", "const")}
        members = []
        for name in types:
            member = {"type": name} | {k: schema[k] for k in about.get(name, ()) if k in schema}
            if "enum" in schema and name != "null":
                member["enum"] = [value for value in schema["enum"] if value is not None]
            if "const" in schema and name != "null":
                member["const"] = schema["const"]
            members.append(member)
        if len(members) == 1:
            return {**rest, **members[0]}
        return {**rest, "anyOf": members}

    return each_schema(document, rule)


def null_unions(document: Document) -> tuple[Document, int]:
    """`nullable: true` and null enum values as unions with null."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        marked = "nullable" in schema
        out = {key: value for key, value in schema.items() if key != "nullable"}
        if "enum" in out and None in out["enum"] and out.get("type") != "null":
            out["enum"] = [value for value in out["enum"] if value is not None]
            marked, nullable = True, True
        else:
            nullable = bool(schema.get("nullable"))
        if not marked:
            return schema
        if not nullable:
            return out
        members = union_of(out)
        if members is not None and "allOf" not in out:
            keyword = "anyOf" if "anyOf" in out else "oneOf"
            return out if NULL in members else {**out, keyword: [*members, dict(NULL)]}
        outer = {key: out.pop(key) for key in ("description", POINTER, "default") if key in out}
        return {**outer, "anyOf": [out, dict(NULL)]}

    return each_schema(document, rule)


def enums_to_const(document: Document) -> tuple[Document, int]:
    """One-value enums as constants."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        values = schema.get("enum")
        if not isinstance(values, list) or len(values) != 1:
            return schema
        return {("const" if k == "enum" else k): (v[0] if k == "enum" else v) for k, v in schema.items()}

    return each_schema(document, rule)
