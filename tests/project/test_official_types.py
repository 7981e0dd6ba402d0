"""The types of the official package against ours: differences are listed with their reasons."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from specpipe import patches
from specpipe.document_io import load

from tests import compare_official
from tests.compare_official import Difference, Shape, compare
from tests.support.paths import PEER_PYTHON
from tests.support.proposals import OPENAPI, Field, Value, proposal


def found(official: object, ours: object) -> list[str]:
    shapes = [
        Shape({"$defs": {"X": {"type": "object", "properties": {}}}}, [one]) for one in (official, ours)
    ]
    return [str(one) for one in compare(*shapes, "x")]


def an_object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


@pytest.mark.slow
def test_differences_from_the_official_package_are_listed_and_others_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    differences = list(compare_official.differences(PEER_PYTHON))
    monkeypatch.setattr(compare_official, "differences", lambda python: differences)
    status = compare_official.main([])
    assert (capsys.readouterr().out, status) == ("", 0)
    # One that is not listed, and a listed one that is gone.
    listed = tmp_path / "official.toml"
    rows = compare_official.KNOWN.read_text(encoding="utf-8").partition("[[difference]]")
    gone = 'path = "webhook"\nside = "ours"\nvalue = "type 1"\nreason = "None."\n'
    listed.write_text(f"{rows[1]}\n{gone}", encoding="utf-8")
    monkeypatch.setattr(compare_official, "KNOWN", listed)
    assert compare_official.main([]) == 1
    printed = capsys.readouterr().out
    assert "webhook: only official: type 'batch.failed'" in printed
    assert "no such difference: webhook, only ours: type 1" in printed


def test_each_known_difference_has_a_reason() -> None:
    assert all(len(one.reason) > 20 and one.side in ("official", "ours") for one in compare_official.known())


@pytest.mark.parametrize(
    ("official", "ours", "differences"),
    [
        (an_object(a={"type": "string"}), an_object(a={"type": "string"}), []),
        (an_object(a={}, b={}), an_object(a={}), ["x: only official: property b"]),
        (an_object(a={}), an_object(a={}, b={}), ["x: only ours: property b"]),
        (an_object(a={"type": "string"}), an_object(a={"type": "integer"}),
         ["x.a: only official: kind string", "x.a: only ours: kind number"]),
        ({"enum": ["a", "b"]}, {"const": "a"}, ["x: only official: 'b'"]),
        # Null and integers are no difference: the official package makes all that is optional nullable.
        (an_object(a={"type": "integer"}), an_object(a={"type": ["number", "null"]}), []),
        ({"type": "array", "items": an_object(a={})}, {"type": "array", "items": an_object()},
         ["x[]: only official: property a"]),
        ({"anyOf": [an_object(type={"const": "a"}), an_object(type={"const": "b"})]},
         {"oneOf": [an_object(type={"const": "a"})]}, ["x: only official: type 'b'"]),
    ],
)  # fmt: skip
def test_keys_missing_on_one_side_are_found(official: object, ours: object, differences: list[str]) -> None:
    assert found(official, ours) == differences


def test_members_of_a_union_are_compared_by_their_type() -> None:
    def member(kind: str, *names: str) -> dict[str, object]:
        return an_object(type={"const": kind}, **{name: {} for name in names})

    official = {"anyOf": [member("a", "one"), member("b"), member("c")]}
    ours = {"oneOf": [member("a"), member("b")]}
    assert found(official, ours) == ["x: only official: type 'c'", "x<a>: only official: property one"]


def test_a_type_that_contains_itself_is_compared_once() -> None:
    document = {"$defs": {"Node": an_object(next={"$ref": "#/$defs/Node"}, value={})}}
    other = {"$defs": {"Node": an_object(next={"$ref": "#/$defs/Node"})}}
    reference = {"$ref": "#/$defs/Node"}
    differences = list(compare(Shape(document, [reference]), Shape(other, [reference]), "x"))
    assert differences[0] == Difference("x", "official", "property value")
    assert len(differences) < 4, json.dumps([str(one) for one in differences])


@pytest.mark.slow
def test_a_new_field_and_a_new_value_are_offered_as_patches_that_apply() -> None:
    named = {"$defs": {"LiveWakePolicy": an_object(type={"const": "speech"})}}
    newer = an_object(type={"const": "speech"}, linger_s={"anyOf": [{"type": "integer"}, {"type": "null"}]})
    shapes = Shape({}, [newer]), Shape(named, [{"$ref": "#/$defs/LiveWakePolicy"}])
    (difference,) = compare(*shapes, "x")
    models = frozenset({"gpt-live-1", "gpt-live-1.1"})
    assert isinstance(difference.addition, Field)
    text = proposal([difference.addition, difference.addition, Value(models, "gpt-live-2")])
    offered = tomllib.loads(text)["patch"]
    assert [(one["pointer"], one["op"]) for one in offered] == [
        ("/components/schemas/LiveWakePolicy/properties", "merge"),
        ("/components/schemas/ModelIdsLive/anyOf/1", "merge"),
    ]
    assert offered[0]["value"]["linger_s"]["type"] == "integer"
    assert offered[1]["value"]["enum"] == ["gpt-live-1", "gpt-live-1.1", "gpt-live-2"]
    document = patches.apply(
        load(OPENAPI / "realtime.yaml"),
        (*patches.read(OPENAPI / "patches.toml"), *(patches.Patch(**one) for one in offered)),
    )[0]
    schemas = document["components"]["schemas"]
    assert "linger_s" in schemas["LiveWakePolicy"]["properties"]
    assert "gpt-live-2" in schemas["ModelIdsLive"]["anyOf"][1]["enum"]


def test_what_differs_names_the_schema_that_lacks_it() -> None:
    document = {"$defs": {"Outer": an_object(inner={"$ref": "#/$defs/Inner"}), "Inner": an_object(a={})}}
    official = an_object(inner=an_object(a={}, b={"type": "string"}))
    found = list(compare(Shape({}, [official]), Shape(document, [{"$ref": "#/$defs/Outer"}]), "x"))
    assert [one.addition for one in found] == [Field(("Inner",), "b", {"type": "string"})]
