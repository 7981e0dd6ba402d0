"""Names that a person chose, and names that Python makes necessary."""

from __future__ import annotations

import builtins
import copy
import keyword
from pathlib import Path
from typing import Any

import pytest
from specpipe import names, pipeline
from specpipe.errors import SpecError
from specpipe.slice import Slice

from tests.specpipe.cases import document, ref
from tests.support.rows import each

pytestmark = pytest.mark.slow

TEXT = {"type": "string"}


def hoisted(at: str, *, description: str = "", **properties: Any) -> dict[str, Any]:
    """An object schema that stood at a pointer."""
    words = {"description": description} if description else {}
    return {"type": "object", "properties": properties, "x-pointer": at, **words}


def applied(schemas: dict[str, Any], chosen: dict[str, str] | None = None, *, skip: bool = False) -> Any:
    given = document(copy.deepcopy(schemas))
    out = names.apply(given, chosen or {}, skip_missing=skip)
    assert given == document(schemas), "the document that came in was changed"
    return out


def renamed(*schemas: str) -> dict[str, str]:
    """Old name → new name of schemas without names chosen by a person."""
    out, changed, _ = applied(dict.fromkeys(schemas, TEXT))
    assert len(out["components"]["schemas"]) == len(schemas)
    return {name: changed.get(name, name) for name in schemas}


def test_a_chosen_name_renames_references() -> None:
    schemas = {"A": hoisted("/a", u=ref("AUsage")), "AUsage": hoisted("/a/properties/u", n=TEXT)}
    out, changed, skipped = applied(schemas, {"/a/properties/u": "Usage"})
    assert out["components"]["schemas"] == {
        "A": {"type": "object", "properties": {"u": ref("Usage")}},
        "Usage": {"type": "object", "properties": {"n": TEXT}},
    }
    assert changed == {"AUsage": "Usage"} and skipped == []


def test_schemas_of_one_shape_share_a_name() -> None:
    schemas = {
        "A": hoisted("/a", u=ref("AUsage"), w=ref("BUsage")),
        "AUsage": hoisted("/1", description="The first's words.", n={**TEXT, "description": "N."}),
        "BUsage": {**hoisted("/2", n=TEXT), "discriminator": {"propertyName": "n"}},
    }
    out, changed, _ = applied(schemas, {"/1": "Usage", "/2": "Usage"})
    made = out["components"]["schemas"]
    assert list(made) == ["A", "Usage"] and changed == {"AUsage": "Usage", "BUsage": "Usage"}
    assert made["A"]["properties"] == {"u": ref("Usage"), "w": ref("Usage")}
    assert made["Usage"]["description"] == "The first's words."
    assert made["Usage"]["properties"]["n"]["description"] == "N."


def test_further_pointers_of_a_shape_can_be_named() -> None:
    schemas = {"AUsage": {**hoisted("/1", n=TEXT), "x-pointers": ["/2", "/3"]}}
    out, _, _ = applied(schemas, {"/3": "Usage"})
    assert list(out["components"]["schemas"]) == ["Usage"]


CLASH = {"AUsage": hoisted("/1", n=TEXT), "BUsage": hoisted("/2", n={"type": "integer"})}


def test_two_shapes_cannot_share_a_name() -> None:
    with pytest.raises(SpecError, match="different shape share the name Usage") as caught:
        applied(CLASH, {"/1": "Usage", "/2": "Usage"})
    assert caught.value.pointer == "/2" and "names.toml" in caught.value.hint
    out, changed, skipped = applied(CLASH, {"/1": "Usage", "/2": "Usage"}, skip=True)
    assert list(out["components"]["schemas"]) == ["Usage", "BUsage"]
    assert (changed, skipped) == ({"AUsage": "Usage"}, ["/2"])


def test_a_property_called_description_is_part_of_the_shape() -> None:
    schemas = {"A": hoisted("/1", description="A.", n=TEXT), "B": hoisted("/2", n=TEXT)}
    schemas["B"]["properties"]["description"] = TEXT
    with pytest.raises(SpecError, match="different shape"):
        applied(schemas, {"/1": "Usage", "/2": "Usage"})


def test_a_chosen_name_of_another_schema() -> None:
    same = {"Usage": {"type": "object", "properties": {"n": TEXT}}, "AUsage": hoisted("/1", n=TEXT)}
    out, _, _ = applied(same, {"/1": "Usage"})
    assert list(out["components"]["schemas"]) == ["Usage"]
    other = {**same, "Usage": {"type": "object", "properties": {"m": TEXT}}}
    with pytest.raises(SpecError, match="different shape") as caught:
        applied(other, {"/1": "Usage"})
    assert caught.value.pointer == "/1"
    with pytest.raises(SpecError, match="different shape") as caught:
        applied(dict(reversed(other.items())), {"/1": "Usage"})
    assert caught.value.pointer == "/1", "the other schema has no pointer to tell"
    assert list(applied(other, {"/1": "Usage"}, skip=True)[0]["components"]["schemas"]) == ["Usage", "AUsage"]


