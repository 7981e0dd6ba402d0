"""Navigate OpenAPI documents: pointers, references, nested schemas."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from .errors import SpecError

Document = dict[str, Any]

SCHEMAS = "/components/schemas/"
REF_PREFIX = "#" + SCHEMAS
UNIONS = ("anyOf", "oneOf")
#: Keywords whose value is a schema, a list of schemas, or a mapping of names to schemas.
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "unevaluatedProperties")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs")
#: Keywords whose value is data, and keywords whose value is a mapping with arbitrary keys.
DATA = ("default", "example", "examples", "enum", "const", "mapping")
NAME_MAPS = (
    *(
        "properties",
        "patternProperties",
        "$defs",
        "dependentSchemas",
        "content",
        "encoding",
        "paths",
        "schemas",
    ),
    *("responses", "parameters", "requestBodies", "headers", "pathItems", "callbacks", "links"),
)
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def escape(part: str) -> str:
    """Return a key as a segment of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def unescape(segment: str) -> str:
    """Return the key that a segment of a JSON pointer stands for."""
    return segment.replace("~1", "/").replace("~0", "~")


def resolve(document: Any, pointer: str) -> Any:
    """Return the part of a document that a JSON pointer leads to.

    Raises:
        KeyError: the pointer does not resolve; the message is the first segment that is missing.
    """
    node = document
    for segment in pointer.split("/")[1:]:
        key = unescape(segment)
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise KeyError(segment)
    return node


def ref_name(schema: Any) -> str | None:
    """Return the component name of a schema reference, or None for any other schema."""
    if not isinstance(schema, dict):
        return None
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith(REF_PREFIX):
        return None
    return unescape(ref[len(REF_PREFIX) :])


def ref_to(name: str) -> dict[str, Any]:
    """Return a reference to the component `name`."""
    return {"$ref": REF_PREFIX + escape(name)}


def union_of(schema: dict[str, Any]) -> list[Any] | None:
    """Return the members of `anyOf` or `oneOf`, or None if the schema is not a union."""
    for keyword in UNIONS:
        if isinstance(schema.get(keyword), list):
            return list(schema[keyword])
    return None


def children(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the direct subschemas of a schema with their relative pointers."""
    for keyword in _ONE:
        if isinstance(schema.get(keyword), dict):
            yield f"/{keyword}", schema[keyword]
    for keyword in _MANY:
        if isinstance(schema.get(keyword), list):
            for index, member in enumerate(schema[keyword]):
                yield f"/{keyword}/{index}", member
    for keyword in _NAMED:
        if isinstance(schema.get(keyword), dict):
            for name, member in schema[keyword].items():
                yield f"/{keyword}/{escape(str(name))}", member


def rebuild(schema: dict[str, Any], change: Any) -> dict[str, Any]:
    """Return a copy of a schema with `change` applied to each direct subschema."""
    out = dict(schema)
    for keyword in _ONE:
        if isinstance(out.get(keyword), dict):
            out[keyword] = change(out[keyword])
    for keyword in _MANY:
        if isinstance(out.get(keyword), list):
            out[keyword] = [change(member) if isinstance(member, dict) else member for member in out[keyword]]
    for keyword in _NAMED:
        if isinstance(out.get(keyword), dict):
            out[keyword] = {
                name: change(member) if isinstance(member, dict) else member
                for name, member in out[keyword].items()
            }
    return out


def pointers(node: Any, at: str = "", *, names: bool = False) -> Iterator[tuple[str, str]]:
    """Yield every reference in a part of a document with the pointer of its object.

    Data (examples, defaults, extensions) is skipped.

    Args:
        node: The part.
        at: Its pointer.
        names: Whether its keys are names, not keywords.

    Raises:
        SpecError: a reference is not a string.
    """
    if isinstance(node, dict):
        if not names and "$ref" in node:
            if not isinstance(node["$ref"], str):
                raise SpecError(
                    "a $ref must be a string", pointer=f"{at}/$ref", hint="write a JSON pointer, `#/…`"
                )
            yield at, node["$ref"]
        for key, value in node.items():
            if names or not (key in DATA or key.startswith("x-")):
                within = not names and key in NAME_MAPS
                yield from pointers(value, f"{at}/{escape(key)}", names=within)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from pointers(value, f"{at}/{index}")


def references(node: Any) -> Iterator[str]:
    """Yield the name of every component schema referred to, in order, with duplicates."""
    for _, ref in pointers(node):
        if ref.startswith(REF_PREFIX):
            yield unescape(ref[len(REF_PREFIX) :])


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation object of every operation; an unchecked document may have others."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items() if isinstance(item, dict) else ():
            if method in METHODS:
                yield path, method, operation


def parameters_of(document: Document, path: str, method: str) -> dict[str, dict[str, Any]]:
    """Return an operation's parameters by pointer, then its path's.

    Of two with the same name and location the first is kept.
    """
    at, item = f"/paths/{escape(path)}", document["paths"][path]
    found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for here, part in ((f"{at}/{method}", item[method]), (at, item)):
        for number, one in enumerate(part.get("parameters", ())):
            found.setdefault((one["in"], one["name"]), (f"{here}/parameters/{number}", one))
    return dict(found.values())


def without(node: Any, dropped: Collection[str], *, names: bool = False) -> Any:
    """Return a part of a document without some keywords.

    Args:
        node: The part.
        dropped: The keywords.
        names: Whether its keys are names, not keywords.
    """
    if isinstance(node, list):
        return [without(value, dropped) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without(value, dropped, names=not names and key in NAME_MAPS)
        for key, value in node.items()
        if names or not (key in dropped or key.startswith("x-"))
    }


def words(name: str) -> list[str]:
    """Split an API name into words: `RemoteMCPTool.audio_id` → Remote, MCP, Tool, audio, id."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


def kind_of_media(media: str) -> str:
    """Return the kind of body of a content type."""
    plain = media.split(";")[0].strip().lower()
    if plain == "application/json" or plain.endswith("+json"):
        return "json"
    kinds = {"multipart/form-data": "multipart", "application/x-www-form-urlencoded": "form"}
    return kinds.get(plain, "content")
