"""Cut the realtime part out of an OpenAI description, whole or already cut.

Kept are the operations under `/realtime`, the schemas of the Realtime API (the beta's left out), its
webhooks, and everything that these reach.  This is the only module that knows the API's names; what follows
works on any OpenAPI.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import attrs

from . import forms
from .document import Document, escape, operations, pointers, ref_name, unescape, union_of
from .errors import SpecError

_PATH = re.compile(r"/realtime(/|$)")
_SCHEMA = re.compile(r"Realtime(?!Beta)|Webhook(Realtime|Live)[A-Z]")
_WEBHOOK = re.compile(r"Webhook(Realtime|Live)[A-Z]")
_COMPONENT = re.compile(r"#/components/([A-Za-z]+)/([^/]+)$")

#: Table in `realtime_api.events` → the union whose members it lists, and how its members are called where a
#: description has them but not the union.
EVENT_TABLES = {
    "SERVER_EVENTS": ("RealtimeServerEvent", re.compile(r"RealtimeServerEvent[A-Z]")),
    "CLIENT_EVENTS": ("RealtimeClientEvent", re.compile(r"RealtimeClientEvent[A-Z]")),
    "TRANSLATION_SERVER_EVENTS": (
        "RealtimeTranslationServerEvent",
        re.compile(r"RealtimeTranslationServerEvent[A-Z]"),
    ),
    "TRANSLATION_CLIENT_EVENTS": (
        "RealtimeTranslationClientEvent",
        re.compile(r"RealtimeTranslationClientEvent[A-Z]"),
    ),
}


@attrs.frozen
class Slice:
    """A cut-out description and what is known of its schemas' use.

    Attributes:
        document: The description.
        events: Table name → names of the schemas it lists, in the description's order.
        webhooks: Names of the webhook schemas.
    """

    document: Document
    events: dict[str, tuple[str, ...]]
    webhooks: tuple[str, ...]


def cut(document: Document, *, whole: bool = True) -> Slice:
    """Cut the realtime part out of a description.

    Args:
        document: The description.
        whole: Every reference must lead somewhere; otherwise those that do not are left as they are.

    Raises:
        SpecError: there is no realtime operation, a reference leads nowhere or out of the document, or the
            document is no frame for them.
    """
    forms.check_frame(document)
    components = document.get("components", {})
    schemas: dict[str, Any] = components.get("schemas", {})
    paths = {path: item for path, item in document.get("paths", {}).items() if _PATH.match(path)}
    if not paths:
        raise SpecError(
            "no operation under /realtime",
            pointer="/paths",
            hint="name OpenAI's description, whole or its realtime part",
        )
    kept: dict[str, dict[str, Any]] = {"schemas": {}}
    todo = [("schemas", name, "") for name in schemas if _SCHEMA.match(name)]
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
                f"a reference leads nowhere: there is no /components/{kind}/{escape(name)}",
                pointer=origin,
                hint="add the component or mend the reference",
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
    names = list(out["components"]["schemas"])
    return Slice(
        document=_decoded(out),
        events={
            table: _members(schemas, names, union, pattern)
            for table, (union, pattern) in EVENT_TABLES.items()
        },
        webhooks=tuple(name for name in names if _WEBHOOK.match(name)),
    )


def _reached(node: Any, at: str) -> list[tuple[str, str, str]]:
    """Kind, name and place of every reference to a component."""
    found: list[tuple[str, str, str]] = []
    for pointer, ref in pointers(node, at, names=at == "/paths"):
        match = _COMPONENT.match(unquote(ref))
        if match is None:
            raise SpecError(
                f"a reference to {ref!r} leaves the document's components",
                pointer=pointer,
                hint="bundle the documents, or make the part a component and refer to that",
            )
        found.append((match[1], unescape(match[2]), pointer))
    return found


def _decoded(node: Any) -> Any:
    """References without percent-encoding (RFC 6901, section 6), so that nobody else has to think of it."""
    if isinstance(node, dict):
        return {
            key: unquote(value)
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else _decoded(value)
            for key, value in node.items()
        }
    return [_decoded(value) for value in node] if isinstance(node, list) else node


def _members(
    schemas: dict[str, Any], names: list[str], union: str, pattern: re.Pattern[str]
) -> tuple[str, ...]:
    """The names of a union's members, members of unions inside it included."""
    if union not in schemas:
        return tuple(name for name in names if pattern.match(name))
    found: list[str] = []
    todo, seen = [union], set()
    while todo:
        name = todo.pop(0)
        seen.add(name)
        if name not in schemas:
            continue
        members = union_of(schemas[name]) if isinstance(schemas[name], dict) else None
        if members is None:
            found.append(name)
            continue
        inner = [target for member in members if (target := ref_name(member)) is not None]
        todo[:0] = [target for target in inner if target not in seen]
    return tuple(dict.fromkeys(found))


def sizes(part: Slice) -> str:
    """How much a slice holds, for the progress line."""
    document = part.document
    events = sum(len(names) for names in part.events.values())
    schemas = document["components"]["schemas"]
    count = sum(1 for _ in operations(document))
    return f"{count} operations, {len(schemas)} schemas, {events} events"


__all__ = ["EVENT_TABLES", "Slice", "cut", "sizes"]
