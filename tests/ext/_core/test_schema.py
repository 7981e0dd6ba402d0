"""The evaluator of JSON Schema against an independent validator, and its messages."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st

from realtime_ext._core.schema import Place, Violation, bounds, check as check_place, place
from tests.support.examples import examples
from tests.support.rows import each


def check(schema: Any, value: Any) -> list[Violation]:
    return check_place(Place(schema), value)


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


@settings(max_examples=examples(400), deadline=None)
@given(schema=SCHEMAS, value=VALUES)
@pytest.mark.slow
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


@each(
    "value, messages",
    [
        ({"name": 5}, ["name: expected a string of 2 to 5 characters that matches ^[A-Z], got 5"]),
        ({"name": "A"}, ["name: expected a string of 2 to 5 characters that matches ^[A-Z], got 'A'"]),
        (
            {"name": "Annabel"},
            ["name: expected a string of 2 to 5 characters that matches ^[A-Z], got 'Annabel'"],
        ),
        ({"name": "ann"}, ["name: expected a string of 2 to 5 characters that matches ^[A-Z], got 'ann'"]),
        ({"age": -1}, ["age: expected an integer from 0 to 130, got -1"]),
        ({"age": 131}, ["age: expected an integer from 0 to 130, got 131"]),
        ({"age": 1.5}, ["age: expected an integer from 0 to 130, got 1.5"]),
        ({"age": True}, ["age: expected an integer from 0 to 130, got true"]),
        ({"share": 0}, ["share: expected a number above 0 and below 1, a multiple of 0.1, got 0"]),
        ({"share": 1}, ["share: expected a number above 0 and below 1, a multiple of 0.1, got 1"]),
        ({"share": 0.25}, ["share: expected a number above 0 and below 1, a multiple of 0.1, got 0.25"]),
        ({"share": 0.3}, []),
        ({"size": "mid"}, ["size: expected 'small' or 'large', got 'mid'"]),
        ({"kind": 1}, ["kind: expected 'guest', got 1"]),
        ({"tags": ["a", 2]}, ["tags[1]: expected a string, got 2"]),
        (
            {"tags": ["a", "a"]},
            ["tags: expected a list of at most 2 items without repetition, got ['a', 'a']"],
        ),
        (
            {"tags": ["a", "b", "c"]},
            ["tags: expected a list of at most 2 items without repetition, got ['a', 'b', 'c']"],
        ),
        ({"limit": 1}, ["limit: expected an integer of at least 2 or null, got 1"]),
        ({"limit": "x"}, ["limit: expected an integer of at least 2 or null, got 'x'"]),
        ({"spot": [1, 2]}, ["spot[1]: expected nothing here, got 2"]),
        ({"friend": {}}, ["friend.name: expected a string, got nothing; it is required"]),
        ({"by": 1}, ["by: expected exactly one of 2 forms, got 1; it fits 2"]),
        ({"extra": {}}, ["extra: expected an object of at least 1 field, got an object"]),
        ({"extra": {"ab": 1}}, ["the name of extra.ab: expected a string of at most 1 character, got 'ab'"]),
        ({"no": 0}, ["no: expected something else, got 0"]),
        ({"nam": 1}, ["nam: not known here, got 1; did you mean name?"]),
        ({"age": "x" * 200}, [f"age: expected an integer from 0 to 130, got '{'x' * 78}…"]),
        ([], ["expected an object, got []"]),
    ],
)
def test_messages_name_the_field_the_value_and_the_allowed_values(value: Any, messages: list[str]) -> None:
    assert [problem.message for problem in check(GUEST, value)] == messages


@each(
    "schema, fitting, refused",
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
    assert [p.path for p in check(schema, {"type": "square"})] == ["side"]
    assert [p.path for p in check(schema, {"type": "square", "side": "x"})] == ["side"]
    (problem,) = check(schema, {"type": "disc"})
    assert problem.message == "type: expected 'circle' or 'square', got 'disc'"
    assert problem.allowed == ("circle", "square")


def test_among_forms_without_a_tag_the_one_with_the_fewest_faults_is_explained() -> None:
    def form(field: str) -> dict[str, Any]:
        return {"type": "object", "properties": {field: {"type": "integer"}}, "required": [field]}

    schema = {"anyOf": [form("radius"), form("side")]}
    assert [p.path for p in check(schema, {"side": 1})] == []
    assert [p.path for p in check(schema, {"side": "x", "radius": "x"})] == ["radius"]


@each(
    "schema",
    [
        {"pattern": "(?<year>\\d+)\\p{L}"},
        {"$ref": "https://example.com/x"},
        {"$ref": "#/$defs/none"},
        {"format": "date"},
    ],
)
def test_unsupported_keywords_are_notes(schema: dict[str, Any]) -> None:
    assert check(schema, "anything") == []


def test_kinds_tell_missing_and_unknown_from_wrong() -> None:
    schema = {"properties": {"a": {"type": "integer"}}, "required": ["b"], "additionalProperties": False}
    found = [(problem.kind, problem.path) for problem in check(schema, {"a": "x", "c": 1})]
    assert found == [("missing", "b"), ("wrong", "a"), ("unknown", "c")]


def test_a_reference_that_leads_back_to_itself_is_a_recursion() -> None:
    with pytest.raises(RecursionError):
        check({"$ref": "#"}, {})


def test_values_of_a_password_are_not_shown() -> None:
    (violation,) = check_place(place("MCPTool").fields["authorization"], ["t0k3n"], "pin")
    assert "t0k3n" not in repr(violation)


def test_bounds_are_the_descriptions() -> None:
    assert bounds("RealtimeCallRejectRequest", "status_code") == (300, 699)
    assert bounds("RealtimeCreateClientSecretRequest", "expires_after", "seconds") == (10, 7200)
