"""A hypothesis strategy for small OpenAPI documents with every known trap.

`drawn_schemas` has the schemas; here are the operations around them: parameters in every place, media types
that share a Python type, shared parts, ids and tags that are no identifiers.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.specpipe.drawn_schemas import Schema, component, scalars, schemas
from tests.specpipe.drawn_words import KEYS, SCHEMA_NAMES, WORDS


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
    # A list in a list is written in no way that OpenAPI describes.
    flat = scalars().filter(lambda one: not {"array", "object"} & {*one.get("type", ())})
    simple = flat | st.fixed_dictionaries({"type": st.just("array"), "items": flat})
    parameters: list[dict[str, Any]] = [
        {"in": place, "name": name, "schema": draw(simple), "required": draw(st.booleans())}
        for place, name in given
        if place != "header" or re.fullmatch(r"[\w.-]+", name, re.ASCII)
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
    whole = {name: draw(component(schema, names)) for name in names}
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
