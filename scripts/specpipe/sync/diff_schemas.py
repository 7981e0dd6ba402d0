"""Compare two schemas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..document import Document, escape, ref_name, union_of
from ..transforms import notation
from .changes import LIMITS, Action, Change, Direction, shown, tightened

#: Keywords that are compared by themselves, or that do not constrain a value.
_HANDLED = (
    *(
        "type",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "$ref",
    ),
    *("default", "format", "description", "discriminator", notation.POINTER, *LIMITS),
)
#: Keywords that do not constrain a value; any other one that comes or changes may refuse what is sent.
_ANNOTATIONS = {
    *(
        "$anchor",
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
    ),
    *("example", "examples", "externalDocs", "readOnly", "title", "writeOnly", "xml"),
}


class SchemaDiff:
    """Collects the changes between schemas of two API descriptions in the same notation.

    Args:
        old: The older API description.
        new: The newer one.
        tables: Pointers of the unions that list server events: a member that is removed is no longer sent.

    Attributes:
        found: The changes so far.
    """

    def __init__(self, old: Document, new: Document, tables: Collection[str] = ()) -> None:
        self.old, self.new, self.tables = old, new, tables
        self.found: list[Change] = []

    def add(
        self,
        kind: str,
        at: str,
        pair: Sequence[Any],
        way: Direction,
        *,
        sender: bool = False,
        receiver: bool = False,
    ) -> None:
        """Add a change, unless the values are equal.

        Args:
            kind: See `Change`.
            at: Its pointer.
            pair: The old value, None if added, and the new value, None if removed.
            way: Whether the part is sent, received or both.
            sender: Whether it breaks senders, if the part is sent.
            receiver: Whether it breaks receivers, if the part is received.
        """
        before, after = pair
        if before != after:
            action: Action = "added" if before is None else "removed" if after is None else "changed"
            breaks = (sender and way.sent, receiver and way.received)
            self.found.append(Change(action, kind, at, shown(before), shown(after), *breaks))

    def compare(self, old: Any, new: Any, at: str, way: Direction) -> None:
        """Add the changes from a schema to the one at the same place in the newer description."""
        old, new = (part if isinstance(part, dict) else {} for part in (old, new))
        at = new.get(notation.POINTER, at)
        self._discriminator(old.get("discriminator"), new.get("discriminator"), at, way)
        for keyword in ("default", "deprecated"):
            values = [part.get(keyword, _ABSENT) for part in (old, new)]
            if values[0] != values[1]:
                texts = [None if value is _ABSENT else shown_default(value) for value in values]
                breaks = keyword == "default" and texts[0] is not None
                self.add(keyword, f"{at}/{keyword}", texts, way, sender=breaks)
        before, after = self._members(old), self._members(new)
        before, after = self._spread(before, after, self.old), self._spread(after, before, self.new)
        before, after = self._alike(before, after)
        kept = {_base(label) for label in before if label in after} - {"null"}
        for label in [*before, *(label for label in after if label not in before)]:
            if label in before and label in after:
                inside = after[label].get(notation.POINTER, at)
                # In a union with plain text an enum is only a hint: a removed value is still accepted.
                is_open = "any" in after or (_base(label) in after and _base(label) in before)
                self._member(before[label], after[label], inside, way, is_open)
                continue
            kind = _member_kind(label)
            if label not in after:
                taken = "any" in after or (_base(label) == "integer" and _has(after, "number"))
                left = at in self.tables and label != "null"
                gone = left or (
                    label != "null" and not kept and not (label == "number" and _has(after, "integer"))
                )
                self.add(kind, at, (label, None), way, sender=not taken, receiver=gone)
            else:
                known = any(_base(label) == _base(other) for other in before) or "any" in before
                known = known or (_base(label) == "integer" and _has(before, "number"))
                self.add(kind, at, (None, label), way, receiver=kind == "type" and not known)

    def _discriminator(self, old: Any, new: Any, at: str, way: Direction) -> None:
        """Add a change of discriminator; additional values are not breaking."""
        texts = [_discriminator_text(part) for part in (old, new)]
        more = old is None or (
            new is not None
            and old.get("propertyName") == new.get("propertyName")
            and all(new.get("mapping", {}).get(key) == name for key, name in old.get("mapping", {}).items())
        )
        self.add("discriminator", f"{at}/discriminator", texts, way, sender=not more, receiver=not more)

    @staticmethod
    def _members(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return a schema's alternatives by a label that distinguishes them."""
        out: dict[str, dict[str, Any]] = {}
        for member in union_of(schema) or [schema]:
            label, number = label_of(member), 1
            while label in out:
                number += 1
                label = f"{label_of(member)} #{number}"
            out[label] = member
        return out

    def _spread(
        self, members: dict[str, dict[str, Any]], others: dict[str, dict[str, Any]], document: Document
    ) -> dict[str, dict[str, Any]]:
        """Inline a referenced union's alternatives where the other side has them inline."""
        out: dict[str, dict[str, Any]] = {}
        for label, member in members.items():
            inside = self._resolved(member, document)
            if label not in others and inside is not member and union_of(inside) is not None:
                spread = self._members(inside)
                if any(one in others for one in spread):
                    out |= spread
                    continue
            out[label] = member
        return out

    def _alike(self, before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Assign one label to the only removed and the only added alternative if they are of the same kind.

        So a schema that was named or inlined, and an object whose tag changed, are compared in detail.
        """
        gone = [label for label in before if label not in after and label != "null"]
        come = [label for label in after if label not in before and label != "null"]
        if len(gone) != 1 or len(come) != 1 or (gone[0][0] == come[0][0] == "→"):
            return before, after
        old = self._resolved(before[gone[0]], self.old)
        new = self._resolved(after[come[0]], self.new)
        old, new = self._whole(old, new, self.old), self._whole(new, old, self.new)
        if _base(label_of(old)) != _base(label_of(new)):
            return before, after
        return (
            {label: old if label == gone[0] else value for label, value in before.items()},
            {
                (gone[0] if label == come[0] else label): new if label == come[0] else v
                for label, v in after.items()
            },
        )

    def _whole(self, schema: dict[str, Any], other: dict[str, Any], document: Document) -> dict[str, Any]:
        """Return a union of objects as one object with all their properties if the other side is one."""
        members = [self._resolved(one, document) for one in union_of(schema) or () if one != notation.NULL]
        objects = [one for one in members if isinstance(one.get("properties"), dict)]
        if "properties" not in other or not members or len(objects) < len(members):
            return schema
        properties: dict[str, Any] = {}
        for one in objects:
            for key, value in one["properties"].items():
                tags = [part for part in (properties.get(key), value) if part is not None and "const" in part]
                values = [tag for part in tags for tag in _values(part) or ()]
                joined = {"type": "string", "enum": values} if len(values) > 1 else value
                properties[key] = joined if key in properties else value
        required = set(objects[0].get("required", ())).intersection(*(o.get("required", ()) for o in objects))
        return {"type": "object", "properties": properties, "required": sorted(required)}

    def _resolved(self, schema: dict[str, Any], document: Document) -> dict[str, Any]:
        name = ref_name(schema)
        return document["components"]["schemas"].get(name, {}) if name is not None else schema

    def _member(
        self, old: dict[str, Any], new: dict[str, Any], at: str, way: Direction, is_open: bool
    ) -> None:
        self._enum(old, new, at, way, is_open)
        for keyword in LIMITS:
            values = (old.get(keyword), new.get(keyword))
            self.add("limit", f"{at}/{keyword}", values, way, sender=tightened(keyword, *values))
        formats = (old.get("format"), new.get("format"))
        both = None not in formats
        self.add("format", f"{at}/format", formats, way, sender=both, receiver=both)
        for keyword in sorted({*old, *new} - {*_HANDLED, "deprecated"}):
            breaks = keyword in new and keyword not in _ANNOTATIONS and not keyword.startswith("x-")
            pair = (old.get(keyword), new.get(keyword))
            self.add("keyword", f"{at}/{keyword}", pair, way, sender=breaks)
        self._properties(old, new, at, way)
        if "items" in old or "items" in new:
            self.compare(old.get("items", {}), new.get("items", {}), f"{at}/items", way)
        more = [part.get("additionalProperties", True) for part in (old, new)]
        more = [True if part == {} else part for part in more]
        if isinstance(more[0], dict) and isinstance(more[1], dict):
            self.compare(more[0], more[1], f"{at}/additionalProperties", way)
        else:
            tighter = more[1] is False or more[0] is True
            self.add("keyword", f"{at}/additionalProperties", more, way, sender=tighter)

    def _enum(self, old: dict[str, Any], new: dict[str, Any], at: str, way: Direction, is_open: bool) -> None:
        before, after = (_values(part) for part in (old, new))
        if before is None and after is None:
            return
        if before is None or after is None:
            self.add("enum value", at, (before or "any", after or "any"), way, sender=before is None)
            return
        if len(before) == len(after) == 1 and before != after:
            texts = [shown_default(values[0]) for values in (before, after)]
            self.add("enum value", at, texts, way, sender=True, receiver=True)
            return
        for value in before:
            if value not in after:
                self.add("enum value", at, (shown_default(value), None), way, sender=not is_open)
        for value in after:
            if value not in before:
                self.add("enum value", at, (None, shown_default(value)), way)

    def _properties(self, old: dict[str, Any], new: dict[str, Any], at: str, way: Direction) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed = [set(part.get("required", ())) for part in (old, new)]
        for name in [*before, *(name for name in after if name not in before)]:
            here = f"{at}/properties/{escape(name)}"
            if name not in after:
                self.add("property", here, (name, None), way, sender=True, receiver=True)
                continue
            if name not in before:
                self.add("property", here, (None, name), way, sender=name in needed[1])
                continue
            now = name in needed[1]
            words = ["required" if name in keys else "optional" for keys in needed]
            self.add("required", here, words, way, sender=now, receiver=not now)
            self.compare(before[name], after[name], here, way)


def _discriminator_text(discriminator: dict[str, Any] | None) -> str | None:
    if discriminator is None:
        return None
    mapping = discriminator.get("mapping", {})
    return " ".join(
        [str(discriminator.get("propertyName")), *(f"{value}→{name}" for value, name in mapping.items())]
    )


_ABSENT = object()


def shown_default(value: Any) -> str:
    """Return a JSON value as text that distinguishes null from "null"."""
    return "null" if value is None else shown(value) if not isinstance(value, str) else repr(value)


def _values(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _member_kind(label: str) -> str:
    return "union member" if label.startswith(("→", "object ")) else "type"


def _has(labels: Iterable[str], kind: str) -> bool:
    return any(_base(label) == kind for label in labels)


def label_of(schema: Any) -> str:
    """Return the label of an alternative: its name, its tag or its type."""
    if not isinstance(schema, dict):
        return str(schema)
    name = ref_name(schema)
    if name is not None:
        return f"→ {name}"
    properties = schema.get("properties", {}).items()
    values = {key: _values(part) for key, part in properties if isinstance(part, dict)}
    for key, one in values.items():
        if one is not None and len(one) == 1 and isinstance(one[0], str):
            return f"object {key}={one[0]}"
    kind = str(schema.get("type", "any" if union_of(schema) is None else "union"))
    return f"{kind} enum" if _values(schema) is not None else kind


def _base(label: str) -> str:
    """Return the type part of a label; a named schema is a type of its own."""
    return label if label.startswith("→") else label.split(" ")[0]
