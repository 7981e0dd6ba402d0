"""Select one API from an OpenAPI document, whole or already sliced.

`openapi/slice.toml` selects operations by path and schemas by name; everything that they refer to is
included. Nothing here, nor in the later steps, refers to a particular API.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs

from . import validation
from .document import Document, escape, operations, pointers, ref_name, ref_to, unescape, union_of
from .errors import SpecError, reading

#: What a member that is left out stays: an object with whatever came.
_ANY = {"type": "object", "additionalProperties": {}}
_COMPONENT = re.compile(r"#/components/([A-Za-z]+)/([^/]+)$")
_COMPONENT_PART = re.compile(r"#/components/[A-Za-z]+/[^/]+/")
_OWN_COMPONENT = "make the part that it leads to a component of its own, and refer to that one in both places"


@attrs.frozen
class Events:
    """One table from event type to class.

    Attributes:
        union: The union of the events.
        names: Pattern of the events' names, for a document without the union.
        sent: Whether the client sends them.
        types: The module of overloads that has them, if the client receives them.
    """

    union: str
    names: str
    sent: bool
    types: str = "event_types"


@attrs.frozen
class Names:
    """Names and metadata of the package.

    Attributes:
        module: Import name.
        distribution: Distribution name.
        api: The API's name in prose.
        page: Name of the operations page.
        authors: Authors.
        keywords: Package keywords.
        readme: A sentence about alternatives, or "".
        examples: A sentence that explains the variables in examples, or "".
        urls: Title → URL.
    """

    module: str
    distribution: str
    api: str
    page: str
    authors: str
    keywords: list[str] = attrs.field(factory=list)
    readme: str = ""
    examples: str = ""
    urls: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Config:
    """The contents of a slice file; see `openapi/slice.toml`."""

    document: str
    paths: list[str]
    schemas: str
    webhooks: str
    events: dict[str, Events]
    package: Names
    watch: list[str] = attrs.field(factory=list)
    unions: dict[str, list[str]] = attrs.field(factory=dict)
    inline: list[str] = attrs.field(factory=list)

    def has(self, path: str) -> bool:
        """Whether an operation's path belongs to the slice."""
        return under(path, self.paths)


def under(path: str, prefixes: list[str]) -> bool:
    """Whether a path is one of the prefixes, or below one."""
    return any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in prefixes)


