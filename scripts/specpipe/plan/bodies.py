"""Request and response bodies."""

from __future__ import annotations

import re
from typing import Any

import attrs
from openapi_python_client.parser.bodies import Body as FoundBody
from openapi_python_client.parser.responses import Response

from ..document import escape, kind_of_media, ref_name
from ..errors import SpecError
from ..graph import Graph
from ..transforms.kinds import SCALARS
from ..transforms.notation import NULL
from . import expressions
from .expressions import Scope

#: The generator's kinds of request bodies.
_KINDS = {"json": "json", "data": "form", "files": "multipart", "content": "content"}
#: Defaults of `encoding`.
_USUAL: dict[str, Any] = {"style": "form", "explode": True, "allowReserved": False, "headers": {}}


@attrs.frozen
class Body:
    """One content type of a request body.

    Attributes:
        media: Content type.
        kind: `json`, `multipart`, `form` or `content`.
        annotation: Type of the value.
        accepts: Classes of values sent with this content type; `*` is every class that no other body has,
            and precedes `str` if strings are accepted.
        schema: The value's schema, for the docs.
        example: An example from the API description, or None.
        parts: Part name → content type, for multipart.
    """

    media: str
    kind: str
    annotation: str
    accepts: tuple[str, ...]
    schema: dict[str, Any]
    example: Any
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def sent_media(self) -> str:
        """The Content-Type that is sent; a generic one for a range of types."""
        if "*" not in self.media:
            return self.media
        return "text/plain; charset=utf-8" if self.annotation == "str" else "application/octet-stream"


@attrs.frozen
class Content:
    """One content type of a response body.

    Attributes:
        media: Content type.
        kind: `json`, `events` (server-sent events with JSON), `text` or `bytes`.
        annotation: Type of the parsed body.
        strict: Source of the expression that decodes `data` strictly.
        schema: The body's schema.
        each: Source of the expression that decodes the `data` of one event; "" for other kinds.
        each_annotation: Type of one event.
    """

    media: str
    kind: str
    annotation: str
    strict: str
    schema: dict[str, Any]
    each: str = ""
    each_annotation: str = ""


@attrs.frozen
class Answer:
    """The response for a range of status codes.

    Attributes:
        codes: The range as written: 201, 4XX, default.
        first: Lowest status code.
        last: Highest.
        bodies: Content types of the body, in order of comparison; the last one is the fallback.  Empty
            without a body.
        description: From the API description.
        headers: (name, description) of documented headers.
    """

    codes: str
    first: int
    last: int
    bodies: tuple[Content, ...]
    description: str
    headers: tuple[tuple[str, str], ...] = ()


def build_bodies(scope: Scope, bodies: list[FoundBody], content: dict[str, Any], at: str) -> tuple[Body, ...]:
    """Return the content types of a request body.

    Args:
        scope: The operation's module.
        bodies: What the generator found.
        content: Its description by content type.
        at: The request body's pointer.

    Raises:
        SpecError: an encoding is not implemented.
    """
    kinds = {str(body.content_type.get_untrusted_value()): _KINDS[body.body_type] for body in bodies}
    alone = [*kinds.values()].count("content") == 1
    return tuple(
        _body(scope, media, kind, content[media], f"{at}/content/{escape(media)}", alone=alone)
        for media, kind in kinds.items()
    )


def _body(scope: Scope, media: str, kind: str, content: dict[str, Any], at: str, *, alone: bool) -> Body:
    schema = _as_schema(content.get("schema"))
    accepts: tuple[str, ...]
    if kind == "content":
        shown = "str" if is_text(scope.graph, schema) else "bytes"
        accepts = ("str", "bytes") if alone else (shown,)
    else:
        shown = expressions.annotation(scope, schema, lenient=False)
        leaves = [leaf for leaf in scope.graph.leaves(schema) if leaf != NULL]
        accepts = tuple(dict.fromkeys(name for leaf in leaves for name in _accepted(leaf))) or ("*",)
        scope.classes.update(name for leaf in leaves if (name := ref_name(leaf)) is not None)
    parts: dict[str, str] = {}
    if kind in ("multipart", "form"):
        encoding = content.get("encoding", {})
        for name, one in encoding.items():
            _check_encoding(one, f"{at}/encoding/{escape(name)}", media)
        for leaf in scope.graph.leaves(schema) if kind == "multipart" else ():
            for key, value in _properties(scope.graph, leaf).items():
                written = encoding.get(key, {}).get("contentType") or _part_type(scope.graph, value)
                parts |= {key: str(written)} if written else {}
    return Body(media, kind, shown, accepts, schema, content.get("example"), tuple(parts.items()))


