"""A hypothesis strategy for small OpenAPI descriptions that hold every trap there is.

Names repeat, differ in case only, are Python's keywords, the generator's words, or no identifiers at all;
unions are nameless, nullable, nested, recursive; schemas are written as OpenAPI 3.0 and 3.1 write them, each
in many ways.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

#: Schemas: those that `slice` takes by name, and others that only references reach.
SCHEMA_NAMES = (
    *("RealtimeThing", "Realtimething", "RealtimeTHING", "Realtime_Thing", "Realtime-2FA", "RealtimeÜbung"),
    *(
        "Realtime thing.v2",
        "Response",
        "Any",
        "list",
        "class",
        "Model",
        "Client",
        "Literal",
        "Error",
        "None",
        "str",
    ),
    *("漢字", "a/b~c", "100%", "RealtimeServerEvent", "Tag", "RealtimeThingPart", "RealtimeNone", "model"),
)
#: Properties and parameters.
KEYS = (
    *(
        "type",
        "list",
        "str",
        "dict",
        "self",
        "class",
        "None",
        "from_dict",
        "to_dict",
        "additional_properties",
    ),
    *(
        "Any",
        "Mapping",
        "Literal",
        "Self",
        "classmethod",
        "isinstance",
        "UNSET",
        "cls",
        "d",
        "model",
        "mro",
        "int",
    ),
    *(
        "name",
        "Name",
        "NAME",
        "a-b",
        "a_b",
        "a b",
        "aB",
        "_x",
        "__init__",
        "1st",
        "",
        "é",
        "漢",
        "ﬁ",
        "x-y",
        "$ref",
    ),
    *(
        "title",
        "description",
        "properties",
        "default",
        "example",
        "items",
        "format",
        "RealtimeThing",
        "headers",
    ),
    *(
        "query",
        "body",
        "client",
        "response",
        "kwargs",
        "text",
        "raw",
        "content_type",
        "True",
        "object",
        "property",
    ),
)
WORDS = (
    "",
    'Ends with "',
    '"""',
    "C:\\new\\",
    "null \x00 bell \x07 esc \x1b[0m",
    "Zeile\u2028eins\u0085zwei\r\n\ndrei",
    "{{ jinja }} {% if %} | `code` | <b>",
    "# type: ignore",
    "漢字 😀 \u202e",
    "an_unbreakably_long_word_" * 9,
)
FORMATS = (
    "date-time",
    "date",
    "uuid",
    "binary",
    "byte",
    "password",
    "uri",
    "unixtime",
    "int32",
    "made-up",
    "",
)
VALUES = (
    "",
    "a",
    "A",
    "class",
    "a b",
    'quote " and \\',
    "2024-01-01",
    "null",
    "é",
    0,
    1,
    -7,
    1.5,
    True,
    False,
    None,
)

Schema = st.SearchStrategy[Any]