def read(path: Path) -> Config:
    """Read a slice file.

    Raises:
        SpecError: invalid TOML, or a field is missing, unknown or not a valid pattern.
    """
    with reading(path, hint="see openapi/slice.toml for the format"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        events = {name: Events(**entry) for name, entry in table.pop("events", {}).items()}
        config = Config(**table | {"events": events, "package": Names(**table["package"])})
        for pattern in (config.schemas, config.webhooks, *(entry.names for entry in events.values())):
            re.compile(pattern)
    return config


@cache
def default() -> Config:
    """Return the project's own slice configuration."""
    return read(Path(__file__).resolve().parents[2] / "openapi" / "slice.toml")


@attrs.frozen
class Slice:
    """The selected part of a document, with its event and webhook schemas.

    Attributes:
        document: The sliced document.
        events: Table name → names of its schemas, in document order.
        webhooks: Names of the webhook schemas.
        config: The slice configuration.
    """

    document: Document
    events: dict[str, tuple[str, ...]]
    webhooks: tuple[str, ...]
    config: Config = attrs.field(factory=default, eq=False)


def cut(document: Document, config: Config | None = None, *, whole: bool = True) -> Slice:
    """Select one API from a document.

    Args:
        document: The document.
        config: The slice configuration (default: the project's own).
        whole: Whether every reference must resolve; otherwise dangling ones are kept.

    Raises:
        SpecError: nothing is selected, a reference does not resolve or leaves the document, or the document
            is malformed.
    """
    config = config or default()
    validation.check_frame(document)
    schemas = _shortened(document.get("components", {}).get("schemas", {}), config.unions)
    schemas = _inlined(schemas, config.inline)
    components = {**document.get("components", {}), "schemas": schemas}
    paths = {path: item for path, item in document.get("paths", {}).items() if config.has(path)}
    kept: dict[str, dict[str, Any]] = {"schemas": {}}
    todo = [("schemas", name, "") for name in schemas if re.match(config.schemas, name)]
    if not paths and not todo:
        raise SpecError(
            f"no operation below {' or '.join(config.paths)}, and no schema matches {config.schemas}",
            pointer="/paths",
            hint="pass the upstream document, whole or sliced, or another slice file",
        )
    todo += _reached(paths, "/paths")
    while todo:
        kind, name, origin = todo.pop()
        if name in kept.setdefault(kind, {}):
            continue
        try:
            kept[kind][name] = components[kind][name]
        except (KeyError, TypeError):
            if not whole:
                continue
            raise SpecError(
                f"a reference does not resolve: /components/{kind}/{escape(name)} does not exist",
                pointer=origin,
                hint="add the component or fix the reference",
            ) from None
        todo += _reached(kept[kind][name], f"/components/{kind}/{escape(name)}")
    if "securitySchemes" in components:
        used = {name for requirement in document.get("security", []) for name in requirement}
        kept["securitySchemes"] = {k: v for k, v in components["securitySchemes"].items() if k in used}
    out: Document = {"openapi": document["openapi"], "info": document.get("info", {})}
    out |= {key: document[key] for key in ("servers", "security") if key in document}
    out["paths"] = paths
    out["components"] = {
        kind: {name: part for name, part in components.get(kind, {}).items() if name in members}
        for kind, members in kept.items()
        if members or kind == "schemas"
    }
    return listed(Slice(document=_decoded(out), events={}, webhooks=(), config=config))


def listed(part: Slice) -> Slice:
    """Return a slice with its document's events and webhooks listed, those that patches added included."""
    schemas = part.document.get("components", {}).get("schemas", {})
    config = part.config
    return attrs.evolve(
        part,
        events={
            table: _members(schemas, list(schemas), entry.union, entry.names)
            for table, entry in config.events.items()
        },
        webhooks=tuple(name for name in schemas if re.match(config.webhooks, name)),
    )


def _inlined(schemas: dict[str, Any], chosen: list[str]) -> dict[str, Any]:
    """Return schemas in which references to the chosen ones are replaced by what they refer to."""
    there = {name: schemas[name] for name in chosen if isinstance(schemas.get(name), dict)}

    def filled(node: Any) -> Any:
        if isinstance(node, list):
            return [filled(part) for part in node]
        if not isinstance(node, dict):
            return node
        name = ref_name(node)
        if name in there:
            return filled({**there[name], **{key: part for key, part in node.items() if key != "$ref"}})
        return {key: filled(part) for key, part in node.items()}

    return {name: filled(schema) for name, schema in schemas.items() if name not in there}


def _shortened(schemas: dict[str, Any], unions: dict[str, list[str]]) -> dict[str, Any]:
    """Return schemas whose unions have only the chosen members, and any other object as it comes."""
    out = dict(schemas)
    for name, chosen in unions.items():
        if isinstance(schemas.get(name), dict):
            words = {key: schemas[name][key] for key in ("description", "title") if key in schemas[name]}
            members = _members(schemas, list(schemas), name, "")
            kept = [ref_to(member) for member in members if member in chosen]
            out[name] = words | ({"anyOf": [*kept, dict(_ANY)]} if kept else _ANY)
    return out


def _reached(node: Any, at: str) -> list[tuple[str, str, str]]:
    """Return kind, name and pointer of every reference to a component."""
    found: list[tuple[str, str, str]] = []
    for pointer, ref in pointers(node, at, names=at == "/paths"):
        match = _COMPONENT.match(unquote(ref))
        if match is None:
            if not ref.startswith("#"):
                what, hint = "leaves the document", "bundle the documents into one"
            elif _COMPONENT_PART.match(unquote(ref)):
                what, hint = "leads into a part of a component", _OWN_COMPONENT
            else:
                what, hint = "does not lead to a component", _OWN_COMPONENT
            raise SpecError(f"a reference to {ref!r} {what}", pointer=pointer, hint=hint)
        found.append((match[1], unescape(match[2]), pointer))
    return found


def _decoded(node: Any) -> Any:
    """Return a document whose references are not percent-encoded (RFC 6901, section 6)."""
    if isinstance(node, dict):
        return {
            key: unquote(value)
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else _decoded(value)
            for key, value in node.items()
        }
    return [_decoded(value) for value in node] if isinstance(node, list) else node


def _members(schemas: dict[str, Any], names: list[str], union: str, pattern: str) -> tuple[str, ...]:
    """Return the names of a union's members, including those of nested unions."""
    if union not in schemas:
        return tuple(name for name in names if re.match(pattern, name))
    found: list[str] = []
    todo, seen = [union], set()
    while todo:
        name = todo.pop(0)
        seen.add(name)
        if name not in schemas:
            continue
        members = _union(schemas, name)
        if members is None:
            found.append(name)
            continue
        inner = [target for member in members if (target := ref_name(member)) is not None]
        todo[:0] = [target for target in inner if target not in seen]
    return tuple(dict.fromkeys(found))


def _union(schemas: dict[str, Any], name: str) -> list[Any] | None:
    """Return a union's members, also if the schema only refers to the union; None for any other schema."""
    schema, seen = schemas[name], set[str]()
    while isinstance(schema, dict):
        if (members := union_of(schema)) is not None:
            return members
        parts = schema.get("allOf", ())
        target = ref_name(schema)
        if len(parts) == 1 and "properties" not in schema:
            schema = parts[0]
        elif target is not None and target not in seen:
            seen.add(target)
            schema = schemas.get(target)
        else:
            return None
    return None


def sizes(part: Slice) -> str:
    """Return the size of a slice, for the progress line."""
    document = part.document
    events = sum(len(names) for names in part.events.values())
    schemas = document["components"]["schemas"]
    count = sum(1 for _ in operations(document))
    return f"{count} operations, {len(schemas)} schemas, {events} events"


__all__ = ["Config", "Events", "Names", "Slice", "cut", "default", "read", "sizes", "under"]
