"""Each transform: its changes, its number of matches, and what it keeps."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from specpipe import document_io, pipeline, slice, transforms
from specpipe.errors import SpecError
from specpipe.transforms import notation

from tests.specpipe import composition_cases, notation_cases
from tests.specpipe.cases import OTHERS, Case, document, ref
from tests.support.rows import each

pytestmark = pytest.mark.slow

CASES = {**notation_cases.CASES, **composition_cases.CASES}
FLAT = [(name, case) for name, cases in CASES.items() for case in cases]

PARAMETER = {"in": "query", "name": "q", "schema": {"type": "string"}}


def operation(**parts: Any) -> dict[str, Any]:
    return {"/realtime": {"post": {"operationId": "op", "responses": {}, **parts}}}


def test_every_transform_has_cases() -> None:
    assert {*transforms.TRANSFORMS} == {"inline_parts", *CASES}


@each("name, case", FLAT, ids=[f"{name}: {case.title}" for name, case in FLAT])
def test_a_rule_changes_matching_schemas(name: str, case: Case) -> None:
    given = document({"A": case.before, **OTHERS, **case.more})
    before = copy.deepcopy(given)
    out, count = transforms.TRANSFORMS[name](given)
    assert given == before, "the document that came in was changed"
    after = case.before if case.after is None else case.after
    assert out == document({"A": after, **OTHERS, **case.more, **case.made})
    assert count == (0 if case.after is None else case.count)
    assert transforms.TRANSFORMS[name](out) == (out, 0), "the rule finds work in what it made"


#: Only a component can be a member of itself.
@each("name", [name for name in CASES if name != "break_cycles"])
def test_a_rule_applies_to_schemas_of_operations(name: str) -> None:
    """As for components; data is not changed."""
    case = next(case for case in CASES[name] if case.after is not None and not case.more)
    parts = {
        "parameters": [{**PARAMETER, "schema": case.before, "example": case.before}],
        "requestBody": {
            "content": {"application/json": {"schema": case.before, "example": {"schema": case.before}}}
        },
    }
    out, count = transforms.TRANSFORMS[name](document(OTHERS, operation(**copy.deepcopy(parts))))
    made = out["paths"]["/realtime"]["post"]
    assert made["parameters"][0]["schema"] != case.before
    content = made["requestBody"]["content"]["application/json"]
    assert content["schema"] != case.before and count >= 2 * case.count
    assert made["parameters"][0]["example"] == content["example"]["schema"] == case.before


@each("name", transforms.TRANSFORMS)
def test_a_rule_keeps_other_schemas(name: str) -> None:
    words = {"type": "string", "enum": ["a", "b"], "description": "D."}
    plain = document(
        {
            **OTHERS,
            "A": {
                "type": "object",
                "properties": {"b": ref("B"), "w": words, "n": {"anyOf": [words, {"type": "null"}]}},
            },
        },
        operation(
            parameters=[PARAMETER], requestBody={"content": {"application/json": {"schema": ref("B")}}}
        ),
    )
    before = copy.deepcopy(plain)
    assert transforms.TRANSFORMS[name](plain) == (before, 0)
    assert plain == before


def test_components_can_be_boolean_schemas() -> None:
    out, count = transforms.TRANSFORMS["upgrade_to_3_1"](document({"Yes": True, "No": False}))
    assert (out, count) == (document({"Yes": {}, "No": {"not": {}}}), 2)


def test_shared_parts_are_inlined() -> None:
    shared: dict[str, Any] = {
        "parameters": {"P": PARAMETER, "Again": {"$ref": "#/components/parameters/P"}},
        "requestBodies": {"R": {"required": True, "content": {"text/plain": {"schema": ref("Word")}}}},
        "responses": {"O": {"description": "O.", "headers": {"H": {"$ref": "#/components/headers/H"}}}},
        "headers": {"H": {"schema": {"type": "string"}}},
    }
    given = document(
        OTHERS,
        operation(
            parameters=[{"$ref": "#/components/parameters/Again"}],
            requestBody={"$ref": "#/components/requestBodies/R"},
            responses={"200": {"$ref": "#/components/responses/O", "description": "Mine."}},
        ),
        **shared,
    )
    before = copy.deepcopy(given)
    out, count = transforms.TRANSFORMS["inline_parts"](given)
    expected = operation(
        parameters=[PARAMETER],
        requestBody=shared["requestBodies"]["R"],
        responses={"200": {"description": "Mine.", "headers": {"H": shared["headers"]["H"]}}},
    )
    assert out == document(OTHERS, expected) and count == 5
    assert given == before
    assert transforms.TRANSFORMS["inline_parts"](out) == (out, 0)


def test_a_shared_part_that_refers_to_itself() -> None:
    circle = {"P": {"$ref": "#/components/parameters/P"}}
    given = document(OTHERS, operation(parameters=[circle["P"]]), parameters=circle)
    with pytest.raises(SpecError, match="refers to itself") as caught:
        transforms.TRANSFORMS["inline_parts"](given)
    assert caught.value.pointer == "/components/parameters/P" and "→" in caught.value.hint


@each(
    "name, schemas, told",
    [
        ("merge_all_of", {"A": {"allOf": [ref("A"), ref("B")]}}, "contains itself through allOf"),
        ("merge_all_of", {"A": {"allOf": [ref("X"), ref("B")]}, "X": ref("X")}, "only defined by itself"),
        ("break_cycles", {"A": ref("A")}, "only defined by itself"),
        ("break_cycles", {"A": {"anyOf": [ref("X")]}, "X": {"oneOf": [ref("A")]}}, "only defined by itself"),
    ],
)
def test_a_schema_only_defined_by_itself(name: str, schemas: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as caught:
        transforms.TRANSFORMS[name](document({**OTHERS, **schemas}))
    assert caught.value.pointer in ("/components/schemas/A", "/components/schemas/X")
    assert caught.value.hint


def test_hoisted_schemas_of_operations_are_named_by_the_operation() -> None:
    inline = {"type": "object", "properties": {"a": {"type": "string"}}}
    given = document(
        OTHERS,
        operation(
            operationId="make-call",
            parameters=[{**PARAMETER, "name": "filter", "schema": inline}],
            requestBody={"content": {"application/json": {"schema": {**inline, "required": ["a"]}}}},
            responses={"200": {"content": {"application/json": {"schema": {**inline, "maxProperties": 1}}}}},
        ),
    )
    out, count = transforms.TRANSFORMS["hoist_inline"](given)
    made = set(out["components"]["schemas"]) - set(OTHERS)
    assert made == {"MakeCallFilter", "MakeCallRequest", "MakeCallResponse"} and count == 3


def test_every_inline_schema_has_its_original_pointer() -> None:
    inner = {"type": "object", "properties": {"a/b": {"anyOf": [{"items": {}}]}}}
    out, _ = notation.locate(
        document({"A~B": inner}, operation(requestBody={"content": {"a/b": {"schema": inner}}}))
    )
    top = out["components"]["schemas"]["A~B"]
    at = "/components/schemas/A~0B"
    assert top["x-pointer"] == at
    assert top["properties"]["a/b"]["anyOf"][0]["x-pointer"] == f"{at}/properties/a~1b/anyOf/0"
    body = out["paths"]["/realtime"]["post"]["requestBody"]["content"]["a/b"]["schema"]
    assert body["x-pointer"] == "/paths/~1realtime/post/requestBody/content/a~1b/schema"
    moved = document({"B": top})
    assert notation.locate(moved, again=True)[0] == moved, "a schema that was moved keeps its first place"
    assert notation.locate(moved)[0]["components"]["schemas"]["B"]["x-pointer"] == "/components/schemas/B"


def test_a_part_used_twice_has_two_pointers() -> None:
    shared = {"type": "object", "properties": {"n": {"type": "string"}}}
    whole = {"type": "object", "properties": {"a": shared, "b": shared}, "items": True, "anyOf": [shared]}
    out, _ = notation.locate(document({"A": whole}))
    made = out["components"]["schemas"]["A"]
    at = "/components/schemas/A"
    assert [made["properties"][key]["x-pointer"] for key in "ab"] == [
        f"{at}/properties/a",
        f"{at}/properties/b",
    ]
    assert made["anyOf"][0]["x-pointer"] == f"{at}/anyOf/0"


def test_extensions_in_the_document_are_ignored() -> None:
    foreign = {"x-pointer": ["/x"], "x-pointers": 1}
    inner = {**foreign, "type": "object", "properties": {"x-pointer": {**foreign, "type": "string"}}}
    out, _ = notation.locate(document({"A": {"type": "object", "properties": {"a": inner}}}))
    a = out["components"]["schemas"]["A"]["properties"]["a"]
    assert a["x-pointer"] == "/components/schemas/A/properties/a" and "x-pointers" not in a
    assert a["properties"] == {"x-pointer": {"type": "string"}}


def test_all_transforms_normalise_the_vendored_description() -> None:
    part = slice.cut(document_io.load(pipeline.OPENAPI / "realtime.yaml"))
    located, _ = notation.locate(part.document)
    before = copy.deepcopy(located)
    normal, counts = transforms.apply(located)
    assert located == before
    assert [name for name, _ in counts] == list(transforms.TRANSFORMS)
    assert transforms.apply(normal) == (normal, [(name, 0) for name in transforms.TRANSFORMS])
