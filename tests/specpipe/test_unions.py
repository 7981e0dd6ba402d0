"""Unions whose members are hard to tell apart, generated and decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.specpipe.packages import Imported, make

Decode = Callable[[Any], Any]


def model(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": ref(name)}


def map_of(name: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": ref(name)}


MODELS = {
    "Left": model(left={"type": "string"}),
    "Right": model(right={"type": "string"}),
    "Cat": model(type={"const": "cat"}, name={"type": "string"}),
    "Lefts": list_of("Left"),
    "LeftMap": map_of("Left"),
}


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Callable[..., Decode]]:
    """A function that generates a package with this union and gives what decodes it."""
    opened: list[Imported] = []

    def generate(*members: dict[str, Any]) -> Decode:
        schemas = {**MODELS, "RealtimeUnion": {"anyOf": list(members)}}
        path = {"post": {"operationId": "x", "responses": {"200": {"description": ""}}}}
        document = {
            "openapi": "3.1.0",
            "info": {},
            "paths": {"/realtime": path},
            "components": {"schemas": schemas},
        }
        package = Imported(make(document, tmp_path)).__enter__()
        opened.append(package)
        return package.decoder("RealtimeUnion")  # type: ignore[no-any-return]

    yield generate
    for package in opened:
        package.__exit__()


def kinds(value: Any) -> Any:
    """A decoded value with the names of classes in place of models."""
    if isinstance(value, list):
        return [kinds(item) for item in value]
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    return type(value).__name__ if hasattr(value, "to_dict") else value


LEFT, RIGHT, CAT, OTHER = {"left": "l"}, {"right": "r"}, {"type": "cat", "name": "c"}, {"other": 1}


def test_members_without_a_tag(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Left"), ref("Right"))
    assert kinds([decode(value) for value in (LEFT, RIGHT, OTHER, None, 3, [LEFT])]) == [
        *("Left", "Right", OTHER, None, 3, [LEFT])
    ]


def test_lists_are_told_by_what_is_in_them(decoder: Callable[..., Decode]) -> None:
    decode = decoder(list_of("Left"), list_of("Right"), {"type": "string"})
    assert kinds(decode([LEFT, RIGHT, OTHER])) == ["Left", "Right", OTHER]


def test_lists_behind_names_are_tried_in_turn(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Lefts"), list_of("Right"))
    assert kinds([decode([LEFT]), decode([RIGHT]), decode([OTHER]), decode([])]) == [
        ["Left"],
        ["Right"],
        [OTHER],
        [],
    ]


def test_maps_behind_names_are_tried_in_turn(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("LeftMap"), map_of("Right"))
    assert kinds([decode({"k": LEFT}), decode({"k": RIGHT}), decode({"k": OTHER})]) == [
        *({"k": "Left"}, {"k": "Right"}, {"k": OTHER})
    ]


def test_what_is_no_model_of_the_union_is_the_map(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), map_of("Right"))
    assert kinds([decode(CAT), decode({"type": RIGHT}), decode({"k": RIGHT})]) == [
        *("Cat", {"type": "Right"}, {"k": "Right"})
    ]


def test_free_objects_beside_a_model_stay_as_they_are(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), {"type": "object"})
    assert kinds([decode(CAT), decode({"type": "cat"}), decode(OTHER)]) == ["Cat", {"type": "cat"}, OTHER]


def test_a_model_alone_refuses_what_lacks_its_properties(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), {"type": "string"})
    with pytest.raises(ValueError, match="Cat: required property 'name' is missing"):
        decode({"type": "cat"})
