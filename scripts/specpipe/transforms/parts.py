"""The transform of shared parameters, bodies, responses and headers."""

from __future__ import annotations

from typing import Any

from ..document import DATA, NAME_MAPS, Document, resolve
from ..errors import SpecError
from .walk import PARTS

_PREFIXES = tuple(f"#/components/{kind}/" for kind in PARTS)


def inline_parts(document: Document) -> tuple[Document, int]:
    """Inline every shared parameter, body, response, header and path."""
    count = 0

    def visit(node: Any, names: bool, open_refs: tuple[str, ...]) -> Any:
        nonlocal count
        if isinstance(node, list):
            return [visit(value, False, open_refs) for value in node]
        if not isinstance(node, dict):
            return node
        ref = None if names else node.get("$ref")
        if isinstance(ref, str) and ref.startswith(_PREFIXES):
            if ref in open_refs:
                raise SpecError(
                    "a shared part refers to itself",
                    pointer=ref[1:],
                    hint=f"break the cycle {' → '.join([*open_refs, ref])}",
                )
            count += 1
            beside = {key: value for key, value in node.items() if key != "$ref"}
            part = visit(resolve(document, ref[1:]), False, (*open_refs, ref))
            return {**part, **beside}
        return {
            key: value
            if not names and (key in DATA or key == "schema" or key.startswith("x-"))
            else visit(value, not names and key in NAME_MAPS, open_refs)
            for key, value in node.items()
        }

    out = dict(document)
    out["paths"] = visit(document["paths"], True, ())
    out["components"] = {kind: parts for kind, parts in document["components"].items() if kind not in PARTS}
    return out, count
