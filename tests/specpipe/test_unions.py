"""Unions whose members are hard to tell apart, generated and decoded."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from specpipe import document_io, pipeline
from specpipe.errors import SpecError
from specpipe.plan.tables import Table

from tests.specpipe.packages import Imported, make
from tests.support.rows import each

pytestmark = pytest.mark.slow

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
    "Tom": model(kind={"type": "string"}, name={"type": "string"}),
    "Rex": model(kind={"type": "string"}, name={"type": "string"}),
    "Dog": model(type={"const": "dog"}, name={"type": "string"}),
    "Loose": {"type": "object", "properties": {"type": {"type": "string"}, "id": {"type": "string"}}},
    "Anything": {"type": "object", "properties": {"type": {}, "id": {"type": "string"}}},
    "Bare": {"type": "object", "properties": {"id": {"type": "string"}}},
    "Perhaps": {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["perhaps", None]},
            "id": {"type": "string"},
        },
        "required": ["id"],
    },
    "Sure": model(id={"type": "string"}, type={"const": "perhaps", "type": "string"}),
    "Lefts": list_of("Left"),
    "LeftMap": map_of("Left"),
}


def generated(union: dict[str, Any], out: Path) -> Imported:
    """A package with this union."""
    path = {"post": {"operationId": "x", "responses": {"200": {"description": ""}}}}
    schemas = {**MODELS, "RealtimeUnion": union}
    frame = {"openapi": "3.1.0", "info": {}, "paths": {"/realtime": path}}
    return Imported(make({**frame, "components": {"schemas": schemas}}, out))


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Callable[..., Decode]]:
    """A function that generates a package with this union and returns its decoder."""
    opened: list[Imported] = []

    def generate(*members: dict[str, Any], **beside: Any) -> Decode:
        package = generated({"anyOf": list(members), **beside}, tmp_path).__enter__()
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


def test_lists_are_distinguished_by_their_items(decoder: Callable[..., Decode]) -> None:
    decode = decoder(list_of("Left"), list_of("Right"), {"type": "string"})
    assert kinds(decode([LEFT, RIGHT, OTHER])) == ["Left", "Right", OTHER]


def test_named_lists_are_distinguished_by_their_items(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Lefts"), list_of("Right"))
    assert kinds([decode([LEFT]), decode([RIGHT]), decode([OTHER]), decode([])]) == [
        ["Left"],
        ["Right"],
        [OTHER],
        [],
    ]


def test_named_maps_are_distinguished_by_their_values(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("LeftMap"), map_of("Right"))
    assert kinds([decode({"k": LEFT}), decode({"k": RIGHT}), decode({"k": OTHER})]) == [
        *({"k": "Left"}, {"k": "Right"}, {"k": OTHER})
    ]


def test_an_object_that_matches_no_model_is_the_map(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), map_of("Right"))
    assert kinds([decode(CAT), decode({"type": RIGHT}), decode({"k": RIGHT})]) == [
        *("Cat", {"type": "Right"}, {"k": "Right"})
    ]


def test_arbitrary_objects_beside_a_model_stay_dicts(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), {"type": "object"})
    assert kinds([decode(CAT), decode({"type": "cat"}), decode(OTHER)]) == ["Cat", {"type": "cat"}, OTHER]


def test_a_single_model_requires_its_properties(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), {"type": "string"})
    with pytest.raises(ValueError, match="Cat: required property 'name' is missing"):
        decode({"type": "cat"})


def kind(name: str) -> dict[str, Any]:
    return {"kind": name, "name": "n"}


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (
            {"cat": "#/components/schemas/Tom", "dog": "#/components/schemas/Rex"},
            {"cat": "Tom", "dog": "Rex"},
        ),
        ({"cat": "Tom", "lion": "Tom", "dog": "Rex"}, {"cat": "Tom", "lion": "Tom", "dog": "Rex"}),
        ({"cat": "Tom"}, {"cat": "Tom", "Rex": "Rex"}),
        (None, {"Tom": "Tom", "Rex": "Rex"}),
    ],
)
def test_a_discriminator_uses_its_mapping_or_schema_names(
    decoder: Callable[..., Decode], mapping: dict[str, str] | None, told: dict[str, str]
) -> None:
    discriminator = {"propertyName": "kind"} | ({"mapping": mapping} if mapping else {})
    decode = decoder(ref("Tom"), ref("Rex"), discriminator=discriminator)
    assert {value: type(decode(kind(value))).__name__ for value in told} == told
    assert decode(kind("fish")) == kind("fish"), "an unknown kind stays a dict"


def test_schema_names_are_not_tags_beside_constants(tmp_path: Path) -> None:
    union = {"anyOf": [ref("Cat"), ref("Loose")], "discriminator": {"propertyName": "type"}}
    with generated(union, tmp_path) as made:
        decode = made.decoder("RealtimeUnion")
        for word in ("Loose", "loose.thing"):
            assert type(decode({"type": word, "id": "1"})).__name__ == "Loose"
        (table,) = [made.made.plan.aliases["RealtimeUnion"].table]
        assert isinstance(table, Table) and [value for value, _ in table.entries] == ["cat"]


def test_members_that_describe_the_same_object_are_duplicates(tmp_path: Path) -> None:
    union = {"anyOf": [ref("Sure"), ref("Cat"), ref("Perhaps")]}
    with generated(union, tmp_path) as made:
        decode = made.decoder("RealtimeUnion")
        assert not made.made.plan.guesses
        assert type(decode({"type": "perhaps", "id": "1"})).__name__ == "Perhaps"
        assert type(decode({"type": "cat", "name": "Tom"})).__name__ == "Cat"


def test_a_mapping_applies_to_members_of_nested_unions(decoder: Callable[..., Decode]) -> None:
    mapping = {"cat": "Tom", "dog": "Rex"}
    inner = {"oneOf": [ref("Tom"), ref("Rex")], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    decode = decoder(inner, {"type": "null"})
    assert kinds([decode(kind("cat")), decode(kind("dog")), decode(None)]) == ["Tom", "Rex", None]


def test_a_null_tag_is_kept(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), ref("Dog"), ref("Perhaps"))
    values = [
        CAT,
        {**CAT, "type": "dog"},
        {"type": "perhaps", "id": "i"},
        {"type": None, "id": "i"},
        {"id": "i"},
    ]
    assert kinds([decode(value) for value in values]) == ["Cat", "Dog", *3 * ["Perhaps"]]
    assert decode({"type": "tomorrow", "id": "i"}) == {"type": "tomorrow", "id": "i"}


def test_an_ambiguous_null_tag_selects_no_member(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), ref("Perhaps"), ref("Anything"))
    assert decode({"type": None, "id": "i"}) == {"type": None, "id": "i"}
    assert kinds([decode({"type": word, "id": "i"}) for word in ("perhaps", "more")]) == [
        "Perhaps",
        "Anything",
    ]


def test_the_member_without_a_tag_is_the_fallback(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), ref("Dog"), ref("Loose"))
    values = [CAT, {"type": "cat", "id": "i", "name": "c"}, {"type": "tomorrow"}, {"id": "i"}]
    assert kinds([decode(value) for value in values]) == ["Cat", "Cat", "Loose", "Loose"]


def test_an_undeclared_tag_matches_no_other_value(decoder: Callable[..., Decode]) -> None:
    decode = decoder(ref("Cat"), ref("Dog"), ref("Bare"))
    assert kinds([decode(CAT), decode({"id": "i"})]) == ["Cat", "Bare"]
    assert decode({"type": "tomorrow", "id": "i"}) == {"type": "tomorrow", "id": "i"}


def description(*names: str) -> dict[str, Any]:
    path = {"post": {"operationId": "x", "responses": {"200": {"description": ""}}}}
    schemas = {**MODELS, "RealtimeThing": model(inside={"anyOf": [ref(name) for name in names]})}
    return {"openapi": "3.1.0", "info": {}, "paths": {"/realtime": path}, "components": {"schemas": schemas}}


PATCH = """
[[patch]]
pointer = "/components/schemas/RealtimeThing/properties/inside"
op = "by_shape"
reason = "Left has left, Right has right."
link = "https://example.com"
"""


@each(
    "names, patched, says",
    [
        (("Left", "Right"), False, "have no discriminator or constant"),
        (("Cat", "Left", "Right"), False, "have no discriminator or constant"),
        (("Tom", "Rex"), False, "have no discriminator or constant"),
        (("Left", "Right"), True, None),
        (("Cat", "Dog"), True, "is not needed"),
        (("Cat", "Left"), False, None),
    ],
)
def test_a_union_matched_by_shape_is_refused_or_reviewed(
    openapi: Path, names: tuple[str, ...], patched: bool, says: str | None
) -> None:
    (openapi / "realtime.yaml").write_text(document_io.dump(description(*names)))
    (openapi / "patches.toml").write_text(PATCH if patched else "")
    (openapi / "names.toml").write_text("")
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    if says is None:
        pipeline.prepare(inputs, lambda step, what: None)
        return
    with pytest.raises(SpecError, match=says) as caught:
        pipeline.prepare(inputs, lambda step, what: None)
    assert caught.value.pointer == "/components/schemas/RealtimeThing/properties/inside"


def test_all_unions_to_review_are_named_at_once(openapi: Path) -> None:
    document = description("Left", "Right")
    for name in ("One", "Two"):
        document["components"]["schemas"][f"Realtime{name}"] = model(
            inside={"anyOf": [model(**{f"{name}{side}": {"type": "string"}}) for side in ("a", "b")]}
        )
    (openapi / "realtime.yaml").write_text(document_io.dump(document))
    for name in ("patches.toml", "names.toml"):
        (openapi / name).write_text("")
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    with pytest.raises(SpecError) as caught:
        pipeline.prepare(inputs, lambda step, what: None)
    places = [f"/components/schemas/Realtime{name}/properties/inside" for name in ("Thing", "One", "Two")]
    assert all(place in str(caught.value) for place in places)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_patch_may_fix_an_invalid_description(openapi: Path, fixed: bool) -> None:
    document = description("Cat", "Dog")
    document["components"]["schemas"]["RealtimeThing"]["properties"]["odd"] = {"type": "string", "enum": []}
    (openapi / "realtime.yaml").write_text(document_io.dump(document))
    pointer = "/components/schemas/RealtimeThing/properties/odd/enum"
    patch = PATCH.replace("by_shape", "remove").replace(
        "/components/schemas/RealtimeThing/properties/inside", pointer
    )
    (openapi / "patches.toml").write_text(patch if fixed else "")
    (openapi / "names.toml").write_text("")
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    if fixed:
        pipeline.prepare(inputs, lambda step, what: None)
        return
    with pytest.raises(SpecError, match="enum") as caught:
        pipeline.prepare(inputs, lambda step, what: None)
    assert (caught.value.step, caught.value.pointer) == ("slice", pointer)


def test_a_nested_object_without_required_properties_keeps_its_class(tmp_path: Path) -> None:
    union = model(
        cat=ref("Cat"), cats=list_of("Cat"), by_name=map_of("Cat"), any={"anyOf": [ref("Cat"), ref("Dog")]}
    )
    with generated(union, tmp_path) as package:
        holder = package.module("models").RealtimeUnion
        lacking = {"type": "cat", "more": 1}
        data = {"cat": lacking, "cats": [lacking, CAT], "by_name": {"k": lacking}, "any": lacking}
        made = holder.from_dict(data)
        inside = [made.cat, made.cats[0], made.by_name["k"], made.any]
        assert [(type(one).__name__, one.name, one.missing) for one in inside] == [
            ("Cat", None, ("name",))
        ] * 4
        assert made.missing == () == made.cats[1].missing
        assert made.to_dict() == data and holder.from_dict(made.to_dict()) == made
        assert copy.deepcopy(made).to_dict() == data
        made.cat.name = "Tom"
        assert made.to_dict()["cat"] == {**lacking, "name": "Tom"}
        with pytest.raises(ValueError, match="required property 'cats' is missing"):
            holder.from_dict({"cat": lacking})
        assert set(holder.from_dict({"cat": lacking}, strict=False).missing) == {"any", "by_name", "cats"}
