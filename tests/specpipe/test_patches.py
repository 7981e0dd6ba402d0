"""Patches: each operation, wildcards, and that no patch outlives its need."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from specpipe import patches
from specpipe.errors import SpecError
from specpipe.patches import Patch

from tests.support.rows import each

pytestmark = pytest.mark.slow

DOCUMENT: dict[str, Any] = {
    "paths": {"/a": {"post": {"responses": {"200": {}}}}, "/b": {"post": {"responses": {"200": {}}}}},
    "components": {
        "schemas": {
            "A": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "B": {"anyOf": [{}, {}]},
        }
    },
}


def patch(pointer: str, op: Any, value: Any = None) -> Patch:
    return Patch(pointer=pointer, op=op, value=value, reason="because", link="https://example.com")


def patched(*given: Patch) -> dict[str, Any]:
    before = copy.deepcopy(DOCUMENT)
    out, skipped = patches.apply(DOCUMENT, given)
    assert before == DOCUMENT, "the document itself is left alone"
    assert skipped == []
    return out


N = "/components/schemas/A/properties/n"


def test_merge_adds_keys_to_an_object() -> None:
    out = patched(patch(N, "merge", {"minimum": 1}))
    assert out["components"]["schemas"]["A"]["properties"]["n"] == {"type": "integer", "minimum": 1}


def test_merge_adds_to_a_list_what_is_not_in_it() -> None:
    union = "/components/schemas/B/anyOf"
    out = patched(patch(union, "merge", [{}, {"type": "null"}]))
    assert out["components"]["schemas"]["B"]["anyOf"] == [{}, {}, {"type": "null"}]
    with pytest.raises(SpecError, match="changes nothing"):
        patched(patch(union, "merge", [{}]))
    for pointer, value, needed in ((N, [{}], "a list"), (union, {"x": 1}, "an object")):
        with pytest.raises(SpecError, match=f"a merge needs {needed}"):
            patched(patch(pointer, "merge", value))


def test_add_replace_and_remove() -> None:
    schemas = patched(
        patch("/components/schemas/C", "add", {"type": "string"}),
        patch(N, "replace", {"type": "number"}),
        patch("/components/schemas/A/type", "remove"),
    )["components"]["schemas"]
    assert schemas["C"] == {"type": "string"}
    assert schemas["A"] == {"properties": {"n": {"type": "number"}}}


def test_nullable_also_allows_null() -> None:
    out = patched(patch(N, "nullable"))
    assert out["components"]["schemas"]["A"]["properties"]["n"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}]
    }


def test_a_star_matches_every_key_and_index() -> None:
    out = patched(
        patch("/paths/*/post/responses", "merge", {"4XX": {}}),
        patch("/components/schemas/B/anyOf/*", "merge", {"x": 1}),
    )
    assert [set(item["post"]["responses"]) for item in out["paths"].values()] == [{"200", "4XX"}] * 2
    assert out["components"]["schemas"]["B"]["anyOf"] == [{"x": 1}, {"x": 1}]


@each(
    "given",
    [
        patch("/components/schemas/Gone", "merge", {"x": 1}),
        patch("/paths/~1c/post", "remove"),
        patch(N + "/x", "nullable"),
    ],
)
def test_a_patch_that_matches_nothing_is_an_error_or_skipped(given: Patch) -> None:
    with pytest.raises(SpecError) as caught:
        patches.apply(DOCUMENT, (given,))
    assert caught.value.pointer == given.pointer and "patches.toml" in caught.value.hint
    assert patches.apply(DOCUMENT, (given,), skip_missing=True) == (DOCUMENT, [0])


def test_a_patch_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(SpecError, match="changes nothing"):
        patches.apply(DOCUMENT, (patch(N, "merge", {"type": "integer"}),))


@each(
    "text, told",
    [
        ("[[patch]", "cannot read"),
        ('[[patch]]\npointer = "/a"\nop = "merge"\nreason = "r"', "link"),
        ('[[patch]]\npointer = "/a"\nop = "bend"\nreason = "r"\nlink = "l"', "bend"),
        ('[[patch]]\npointer = "/a"\nop = "merge"\nreason = "r"\nlink = "l"\nvalue = 1', "a table or a list"),
        ('[[patch]]\npointer = "/a"\nop = "add"\nreason = "r"\nlink = "l"\nwhy = "x"', "why"),
    ],
)
def test_an_invalid_patches_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "patches.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=told):
        patches.read(path)


def test_the_project_s_patches_have_reasons_and_links() -> None:
    from specpipe import pipeline

    read = patches.read(pipeline.OPENAPI / "patches.toml")
    assert len(read) > 60
    assert all(len(one.reason.split()) >= 3 and one.link.startswith("https://") for one in read)


def test_a_patch_with_a_reference_to_nothing_is_an_error_or_skipped() -> None:
    given = patch("/components/schemas/A/properties/new", "add", {"$ref": "#/components/schemas/Missing"})
    with pytest.raises(SpecError, match="refers to Missing, which does not exist"):
        patched(given)


def test_schemas_of_one_patch_may_refer_to_each_other() -> None:
    added = {"First": {"$ref": "#/components/schemas/Second"}, "Second": {"type": "string"}}
    assert (
        patched(patch("/components/schemas", "merge", added))["components"]["schemas"].items() > added.items()
    )
    with pytest.raises(SpecError, match="refers to Second"):
        patched(patch("/components/schemas", "merge", {"First": added["First"]}))
