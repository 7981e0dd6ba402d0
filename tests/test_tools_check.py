"""The argument checker against an independent JSON Schema validator, and its messages."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ext.tools._check import check

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 1.0, 2.0, -1.5, 0.3]),
    st.text("ab", max_size=3),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null"])
COUNT = st.integers(0, 3)


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.text("ab", max_size=2)
    some = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "const": VALUES,
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "minimum": st.integers(-5, 5),
            "maximum": st.integers(-5, 5),
            "exclusiveMinimum": st.integers(-5, 5),
            "exclusiveMaximum": st.integers(-5, 5),
            "multipleOf": st.sampled_from([1, 2, 0.5, 0.1]),
            "minLength": COUNT,
            "maxLength": COUNT,
            "pattern": st.sampled_from(["^a", "b$", "ab"]),
            "minItems": COUNT,
            "maxItems": COUNT,
            "uniqueItems": st.booleans(),
            "items": inner,
            "prefixItems": some,
            "properties": st.dictionaries(names, inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "required": st.lists(names, max_size=2, unique=True),
            "minProperties": COUNT,
            "maxProperties": COUNT,
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
            "$ref": st.just("#/$defs/pair"),
        },
    )


SCHEMAS = st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=4)
DEFS = {"pair": {"type": ["array", "string"], "minItems": 1, "minLength": 1}}


@settings(max_examples=400, deadline=None)
@given(schema=SCHEMAS, value=VALUES)
def test_it_finds_problems_exactly_where_a_validator_does(schema: Any, value: Any) -> None:
    root = {"allOf": [schema], "$defs": DEFS}
    validator = jsonschema_rs.Draft202012Validator(root)
    problems = check(root, value)
    assert (not problems) == validator.is_valid(value), problems


GUEST = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.1},
        "size": {"enum": ["small", "large"]},
        "kind": {"const": "guest"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": True},
        "limit": {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]},
        "spot": {"prefixItems": [{"type": "integer"}], "items": False},
        "friend": {"$ref": "#/$defs/friend"},
        "by": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        "extra": {"type": "object", "propertyNames": {"maxLength": 1}, "minProperties": 1},
        "no": {"not": {"const": 0}},
    },
    "additionalProperties": False,
    "$defs": {"friend": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ({"name": 5}, ["name: expected string, got integer; it is 5"]),
        ({"name": "A"}, ['name: expected 2 to 5 characters, got 1; it is "A"']),
        ({"name": "Annabel"}, ['name: expected 2 to 5 characters, got 7; it is "Annabel"']),
        ({"name": "ann"}, ['name: expected text that matches ^[A-Z]; it is "ann"']),
        ({"age": -1}, ["age: expected at least 0; it is -1"]),
        ({"age": 131}, ["age: expected at most 130; it is 131"]),
        ({"age": 1.5}, ["age: expected integer, got number; it is 1.5"]),
        ({"age": True}, ["age: expected integer, got boolean; it is true"]),
        ({"share": 0}, ["share: expected more than 0; it is 0"]),
        ({"share": 1}, ["share: expected less than 1; it is 1"]),
        ({"share": 0.25}, ["share: expected a multiple of 0.1; it is 0.25"]),
        ({"share": 0.3}, []),
        ({"size": "mid"}, ['size: expected one of "small", "large"; it is "mid"']),
        ({"kind": 1}, ['kind: expected "guest"; it is 1']),
        ({"tags": ["a", 2]}, ["tags[1]: expected string, got integer; it is 2"]),
        ({"tags": ["a", "a"]}, ['tags: expected no item twice; it is ["a", "a"]']),
        ({"tags": ["a", "b", "c"]}, ['tags: expected 0 to 2 items, got 3; it is ["a", "b", "c"]']),
        ({"limit": 1}, ["limit: expected at least 2; it is 1"]),
        ({"limit": "x"}, ['limit: expected integer or null; it is "x"']),
        ({"spot": [1, 2]}, ["spot[1]: nothing is allowed here; it is 2"]),
        ({"friend": {}}, ["friend.name is missing and required"]),
        ({"by": 1}, ["by: expected one of 2 forms, and it fits 2; it is 1"]),
        ({"extra": {}}, ["extra: expected 1 or more fields, got 0; it is {}"]),
        ({"extra": {"ab": 1}}, ['the name of extra.ab: expected 0 to 1 characters, got 2; it is "ab"']),
        ({"no": 0}, ["no: this is what is not allowed; it is 0"]),
        ({"nam": 1}, ["nam is not known; did you mean name?"]),
        ({"age": "x" * 200}, [f'age: expected integer, got string; it is "{"x" * 78}…']),
        ([], ["the value: expected object, got array; it is []"]),
    ],
)
def test_messages_name_the_field_the_value_and_what_is_allowed(value: Any, messages: list[str]) -> None:
    assert [problem.message for problem in check(GUEST, value)] == messages


@pytest.mark.parametrize(
    ("schema", "fitting", "refused"),
    [
        ({"minimum": 0}, [0, 0.5, "x"], [-0.5]),
        ({"maximum": 3}, [3, 3.0, None], [3.5, 4]),
        ({"exclusiveMinimum": 0}, [0.5], [0]),
        ({"exclusiveMaximum": 3}, [2.5], [3]),
        ({"minLength": 2}, ["ab", 1], ["a"]),
        ({"maxLength": 2}, ["ab", "é€"], ["abc"]),
        ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], {}], [[], [1, 2, 3]]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}, []], [{}, {"a": 1, "b": 2}]),
        ({"const": 1}, [1, 1.0], [True, "1", None]),
        ({"const": {"a": [1]}}, [{"a": [1.0]}], [{"a": [True]}, {"a": [1, 1]}, {}]),
        ({"enum": [False, None]}, [False, None], [0, True, ""]),
        ({"uniqueItems": True}, [[1, True, "1"], [0, False]], [[1, 1.0], [[0], [0]]]),
        ({"type": "integer"}, [5, 5.0, 10**30], [5.5, True, "5"]),
        ({"type": ["number", "null"]}, [5, 5.5, None], [False, []]),
        ({"multipleOf": 0.01}, [0.07, 1.15, 3, 1e30], [0.005]),
    ],
)
def test_limits_hold_to_the_very_edge(schema: dict[str, Any], fitting: list[Any], refused: list[Any]) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema)
    for value in fitting:
        assert check(schema, value) == [] and validator.is_valid(value), value
    for value in refused:
        assert check(schema, value) and not validator.is_valid(value), value


def test_the_form_that_was_meant_is_the_one_that_is_explained() -> None:
    def form(tag: str, field: str) -> dict[str, Any]:
        properties = {"type": {"const": tag}, field: {"type": "integer"}}
        return {"type": "object", "properties": properties, "required": ["type", field]}

    schema = {"anyOf": [form("circle", "radius"), form("square", "side"), {"type": "null"}]}
    assert [p.message for p in check(schema, {"type": "square"})] == ["side is missing and required"]
    assert [p.path for p in check(schema, {"type": "square", "side": "x"})] == ["side"]
    (problem,) = check(schema, {"type": "disc"})
    assert "expected one of 3 forms" in problem.message
    assert '"circle"' in problem.message and '"square"' in problem.message


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "(?<year>\\d+)\\p{L}"},
        {"$ref": "https://example.com/x"},
        {"$ref": "#/$defs/none"},
        {"format": "date"},
    ],
)
def test_what_cannot_be_checked_is_taken_as_a_note(schema: dict[str, Any]) -> None:
    assert check(schema, "anything") == []


def test_kinds_tell_missing_and_unknown_from_wrong() -> None:
    schema = {"properties": {"a": {"type": "integer"}}, "required": ["b"], "additionalProperties": False}
    found = [(problem.kind, problem.path) for problem in check(schema, {"a": "x", "c": 1})]
    assert found == [("missing_argument", "b"), ("invalid_argument", "a"), ("unknown_argument", "c")]