def described(draw: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with some of what may stand beside anything."""
    beside = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "title": st.sampled_from(["Session", "Thing", "class", ""]),
                "description": st.sampled_from(WORDS) | st.none(),
                "example": st.sampled_from([{"$ref": "#/nowhere"}, 1, "x", [{"title": "t"}]]),
                "default": st.sampled_from([None, {}, {"type": "x"}, [], "x", "2024-13-45", 1, False]),
                "x-oaiMeta": st.just({"$ref": "elsewhere.yaml"}),
                "deprecated": st.booleans(),
                "nullable": st.booleans(),
            },
        )
    )
    return {**beside, **schema}


@st.composite
def scalars(draw: Any) -> Any:
    kind = draw(
        st.sampled_from(["string", "integer", "number", "boolean", "null", "enum", "const", "list", "limits"])
    )
    if kind == "enum":
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4))
        typed = draw(st.booleans()) and all(isinstance(value, str) for value in values)
        return {"enum": values} | ({"type": "string"} if typed else {})
    if kind == "const":
        return {"const": draw(st.sampled_from(VALUES))}
    if kind == "list":
        kinds = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
        return {"type": draw(st.lists(kinds, min_size=1, max_size=3)), "minLength": 1, "format": "int32"}
    if kind == "limits":
        return {"type": "integer", "minimum": 0, "exclusiveMinimum": draw(st.sampled_from([True, False, 0]))}
    form = draw(st.none() | st.sampled_from(FORMATS))
    return {"type": kind} | ({"format": form} if form is not None else {})


def references(names: list[str]) -> Schema:
    """References as people write them."""
    spelled = {name: name.replace("~", "~0").replace("/", "~1") for name in names}
    return st.sampled_from(names).map(
        lambda name: {"$ref": "#/components/schemas/" + spelled[name].replace("%", "%25").replace(" ", "%20")}
    )


def schemas(names: list[str]) -> Schema:
    """Any schema, its references among `names`."""
    leaves = scalars() | references(names) | st.sampled_from([{}, True, {"type": "object"}, {"type": "any"}])
    return st.recursive(leaves, lambda inner: _composed(inner, names), max_leaves=8)


@st.composite
def _composed(draw: Any, inner: Schema, names: list[str], *, root: bool = False) -> Any:
    """A schema made of others; as a component it is not only a reference, which could be to itself."""
    kinds = ["object", "object", "map", "array", "tagged", "allOf", "tuple", "open"]
    kind = draw(st.sampled_from(kinds if root else [*kinds, "union", "union", "nullable", "sibling"]))
    return described(draw, _MAKERS[kind](draw, inner, names))


def _object(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from(KEYS), inner, max_size=4))
    out: dict[str, Any] = {"properties": properties}
    if draw(st.booleans()):
        out["type"] = "object"
    if properties:
        out["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        out["required"] = [*out.get("required", []), "undescribed"]
    more = draw(st.sampled_from([None, True, False, {}, {"type": "string"}]))
    return out if more is None else {**out, "additionalProperties": more}


def _map(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": draw(inner)}


def _array(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    items = draw(inner | st.fixed_dictionaries({"type": st.just("array"), "items": inner}))
    chosen: dict[str, Any] = draw(
        st.sampled_from([{"type": "array", "items": items}, {"items": items}, {"type": "array"}])
    )
    return chosen


def _union(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    members = draw(st.lists(inner, min_size=1, max_size=3))
    out = {draw(st.sampled_from(["anyOf", "oneOf"])): members}
    if draw(st.booleans()):
        out["discriminator"] = {"propertyName": "type", "mapping": {"a": "#/components/schemas/Nowhere"}}
    if draw(st.booleans()):
        out["type"] = "object"
    return out


def _open(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A union that may have itself among its members."""
    union = _union(draw, inner, names)
    keyword = next(iter(union))
    return {**union, keyword: [*union[keyword], draw(scalars())]}


def _tagged(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A union told by one-value enums, whose members may be optional about it."""
    tags = draw(st.lists(st.sampled_from(["a", "b", "c.d", 1]), min_size=2, max_size=3, unique=True))
    members = []
    for tag in tags:
        closed = draw(
            st.sampled_from([{"enum": [tag]}, {"const": tag}, {"type": "string", "enum": [str(tag)]}])
        )
        more = draw(st.dictionaries(st.sampled_from(KEYS), inner, max_size=2))
        required = draw(st.sampled_from([["type"], []]))
        members.append(
            {
                "title": "Member",
                "type": "object",
                "properties": {**more, "type": closed},
                "required": required,
            }
        )
    return {"oneOf": members, "discriminator": {"propertyName": "type"}}


def _nullable(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    schema = draw(inner)
    if not isinstance(schema, dict):
        schema = {}
    chosen: dict[str, Any] = draw(
        st.sampled_from(
            [
                {**schema, "nullable": True},
                {"anyOf": [schema, {"type": "null"}]},
                {"oneOf": [{"type": "null"}, schema]},
                {"allOf": [schema], "nullable": True},
            ]
        )
    )
    return chosen


def _all_of(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """`allOf` with siblings; its parts are objects or one reference, so that a value can fit them all."""
    own = _object(draw, inner, names)
    chosen: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"allOf": [own]},
                {"allOf": [own, {"required": ["type"]}]},
                {"allOf": [{"properties": {"base": {"type": "string"}}}, own], "description": "Both."},
                {"allOf": [{"type": "object"}], **own},
                {**own, "anyOf": [{"required": ["type"]}, {"required": ["name"]}]},
                {**own, "oneOf": [{"properties": {"left": {}}}, {"properties": {"right": {}}}]},
            ]
        )
    )
    return chosen


def _tuple(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [draw(inner)], "items": draw(inner)}


def _sibling(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A reference with something beside it, or as the only part of `allOf`."""
    ref = draw(references(names))
    chosen: dict[str, Any] = draw(
        st.sampled_from([{**ref, "minLength": 1}, {"allOf": [ref]}, {"anyOf": [ref]}])
    )
    return chosen


_MAKERS = {
    "object": _object,
    "map": _map,
    "array": _array,
    "union": _union,
    "open": _open,
    "tagged": _tagged,
    "nullable": _nullable,
    "allOf": _all_of,
    "tuple": _tuple,
    "sibling": _sibling,
}


@st.composite
def contents(draw: Any, schema: Schema, *, request: bool) -> dict[str, Any]:
    """Media types, among them several for one Python type."""
    media = [
        "application/json",
        "application/vnd.x+json",
        "text/plain; charset=utf-8",
        "application/sdp",
        "audio/*",
    ]
    media += (
        ["multipart/form-data", "application/x-www-form-urlencoded"]
        if request
        else ["text/event-stream", "*/*"]
    )
    out: dict[str, Any] = {}
    for one in draw(st.lists(st.sampled_from(media), min_size=0, max_size=3, unique=True)):
        raw = st.sampled_from([{"type": "string"}, {"type": "string", "format": "binary"}, {}])
        form = one.startswith(("multipart", "application/x-www"))
        whole = draw(_form_fields(schema) if form else schema if "json" in one else raw)
        out[one] = {"schema": whole, "example": draw(st.sampled_from([None, {"schema": {"title": 1}}, "x"]))}
        if draw(st.integers(0, 9)) == 0:
            del out[one]["schema"]
    return out


@st.composite
def _form_fields(draw: Any, schema: Schema) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from(KEYS), schema, min_size=1, max_size=3))
    return {"type": "object", "properties": properties}


