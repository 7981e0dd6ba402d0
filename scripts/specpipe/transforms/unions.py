"""Transforms of unions."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ..cycles import find_cycles
from ..document import SCHEMAS, Document, escape, ref_name, union_of
from ..errors import SpecError
from .kinds import ABOUT, kind_of
from .notation import NULL, POINTER
from .walk import each_schema

#: Keywords that apply to a union; all others apply to its members.
_BESIDE = ("description", "default", "discriminator", "deprecated", POINTER)


#: Keywords of a schema that allows objects.
_HOLDS = ("$ref", "properties", "items", "additionalProperties", "anyOf")


def flatten(document: Document) -> tuple[Document, int]:
    """Rewrite unions as one `anyOf`, without nested unions, duplicates or a single member."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        members = union_of(schema)
        if members is None:
            return schema
        out = {key: schema[key] for key in _BESIDE if key in schema}
        flat: list[Any] = []
        for member in members:
            inner = union_of(member)
            if inner is None:
                flat.append(_narrowed(member, schema))
                continue
            flat.extend(_narrowed(one, schema) for one in inner)
            for key in ("default", POINTER):
                if key in member:
                    out.setdefault(key, member[key])
            if "discriminator" in member:
                out["discriminator"] = _both(out.get("discriminator"), member["discriminator"])
        kept: list[Any] = []
        for member in sorted(flat, key=lambda member: member == NULL):
            if member not in kept:
                kept.append(member)
        if len(kept) == 1:
            return {**kept[0], **{key: out[key] for key in ("description", "default", POINTER) if key in out}}
        out["anyOf"] = kept
        return schema if out == schema else out

    return each_schema(document, rule)


def complete_discriminators(document: Document) -> tuple[Document, int]:
    """Rewrite discriminator mappings with component names, and record implied ones.

    A mapping may name a schema by reference or by name, and omit schemas that are identified by their own
    names.  An entry that is not a component is dropped.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        discriminator = schema.get("discriminator")
        if not isinstance(discriminator, dict) or "implied" in discriminator or union_of(schema) is None:
            return schema
        mapping = discriminator.get("mapping")
        named = {
            str(value): ref_name({"$ref": unquote(target)}) or target
            for value, target in (mapping if isinstance(mapping, dict) else {}).items()
            if isinstance(target, str)
        }
        members = [ref_name(member) for member in union_of(schema) or ()]
        implied = {name: name for name in members if name in schemas and name not in named.values()}
        kept = {value: name for value, name in named.items() if name in schemas}
        completed = {"propertyName": discriminator.get("propertyName"), "mapping": kept, "implied": implied}
        return {**schema, "discriminator": completed}

    return each_schema(document, rule)


def _both(outer: dict[str, Any] | None, inner: dict[str, Any]) -> dict[str, Any]:
    """Return the discriminator of a flattened union; the outer property takes precedence."""
    if outer is None or outer.get("propertyName") != inner.get("propertyName"):
        return outer or inner
    return {**outer, **{key: {**inner.get(key, {}), **outer.get(key, {})} for key in ("mapping", "implied")}}


def _narrowed(member: dict[str, Any], union: dict[str, Any]) -> dict[str, Any]:
    """Return a union's member with the limits beside the union that apply to its type."""
    kind = member.get("type")
    if not isinstance(kind, str):
        return member
    more = {key: union[key] for key in ABOUT[kind] if key in union and key not in member}
    values = [value for value in union.get("enum", ()) if kind_of(value, kind)]
    if values and kind != "null" and not ("enum" in member or "const" in member):
        more["enum"] = values
    return {**member, **more} if more else member


def break_cycles(document: Document) -> tuple[Document, int]:
    """Replace unions that are members of each other by the union of their other members.

    Raises:
        SpecError: there are no other members.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]

    def members_of(name: str) -> list[Any]:
        found = union_of(schemas[name])
        return [schemas[name]] if found is None and "$ref" in schemas[name] else found or []

    targets = {
        name: [target for member in members_of(name) if (target := ref_name(member)) in schemas and target]
        for name in schemas
    }
    cycles = find_cycles(targets)
    out = dict(schemas)
    for name, cycle in cycles.items():
        leaves: list[Any] = []
        for one in sorted(cycle, key=list(schemas).index):
            leaves += [m for m in members_of(one) if ref_name(m) not in cycle and m not in leaves]
        if not leaves:
            raise SpecError(
                "a schema is only defined by itself",
                pointer=SCHEMAS + escape(name),
                hint=f"define {' and '.join(sorted(cycle))}",
            )
        beside = {key: schemas[name][key] for key in ("description", POINTER) if key in schemas[name]}
        rest = sorted(leaves, key=lambda member: member == NULL)
        out[name] = {**rest[0], **beside} if len(rest) == 1 else {**beside, "anyOf": rest}
    if not cycles:
        return document, 0
    return {**document, "components": {**document["components"], "schemas": out}}, len(cycles)


def join_containers(document: Document) -> tuple[Document, int]:
    """Join several lists, or several maps, in a union into one of the union of their members.

    A JSON value cannot be matched to one of several lists, but its members can.  Named lists and maps are
    joined as well.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        members = union_of(schema)
        if members is None:
            return schema
        opened = [part for member in members for part in _opened(member, schemas)]
        several = any(sum(map(is_one, opened)) > 1 for is_one in (_is_list, _is_map))
        out = opened if several else members
        for is_one, keyword in ((_is_list, "items"), (_is_map, "additionalProperties")):
            alike = [member for member in out if is_one(member)]
            held = [part for member in alike for part in (union_of(member[keyword]) or [member[keyword]])]
            if len(alike) < 2 or not any(key in part for part in held for key in _HOLDS):
                continue
            first, *others = alike
            once = [part for index, part in enumerate(held) if part not in held[:index]]
            # Its place in the original description, for reviews and names: the first container's.
            at = {POINTER: place} if (place := first.get(POINTER, schema.get(POINTER))) else {}
            inner = once[0] if len(once) == 1 else rule({**at, "anyOf": once})
            same = {key: value for key, value in first.items() if all(m.get(key) == value for m in others)}
            joined = {**same, keyword: inner}
            out = [joined if member is first else member for member in out if member not in others]
        if out is members or out is opened:
            return schema
        return {**schema, "anyOf": out} if len(out) > 1 else {**out[0], **_outer(schema)}

    return each_schema(document, rule)


def _opened(member: Any, schemas: dict[str, Any], seen: tuple[str, ...] = ()) -> list[Any]:
    """Resolve a union member that refers to lists and maps, or to a union of them."""
    name = ref_name(member)
    if name is None or name in seen or not isinstance(schemas.get(name), dict):
        return [member]
    inner = union_of(schemas[name]) or [{key: v for key, v in schemas[name].items() if key != POINTER}]
    parts = [part for one in inner for part in _opened(one, schemas, (*seen, name))]
    return parts if any(_is_list(part) or _is_map(part) for part in parts) else [member]


def _is_list(member: Any) -> bool:
    return member.get("type") == "array" and bool(member.get("items")) and "prefixItems" not in member


def _is_map(member: Any) -> bool:
    value = member.get("additionalProperties")
    is_map = member.get("type") == "object" and not member.get("properties")
    return is_map and isinstance(value, dict) and bool(value)


def _outer(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("description", "default", POINTER) if key in schema}
