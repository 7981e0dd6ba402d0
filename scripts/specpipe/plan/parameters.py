"""Parameters of operations."""

from __future__ import annotations

import re
from typing import Any

import attrs

from ..document import kind_of_media, ref_name
from ..errors import SpecError
from ..graph import Graph
from . import expressions
from .expressions import Scope

#: Names reserved by the generated functions.
_RESERVED = (
    *("client", "body", "content", "content_type", "headers", "path", "response", "errors", "httpx"),
    *("timeout", "query", "request", "deprecated"),
    *(
        "build_request",
        "sync",
        "sync_detailed",
        "asyncio",
        "asyncio_detailed",
        "isinstance",
        "dict",
        "str",
        "bytes",
    ),
    *("Any", "Mapping", "Request"),
)


@attrs.frozen
class Parameter:
    """A path, query, header or cookie parameter.

    Attributes:
        key: The name on the wire.
        name: The argument's name.
        place: `path`, `query`, `header` or `cookie`.
        annotation: The argument's type, as source.
        required: Whether it is required.
        style: Serialisation of a list or an object: `form` (a pair each), `comma`, `space`, `pipe`, `pairs`
            (`name=value`, with commas), `deep` (`key[name]`) or `json`.
        description: Ours.
        example: A value of it from the description, or None.
        schema: Its schema.
    """

    key: str
    name: str
    place: str
    annotation: str
    required: bool
    style: str
    description: str
    example: Any
    schema: dict[str, Any]


#: Location → implemented styles, the default first.
_STYLES = {
    "path": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
#: Characters of a header name.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SEPARATED = {"spaceDelimited": "space", "pipeDelimited": "pipe"}


def build_parameters(scope: Scope, found: list[tuple[str, dict[str, Any]]]) -> tuple[Parameter, ...]:
    """Build the parameters of one operation.

    Args:
        scope: The operation's module.
        found: The parameters with their pointers.

    Raises:
        SpecError: a serialisation is not implemented.
    """
    keys = [one["name"] for _, one in found]
    arguments = [
        f"{key} in {one['in']}" if keys.count(key) > 1 else key
        for key, (_, one) in zip(keys, found, strict=True)
    ]
    names = expressions.attribute_names(arguments, {*_RESERVED, *scope.classes, *scope.aliases})
    return tuple(
        _parameter(scope, one, names[argument], at)
        for argument, (at, one) in zip(arguments, found, strict=True)
    )


def _parameter(scope: Scope, parameter: dict[str, Any], name: str, at: str) -> Parameter:
    media, content = next(iter(parameter.get("content", {}).items()), ("", None))
    schema = (parameter if content is None else content).get("schema")
    schema = schema if isinstance(schema, dict) else {}
    place = parameter["in"]
    if place == "header" and not _TOKEN.fullmatch(parameter["name"]):
        raise SpecError(
            f"{parameter['name']!r} is not a valid header name", pointer=at, hint="RFC 9110, section 5.6.2"
        )
    return Parameter(
        key=parameter["name"],
        name=name,
        place=place,
        annotation=expressions.annotation(scope, schema, lenient=False),
        required=bool(parameter.get("required")) or place == "path",
        style=_style(scope.graph, parameter, schema, media, at),
        description=expressions.described(parameter),
        example=parameter.get("example"),
        schema=schema,
    )


def _style(graph: Graph, parameter: dict[str, Any], schema: dict[str, Any], media: str, at: str) -> str:
    known = _STYLES[parameter["in"]]
    style = parameter.get("style", known[0])
    explode = parameter.get("explode", style in ("form", "deepObject"))
    odd = ""
    if media:
        odd = "" if kind_of_media(media) == "json" else media
    elif style not in known or parameter.get("allowReserved"):
        odd = "allowReserved" if style in known else f"style {style}"
    elif any(_holds_more(graph, leaf) for leaf in graph.leaves(schema)):
        odd = "a nested list or object"
    if odd:
        raise SpecError(
            f"{odd} of {parameter['name']} in {parameter['in']} is not implemented",
            pointer=at,
            hint=f"implemented: {', '.join(known)}, for flat lists and objects, and JSON by `content`",
        )
    if media:
        return "json"
    if style in _SEPARATED:
        return "form" if explode else _SEPARATED[style]
    if style == "simple":
        return "pairs" if explode else "comma"
    return "deep" if style == "deepObject" else "form" if explode else "comma"


def _holds_more(graph: Graph, leaf: dict[str, Any]) -> bool:
    """Whether a list or an object is nested: OpenAPI does not define how to serialise that."""
    name = ref_name(leaf)
    whole = leaf if name is None else graph.schemas[name]
    inside = [*whole.get("properties", {}).values(), whole.get("items"), whole.get("additionalProperties")]
    parts = [part for one in inside if isinstance(one, dict) for part in graph.leaves(one)]
    return any(ref_name(part) is not None or part.get("type") in ("array", "object") for part in parts)