@st.composite
def operations(draw: Any, number: int, path: str, schema: Schema) -> dict[str, Any]:
    """An operation, its parts written in place or shared."""
    places = st.sampled_from(["query", "header", "cookie"])
    given = draw(
        st.lists(st.tuples(places, st.sampled_from([key for key in KEYS if key])), max_size=4, unique=True)
    )
    simple = scalars() | st.fixed_dictionaries({"type": st.just("array"), "items": scalars()})
    parameters: list[dict[str, Any]] = [
        {"in": place, "name": name, "schema": draw(simple), "required": draw(st.booleans())}
        for place, name in given
    ]
    parameters += [
        {"in": "path", "name": name[1:-1], "required": True, "schema": draw(simple)}
        for name in path.split("/")
        if name.startswith("{")
    ]
    if draw(st.booleans()):
        parameters.append({"$ref": "#/components/parameters/Shared"})
    statuses = st.lists(
        st.sampled_from(["200", "201", "204", "2XX", "4XX", "404", "default"]),
        min_size=1,
        max_size=4,
        unique=True,
    )
    out: dict[str, Any] = {
        "parameters": parameters,
        "responses": {
            status: {
                "description": draw(st.sampled_from(WORDS)),
                "content": draw(contents(schema, request=False)),
            }
            for status in draw(statuses)
        },
        "summary": draw(st.sampled_from(WORDS)),
        "description": draw(st.sampled_from(WORDS)),
    }
    if draw(st.booleans()):
        out["responses"]["503"] = {"$ref": "#/components/responses/Shared"}
    body = draw(st.sampled_from([None, "own", "shared"]))
    if body == "own":
        out["requestBody"] = {
            "content": draw(contents(schema, request=True)),
            "required": draw(st.booleans()),
            "description": draw(st.sampled_from(WORDS)),
        }
    elif body == "shared":
        out["requestBody"] = {"$ref": "#/components/requestBodies/Shared"}
    ids = [None, "create-thing", "createThing", "create_thing", "import", "2fa", "größe", "list", "id"]
    if (operation_id := draw(st.sampled_from(ids))) is not None:
        out["operationId"] = operation_id
    if draw(st.booleans()):
        out["tags"] = [draw(st.sampled_from(["Realtime", "class", "2 words", "漢字"]))]
    return out


@st.composite
def descriptions(draw: Any) -> dict[str, Any]:
    """A whole description."""
    names = draw(st.lists(st.sampled_from(SCHEMA_NAMES), min_size=1, max_size=6, unique=True))
    schema = schemas(names)
    whole = {name: draw(_composed(schema, names, root=True)) for name in names}
    paths = draw(
        st.lists(
            st.sampled_from(["/realtime", "/realtime/{id}", "/realtime/{call.id}/{class}"]),
            min_size=1,
            unique=True,
        )
    )
    methods = st.lists(st.sampled_from(["get", "post", "delete"]), min_size=1, max_size=2, unique=True)
    return {
        "openapi": draw(st.sampled_from(["3.0.0", "3.1.0"])),
        "info": {"title": draw(st.sampled_from(['An "API"', "x" * 90, "漢"])), "version": "1.0.0"},
        "paths": {
            path: {
                method: draw(operations(number, path, schema)) for number, method in enumerate(draw(methods))
            }
            for path in paths
        },
        "components": {
            "schemas": whole,
            "parameters": {"Shared": {"in": "query", "name": "shared", "schema": {"type": "boolean"}}},
            "requestBodies": {"Shared": {"content": {"application/json": {"schema": draw(schema)}}}},
            "responses": {
                "Shared": {
                    "description": "Shared.",
                    "headers": {"schema": {"$ref": "#/components/headers/Shared"}},
                    "content": {"application/json": {"schema": draw(schema)}},
                }
            },
            "headers": {"Shared": {"description": "Shared.", "schema": {"type": "string"}}},
        },
    }
