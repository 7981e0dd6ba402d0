"""Rules about unions."""

from __future__ import annotations

from typing import Any

from ..document import Document, union_of
from .spelling import NULL, POINTER
from .walk import each_schema

#: What a union may carry beside its members; anything else there repeats what the members say.
_BESIDE = ("description", "default", "discriminator", "deprecated", POINTER)


def flatten(document: Document) -> tuple[Document, int]:
    """Unions written as one `anyOf`, without unions inside, repeats, or a lone member."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        members = union_of(schema)
        if members is None or "properties" in schema:
            return schema
        out = {key: schema[key] for key in _BESIDE if key in schema}
        flat: list[Any] = []
        for member in members:
            inner = union_of(member)
            if inner is None:
                flat.append(member)
                continue
            flat.extend(inner)
            for key in ("default", "discriminator", POINTER):
                if key in member:
                    out.setdefault(key, member[key])
        kept: list[Any] = []
        for member in sorted(flat, key=lambda member: member == NULL):
            if member not in kept:
                kept.append(member)
        if len(kept) == 1:
            return {**kept[0], **{key: out[key] for key in ("description", "default", POINTER) if key in out}}
        out["anyOf"] = kept
        return schema if out == schema else out

    return each_schema(document, rule)
