"""Rows of two descriptions in places that the pair of sample documents leaves out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from specpipe import slice
from specpipe.sync import diff

from tests.specpipe.cases import OTHERS, document, ref
from tests.support.rows import each

pytestmark = pytest.mark.slow

NUMBER, INTEGER, TEXT = {"type": "number"}, {"type": "integer"}, {"type": "string"}
#: (kind, last part of the pointer, breaks the sender, breaks the receiver)
Row = tuple[str, str, bool, bool]


def described(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A description in which a schema is sent and received."""
    content = {"application/json": {"schema": ref("A")}}
    headers = {"Location": {"required": True, "schema": TEXT}}
    operation = {
        "operationId": "op",
        "tags": ["Realtime"],
        "parameters": [{"in": "query", "name": "own", "schema": INTEGER, "style": "form"}],
        "requestBody": {"content": content},
        "responses": {"200": {"description": "", "content": content, "headers": headers}},
    }
    item = {
        "post": operation,
        "parameters": [
            {"in": "query", "name": "shared", "schema": {"type": "integer", "maximum": 5}},
            {"in": "query", "name": "own", "schema": TEXT},
        ],
    }
    return document(
        {**OTHERS, **more, "A": {"type": "object", "properties": {"n": schema}}}, {"/realtime": item}
    )


def rows(before: dict[str, Any], after: dict[str, Any]) -> list[Row]:
    found = diff.compare(slice.cut(before), slice.cut(after))
    return [(row.kind, row.pointer.rsplit("/", 1)[-1], row.sender, row.receiver) for row in found]


@each("before, after, told", [
        (INTEGER, NUMBER, [("type", "n", False, True), ("type", "n", False, True)]),
        (NUMBER, INTEGER, [("type", "n", True, False), ("type", "n", False, False)]),
        (TEXT, INTEGER, [("type", "n", True, True), ("type", "n", False, True)]),
        (TEXT, {}, [("type", "n", False, True), ("type", "n", False, True)]),
        ({}, TEXT, [("type", "n", True, True), ("type", "n", False, False)]),
        ({"type": "object"}, {"type": "object", "additionalProperties": {}}, []),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}, []),
        (
            {"type": "object"},
            {"type": "object", "additionalProperties": False},
            [("keyword", "additionalProperties", True, False)],
        ),
        (TEXT, {**TEXT, "not": {"const": "a"}}, [("keyword", "not", True, False)]),
        ({**TEXT, "not": {"const": "a"}}, TEXT, [("keyword", "not", False, False)]),
        (TEXT, {**TEXT, "if": {"minLength": 1}, "x-note": 1, "examples": ["a"]},
         [("keyword", "if", True, False)]),
        ({"type": "object"}, {"type": "object", "dependentRequired": {"a": ["b"]}},
         [("keyword", "dependentRequired", True, False)]),
        ({"type": "object"}, {"type": "object", "unevaluatedProperties": False},
         [("keyword", "unevaluatedProperties", True, False)]),
        (TEXT, {**TEXT, "unheardOf": 1}, [("keyword", "unheardOf", True, False)]),
    ])  # fmt: skip
def test_types(before: dict[str, Any], after: dict[str, Any], told: list[Row]) -> None:
    assert rows(described(before), described(after)) == told


UNION = {"anyOf": [ref("B"), ref("C")]}


