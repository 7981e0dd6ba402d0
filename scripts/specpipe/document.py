"""Load, address and write OpenAPI documents.

Documents come from outside and are hostile until checked: size, depth and the unfolding of YAML aliases are
bounded, only local references are accepted, and nothing is fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .errors import SpecError

Document = dict[str, Any]

#: Bounds for a document: OpenAI's whole description has 3 MB and some 150,000 nodes.
MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 5_000_000
MAX_DEPTH = 200

SCHEMAS = "/components/schemas/"
REF_PREFIX = "#" + SCHEMAS
UNIONS = ("anyOf", "oneOf")
#: Keywords whose value is one schema, a list of schemas, a mapping of names to schemas.
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "unevaluatedProperties")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, in C where it is built in, that leaves dates as the text they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Block style, no aliases: each part of a document stands where it is used."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load(path: Path) -> Document:
    """Read an OpenAPI document from a YAML or JSON file.

    Args:
        path: The file; `.json` is read as JSON, anything else as YAML.

    Raises:
        SpecError: the file is not there, too large, not an OpenAPI 3 document, or folds out beyond the
            bounds.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(
            f"cannot read {path}: {error.strerror}", hint="name an OpenAPI document in a file"
        ) from error
    return parse(raw, json_text=path.suffix == ".json", name=path.name)


def parse(raw: bytes, *, json_text: bool = False, name: str = "document") -> Document:
    """Read an OpenAPI document from bytes; see `load`."""
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{name} has {len(raw):,} bytes, more than {MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8-sig")
        data = json.loads(text) if json_text else yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise SpecError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise SpecError(
            f"{name} is not {'JSON' if json_text else 'YAML'}: {' '.join(str(error).split())}"
        ) from error
    except RecursionError as error:
        raise SpecError(f"{name} nests deeper than Python can follow") from error
    if not isinstance(data, dict) or not str(data.get("openapi", "")).startswith("3."):
        raise SpecError(
            f"{name} is not an OpenAPI 3 document", pointer="/openapi", hint="expected `openapi: 3.x.y`"
        )
    if not isinstance(data.get("paths", {}), dict) or not isinstance(data.get("components", {}), dict):
        raise SpecError(f"{name}: `paths` and `components` must be mappings", pointer="/paths")
    _bound(data, name)
    return data


def _bound(data: Any, name: str) -> None:
    count = 0
    stack: list[tuple[Any, int]] = [(data, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise SpecError(
                f"{name} folds out to more than {MAX_NODES:,} nodes or nests deeper than {MAX_DEPTH}",
                hint="look for YAML aliases that repeat or contain each other",
            )
        if isinstance(node, dict):
            stack.extend((value, depth + 1) for value in node.values())
        elif isinstance(node, list):
            stack.extend((value, depth + 1) for value in node)


def dump(data: Any) -> str:
    """Write a document as YAML: block style, keys in their order, the same text for the same data."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def escape(part: str) -> str:
    """One key as a segment of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def unescape(segment: str) -> str:
    """The key that a segment of a JSON pointer stands for."""
    return segment.replace("~1", "/").replace("~0", "~")


def resolve(document: Any, pointer: str) -> Any:
    """The part of a document that a JSON pointer names.

    Raises:
        KeyError: there is no such part; the message is the first segment that does not resolve.
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
    """The component that `{"$ref": "#/components/schemas/Name"}` points to, or None for anything else."""
    if not isinstance(schema, dict):
        return None
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith(REF_PREFIX):
        return None
    return unescape(ref[len(REF_PREFIX) :])


def ref_to(name: str) -> dict[str, Any]:
    """A reference to the component `name`."""
    return {"$ref": REF_PREFIX + escape(name)}


def union_of(schema: dict[str, Any]) -> list[Any] | None:
    """The members of a union schema, whichever keyword it is written with; None if it is no union."""
    for keyword in UNIONS:
        if isinstance(schema.get(keyword), list):
            return list(schema[keyword])
    return None


def children(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each schema directly inside a schema, with the pointer that leads from the one to the other."""
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
    """A copy of a schema with `change(child)` in place of each schema directly inside it."""
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


def references(node: Any) -> Iterator[str]:
    """The name of every component schema that a part of a document refers to, in order, with repeats."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                if value.startswith(REF_PREFIX):
                    yield unescape(value[len(REF_PREFIX) :])
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation object of every operation."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in ("get", "put", "post", "delete", "options", "head", "patch", "trace"):
                yield path, method, operation


def words(name: str) -> list[str]:
    """Split an API name into words: `RealtimeMCPTool.audio_id` → Realtime, MCP, Tool, audio, id."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
