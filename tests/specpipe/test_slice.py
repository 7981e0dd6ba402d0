"""Cutting the realtime part out of a description."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from specpipe import document_io, pipeline, slice
from specpipe.errors import SpecError

VENDORED = document_io.load(pipeline.OPENAPI / "realtime.yaml")


def whole() -> dict[str, Any]:
    """The vendored description among others' operations and schemas."""
    document = copy.deepcopy(VENDORED)
    document["paths"]["/chat/completions"] = {"post": {"operationId": "chat", "responses": {"200": {}}}}
    document["paths"]["/realtimeish"] = {"post": {"operationId": "other", "responses": {"200": {}}}}
    document["components"]["schemas"] |= {
        "ChatThing": {"type": "string"},
        "RealtimeBetaThing": {"type": "string"},
    }
    document["components"]["securitySchemes"]["AdminKey"] = {"type": "http", "scheme": "bearer"}
    return document


def test_whole_and_sliced_documents_give_the_same_slice() -> None:
    assert slice.cut(whole()) == slice.cut(VENDORED)
    once = slice.cut(VENDORED)
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


@pytest.mark.parametrize(
    ("ref", "told"),
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
