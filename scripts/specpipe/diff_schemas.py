"""Compare two schemas by their facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from .changes import LIMITS, Change, Direction, row, shown, tightened
from .document import Document, escape, ref_name, union_of
from .transforms import spelling

#: Keywords that have rows of their own, or that say nothing of a value.
_TOLD = (
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
    *("default", "format", "description", "discriminator", spelling.POINTER, *LIMITS),
)


class SchemaDiff:
    """Finds the rows from schemas of one description to those of another, both in one spelling.

    Args:
        old: The older description.
        new: The newer one.
        tables: Pointers of the unions that list received events: what leaves one comes no more.

    Attributes:
        found: The rows so far.
    """

    def __init__(self, old: Document, new: Document, tables: Collection[str] = ()) -> None:
        self.old, self.new, self.tables = old, new, tables
        self.found: list[Change] = []

    def add(self, kind: str, at: str, pair: Sequence[Any], way: Direction, **breaks: bool) -> None:
        """Add a row; see `changes.row`."""
        self.found.append(row(kind, at, pair[0], pair[1], way, **breaks))

    def compare(self, old: Any, new: Any, at: str, way: Direction) -> None:
        """Add the rows from a schema to the one that has its place now."""
        old, new = (part if isinstance(part, dict) else {} for part in (old, new))
        at = new.get(spelling.POINTER, at)
        self._discriminator(old.get("discriminator"), new.get("discriminator"), at, way)
        for keyword in ("default", "deprecated"):
            values = [part.get(keyword, _ABSENT) for part in (old, new)]
            if values[0] != values[1]:
                texts = [None if value is _ABSENT else shown_default(value) for value in values]
                kind = keyword
                breaks = keyword == "default" and texts[0] is not None
                self.add(kind, f"{at}/{keyword}", texts, way, sender=breaks)
        before, after = self._members(old), self._members(new)
        before, after = self._spread(before, after, self.old), self._spread(after, before, self.new)
        before, after = self._alike(before, after)
        kept = {_base(label) for label in before if label in after} - {"null"}
        for label in [*before, *(label for label in after if label not in before)]:
            if label in before and label in after:
                inside = after[label].get(spelling.POINTER, at)
                # Beside any text, an enum only names some of the values: one that is gone is still taken.
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
        """Add a row for another way to tell members; values beside those that there were break nobody."""
        texts = [_told_by(part) for part in (old, new)]
        if texts[0] == texts[1]:
            return
        more = old is None or (
            new is not None
            and old.get("propertyName") == new.get("propertyName")
            and all(new.get("mapping", {}).get(key) == name for key, name in old.get("mapping", {}).items())
        )
        self.add("discriminator", f"{at}/discriminator", texts, way, sender=not more, receiver=not more)

    @staticmethod
    def _members(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """A schema's alternatives, each by what tells it from the others."""
        out: dict[str, dict[str, Any]] = {}
        for member in union_of(schema) or [schema]:
            label, number = _label(member), 1
            while label in out:
                number += 1
                label = f"{_label(member)} #{number}"
            out[label] = member
        return out

    def _spread(
        self, members: dict[str, dict[str, Any]], others: dict[str, dict[str, Any]], document: Document
    ) -> dict[str, dict[str, Any]]:
        """Alternatives with a union's own in place of its name, where the other side has them without it."""
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
        """The alternatives again, under one label where the only one that went, null apart, is of the kind of
        the one that came.

        So a schema that got a name, or lost it, and an object with another tag are compared inside.
        """
        gone = [label for label in before if label not in after and label != "null"]
        come = [label for label in after if label not in before and label != "null"]
        if len(gone) != 1 or len(come) != 1 or (gone[0][0] == come[0][0] == "→"):
            return before, after
        old = self._resolved(before[gone[0]], self.old)
        new = self._resolved(after[come[0]], self.new)
        if _base(_label(old)) != _base(_label(new)):
            return before, after
        return (
            {label: old if label == gone[0] else value for label, value in before.items()},
            {
                (gone[0] if label == come[0] else label): new if label == come[0] else v
                for label, v in after.items()
            },
        )

    def _resolved(self, schema: dict[str, Any], document: Document) -> dict[str, Any]:
        name = ref_name(schema)
        return document["components"]["schemas"].get(name, {}) if name is not None else schema

    def _member(
        self, old: dict[str, Any], new: dict[str, Any], at: str, way: Direction, is_open: bool
    ) -> None:
        self._enum(old, new, at, way, is_open)
        for keyword in LIMITS:
            if old.get(keyword) != new.get(keyword):
                values = (old.get(keyword), new.get(keyword))
                self.add("limit", f"{at}/{keyword}", values, way, sender=tightened(keyword, *values))
        if old.get("format") != new.get("format"):
            formats = (old.get("format"), new.get("format"))
            both = None not in formats
            self.add("format", f"{at}/format", formats, way, sender=both, receiver=both)
        for keyword in sorted({*old, *new} - {*_TOLD, "deprecated"}):
            if old.get(keyword) != new.get(keyword):
                self.add("keyword", f"{at}/{keyword}", (old.get(keyword), new.get(keyword)), way)
        self._properties(old, new, at, way)
        if "items" in old or "items" in new:
            self.compare(old.get("items", {}), new.get("items", {}), f"{at}/items", way)
        more = [part.get("additionalProperties", True) for part in (old, new)]
        more = [True if part == {} else part for part in more]
        if isinstance(more[0], dict) and isinstance(more[1], dict):
            self.compare(more[0], more[1], f"{at}/additionalProperties", way)
        elif more[0] != more[1]:
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
            if (name in needed[0]) != (name in needed[1]):
                now = name in needed[1]
                words = ("optional", "required") if now else ("required", "optional")
                self.add("required", here, words, way, sender=now, receiver=not now)
            self.compare(before[name], after[name], here, way)


def _told_by(discriminator: dict[str, Any] | None) -> str | None:
    if discriminator is None:
        return None
    mapping = discriminator.get("mapping", {})
    return " ".join(
        [str(discriminator.get("propertyName")), *(f"{value}→{name}" for value, name in mapping.items())]
    )


_ABSENT = object()


def shown_default(value: Any) -> str:
    """A JSON value as text in which null and the word differ."""
    return "null" if value is None else shown(value) if not isinstance(value, str) else repr(value)


def _values(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _member_kind(label: str) -> str:
    return "union member" if label.startswith(("→", "object ")) else "type"


def _has(labels: Iterable[str], kind: str) -> bool:
    return any(_base(label) == kind for label in labels)


def _label(schema: dict[str, Any]) -> str:
    """What tells an alternative from others: its name, its tag, or its kind."""
    name = ref_name(schema)
    if name is not None:
        return f"→ {name}"
    tags = [
        f"{key}={part['const']}"
        for key, part in schema.get("properties", {}).items()
        if isinstance(part, dict) and isinstance(part.get("const"), str)
    ]
    if tags:
        return f"object {tags[0]}"
    kind = str(schema.get("type", "any" if union_of(schema) is None else "union"))
    return f"{kind} of a closed set" if _values(schema) is not None else kind


def _base(label: str) -> str:
    """The kind of value that a label is for; a named schema is a kind of its own."""
    return label if label.startswith("→") else label.split(" ")[0]
