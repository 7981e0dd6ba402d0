"""Cutting the realtime part out of a description."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import attrs
import pytest
from specpipe import document_io, pipeline, slice
from specpipe.errors import SpecError

from tests.support.rows import each

pytestmark = pytest.mark.slow


@cache
def vendored() -> dict[str, Any]:
    return document_io.load(pipeline.OPENAPI / "realtime.yaml")


def whole() -> dict[str, Any]:
    """The vendored description among others' operations and schemas."""
    document = copy.deepcopy(vendored())
    document["paths"]["/chat/completions"] = {"post": {"operationId": "chat", "responses": {"200": {}}}}
    document["paths"]["/realtimeish"] = {"post": {"operationId": "other", "responses": {"200": {}}}}
    document["components"]["schemas"] |= {
        "ChatThing": {"type": "string"},
        "RealtimeBetaThing": {"type": "string"},
    }
    document["components"]["securitySchemes"]["AdminKey"] = {"type": "http", "scheme": "bearer"}
    return document


def test_whole_and_sliced_documents_give_the_same_slice() -> None:
    assert slice.cut(whole()) == slice.cut(vendored())
    once = slice.cut(vendored())
    assert slice.cut(once.document) == once


def test_referenced_parts_are_kept() -> None:
    document = whole()
    document["components"]["schemas"]["RealtimeReasoning"]["properties"]["more"] = {
        "$ref": "#/components/schemas/ChatThing"
    }
    assert "ChatThing" in slice.cut(document).document["components"]["schemas"]


def test_events_are_listed_without_their_union() -> None:
    document = whole()
    for name in ("RealtimeServerEvent", "RealtimeClientEvent"):
        del document["components"]["schemas"][name]
    part = slice.cut(document)
    assert "RealtimeServerEventResponseDone" in part.events["SERVER_EVENTS"]
    assert "RealtimeClientEventResponseCreate" in part.events["CLIENT_EVENTS"]


def test_a_description_without_realtime_operations() -> None:
    document = whole()
    document["paths"] = {"/chat/completions": document["paths"]["/chat/completions"]}
    assert slice.cut(document).events == slice.cut(whole()).events
    document["components"]["schemas"] = {"Chat": {"type": "object"}}
    with pytest.raises(SpecError, match="no operation below /realtime"):
        slice.cut(document)


@each(
    "ref, told",
    [
        ("#/components/schemas/Gone", "does not resolve"),
        ("https://example.com/x.yaml#/A", "leaves the document"),
        ("file:///etc/passwd", "leaves the document"),
        ("other.yaml", "leaves the document"),
        ("#/components/schemas/RealtimeReasoning/properties/effort", "leads into a part of a component"),
        ("#/components/schemas/A%2Fb", "leads into a part of a component"),
        ("#/paths/~1realtime~1calls/post", "does not lead to a component"),
        ("#/components/schemas", "does not lead to a component"),
    ],
)
def test_dangling_and_external_references(ref: str, told: str) -> None:
    document = whole()
    document["components"]["schemas"]["RealtimeReasoning"]["properties"]["effort"] = {"$ref": ref}
    with pytest.raises(SpecError, match=told) as caught:
        slice.cut(document)
    assert caught.value.pointer.startswith("/components/schemas/")


# ---- what a slice leaves out of the schemas it takes

ANY = {"type": "object", "additionalProperties": {}}


def selected(schemas: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The schemas of a slice of a document with these; cutting the result again changes nothing."""
    config = attrs.evolve(slice.default(), paths=["/x"], schemas="Kept", events={}, **settings)
    document: dict[str, Any] = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": schemas}}
    cut = slice.cut(document, config)
    assert slice.cut(cut.document, config) == cut
    found: dict[str, Any] = cut.document["components"]["schemas"]
    return found


def tagged(kind: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"type": {"const": kind}}}


def to(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_a_union_keeps_its_chosen_members_and_takes_any_other_object() -> None:
    schemas = {
        "Kept": {"type": "object", "properties": {"item": to("Item"), "extra": to("Extra")}},
        "Item": {
            "oneOf": [to("A"), to("More")],
            "description": "D.",
            "discriminator": {"propertyName": "type"},
        },
        "More": {"oneOf": [to("B"), to("C")]},
        "Extra": {"oneOf": [to("C")]},
        **{name: tagged(name) for name in "ABC"},
    }
    assert selected(schemas, unions={"Item": ["A", "C"], "Extra": [], "Gone": ["A"]}) == {
        "Kept": schemas["Kept"],
        "Item": {"description": "D.", "anyOf": [to("A"), to("C"), ANY]},
        "Extra": ANY,
        "A": tagged("A"),
        "C": tagged("C"),
    }


def test_chosen_schemas_are_put_back_where_they_are_used() -> None:
    schemas = {
        "Kept": {"properties": {"id": {**to("id"), "minLength": 1}, "all": {"items": to("list")}}},
        "id": {"type": "string", "maxLength": 9},
        "list": {"type": "array", "items": to("id")},
    }
    assert selected(schemas, inline=["id", "list", "gone"]) == {
        "Kept": {
            "properties": {
                "id": {"type": "string", "maxLength": 9, "minLength": 1},
                "all": {"items": {"type": "array", "items": {"type": "string", "maxLength": 9}}},
            }
        }
    }


@each("other", [to("Base"), {"allOf": [to("Base")]}, {"allOf": [{"oneOf": [to("A")]}]}])
def test_events_are_found_through_a_union_by_another_name(other: dict[str, Any]) -> None:
    document = whole()
    document["components"]["schemas"] |= {
        "LiveServerEvent": other,
        "Base": {"oneOf": [to("A")]},
        "A": tagged("A"),
    }
    assert slice.cut(document).events["LIVE_SERVER_EVENTS"] == ("A",)
    assert slice.cut(document).events["LIVE_FORK_SERVER_EVENTS"] == ("A",)
