"""Carry this project's texts over to a newer API description.

Upstream's prose is dropped; every part that still exists keeps this project's text and example.  Texts are
matched by pointer, and follow a schema that moved: into or out of a component, to another name, to another
place in a union, or into or out of a union with null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..document import METHODS, Document, ref_name, union_of, without
from ..transforms.notation import NULL
from .diff_schemas import label_of

_PROSE = ("description", "summary", "title", "example", "examples", "externalDocs")
_MAPS = ("properties", "patternProperties", "$defs")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def bare(node: Any, *, names: bool = False) -> Any:
    """Return a part of a document without prose, examples and vendor extensions."""
    return without(node, _PROSE, names=names)


def reword(new: Document, old: Document) -> Document:
    """Return a newer document with the texts of an older one.

    Args:
        new: The slice of the upstream document.
        old: This project's API description.
    """
    return _Rewording(new, old).document()


class _Rewording:
    def __init__(self, new: Document, old: Document) -> None:
        self.new, self.old = new, old
        self.theirs: dict[str, Any] = new["components"]["schemas"]
        self.ours: dict[str, Any] = old["components"]["schemas"]
        #: New component → the existing schema with its texts: one that was inline or had another name.
        self.moved: dict[str, Any] = self._renamed()

    def document(self) -> Document:
        stayed = {
            name: self.schema(schema, self.ours[name])
            for name, schema in self.theirs.items()
            if name in self.ours
        }
        paths = {path: self._path(path, item) for path, item in self.new["paths"].items()}
        done = dict(stayed)
        while come := [name for name in self.theirs if name not in done and name in self.moved]:
            done |= {name: self.schema(self.theirs[name], self.moved[name]) for name in come}
        done |= {name: self.schema(schema, {}) for name, schema in self.theirs.items() if name not in done}
        info = {**self.old.get("info", {}), "version": self.new.get("info", {}).get("version", "0")}
        out = {"openapi": self.new["openapi"], "info": info}
        out |= {key: self.new[key] for key in ("servers", "security") if key in self.new}
        components = {kind: bare(part, names=True) for kind, part in self.new["components"].items()}
        components["schemas"] = {name: done[name] for name in sorted(done)}
        return {**out, "paths": paths, "components": _ordered(components, self.old["components"])}

    def _renamed(self) -> dict[str, Any]:
        """Return renamed schemas: the only removed and added ones with the same structure."""
        gone = [(bare(schema), schema) for name, schema in self.ours.items() if name not in self.theirs]
        come = [(name, bare(schema)) for name, schema in self.theirs.items() if name not in self.ours]
        out = {}
        for name, structure in come:
            alike = [schema for there, schema in gone if there == structure]
            if len(alike) == 1 and sum(structure == other for _, other in come) == 1:
                out[name] = alike[0]
        return out

    # --- schemas

    def schema(self, new: Any, old: Any) -> Any:
        """Return a schema with the texts of its predecessor."""
        if not isinstance(new, dict):
            return new
        words, whole = self._counterpart(new, old if isinstance(old, dict) else {})
        out: dict[str, Any] = {}
        for key, value in bare(new).items():
            if key in _MAPS:
                there = whole.get(key, {})
                out[key] = {name: self.schema(new[key][name], there.get(name)) for name in value}
            elif key in _LISTS:
                out[key] = self._members(new[key], whole, key)
            elif isinstance(value, dict) and key in ("items", "additionalProperties", "not", "propertyNames"):
                out[key] = self.schema(new[key], whole.get(key))
            else:
                out[key] = value
        return _worded(out, words, whole)

    def _counterpart(self, new: dict[str, Any], old: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the predecessor of a schema's own texts and that of its subschemas' texts."""
        name, was = ref_name(new), ref_name(old)
        if name is not None:
            if was is None and name not in self.ours and old:
                self.moved.setdefault(name, self._without_null(old))
            return old, old
        if was is not None and was in self.ours:
            whole = self.ours[was]
            return {**_own_words(whole), **_own_words(old)}, whole
        if _alone(new) is not None and _alone(old) is None:
            return old, {"anyOf": [{k: v for k, v in old.items() if k not in _PROSE}, dict(NULL)]}
        inner = _alone(old)
        if inner is not None and _alone(new) is None:
            _, whole = self._counterpart(new, inner)
            return {**_own_words(inner), **_own_words(old)}, whole
        return old, old

    def _without_null(self, schema: dict[str, Any]) -> dict[str, Any]:
        inner = _alone(schema)
        return schema if inner is None else {**_own_words(schema), **inner}

    def _members(self, new: list[Any], whole: dict[str, Any], keyword: str) -> list[Any]:
        """Return members with their predecessors' texts, matched by structure, then tag, then elimination."""
        old = list(
            whole.get(keyword, union_of(whole) or []) if keyword != "allOf" else whole.get(keyword, [])
        )
        pairs: dict[int, Any] = {}
        tests: tuple[Callable[[Any], Any], ...] = (bare, label_of)
        for told_by in tests:
            for index, member in enumerate(new):
                if index in pairs:
                    continue
                match = next((there for there in old if told_by(there) == told_by(member)), None)
                if match is not None:
                    pairs[index] = match
                    old.remove(match)
        left = [index for index in range(len(new)) if index not in pairs and new[index] != NULL]
        if len(left) == 1 and len([member for member in old if member != NULL]) == 1:
            pairs[left[0]] = next(member for member in old if member != NULL)
        return [self.schema(member, pairs.get(index)) for index, member in enumerate(new)]

    # --- operations

    def _path(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        there = self.old.get("paths", {}).get(path, {})
        return {
            key: self._operation(value, there.get(key) or self._by_id(value))
            if key in METHODS
            else bare(value)
            for key, value in item.items()
        }

    def _by_id(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Return the operation with this id at a removed path."""
        for path, item in self.old.get("paths", {}).items():
            if path not in self.new["paths"]:
                for method, there in item.items():
                    if method in METHODS and there.get("operationId") == operation.get("operationId"):
                        return dict(there)
        return {}

    def _operation(self, new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
        out = bare(new)
        if "parameters" in new:
            known = {(p.get("in"), p.get("name")): p for p in old.get("parameters", ())}
            out["parameters"] = [
                self._part(p, known.get((p.get("in"), p.get("name")))) for p in new["parameters"]
            ]
        if "requestBody" in new:
            out["requestBody"] = self._part(new["requestBody"], old.get("requestBody"))
        answers = old.get("responses", {})
        out["responses"] = {
            status: self._part(part, answers.get(status)) for status, part in new["responses"].items()
        }
        return _worded(out, old, old)

    def _part(self, new: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
        """Return a parameter, body, response, header or media type with its texts."""
        old = old or {}
        out = bare(new)
        if "schema" in new:
            out["schema"] = self.schema(new["schema"], old.get("schema"))
        for key in ("headers", "content"):
            if key in new:
                there = old.get(key, {})
                out[key] = {name: self._part(part, there.get(name)) for name, part in new[key].items()}
        return _worded(out, old, old)


def _worded(part: dict[str, Any], words: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """Return a part with its texts first, its example last, and keys in the existing order."""
    head = {key: words[key] for key in ("summary", "description") if isinstance(words.get(key), str)}
    tail = {"example": words["example"]} if "example" in words else {}
    return {**head, **_ordered(part, order), **tail}


def _ordered(part: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    keys = [key for key in order if key in part]
    return {key: part[key] for key in [*keys, *(key for key in part if key not in keys)]}


def _own_words(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("description", "example") if key in schema}


def _alone(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the other member of a union of one schema with null."""
    members = union_of(schema) or []
    rest = [member for member in members if member != NULL]
    return rest[0] if len(rest) == 1 and len(members) == 2 and isinstance(rest[0], dict) else None
