"""Transforms that normalise notation."""

from __future__ import annotations

from typing import Any

from ..document import Document, children, rebuild, union_of
from .kinds import ABOUT, KINDS, kind_of
from .walk import each_root, each_schema

NULL = {"type": "null"}
#: Pointer of a schema in the original document; `names` drops it.
POINTER = "x-pointer"
#: Further pointers of schemas with the same shape.
POINTERS = "x-pointers"
#: Only composed schemas can need a name.
_COMPOSED = ("properties", "additionalProperties", "items", "anyOf", "oneOf", "allOf")
_PROSE_KEYS = ("title", "example", "examples", "externalDocs", "xml")


def locate(document: Document, *, again: bool = False) -> tuple[Document, int]:
    """Store the pointer of every inline schema in the schema.

    Args:
        document: The document; existing values of the pointer's keyword are ignored.
        again: Whether schemas were located before and may have moved: those keep their first pointer.
    """
    count = 0

    def visit(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
        nonlocal count
        # In the order of `rebuild`: with identity as key, a part used twice would have one pointer.
        steps = iter([step for step, child in children(schema) if isinstance(child, dict)])
        built = rebuild(schema, lambda child: visit(child, pointer + next(steps)))
        if not again:
            built = {key: value for key, value in built.items() if key not in (POINTER, POINTERS)}
        if not any(keyword in schema for keyword in _COMPOSED):
            return built
        count += 1
        return {**built, POINTER: built.get(POINTER, pointer)}

    return each_root(document, visit), count


def strip_prose_keys(document: Document) -> tuple[Document, int]:
    """Drop titles, examples, vendor extensions and empty descriptions."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {
            key: value
            for key, value in schema.items()
            if key not in _PROSE_KEYS
            and (not key.startswith("x-") or key == POINTER)
            and (key != "description" or value is not None)
        }
        return schema if len(kept) == len(schema) else kept

    return each_schema(document, rule)


def upgrade_to_3_1(document: Document) -> tuple[Document, int]:
    """Rewrite boolean schemas as objects, and OpenAPI 3.0 notation as 3.1."""

    def upgraded(value: Any) -> Any:
        return {True: {}, False: {"not": {}}}[value] if isinstance(value, bool) else value

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        out = dict(schema)
        for keyword in ("items", "not"):
            if keyword in out:
                out[keyword] = upgraded(out[keyword])
        for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            if keyword in out:
                out[keyword] = [upgraded(member) for member in out[keyword]]
        for keyword in ("properties", "patternProperties"):
            if keyword in out:
                out[keyword] = {name: upgraded(member) for name, member in out[keyword].items()}
        if isinstance(out.get("required"), bool):
            del out["required"]
        for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and limit in out:
                out[exclusive] = out.pop(limit)
        types = out.get("type")
        known = [kind for kind in ([types] if isinstance(types, str) else types or ()) if kind in KINDS]
        if not known:
            out.pop("type", None)
        elif isinstance(types, list):
            out["type"] = known
        return schema if out == schema else out

    rewritten, count = each_schema(document, rule)
    schemas = rewritten["components"]["schemas"]
    count += sum(isinstance(schema, bool) for schema in schemas.values())
    schemas.update({name: upgraded(schema) for name, schema in schemas.items()})
    return rewritten, count


def infer_types(document: Document) -> tuple[Document, int]:
    """Add the type that a schema's keywords imply."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        if "type" in schema or "$ref" in schema:
            return schema
        if "properties" in schema:
            return {**schema, "type": "object"}
        if union_of(schema) is not None or "allOf" in schema:
            return schema
        if isinstance(schema.get("additionalProperties"), dict):
            return {**schema, "type": "object"}
        if "items" in schema:
            return {**schema, "type": "array"}
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        if values and all(isinstance(value, str) for value in values):
            return {**schema, "type": "string"}
        return schema

    return each_schema(document, rule)


def split_type_lists(document: Document) -> tuple[Document, int]:
    """Rewrite `type: [a, b]` as a union of a and b; keywords move to the members they apply to."""
    belongs = {keyword for keywords in ABOUT.values() for keyword in keywords}

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        types = schema.get("type")
        if not isinstance(types, list):
            return schema
        rest = {k: v for k, v in schema.items() if k not in belongs and k not in ("type", "enum", "const")}
        members = []
        for name in dict.fromkeys(types):
            member = {"type": name} | {k: schema[k] for k in ABOUT[name] if k in schema}
            if "enum" in schema:
                values = [value for value in schema["enum"] if kind_of(value, name)]
                if not values:
                    continue
                member = member if name == "null" else {**member, "enum": values}
            if "const" in schema:
                if not kind_of(schema["const"], name):
                    continue
                member = member if name == "null" else {**member, "const": schema["const"]}
            members.append(member)
        if len(members) == 1:
            return {**rest, **members[0]}
        if POINTER in rest:
            # A nullable schema keeps its pointer; several members get their type's.
            alone = sum(member != NULL for member in members) == 1
            for member in members:
                if any(keyword in member for keyword in _COMPOSED):
                    step = "" if alone else f"/type/{types.index(member['type'])}"
                    member[POINTER] = rest[POINTER] + step
        return {**rest, "anyOf": members} if members else {**rest, "not": {}}

    return each_schema(document, rule)


def null_unions(document: Document) -> tuple[Document, int]:
    """Rewrite `nullable: true`, null constants and null in enums as unions with null."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        out = {key: value for key, value in schema.items() if key != "nullable"}
        nullable = bool(schema.get("nullable"))
        if "const" in out and out["const"] is None:
            del out["const"]
            return {**out, "type": "null"}
        if None in out.get("enum", ()):
            out["enum"] = [value for value in out["enum"] if value is not None]
            nullable = True
            if not out["enum"]:
                del out["enum"]
                return {**out, "type": "null"}
        if not nullable or out.get("type") == "null":
            return out if len(out) < len(schema) else schema
        members = union_of(out)
        if members is not None and "allOf" not in out and "properties" not in out:
            keyword = "anyOf" if "anyOf" in out else "oneOf"
            return out if NULL in members else {**out, keyword: [*members, dict(NULL)]}
        # The pointer stays with the schema, which gets the name, not with the union.
        outer: dict[str, Any] = {key: out.pop(key) for key in ("description", "default") if key in out}
        return {**outer, "anyOf": [out, dict(NULL)]}

    return each_schema(document, rule)


def enums_to_const(document: Document) -> tuple[Document, int]:
    """Rewrite one-value enums as constants, after removing duplicates."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        values = schema.get("enum")
        if not isinstance(values, list):
            return schema
        once = [value for index, value in enumerate(values) if not _among(value, values[:index])]
        if len(once) == 1:
            return {
                ("const" if k == "enum" else k): (once[0] if k == "enum" else v) for k, v in schema.items()
            }
        return schema if len(once) == len(values) else {**schema, "enum": once}

    return each_schema(document, rule)


def _among(value: Any, values: list[Any]) -> bool:
    return any(value == other and type(value) is type(other) for other in values)
