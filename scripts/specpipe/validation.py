"""Validate the structure of an API description before the other steps use it.

This is a subset of OpenAPI: the errors that would otherwise surface in a later step without a useful message,
or would silently lose something.  Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .document import METHODS, SCHEMAS, Document, children, escape
from .errors import SpecError

Test = Callable[[Any], bool]


def _is(*kinds: type) -> Test:
    return lambda value: type(value) in kinds  # true is not a number


_mapping, _text, _truth = _is(dict), _is(str), _is(bool)
_text_or_nothing, _schema = _is(str, type(None)), _is(dict, bool)


def _size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _named(value: Any) -> bool:
    return type(value) is str and value != ""


def _list_of(test: Test, *, least: int = 0) -> Test:
    return lambda value: type(value) is list and len(value) >= least and all(map(test, value))


def _map_of(test: Test) -> Test:
    return lambda value: type(value) is dict and all(map(test, value.values()))


def _either(*tests: Test) -> Test:
    return lambda value: any(test(value) for test in tests)


#: Keyword → predicate for its value, and its meaning in words.
_Rules = dict[str, tuple[Test, str]]
#: Pointer, value, rules for its keywords, and required keywords.
Part = tuple[str, Any, _Rules, tuple[str, ...]]
_EXPECTED = "see the OpenAPI specification"
#: Limits, several times the size of a large API: a small file can expand to a huge document.
MAX_PARTS = 50_000
MAX_WIDTH = 2_000
_SCHEMA_RULES: _Rules = {
    "$ref": (_text, "text"),
    "type": (_either(_text, _list_of(_text, least=1)), "a type's name, or a list of them"),
    "properties": (_map_of(_schema), "a mapping of names to schemas"),
    "patternProperties": (_map_of(_schema), "a mapping of patterns to schemas"),
    "$defs": (_map_of(_schema), "a mapping of names to schemas"),
    "items": (_schema, "a schema"),
    "additionalProperties": (_schema, "true, false or a schema"),
    "not": (_schema, "a schema"),
    "anyOf": (_list_of(_schema, least=1), "a list of at least one schema"),
    "oneOf": (_list_of(_schema, least=1), "a list of at least one schema"),
    "allOf": (_list_of(_schema, least=1), "a list of at least one schema"),
    "prefixItems": (_list_of(_schema, least=1), "a list of at least one schema"),
    "enum": (_list_of(lambda _: True, least=1), "a list of at least one value"),
    "required": (_either(_list_of(_text), _truth), "a list of property names"),
    "description": (_text_or_nothing, "text"),
    "format": (_text, "text"),
    "pattern": (_text, "text"),
    "nullable": (_truth, "true or false"),
    "discriminator": (_mapping, "a mapping with propertyName"),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), (_is(int, float), "a number")),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), (_is(int, float, bool), "a number")),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        (_size, "a whole number from 0"),
    ),
}
_PARAMETER_RULES: _Rules = {
    "name": (_named, "the parameter's name"),
    "in": (lambda value: value in ("path", "query", "header", "cookie"), "path, query, header or cookie"),
    "required": (_truth, "true or false"),
    "description": (_text_or_nothing, "text"),
    "schema": (_schema, "a schema"),
    "content": (_map_of(_mapping), "a mapping of media types to objects"),
}
_OPERATION_RULES: _Rules = {
    "operationId": (_named, "text"),
    "tags": (_list_of(_text), "a list of words"),
    "summary": (_text_or_nothing, "text"),
    "description": (_text_or_nothing, "text"),
    "parameters": (_list_of(_mapping), "a list of parameters"),
    "requestBody": (_mapping, "an object"),
    "responses": (_map_of(_mapping), "a mapping of status codes to objects"),
}
_PART_RULES: _Rules = {
    "description": (_text_or_nothing, "text"),
    "required": (_truth, "true or false"),
    "content": (_map_of(_mapping), "a mapping of media types to objects"),
    "headers": (_map_of(_mapping), "a mapping of names to objects"),
    "encoding": (_map_of(_mapping), "a mapping of part names to objects"),
    "schema": (_schema, "a schema"),
}
_FRAME_RULES: _Rules = {
    "info": (_mapping, "a mapping with title and version"),
    "paths": (_mapping, "a mapping of paths to objects"),
    "components": (_mapping, "a mapping of kinds to mappings of names"),
    "security": (_list_of(_mapping), "a list of objects"),
    "servers": (_list_of(_mapping), "a list of objects"),
}
_KINDS = ("schemas", "responses", "parameters", "requestBodies", "headers", "securitySchemes", "pathItems")
_COMPONENTS_RULES: _Rules = dict.fromkeys(_KINDS, (_mapping, "a mapping of names to objects"))


def check_frame(document: Document) -> None:
    """Check the top-level structure of an API description.

    Raises:
        SpecError: a part is malformed.
    """
    _check([("", document, _FRAME_RULES, ())])
    _check([("/components", document.get("components", {}), _COMPONENTS_RULES, ())])


def check(document: Document) -> None:
    """Check every part of a sliced API description.

    Raises:
        SpecError: a part is malformed.
    """
    _schemes(document)
    _check(_parts(document))


def _check(parts: Iterable[Part]) -> None:
    for count, (at, node, rules, needed) in enumerate(parts):
        if count == MAX_PARTS:
            raise SpecError(
                f"more than {MAX_PARTS:,} schemas and other parts",
                pointer=at,
                hint="select less of it in the slice file; look for nested YAML aliases",
            )
        if not isinstance(node, dict):
            raise SpecError(f"{type(node).__name__} where an object is expected", pointer=at, hint=_EXPECTED)
        for key in needed:
            if key not in node and "$ref" not in node:
                raise SpecError(f"`{key}` is missing", pointer=at, hint=f"`{key}` is {rules[key][1]}")
        for key, (test, words) in rules.items():
            if key in node and not test(node[key]):
                raise SpecError(
                    f"`{key}` is {node[key]!r:.60}", pointer=f"{at}/{escape(key)}", hint=f"it must be {words}"
                )


def _parts(document: Document) -> Iterator[Part]:
    components = document["components"]
    for name, schema in components["schemas"].items():
        yield from _schemas(schema, SCHEMAS + escape(name))
    for name, parameter in components.get("parameters", {}).items():
        yield from _parameter(parameter, f"/components/parameters/{escape(name)}")
    for kind in ("responses", "requestBodies", "headers"):
        for name, part in components.get(kind, {}).items():
            yield from _part(part, f"/components/{kind}/{escape(name)}")
    for group, items in (
        ("/paths", document["paths"]),
        ("/components/pathItems", components.get("pathItems", {})),
    ):
        for path, item in items.items():
            yield from _path_item(item, f"{group}/{escape(path)}")


def _path_item(item: Any, at: str) -> Iterator[Part]:
    _refuse(item, ("servers", "query", "additionalOperations"), at)
    yield at, item, {"parameters": _OPERATION_RULES["parameters"]}, ()
    for number, parameter in enumerate(item.get("parameters", ())):
        yield from _parameter(parameter, f"{at}/parameters/{number}")
    for method in METHODS:
        if method not in item:
            continue
        operation, here = item[method], f"{at}/{method}"
        _refuse(operation, ("servers",), here)
        yield here, operation, _OPERATION_RULES, ("responses",)
        for number, parameter in enumerate(operation.get("parameters", ())):
            yield from _parameter(parameter, f"{here}/parameters/{number}")
        if "requestBody" in operation:
            yield from _part(operation["requestBody"], f"{here}/requestBody")
        for status, answer in operation["responses"].items():
            yield from _part(answer, f"{here}/responses/{escape(status)}")


def _refuse(part: Any, keys: Iterable[str], at: str) -> None:
    """Refuse keys that change where or how a request is sent, and that are not implemented.

    Raises:
        SpecError: a key is there.
    """
    for key in keys if isinstance(part, dict) else ():
        if key in part:
            raise SpecError(
                f"`{key}` is not implemented",
                pointer=f"{at}/{key}",
                hint="leave the operation out of the slice, or remove the key by a patch",
            )


def _schemes(document: Document) -> None:
    """Refuse security schemes that would be sent in the wrong place.

    Raises:
        SpecError: a key is sent in the query or in a cookie.
    """
    for name, scheme in document["components"].get("securitySchemes", {}).items():
        if isinstance(scheme, dict) and scheme.get("type") == "apiKey" and scheme.get("in") != "header":
            raise SpecError(
                f"an API key in the {scheme.get('in')} is not implemented",
                pointer=f"/components/securitySchemes/{escape(name)}/in",
                hint="only keys in headers are; describe one by a patch",
            )


def _parameter(parameter: Any, at: str) -> Iterator[Part]:
    yield at, parameter, _PARAMETER_RULES, ("name", "in")
    yield from _inside(parameter, at)


def _part(part: Any, at: str) -> Iterator[Part]:
    yield at, part, _PART_RULES, ()
    for name, header in part.get("headers", {}).items():
        yield from _part(header, f"{at}/headers/{escape(name)}")
    yield from _inside(part, at)


def _inside(part: dict[str, Any], at: str) -> Iterator[Part]:
    if "schema" in part:
        yield from _schemas(part["schema"], f"{at}/schema")
    for media, content in part.get("content", {}).items():
        here = f"{at}/content/{escape(media)}"
        yield here, content, _PART_RULES, ()
        if "schema" in content:
            yield from _schemas(content["schema"], f"{here}/schema")


def _schemas(schema: Any, at: str) -> Iterator[Part]:
    if isinstance(schema, bool):
        return
    yield at, schema, _SCHEMA_RULES, ()
    for key, value in schema.items():
        if isinstance(value, (dict, list)) and len(value) > MAX_WIDTH and key in _SCHEMA_RULES:
            raise SpecError(
                f"`{key}` has {len(value):,} entries, more than {MAX_WIDTH:,}",
                pointer=f"{at}/{escape(key)}",
                hint="describe them as one map, or as a string",
            )
    for step, child in children(schema):
        yield from _schemas(child, at + step)