def test_a_pointer_that_leads_to_no_hoisted_schema() -> None:
    with pytest.raises(SpecError, match=r"\(Gone\) is for a schema that does not exist") as caught:
        applied(CLASH, {"/1": "Usage", "/9": "Gone"})
    assert caught.value.pointer == "/9" and "names.toml" in caught.value.hint
    out, _, skipped = applied(CLASH, {"/1": "Usage", "/9": "Gone"}, skip=True)
    assert skipped == ["/9"] and "Usage" in out["components"]["schemas"]


@each(
    "name, expected",
    [
        ("RealtimeMCPTool", "RealtimeMCPTool"),
        ("VoiceIdsOrCustomVoice2", "VoiceIdsOrCustomVoice2"),
        ("snake_case", "SnakeCase"),
        ("Snake_Case", "SnakeCase"),
        ("dash-and.dot v2", "DashAndDotV2"),
        ("class", "Class"),
        ("None", "NoneModel"),
        ("Exception", "ExceptionModel"),
        ("Any", "AnyModel"),
        ("Model", "ModelModel"),
        ("Response", "ResponseModel"),
        ("2FA", "Model2FA"),
        ("-", "ModelModel"),
        ("Übung", "Übung"),
        ("ﬁle", "File"),
        ("漢字", "ModelModel"),
        ("ThingParam", "Thing"),  # the TypedDict of Thing
        ("Param", "Param"),
        ("ThingParams", "ThingParams"),
    ],
)
def test_class_names(name: str, expected: str) -> None:
    made = names.class_name(name)
    assert made == expected
    assert made.isidentifier() and not keyword.iskeyword(made) and not hasattr(builtins, made)


@each(
    "name, module",
    [
        ("RealtimeMCPTool", "realtime_mcp_tool"),
        ("V2Thing", "v_2_thing"),
        ("Class", "class_"),
        ("Übung", "bung"),
    ],
)
def test_module_names(name: str, module: str) -> None:
    assert names.module_name(name) == module


def test_names_are_unique_on_case_insensitive_file_systems() -> None:
    made = renamed("RealtimeThing", "Realtimething", "RealtimeTHING", "Realtime_Thing", "realtime thing")
    assert made["RealtimeThing"] == "RealtimeThing"
    assert len({names.module_name(name) for name in made.values()}) == 5
    assert len({name.lower() for name in made.values()}) == 5


def test_valid_names_take_precedence_over_derived_ones() -> None:
    assert renamed("snake_case", "SnakeCase") == {"snake_case": "SnakeCaseV2", "SnakeCase": "SnakeCase"}


def test_non_latin_names_stay_distinct() -> None:
    made = renamed("漢字", "かな", "???")
    assert len(set(made.values())) == 3 and all(name.isidentifier() for name in made.values())
    assert len({names.module_name(name) for name in made.values()}) == 3


def test_a_chosen_name_takes_precedence_over_a_derived_one() -> None:
    schemas = {"usage": TEXT, "AUsage": hoisted("/1", n=TEXT)}
    out, changed, _ = applied(schemas, {"/1": "Usage"})
    assert changed == {"AUsage": "Usage", "usage": "UsageV2"}
    assert set(out["components"]["schemas"]) == {"Usage", "UsageV2"}


def test_events_and_webhooks_are_renamed() -> None:
    part = Slice(document=document({}), events={"SERVER_EVENTS": ("a_b", "C")}, webhooks=("a_b",))
    followed = names.follow(part, {"a_b": "AB"}, document({"AB": TEXT}))
    assert followed == Slice(document({"AB": TEXT}), {"SERVER_EVENTS": ("AB", "C")}, ("AB",))


@each(
    "text, told",
    [
        ("A = ", "cannot read"),
        ('a_b = "/x"', "'a_b' is not a class name"),
        ('List = "/x"', None),
        ('Exception = "/x"', "Exception is reserved"),
        ('Unset = "/x"', "Unset is reserved"),
        ("Usage = []", "Usage has no pointer"),
        ("Usage = 3", "Usage has no pointer"),
        ('Usage = "x"', "Usage has no pointer"),
        ('Usage = ["/x", "/x"]', "names the same schema twice"),
        ('Usage = "/x"\nOther = "/x"', "names the same schema twice"),
    ],
)
def test_a_names_file(tmp_path: Path, text: str, told: str | None) -> None:
    path = tmp_path / "names.toml"
    path.write_text(text)
    if told is None:
        assert names.read(path) == {"/x": "List"}
        return
    with pytest.raises(SpecError, match=told):
        names.read(path)


def test_a_names_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_bytes(b"\xff")
    for path in (tmp_path / "names.toml", tmp_path / "none.toml"):
        with pytest.raises(SpecError, match="cannot read"):
            names.read(path)


def test_the_project_s_names_are_readable() -> None:
    chosen = set(names.read(pipeline.OPENAPI / "names.toml").values())
    assert chosen and not any(name.endswith(("ItemItem", "Type0", "Type1", "V2")) for name in chosen)
