"""Hypothesis strategies drawn from the packaged JSON Schemas, and a count of what was drawn."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from realtime_api import schemas

#: Values stay small: what is tested is structure, not size.
_TEXT = st.text(string.ascii_letters + " é漢\u2028\x00😀", max_size=6)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | _TEXT,
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


Kind = Callable[..., st.SearchStrategy[Any]]


class Drawn(Counter[str]):
    """How often each point of choice was drawn: `pointer=value`, `pointer/anyOf/2`, `pointer=null`."""


def instances(
    name: str, drawn: Drawn, *, extras: bool = False, shallow: bool = False
) -> st.SearchStrategy[Any]:
    """Valid instances of a packaged schema.

    Args:
        name: The model or alias.
        drawn: Gets every choice that was made.
        extras: Put unknown properties into every object.
        shallow: Draw the choices of this schema alone; what it refers to is there in its smallest form.
    """
    deepest = 0 if shallow else 99
    return _strategy({"$ref": f"#/$defs/{name}"}, name, drawn, extras, deepest)


def minimal(schema: Any) -> Any:
    """The smallest instance of a schema: what is required, the first of every choice."""
    if "$ref" in schema:
        return minimal(schemas.get(schema["$ref"].rsplit("/", 1)[-1]))
    if "anyOf" in schema:
        return minimal(schema["anyOf"][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "object":
        return {key: minimal(schema["properties"][key]) for key in schema.get("required", ())}
    return {"array": [], "string": "x", "boolean": False}.get(schema.get("type"), schema.get("minimum", 0))


def choices(name: str) -> set[str]:
    """Every point of choice in a schema, as `instances` counts them."""
    found: set[str] = set()

    def visit(schema: Any, at: str) -> None:
        if "$ref" in schema:
            return
        for index, member in enumerate(schema.get("anyOf", ())):
            found.add(f"{at}/anyOf/{index}")
            visit(member, f"{at}/anyOf/{index}")
        found.update(f"{at}={value!r}" for value in schema.get("enum", ()))
        for key, member in schema.get("properties", {}).items():
            visit(member, f"{at}/{key}")
        if isinstance(schema.get("items"), dict):
            visit(schema["items"], f"{at}/items")
        if isinstance(schema.get("additionalProperties"), dict):
            visit(schema["additionalProperties"], f"{at}/*")

    visit(schemas.get(name), name)
    return found


def _strategy(schema: Any, at: str, drawn: Drawn, extras: bool, depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if depth < 0:
            return st.just(minimal(schema))
        return st.deferred(lambda: _strategy(schemas.get(name), name, drawn, extras, depth - 1))
    if "anyOf" in schema:
        members = [
            _strategy(member, f"{at}/anyOf/{index}", drawn, extras, depth).map(
                _counting(drawn, f"{at}/anyOf/{index}")
            )
            for index, member in enumerate(schema["anyOf"])
        ]
        return st.one_of(members)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"]).map(lambda value: _counting(drawn, f"{at}={value!r}")(value))
    kind: Kind = _KINDS.get(schema.get("type", ""), lambda *_: _JSON)
    return kind(schema, at, drawn, extras, depth)


def _counting(drawn: Drawn, point: str) -> Any:
    def count(value: Any) -> Any:
        drawn[point] += 1
        return value

    return count


def _text(schema: Any, *_: Any) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return _TEXT.filter(lambda text: len(text) >= schema.get("minLength", 0))


def _integer(schema: Any, *_: Any) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", -9), schema.get("maximum", 9_999))


def _number(schema: Any, *_: Any) -> st.SearchStrategy[float]:
    low, high = schema.get("minimum", -9), schema.get("maximum", 9_999)
    return st.floats(low, high, allow_nan=False) | st.integers(int(low) + 1, int(high))


def _array(schema: Any, at: str, drawn: Drawn, extras: bool, depth: int) -> st.SearchStrategy[list[Any]]:
    items = _strategy(schema.get("items", {}), f"{at}/items", drawn, extras, depth)
    return st.lists(items, min_size=schema.get("minItems", 0), max_size=min(2, schema.get("maxItems", 2)))


def _object(
    schema: Any, at: str, drawn: Drawn, extras: bool, depth: int
) -> st.SearchStrategy[dict[str, Any]]:
    properties = {
        key: _strategy(member, f"{at}/{key}", drawn, extras, depth)
        for key, member in schema.get("properties", {}).items()
    }
    required = {key: properties[key] for key in schema.get("required", ()) if key in properties}
    optional = {key: value for key, value in properties.items() if key not in required}
    if not properties:
        values = schema.get("additionalProperties")
        inner = _strategy(values, f"{at}/*", drawn, extras, depth) if isinstance(values, dict) else _JSON
        return st.dictionaries(_TEXT, inner, max_size=2)
    drawn_object = st.fixed_dictionaries(required, optional=optional)
    if not extras:
        return drawn_object
    unknown = st.dictionaries(
        st.sampled_from(["x_new", "x-late", "ünbekannt"]), _JSON, min_size=1, max_size=2
    )
    return st.tuples(drawn_object, unknown).map(lambda pair: {**pair[1], **pair[0]})


_KINDS: dict[str, Kind] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
    "array": _array,
    "object": _object,
}
