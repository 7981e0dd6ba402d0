"""Transforms of `allOf` and of unions beside properties."""

from __future__ import annotations

from typing import Any

from ..document import SCHEMAS, UNIONS, Document, escape, rebuild, ref_name, unescape, union_of
from ..errors import SpecError
from .kinds import AT_LEAST, AT_MOST
from .notation import NULL, POINTER
from .walk import each_root, each_schema

#: Keywords that do not constrain a value; a schema of these alone allows everything.
_SILENT = ("description", "default", "deprecated", "readOnly", "writeOnly", POINTER)
#: Keywords beside a reference that make it more than an annotation.
_SHAPING = ("properties", "required", "additionalProperties", "items", *UNIONS)
#: Keywords that apply to a union rather than to its members.
_OUTER = ("discriminator", "default", "deprecated")


def drop_constraint_unions(document: Document) -> tuple[Document, int]:
    """Drop unions whose members only list required properties."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        if not any(key in schema for key in ("properties", "allOf", "$ref")):
            return schema
        dropped = [
            key
            for key in UNIONS
            if key in schema
            and all(set(member) - set(_SILENT) <= {"required", "not"} for member in schema[key])
        ]
        return {key: value for key, value in schema.items() if key not in dropped} if dropped else schema

    return each_schema(document, rule)


def merge_all_of(document: Document) -> tuple[Document, int]:
    """Merge every `allOf`, and unions and references beside properties, into one schema."""
    merger = _Merger(document["components"]["schemas"])

    def change(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
        if pointer.startswith(SCHEMAS):
            return merger.component(unescape(pointer[len(SCHEMAS) :]))
        return merger.visit(schema)

    return each_root(document, change), merger.count


class _Merger:
    """Merges schemas, each component once.

    Args:
        schemas: The components before merging.
    """

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.count = 0
        self._done: dict[str, dict[str, Any]] = {}
        self._open: list[str] = []

    def component(self, name: str) -> dict[str, Any]:
        """Return a merged component."""
        if name in self._done:
            return self._done[name]
        if name in self._open:
            raise SpecError(
                "a schema contains itself through allOf",
                pointer=SCHEMAS + escape(name),
                hint=f"break the cycle {' → '.join([*self._open[self._open.index(name) :], name])}",
            )
        self._open.append(name)
        try:
            self._done[name] = self.visit(self.schemas.get(name, {}))
        finally:
            self._open.pop()
        return self._done[name]

    def visit(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a merged schema, its subschemas first."""
        built = rebuild(schema, self.visit)
        changed = self._rule(built)
        self.count += changed is not built
        return changed

    def _rule(self, schema: dict[str, Any]) -> dict[str, Any]:
        silent = {key: schema[key] for key in _SILENT if key in schema}
        rest = {key: value for key, value in schema.items() if key not in silent}
        if "allOf" in rest:
            parts = [*rest.pop("allOf"), rest]
        elif "$ref" in rest and any(key in rest for key in _SHAPING):
            parts = [{"$ref": rest.pop("$ref")}, rest]
        elif union_of(rest) is not None and ("properties" in rest or all(key in rest for key in UNIONS)):
            parts = [{"oneOf": rest.pop("oneOf")}] if all(key in rest for key in UNIONS) else []
            union = {key: rest.pop(key) for key in (*UNIONS, "discriminator") if key in rest}
            parts = [rest, union, *parts]
        else:
            return schema
        telling = [part for part in parts if set(part) - set(_SILENT)]
        if len(telling) == 1:
            return {**telling[0], **silent}
        outer = [part for part in telling if set(part) <= {*_SILENT, *_OUTER}]
        if len(outer) == len(telling) - 1:
            (alone,) = (part for part in telling if part not in outer)
            if union_of(alone) is not None and not set(alone) - {*UNIONS, *_SILENT, *_OUTER}:
                # The members of a union with nothing beside it stay as they are.
                return {key: value for part in (*outer, alone) for key, value in part.items()} | silent
        merged: dict[str, Any] = {}
        for part in telling:
            merged = self._merge(merged, part)
        return {**merged, **silent}

    def _expand(self, part: dict[str, Any], seen: tuple[str, ...] = ()) -> dict[str, Any]:
        name = ref_name(part)
        if name in seen:
            raise SpecError(
                "a schema is only defined by itself",
                pointer=SCHEMAS + escape(str(name)),
                hint=f"break the cycle {' → '.join([*seen, str(name)])}",
            )
        if name is not None:
            beside = {key: value for key, value in part.items() if key != "$ref"}
            part = self._expand({**self.component(name), **beside}, (*seen, name))
        return {key: value for key, value in part.items() if key not in ("description", POINTER)}

    def _merge(self, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        left, right = self._expand(left), self._expand(right)
        if not left or not right:
            return left or right
        for one, other, flip in ((left, right, False), (right, left, True)):
            members = union_of(one)
            if members is None:
                continue
            kept: dict[str, Any] = {key: one[key] for key in _OUTER if key in one}
            beside = {key: value for key, value in one.items() if key not in (*UNIONS, *kept)}
            whole = self._merge(beside, other)
            merged = []
            for member in members:
                if member != NULL:
                    place = {POINTER: member[POINTER]} if POINTER in member else {}
                    merged.append(self._merge(*((whole, member) if flip else (member, whole))) | place)
            return {"anyOf": merged, **kept}
        return self._merge_plain(left, right)

    def _merge_plain(self, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        out = {**left, **right}
        if "properties" in left or "properties" in right:
            out["properties"] = dict(left.get("properties", {}))
            for key, value in right.get("properties", {}).items():
                known = out["properties"].get(key)
                out["properties"][key] = value if known is None else self._both(known, value)
            out["type"] = "object"
        required = list(dict.fromkeys([*left.get("required", []), *right.get("required", [])]))
        if required:
            out["required"] = required
        if "enum" in left and "enum" in right:
            out["enum"] = [value for value in left["enum"] if value in right["enum"]] or right["enum"]
        for keywords, stricter in ((AT_LEAST, max), (AT_MOST, min)):
            out |= {key: stricter(left[key], right[key]) for key in keywords if key in left and key in right}
        closed = left.get("additionalProperties") is False and "additionalProperties" not in right
        if closed and "properties" in right:
            out.pop("additionalProperties")
        return out

    def _both(self, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        """Merge two definitions of a property; of two references the later one wins."""
        telling = [{k: v for k, v in side.items() if k not in _SILENT} for side in (left, right)]
        silent = {key: side[key] for side in (left, right) for key in _SILENT if key in side}
        if telling[0] == telling[1] or not telling[0] or not telling[1]:
            return {**(telling[1] or telling[0]), **silent}
        if any("$ref" in side or union_of(side) is not None for side in telling):
            return {**telling[1], **silent}
        return {**self._merge_plain(*telling), **silent}
