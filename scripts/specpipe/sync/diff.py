"""Compare two API descriptions part by part.

Both are normalised to one notation first (`nullable: true` is the same as a union with null), so that a
change of notation is not reported.
"""

from __future__ import annotations

from typing import Any

import attrs

from .. import transforms
from ..document import METHODS, SCHEMAS, Document, escape, operations, parameters_of, union_of
from ..graph import directions
from ..slice import Slice
from ..transforms import notation
from ..transforms.walk import each_schema
from .changes import Change, Direction
from .diff_schemas import SchemaDiff

_SPELLINGS = (
    *("inline_parts", "strip_prose_keys", "upgrade_to_3_1", "infer_types", "split_type_lists", "null_unions"),
    *("merge_all_of", "enums_to_const", "complete_discriminators", "flatten_unions"),
)
#: Keys of paths and operations that are compared by themselves, or are prose.
_COMPARED = {
    *(*METHODS, "parameters", "requestBody", "responses", "operationId", "tags", "security", "deprecated"),
    *("summary", "description", "externalDocs", "example"),
}
_BOTH = Direction(sent=True, received=True)
_SENT = Direction(sent=True, received=False)
_RECEIVED = Direction(sent=False, received=True)


def compare(old: Slice, new: Slice) -> list[Change]:
    """Return the changes from an older API description to a newer one."""
    return _Comparison(normalised(old), normalised(new)).rows()


def normalised(part: Slice) -> Slice:
    """Return a slice in normalised notation, without schema descriptions."""
    document, _ = notation.locate(part.document)
    for name in _SPELLINGS:
        document, _ = transforms.TRANSFORMS[name](document)
    document, _ = each_schema(document, lambda one: {k: v for k, v in one.items() if k != "description"})
    return attrs.evolve(part, document=document)


def _summary(schema: dict[str, Any]) -> str:
    """Summarise a schema in two or three words."""
    if schema.get("properties"):
        return f"object, {len(schema['properties'])} properties"
    members = union_of(schema)
    return f"union of {len(members)}" if members is not None else str(schema.get("type", "any"))


#: (`in`, name) → pointer and parameter.
_Parameters = dict[tuple[str, str], tuple[str, dict[str, Any]]]


def _parameters(document: Document, path: str, method: str) -> _Parameters:
    """Return an operation's parameters and its path's; the operation's own take precedence."""
    found = parameters_of(document, path, method).items()
    return {(parameter["in"], parameter["name"]): (at, parameter) for at, parameter in found}


