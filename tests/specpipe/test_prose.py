"""The description's words: the rules, and that the vendored description keeps them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from specpipe import document_io, pipeline, prose, slice

from tests.support import newcomers
from tests.support.rows import each

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vendored() -> Any:
    return document_io.load(pipeline.OPENAPI / "realtime.yaml")


def small(**properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "description": "What a thing is good for.", "properties": properties}
    return {"paths": {}, "components": {"schemas": {"RealtimeThing": schema}}}


def test_the_vendored_texts_follow_the_rules(vendored: Any) -> None:
    """But for texts that are provisional after a take-over; `make check` wants those written."""
    provisional = [f"missing   {pointer}" for pointer in prose.missing(vendored)]
    assert [row for row in prose.check(vendored) if row not in provisional] == []
    assert prose.provisional(vendored) == vendored


def test_the_vendored_texts_are_complete(vendored: Any) -> None:
    """Upstream may add to it; fewer texts mean that the slice lost something."""
    part = slice.cut(vendored)
    assert len(part.document["paths"]) >= 15
    assert len(part.document["components"]["schemas"]) >= 283
    events = [len(names) for names in part.events.values()]
    least = [46, 11, 7, 3, 22, 11, 18, 9, 22, 11]
    assert all(now >= fewest for now, fewest in zip(events, least, strict=True))
    assert {"WebhookLiveCallIncoming", "WebhookRealtimeCallIncoming"} <= set(part.webhooks)
    properties = [pointer for pointer, _ in prose.described(vendored) if "/properties/" in pointer]
    assert len(properties) >= 1181


@pytest.mark.parametrize(
    "take_away", ["schema", "property", "operation", "summary", "parameter", "body", "answer"]
)
def test_a_missing_text_is_reported(vendored: Any, take_away: str) -> None:
    document = copy.deepcopy(vendored)
    operation = document["paths"]["/realtime/calls/{call_id}/refer"]["post"]
    schema = document["components"]["schemas"]["RealtimeReasoning"]
    at = "/paths/~1realtime~1calls~1{call_id}~1refer/post"
    holder, key, pointer = {
        "schema": (schema, "description", "/components/schemas/RealtimeReasoning"),
        "property": (
            schema["properties"]["effort"],
            "description",
            "/components/schemas/RealtimeReasoning/properties/effort",
        ),
        "operation": (operation, "description", at),
        "summary": (operation, "summary", f"{at}/summary"),
        "parameter": (operation["parameters"][0], "description", f"{at}/parameters/0"),
        "body": (operation["requestBody"], "description", f"{at}/requestBody"),
        "answer": (operation["responses"]["200"], "description", f"{at}/responses/200"),
    }[take_away]
    del holder[key]
    before = prose.check(vendored)
    assert [row for row in prose.check(document) if row not in before] == [f"missing   {pointer}"]


def test_a_provisional_text_is_still_missing() -> None:
    document = prose.provisional(small(gain={"type": "number"}))
    at = "/components/schemas/RealtimeThing/properties/gain"
    assert document["components"]["schemas"]["RealtimeThing"]["properties"]["gain"] == {
        "description": f"{prose.PROVISIONAL} gain",
        "type": "number",
    }
    assert prose.check(document) == [f"missing   {at}"] and prose.provisional(document) == document


@each("text", ["The type.", "Type of the thing", "thing's types", "Always this."])
def test_filler_is_reported(text: str) -> None:
    found = prose.check(small(type={"type": "string", "description": text}))
    assert found == [f"filler    /components/schemas/RealtimeThing/properties/type: {text}"]


def test_only_equal_schemas_may_share_a_text_often() -> None:
    same = {f"a{n}": {"type": "string", "description": "Milliseconds since the start."} for n in range(7)}
    assert prose.check(small(**same)) == []
    same["a0"] = {**same["a0"], "type": "integer"}
    assert prose.check(small(**same)) == [
        "repeated  7 times where schemas differ: Milliseconds since the start."
    ]


def test_the_tests_recognise_a_provisional_text() -> None:
    assert newcomers.PROVISIONAL == prose.PROVISIONAL
    assert newcomers.is_new(f"{prose.PROVISIONAL} x") and not newcomers.is_new("Real.")