def _check_encoding(encoding: dict[str, Any], at: str, media: str) -> None:
    """Raise an error for an encoding that is not implemented."""
    odd = [key for key, usual in _USUAL.items() if (encoding.get(key) or usual) != usual]
    odd += ["explode"] if encoding.get("explode") is False else []
    several = re.search("[,*]", str(encoding.get("contentType", "")))
    if odd or several:
        what = (
            f"{odd[0]} {encoding[odd[0]]!r}"
            if odd
            else f"a choice of content types, {encoding['contentType']}"
        )
        raise SpecError(
            f"{what} of a part of {media} is not implemented",
            pointer=at,
            hint="implemented: one content type for each part, and style form with explode",
        )


def _accepted(leaf: dict[str, Any]) -> tuple[str, ...]:
    """Return the classes of one kind of value; a string could be JSON or raw text."""
    name = ref_name(leaf)
    if name is not None:
        return (name,)
    values = leaf.get("enum", [leaf["const"]] if "const" in leaf else None)
    if values is None:
        text = leaf.get("type", "string") == "string"
    else:
        text = any(isinstance(value, str) for value in values)
    return ("*", "str") if text else ("*",)


def _as_schema(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {}


def _properties(graph: Graph, schema: Any) -> dict[str, Any]:
    name = ref_name(schema)
    whole = graph.schemas[name] if name is not None else schema
    return dict(whole.get("properties", {}))


def is_text(graph: Graph, schema: Any) -> bool:
    """Whether a raw body is text: every alternative is a string that is not binary."""
    leaves = graph.leaves(schema)
    return all(leaf.get("type") == "string" and leaf.get("format") != "binary" for leaf in leaves)


def _part_type(graph: Graph, schema: Any) -> str | None:
    """Return the default content type of a multipart part, or None if it depends on the value."""
    leaves = graph.leaves(schema)
    if leaves and all(leaf.get("type") == "array" for leaf in leaves):
        # A list is sent as one part per member.
        return _part_type(graph, {"anyOf": [expressions.items_of(leaf) for leaf in leaves]})
    if any(leaf.get("format") == "binary" for leaf in leaves):
        return "application/octet-stream"
    scalar = [leaf.get("type") in SCALARS for leaf in leaves]
    if any(leaf.get("type", "string") == "string" for leaf in leaves) and not all(scalar):
        return None
    return "text/plain" if all(scalar) else "application/json"


def build_answer(scope: Scope, response: Response, answer: dict[str, Any]) -> Answer:
    """Return the plan of a response.

    Args:
        scope: The operation's module.
        response: What the generator found.
        answer: Its description, with all content types.
    """
    first, last = response.status_code.range or (100, 599)
    bodies = [_content(scope, media, part.get("schema")) for media, part in answer.get("content", {}).items()]
    return Answer(
        codes=response.status_code.pattern,
        first=first,
        last=last,
        bodies=tuple(sorted(bodies, key=lambda body: (body.kind != "events", _order(body.media)))),
        description=str(answer.get("description") or ""),
        headers=tuple(
            (name, str(header.get("description") or "")) for name, header in answer.get("headers", {}).items()
        ),
    )


def _order(media: str) -> int:
    """Order exact content types before ranges, with JSON as the fallback."""
    plain = media.split(";")[0].strip().lower()
    if "*" in plain:
        return 3 + (plain == "*/*")
    return 2 if plain == "application/json" else int(kind_of_media(media) == "json")


def _content(scope: Scope, media: str, described: Any) -> Content:
    schema = _as_schema(described)
    is_events = media.split(";")[0].strip().lower() == "text/event-stream" and schema
    if is_events and any(leaf.get("type") != "string" for leaf in scope.graph.leaves(schema)):
        each = {"type": "array", "items": schema}
        shown = expressions.annotation(scope, each, lenient=True)
        return Content(
            media,
            "events",
            shown,
            expressions.decode(scope, each, "data"),
            each,
            expressions.decode(scope, schema, "data"),
            expressions.annotation(scope, schema, lenient=True),
        )
    if kind_of_media(media) == "json":
        shown = expressions.annotation(scope, schema, lenient=True)
        name = ref_name(schema)
        if name is not None and scope.graph.is_model(name):
            source = f"{name}.from_dict(data)"
        else:
            source = expressions.decode(scope, schema, "data", strict="True")
            source = source if shown == "Any" else f"cast({shown!r}, {source})"
        return Content(media, "json", shown, source, schema)
    if is_text(scope.graph, schema) or (not schema and media.startswith("text/")):
        return Content(media, "text", "str", "data", schema)
    return Content(media, "bytes", "bytes", "data", schema)