@each(
    "before, after, told",
    [
        (ref("U"), UNION, []),
        (UNION, ref("U"), []),
        (ref("U"), {"anyOf": [*UNION["anyOf"], {"type": "null"}]}, [("type", "n", False, True)]),
        (ref("U"), ref("B"), [("union member", "n", True, False)]),
        (ref("B"), ref("U"), [("union member", "n", False, False)]),
        (ref("U"), {}, [("union member", "n", False, True), ("type", "n", False, True)]),
        (ref("U"), TEXT, [("union member", "n", True, True), ("type", "n", False, True)]),
        (OTHERS["B"], {"anyOf": [ref("B"), {"type": "null"}]}, [("type", "n", False, True)]),
        ({"anyOf": [ref("B"), {"type": "null"}]}, OTHERS["B"], [("type", "n", True, False)]),
    ],
)
def test_naming_a_schema_does_not_count_as_a_change(
    before: dict[str, Any], after: dict[str, Any], told: list[Row]
) -> None:
    found = rows(described(before, U=UNION), described(after, U=UNION))
    assert [row for row in found if row[1] == "n"] == told


def test_a_removed_error_status_is_not_breaking() -> None:
    after = described(TEXT)
    before = copy.deepcopy(after)
    _post(before)["responses"] |= {
        "404": {"description": ""},
        "5XX": {"description": ""},
        "202": {"description": ""},
    }
    assert [row for row in rows(before, after) if row[3]] == [("status", "202", False, True)]


def test_an_object_that_becomes_a_named_union_of_objects_is_compared_by_properties() -> None:
    def one(kind: str, **more: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"kind": {"const": kind}, **more}}

    whole = {"type": "object", "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "x": TEXT}}
    union = {"anyOf": [one("a", x=TEXT), one("b", y=TEXT)]}
    found = rows(described(whole, Either=union), described(ref("Either"), Either=union))
    assert found == [("property", "y", False, False), ("schema", "Either", False, False)]


def _post(whole: dict[str, Any]) -> Any:
    return whole["paths"]["/realtime"]["post"]


def _shared(whole: dict[str, Any]) -> Any:
    return whole["paths"]["/realtime"]["parameters"]


@each(
    "change, told",
    [
        (lambda d: _post(d).update(tags=["Calls"]), ("keyword", "tags", True, False)),
        (lambda d: _shared(d)[0]["schema"].update(maximum=4), ("limit", "maximum", True, False)),
        (lambda d: _shared(d)[0]["schema"].update(maximum=6), ("limit", "maximum", False, False)),
        (lambda d: _shared(d)[0].update(required=True), ("required", "0", True, False)),
        (lambda d: _shared(d).pop(0), ("parameter", "0", True, False)),
        (
            lambda d: _shared(d).append({"in": "query", "name": "new", "schema": TEXT}),
            ("parameter", "2", False, False),
        ),
        (
            lambda d: _post(d)["parameters"][0].update(style="spaceDelimited"),
            ("keyword", "style", True, False),
        ),
        (
            lambda d: _post(d)["responses"]["200"]["headers"]["Location"].update(schema=INTEGER),
            ("type", "schema", False, True),
        ),
        (
            lambda d: _post(d)["responses"]["200"]["headers"]["Location"].pop("required"),
            ("required", "Location", False, True),
        ),
        (
            lambda d: d["paths"]["/realtime"].update(limits={"per_minute": 5}),
            ("keyword", "limits", False, False),
        ),
        (lambda d: _post(d).update(callbacks={"done": {}}), ("keyword", "callbacks", False, False)),
        (
            lambda d: _post(d).update(servers=[{"url": "https://upload.example"}]),
            ("keyword", "servers", True, False),
        ),
    ],
)
def test_operations(change: Callable[[dict[str, Any]], None], told: Row) -> None:
    before = described(TEXT)
    after = copy.deepcopy(before)
    change(after)
    found = rows(before, after)
    assert told in found and {row[0] for row in found} == {told[0]}


def test_an_operation_parameter_overrides_its_path_s() -> None:
    before, after = described(TEXT), described(TEXT)
    _shared(after)[1]["schema"] = NUMBER
    assert rows(before, after) == []


def test_a_parameter_that_moves_to_the_path_does_not_count_as_a_change() -> None:
    before, after = described(TEXT), described(TEXT)
    _shared(after)[1] = _post(after).pop("parameters")[0]
    assert rows(before, after) == []
