"""Exceptions to the description, from `openapi/patches.toml`.

A patch says where the API does something else than its description: a JSON pointer into the document as
written, the change, the reason and a link.  A `*` in a pointer stands for every key at that place.  All
patches must apply; one that finds nothing, or changes nothing, is an error, so that the list never outlives
its need.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs

from .document import Document, unescape
from .errors import SpecError

Op = Literal["merge", "add", "replace", "remove", "nullable"]
_OPS = ("merge", "add", "replace", "remove", "nullable")


@attrs.frozen
class Patch:
    """One exception.

    Attributes:
        pointer: Where; `*` matches any one key.
        op: `merge` puts `value`'s keys into the object there, `add` puts a new key, `replace` an existing
            one, `remove` takes the key away, `nullable` allows null beside what is described.
        value: What is put there.
        reason: Why the description is wrong.
        link: Where that can be read.
    """

    pointer: str
    op: Op
    reason: str
    link: str
    value: Any = None


def read(path: Path) -> tuple[Patch, ...]:
    """Read a patches file.

    Raises:
        SpecError: it is no TOML, or an entry lacks a field, has an unknown one or an unknown `op`.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("patch", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"cannot read {path.name}: {error}") from error
    patches = []
    for number, entry in enumerate(entries, 1):
        unknown = set(entry) - {"pointer", "op", "value", "reason", "link"}
        missing = {"pointer", "op", "reason", "link"} - set(entry)
        if unknown or missing or entry.get("op") not in _OPS:
            raise SpecError(
                f"{path.name}: patch {number} has unknown fields {sorted(unknown)}, lacks {sorted(missing)}, "
                f"op {entry.get('op')!r}",
                pointer=str(entry.get("pointer", "")),
                hint=f"a patch has pointer, op ({', '.join(_OPS)}), reason, link and, for most, value",
            )
        patches.append(Patch(**entry))
    return tuple(patches)


def apply(
    document: Document, patches: tuple[Patch, ...], *, skip_missing: bool = False
) -> tuple[Document, list[str]]:
    """Apply every patch to a copy of a document.

    Args:
        document: The document as written.
        patches: What to change, in order.
        skip_missing: Skip a patch that names a part which the document lacks, instead of failing.

    Returns:
        The patched document, and the pointers of the skipped patches.

    Raises:
        SpecError: a patch names a part that is not there, or changes nothing.
    """
    out = copy.deepcopy(document)
    skipped: list[str] = []
    for patch in patches:
        targets = list(_targets(out, patch))
        if not targets:
            if skip_missing:
                skipped.append(patch.pointer)
                continue
            raise SpecError(
                f"a patch ({patch.op}) finds nothing to change",
                pointer=patch.pointer,
                hint="remove it from openapi/patches.toml, or point it at the part's new place",
            )
        changed = [_change(parent, key, patch) for parent, key in targets]
        if not any(changed) and not skip_missing:
            raise SpecError(
                f"a patch ({patch.op}) changes nothing: the description says so already",
                pointer=patch.pointer,
                hint="remove it from openapi/patches.toml",
            )
    return out, skipped


def _targets(document: Document, patch: Patch) -> Iterator[tuple[Any, Any]]:
    *steps, last = [unescape(segment) for segment in patch.pointer.split("/")[1:]]
    parents: list[Any] = [document]
    for step in steps:
        parents = [child for parent in parents for child in _get(parent, step)]
    for parent in parents:
        if patch.op == "add" and isinstance(parent, dict) and last not in parent and last != "*":
            yield parent, last
        elif isinstance(parent, dict):
            yield from ((parent, key) for key in list(parent) if last in ("*", key))
        elif isinstance(parent, list):
            yield from ((parent, index) for index in range(len(parent)) if last in ("*", str(index)))


def _get(node: Any, step: str) -> list[Any]:
    if isinstance(node, dict):
        return [value for key, value in node.items() if step in ("*", key)]
    if isinstance(node, list):
        return [value for index, value in enumerate(node) if step in ("*", str(index))]
    return []


def _change(parent: Any, key: Any, patch: Patch) -> bool:
    before = copy.deepcopy(parent[key]) if not isinstance(parent, dict) or key in parent else None
    if patch.op == "remove":
        del parent[key]
        return True
    if patch.op == "merge":
        if not isinstance(parent[key], dict) or not isinstance(patch.value, dict):
            raise SpecError("a merge needs an object on both sides", pointer=patch.pointer)
        parent[key].update(copy.deepcopy(patch.value))
    elif patch.op == "nullable":
        parent[key] = _nullable(parent[key])
    else:
        parent[key] = copy.deepcopy(patch.value)
    return bool(parent[key] != before)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if {"type": "null"} in schema.get("anyOf", []):
        return schema
    prose = {key: schema[key] for key in ("description",) if key in schema}
    return {**prose, "anyOf": [{k: v for k, v in schema.items() if k not in prose}, {"type": "null"}]}