class _Comparison:
    """Compares two API descriptions in the same notation."""

    def __init__(self, old: Slice, new: Slice) -> None:
        self.old, self.new = old.document, new.document
        pairs = [directions(old), directions(new)]
        self.sent = pairs[0][0] | pairs[1][0]
        self.received = pairs[0][1] | pairs[1][1]
        tables = [entry for part in (old, new) for entry in part.config.events.values() if not entry.sent]
        self.schemas = SchemaDiff(
            old.document, new.document, {SCHEMAS + escape(entry.union) for entry in tables}
        )

    def rows(self) -> list[Change]:
        self._frame()
        self._operations()
        before, after = (part["components"]["schemas"] for part in (self.old, self.new))
        for name in sorted({*before, *after}):
            at, way = SCHEMAS + escape(name), self._direction(name)
            if name not in after:
                pair = (_summary(before[name]), None)
                self.schemas.add("schema", at, pair, way, sender=True, receiver=True)
            elif name not in before:
                self.schemas.add("schema", at, (None, _summary(after[name])), way)
            else:
                self.schemas.compare(before[name], after[name], at, way)
        return self.schemas.found

    def _direction(self, name: str) -> Direction:
        sent, received = name in self.sent, name in self.received
        return Direction(sent, received) if sent or received else _BOTH

    # --- shared by all operations

    def _frame(self) -> None:
        versions = [document.get("info", {}).get("version") for document in (self.old, self.new)]
        self.schemas.add("version", "/info/version", versions, _BOTH)
        servers = [[one.get("url") for one in part.get("servers", ())] for part in (self.old, self.new)]
        moved = servers[0][:1] != servers[1][:1]
        self.schemas.add("server", "/servers", servers, _BOTH, sender=moved)
        self._security(self.old.get("security"), self.new.get("security"), "/security")
        schemes = [part["components"].get("securitySchemes", {}) for part in (self.old, self.new)]
        for name in sorted({*schemes[0], *schemes[1]}):
            old, new = ({**scheme.get(name, {}), "description": ""} for scheme in schemes)
            if name in schemes[0]:
                self._security(old, new, f"/components/securitySchemes/{escape(name)}")

    def _security(self, old: Any, new: Any, at: str) -> None:
        """Add a change of authentication; the old scheme may still be allowed."""
        kept = isinstance(old, list) and isinstance(new, list) and all(one in new for one in old)
        self.schemas.add("security", at, (old, new), _BOTH, sender=not kept and new is not None)

    # --- operations

    def _operations(self) -> None:
        before = {(path, method): operation for path, method, operation in operations(self.old)}
        after = {(path, method): operation for path, method, operation in operations(self.new)}
        for path, method in sorted({*before, *after}):
            at = f"/paths/{escape(path)}/{method}"
            title = f"{method.upper()} {path}"
            if (path, method) not in after:
                self.schemas.add("operation", at, (title, None), _BOTH, sender=True)
            elif (path, method) not in before:
                self.schemas.add("operation", at, (None, title), _BOTH)
            else:
                self._operation(before[path, method], after[path, method], at)
                self._parameters(_parameters(self.old, path, method), _parameters(self.new, path, method), at)
        for path in sorted({*self.old["paths"]} & {*self.new["paths"]}):
            self._others(self.old["paths"][path], self.new["paths"][path], f"/paths/{escape(path)}")

    def _others(self, old: dict[str, Any], new: dict[str, Any], at: str) -> None:
        """Add the keys of a path or an operation that are not compared by themselves."""
        for key in sorted({*old, *new} - _COMPARED):
            if not key.startswith("x-"):
                pair = (old.get(key), new.get(key))
                self.schemas.add("keyword", f"{at}/{escape(key)}", pair, _BOTH, sender=key == "servers")

    def _operation(self, old: dict[str, Any], new: dict[str, Any], at: str) -> None:
        self._others(old, new, at)
        ids = (old.get("operationId"), new.get("operationId"))
        self.schemas.add("operation", f"{at}/operationId", ids, _BOTH, sender=ids[0] is not None)
        marks = [bool(part.get("deprecated")) for part in (old, new)]
        self.schemas.add("deprecated", f"{at}/deprecated", marks, _BOTH)
        self._security(old.get("security"), new.get("security"), f"{at}/security")
        groups = [next(iter(part.get("tags") or ()), None) for part in (old, new)]
        # The first tag names the module of the operation's function.
        self.schemas.add("keyword", f"{at}/tags", groups, _BOTH, sender=True)
        bodies = [part.get("requestBody") or {} for part in (old, new)]
        self._contents(bodies[0], bodies[1], f"{at}/requestBody", _SENT)
        required = [bool(body.get("required")) for body in bodies]
        self.schemas.add("required", f"{at}/requestBody", required, _SENT, sender=required[1])
        answers = [part["responses"] for part in (old, new)]
        for status in sorted({*answers[0], *answers[1]}):
            here = f"{at}/responses/{status}"
            before, after = answers[0].get(status), answers[1].get(status)
            if before is None or after is None:
                codes = (None if before is None else status, None if after is None else status)
                # An error that is no longer described is no less expected than the many that never were.
                lost = after is None and not status.startswith(("4", "5"))
                self.schemas.add("status", here, codes, _RECEIVED, receiver=lost)
                continue
            self._contents(before, after, here, _RECEIVED)
            for name in sorted({*before.get("headers", {}), *after.get("headers", {})}):
                there = [name if name in part.get("headers", {}) else None for part in (before, after)]
                pointer = f"{here}/headers/{escape(name)}"
                self.schemas.add("header", pointer, there, _RECEIVED, receiver=there[1] is None)
                if None not in there:
                    self._header(before["headers"][name], after["headers"][name], pointer)

    def _header(self, old: dict[str, Any], new: dict[str, Any], at: str) -> None:
        required = [bool(part.get("required")) for part in (old, new)]
        self.schemas.add("required", at, required, _RECEIVED, receiver=required[0])
        self.schemas.compare(old.get("schema", {}), new.get("schema", {}), f"{at}/schema", _RECEIVED)

    def _parameters(self, before: _Parameters, after: _Parameters, at: str) -> None:
        for key in sorted({*before, *after}):
            title = f"{key[1]} in {key[0]}"
            if key not in after:
                self.schemas.add("parameter", before[key][0], (title, None), _SENT, sender=True)
                continue
            here, there = after[key]
            if key not in before:
                self.schemas.add("parameter", here, (None, title), _SENT, sender=bool(there.get("required")))
                continue
            was = before[key][1]
            required = [bool(part.get("required")) for part in (was, there)]
            self.schemas.add("required", here, required, _SENT, sender=required[1])
            for keyword in ("style", "explode", "deprecated"):
                pair = (was.get(keyword), there.get(keyword))
                self.schemas.add("keyword", f"{here}/{keyword}", pair, _SENT, sender=keyword != "deprecated")
            self.schemas.compare(was.get("schema", {}), there.get("schema", {}), f"{here}/schema", _SENT)
            self._contents(was, there, here, _SENT)

    def _contents(self, old: dict[str, Any], new: dict[str, Any], at: str, way: Direction) -> None:
        before, after = old.get("content", {}), new.get("content", {})
        for media in sorted({*before, *after}):
            here = f"{at}/content/{escape(media)}"
            there = [media if media in part else None for part in (before, after)]
            if None in there:
                gone = there[1] is None
                self.schemas.add("content type", here, there, way, sender=gone, receiver=gone)
                continue
            self.schemas.compare(
                before[media].get("schema", {}), after[media].get("schema", {}), f"{here}/schema", way
            )
            encodings = [part[media].get("encoding", {}) for part in (before, after)]
            for part in sorted({*encodings[0], *encodings[1]}):
                types = [encoding.get(part, {}).get("contentType") for encoding in encodings]
                self.schemas.add("content type", f"{here}/encoding/{escape(part)}", types, way, sender=True)
