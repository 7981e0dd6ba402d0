"""Hypothesis strategies for schemas with every known trap, in OpenAPI 3.0 and 3.1 notation.

Unions are nameless, nullable, nested, recursive; `drawn_words` has the names.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.specpipe.drawn_words import FORMATS, KEYS, VALUES, WORDS

Schema = st.SearchStrategy[Any]


def described(draw: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with some keywords that are valid beside any other."""
    beside = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "title": st.sampled_from(["Session", "Thing", "class", ""]),
                "description": st.sampled_from(WORDS) | st.none(),
                "example": st.sampled_from([{"$ref": "#/nowhere"}, 1, "x", [{"title": "t"}]]),
                "default": st.sampled_from([None, {}, {"type": "x"}, [], "x", "2024-13-45", 1, False]),
                "x-oaiMeta": st.just({"$ref": "elsewhere.yaml"}),
                "deprecated": st.booleans(),
                "nullable": st.booleans(),
            },
        )
    )
    return {**beside, **schema}


@st.composite
def scalars(draw: Any) -> Any:
    kind = draw(
        st.sampled_from(["string", "integer", "number", "boolean", "null", "enum", "const", "list", "limits"])
    )
    if kind == "enum":
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4))
        typed = draw(st.booleans()) and all(isinstance(value, str) for value in values)
        return {"enum": values} | ({"type": "string"} if typed else {})
    if kind == "const":
        return {"const": draw(st.sampled_from(VALUES))}
    if kind == "list":
        kinds = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
        return {"type": draw(st.lists(kinds, min_size=1, max_size=3)), "minLength": 1, "format": "int32"}
    if kind == "limits":
        return {"type": "integer", "minimum": 0, "exclusiveMinimum": draw(st.sampled_from([True, False, 0]))}
    form = draw(st.none() | st.sampled_from(FORMATS))
    return {"type": kind} | ({"format": form} if form is not None else {})


def references(names: list[str]) -> Schema:
    """References as people write them."""
    spelled = {name: name.replace("~", "~0").replace("/", "~1") for name in names}
    return st.sampled_from(names).map(
        lambda name: {"$ref": "#/components/schemas/" + spelled[name].replace("%", "%25").replace(" ", "%20")}
    )


def component(inner: Schema, names: list[str]) -> Schema:
    """A component's schema: made of others, and more than a reference, which could be to itself."""
    return _composed(inner, names, root=True)


def schemas(names: list[str]) -> Schema:
    """Any schema, its references among `names`."""
    leaves = scalars() | references(names) | st.sampled_from([{}, True, {"type": "object"}, {"type": "any"}])
    return st.recursive(leaves, lambda inner: _composed(inner, names), max_leaves=8)


@st.composite
def _composed(draw: Any, inner: Schema, names: list[str], *, root: bool = False) -> Any:
    """A schema made of others; as a component it is not only a reference, which could be to itself."""
    kinds = ["object", "object", "map", "array", "tagged", "allOf", "tuple", "open"]
    kind = draw(st.sampled_from(kinds if root else [*kinds, "union", "union", "nullable", "sibling"]))
    return described(draw, _MAKERS[kind](draw, inner, names))


def _object(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from(KEYS), inner, max_size=4))
    out: dict[str, Any] = {"properties": properties}
    if draw(st.booleans()):
        out["type"] = "object"
    if properties:
        out["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        out["required"] = [*out.get("required", []), "undescribed"]
    more = draw(st.sampled_from([None, True, False, {}, {"type": "string"}]))
    return out if more is None else {**out, "additionalProperties": more}


def _map(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": draw(inner)}


def _array(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    items = draw(inner | st.fixed_dictionaries({"type": st.just("array"), "items": inner}))
    chosen: dict[str, Any] = draw(
        st.sampled_from([{"type": "array", "items": items}, {"items": items}, {"type": "array"}])
    )
    return chosen


def _union(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    members = draw(st.lists(inner, min_size=1, max_size=3))
    out = {draw(st.sampled_from(["anyOf", "oneOf"])): members}
    if draw(st.booleans()):
        out["discriminator"] = {"propertyName": "type", "mapping": {"a": "#/components/schemas/Nowhere"}}
    if draw(st.booleans()):
        out["type"] = "object"
    return out


def _open(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A union that may have itself among its members."""
    union = _union(draw, inner, names)
    keyword = next(iter(union))
    return {**union, keyword: [*union[keyword], draw(scalars())]}


def _tagged(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A union discriminated by one-value enums, which may be optional."""
    tags = draw(st.lists(st.sampled_from(["a", "b", "c.d", 1]), min_size=2, max_size=3, unique=True))
    members = []
    for tag in tags:
        closed = draw(
            st.sampled_from([{"enum": [tag]}, {"const": tag}, {"type": "string", "enum": [str(tag)]}])
        )
        more = draw(st.dictionaries(st.sampled_from(KEYS), inner, max_size=2))
        required = draw(st.sampled_from([["type"], []]))
        members.append(
            {
                "title": "Member",
                "type": "object",
                "properties": {**more, "type": closed},
                "required": required,
            }
        )
    return {"oneOf": members, "discriminator": {"propertyName": "type"}}


def _nullable(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    schema = draw(inner)
    if not isinstance(schema, dict):
        schema = {}
    chosen: dict[str, Any] = draw(
        st.sampled_from(
            [
                {**schema, "nullable": True},
                {"anyOf": [schema, {"type": "null"}]},
                {"oneOf": [{"type": "null"}, schema]},
                {"allOf": [schema], "nullable": True},
            ]
        )
    )
    return chosen


def _all_of(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """`allOf` with siblings; its parts are objects or one reference, so that a value can fit them all."""
    own = _object(draw, inner, names)
    chosen: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"allOf": [own]},
                {"allOf": [own, {"required": ["type"]}]},
                {"allOf": [{"properties": {"base": {"type": "string"}}}, own], "description": "Both."},
                {"allOf": [{"type": "object"}], **own},
                {**own, "anyOf": [{"required": ["type"]}, {"required": ["name"]}]},
                {**own, "oneOf": [{"properties": {"left": {}}}, {"properties": {"right": {}}}]},
            ]
        )
    )
    return chosen


def _tuple(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [draw(inner)], "items": draw(inner)}


def _sibling(draw: Any, inner: Schema, names: list[str]) -> dict[str, Any]:
    """A reference with something beside it, or as the only part of `allOf`."""
    ref = draw(references(names))
    chosen: dict[str, Any] = draw(
        st.sampled_from([{**ref, "minLength": 1}, {"allOf": [ref]}, {"anyOf": [ref]}])
    )
    return chosen


_MAKERS = {
    "object": _object,
    "map": _map,
    "array": _array,
    "union": _union,
    "open": _open,
    "tagged": _tagged,
    "nullable": _nullable,
    "allOf": _all_of,
    "tuple": _tuple,
    "sibling": _sibling,
}
