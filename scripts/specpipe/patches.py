"""Corrections to the API description, from `openapi/patches.toml`.

A patch corrects a place where the API differs from its description: a JSON pointer into the original
document, the change, the reason and a link.  A `*` in a pointer matches every key.  Every patch must apply;
one that matches or changes nothing is an error, so that obsolete patches are noticed.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs

from .document import SCHEMAS, Document, ref_name, references, unescape
from .errors import SpecError, reading
from .prose import PROVISIONAL

Op = Literal["merge", "add", "replace", "remove", "nullable", "by_shape"]
_OPS = ("merge", "add", "replace", "remove", "nullable", "by_shape")
_WITH_VALUE = ("merge", "add", "replace")


@attrs.frozen
class Patch:
    """One correction.

    Attributes:
        pointer: JSON pointer; `*` matches any one key.
        op: `merge` adds `value`'s keys to the object, or its members to the list, `add` adds a new key,
            `replace` replaces an existing one, `remove` deletes the key, `nullable` also allows null,
            `by_shape` changes nothing: it accepts that the union's members are distinguished by their
            properties alone.
        value: The new value.
        reason: Why the API description is wrong.
        link: Evidence.
    """

    pointer: str
    op: Op
    reason: str
    link: str
    value: Any = None

    @property
    def provisional(self) -> bool:
        """Whether its reason is a placeholder."""
        return self.reason.startswith(PROVISIONAL)


def read(path: Path) -> tuple[Patch, ...]:
    """Read a patches file.

    Raises:
        SpecError: invalid TOML, or an entry has a missing or unknown field or an unknown `op`.
    """
    with reading(path):
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("patch", [])
    if not isinstance(entries, list):
        raise SpecError(f"{path.name}: `patch` must be a list", hint="start each patch with [[patch]]")
    patches = []
    for number, entry in enumerate(entries, 1):
        unknown = set(entry) - {"pointer", "op", "value", "reason", "link"}
        needed = {"pointer", "op", "reason", "link"} | (
            {"value"} if entry.get("op") in _WITH_VALUE else set()
        )
        pointer = entry.get("pointer")
        if unknown or needed - set(entry) or entry["op"] not in _OPS or not str(pointer).startswith("/"):
            raise SpecError(
                f"{path.name}: patch {number} has unknown fields {sorted(unknown)}, "
                f"missing fields {sorted(needed - set(entry))}, op {entry.get('op')!r}, pointer {pointer!r}",
                hint=f"a patch has pointer, op ({', '.join(_OPS)}), reason, link and, for most, value",
            )
        if entry["op"] == "merge" and not isinstance(entry["value"], dict | list):
            message = f"{path.name}: value of patch {number} must be a table or a list"
            raise SpecError(message, pointer=str(pointer))
        patches.append(Patch(**entry))
    return tuple(patches)


def apply(
    document: Document, patches: tuple[Patch, ...], *, skip_missing: bool = False
) -> tuple[Document, list[int]]:
    """Apply every patch to a copy of a document.

    Args:
        document: The original document.
        patches: The patches, in order.
        skip_missing: Skip a patch that does not apply instead of failing.

    Returns:
        The patched document, and the indices of skipped patches.

    Raises:
        SpecError: a patch does not apply or changes nothing.
    """
    out = copy.deepcopy(document)
    skipped: list[int] = []
    for number, patch in enumerate(patches):
        try:
            _apply_one(out, patch)
        except SpecError:
            if not skip_missing:
                raise
            skipped.append(number)
    return out, skipped


def _apply_one(document: Document, patch: Patch) -> None:
    remove = "remove it from openapi/patches.toml"
    targets = list(_targets(document, patch))
    if not targets:
        raise SpecError(
            f"a patch ({patch.op}) matches nothing",
            pointer=patch.pointer,
            hint=f"{remove}, or update its pointer",
        )
    if patch.op == "add":
        targets = [(parent, key) for parent, key in targets if key not in parent]
        if not targets:
            raise SpecError("a patch adds a key that exists already", pointer=patch.pointer, hint=remove)
    for parent, key in targets:
        if patch.op in ("merge", "nullable"):
            needed = list if isinstance(patch.value, list) else dict
            if not isinstance(parent[key], needed):
                what = "a list" if needed is list else "an object"
                raise SpecError(f"a {patch.op} needs {what}", pointer=patch.pointer, hint=remove)
    if patch.op == "by_shape":
        return
    schemas = document.get("components", {}).get("schemas", {})
    added = patch.value if patch.pointer == SCHEMAS.rstrip("/") else {}
    lost = [name for name in references(patch.value) if name not in schemas and name not in added]
    if lost:
        raise SpecError(
            f"a patch refers to {lost[0]}, which does not exist",
            pointer=patch.pointer,
            hint="add the schema by an earlier patch, or update the reference",
        )
    changed = [_change(document, parent, key, patch) for parent, key in reversed(targets)]
    if not any(changed):
        raise SpecError(
            f"a patch ({patch.op}) changes nothing: the API description says so already",
            pointer=patch.pointer,
            hint=remove,
        )


def _targets(document: Document, patch: Patch) -> Iterator[tuple[Any, Any]]:
    """Yield every object or list that has the pointer's last key, with that key."""
    *steps, last = [unescape(segment) for segment in patch.pointer.split("/")[1:]]
    parents: list[Any] = [document]
    for step in steps:
        parents = [parent[key] for parent in parents for key in _keys(parent, step)]
    for parent in parents:
        if patch.op != "add":
            yield from ((parent, key) for key in _keys(parent, last))
        elif isinstance(parent, dict) and last != "*":
            yield parent, last


def _keys(node: Any, step: str) -> list[Any]:
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [key for key in keys if step in ("*", str(key))]


def _change(document: Document, parent: Any, key: Any, patch: Patch) -> bool:
    if patch.op == "remove":
        del parent[key]
        return True
    before: Any = copy.deepcopy(parent[key]) if patch.op != "add" else None
    if patch.op == "merge" and isinstance(patch.value, list):
        parent[key] = [*before, *(copy.deepcopy(one) for one in patch.value if one not in before)]
    elif patch.op == "merge":
        parent[key] = {**parent[key], **copy.deepcopy(patch.value)}
    elif patch.op == "nullable":
        if not _accepts_null(document, parent[key]):
            prose = {k: v for k, v in parent[key].items() if k == "description"}
            rest = {k: v for k, v in parent[key].items() if k not in prose}
            parent[key] = {**prose, "anyOf": [rest, {"type": "null"}]}
    else:
        parent[key] = copy.deepcopy(patch.value)
    return bool(parent[key] != before)


def _accepts_null(document: Document, schema: Any, seen: tuple[str, ...] = ()) -> bool:
    """Whether an original schema allows null, in any notation."""
    if not isinstance(schema, dict):
        return schema is True
    name = ref_name(schema)
    if name is not None and name not in seen:
        return _accepts_null(document, document["components"]["schemas"].get(name), (*seen, name))
    kinds = schema.get("type")
    if schema.get("nullable") is True or kinds == "null" or (isinstance(kinds, list) and "null" in kinds):
        return True
    members = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return None in schema.get("enum", ()) or any(_accepts_null(document, member, seen) for member in members)
