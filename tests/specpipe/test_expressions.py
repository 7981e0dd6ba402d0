"""Attribute names: the JSON key wherever Python allows it."""

from __future__ import annotations

import keyword

import pytest
from specpipe.plan.expressions import attribute_names

from tests.support.rows import each

pytestmark = pytest.mark.slow


@each(
    "key, name",
    [
        ("type", "type"),
        ("list", "list"),
        ("object", "object"),
        ("é", "é"),
        ("漢", "漢"),
        ("class", "class_"),
        ("None", "None_"),
        ("self", "self_"),
        ("cls", "cls_"),
        ("to_dict", "to_dict_"),
        ("from_dict", "from_dict_"),
        ("additional_properties", "additional_properties_"),
        ("UNSET", "UNSET_"),
        ("a-b", "a_b"),
        ("a b.c", "a_b_c"),
        ("$ref", "field_ref"),
        ("1st", "field_1st"),
        ("_x", "field_x"),
        ("__init__", "field__init__"),
        ("", "field_"),
        ("ﬁ", "fi"),
    ],
)
def test_attribute_names(key: str, name: str) -> None:
    assert attribute_names([key]) == {key: name}
    assert name.isidentifier() and not keyword.iskeyword(name)


def test_attribute_names_that_collide() -> None:
    """A key that is a valid identifier keeps its name, at any position."""
    made = attribute_names(["a-b", "a b", "a_b", "class", "class_", "A_B"])
    assert made == {
        "a-b": "a_b_",
        "a b": "a_b__",
        "a_b": "a_b",
        "class": "class__",
        "class_": "class_",
        "A_B": "A_B",
    }
    assert list(made) == ["a-b", "a b", "a_b", "class", "class_", "A_B"]
