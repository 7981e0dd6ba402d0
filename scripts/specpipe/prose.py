"""Check the API description's texts.

Every schema, property, operation, parameter, body, response and described header needs a text; a text must
say more than its pointer; and schemas that differ may share a text at most five times.  `check` returns all
problems, `missing` the texts that an updated document lacks.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from .document import SCHEMAS, Document, children, escape, operations, unescape, without, words

#: Stop words.
_SILENT = frozenset(
    re.findall(
        r"\w+",
        """a an the of to in on for with by from at as and or is are be been was it its s this that these
        those which when if not no has have will can may must only also all any each one always""",
    )
)
#: Prefix of a provisional text.
PROVISIONAL = "To be written:"
#: Maximum uses of one text by schemas that differ.
MOST_REPEATS = 5


def check(document: Document) -> list[str]:
    """Return the problems of an API description's texts, a line each."""
    found = [f"missing   {pointer}" for pointer in missing(document)]
    places: dict[str, list[str]] = {}
    for pointer, node in described(document):
        text = node.get("description")
        if not isinstance(text, str) or text.startswith(PROVISIONAL):
            continue
        if repeats_pointer(text, pointer):
            found.append(f"filler    {pointer}: {text}")
        places.setdefault(text, []).append(_structure(node))
    for text, structures in places.items():
        if len(structures) > MOST_REPEATS and len(set(structures)) > 1:
            found.append(f"repeated  {len(structures)} times where schemas differ: {text}")
    return found


def missing(document: Document) -> list[str]:
    """Return the pointers whose text is missing or provisional."""
    out = [pointer for pointer, node in described(document) if _lacks(node, "description")]
    for path, method, operation in operations(document):
        if _lacks(operation, "summary"):
            out.append(f"/paths/{escape(path)}/{method}/summary")
    return out


def _lacks(node: dict[str, Any], key: str) -> bool:
    text = str(node.get(key) or "").strip()
    return not text or text.startswith(PROVISIONAL)


def provisional(document: Document) -> Document:
    """Return a copy of an API description with provisional texts where texts are missing."""
    out = copy.deepcopy(document)
    for pointer, node in list(described(out)):
        _stand_in(node, "description", unescape(pointer.rsplit("/", 1)[-1]))
    for path, method, operation in operations(out):
        _stand_in(operation, "summary", f"{method.upper()} {path}")
    return out


def _stand_in(node: dict[str, Any], key: str, what: str) -> None:
    if not str(node.get(key) or "").strip():
        rest = {name: value for name, value in node.items() if name != key}
        node.clear()
        node.update({key: f"{PROVISIONAL} {what}", **rest})


def described(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part that needs a text, with its pointer."""
    for path, method, operation in operations(document):
        at = f"/paths/{escape(path)}/{method}"
        yield at, operation
        yield from ((f"{at}/parameters/{n}", part) for n, part in enumerate(operation.get("parameters", ())))
        if "requestBody" in operation:
            yield f"{at}/requestBody", operation["requestBody"]
        for status, answer in operation.get("responses", {}).items():
            yield f"{at}/responses/{status}", answer
            for name, header in answer.get("headers", {}).items():
                yield f"{at}/responses/{status}/headers/{escape(name)}", header
    for name, schema in document["components"]["schemas"].items():
        if not isinstance(schema, dict):
            continue
        yield SCHEMAS + escape(name), schema
        yield from _properties(schema, SCHEMAS + escape(name))


def repeats_pointer(text: str, pointer: str) -> bool:
    """Whether a text has no words beyond its pointer and stop words."""
    return _stems(re.findall(r"[A-Za-z0-9_.]+", text)) <= _stems([pointer])


def _properties(schema: dict[str, Any], pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for step, child in children(schema):
        if isinstance(child, dict):
            if step.startswith("/properties/"):
                yield pointer + step, child
            yield from _properties(child, pointer + step)


def _stems(texts: list[str]) -> set[str]:
    found = {word.lower() for text in texts for word in words(text)}
    return {word.rstrip("s") or word for word in found - _SILENT}


def _structure(node: dict[str, Any]) -> str:
    """Return a part without its prose."""
    return json.dumps(without(node, ("description", "summary", "example")), sort_keys=True)
