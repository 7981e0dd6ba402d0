"""Hypothesis strategies drawn from normalised JSON Schemas, and a count of what was drawn."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st
from realtime_api import schemas

Get = Callable[[str], dict[str, Any]]

#: Values stay small: what is tested is structure, not size.
TEXT = st.text(string.ascii_letters + " é漢\u2028\x00😀", max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


class Drawn(Counter[str]):
    """How often each point of choice was drawn: `pointer=value`, `pointer/anyOf/2`, `pointer=null`."""


class EndlessError(Exception):
    """A schema that no finite value fits: it requires itself."""


def instances(
    name: str, drawn: Drawn, *, extras: bool = False, through: str = "", get: Get = schemas.get
) -> st.SearchStrategy[Any]:
    """Valid instances of a packaged schema.

    Args:
        name: The model or alias.
        drawn: Gets every choice that was made.
        extras: Put unknown properties into every object.
        through: A choice of this schema (see `choices`) that every instance makes; what the schema refers to
            is then there in its smallest form.
        get: The schemas by name.
    """
    return Drawing(get, drawn, extras, through).instances(name)


def values(schema: dict[str, Any], get: Get = schemas.get) -> st.SearchStrategy[Any]:
    """Valid values of an unnamed schema."""
    return Drawing(get, Drawn(), False).strategy(schema, "", 4)


def minimal(schema: Any, get: Get = schemas.get, seen: tuple[str, ...] = ()) -> Any:
    """Return the smallest instance of a schema: required properties, the first of every choice.

    Raises:
        EndlessError: there is none.
    """
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in seen:
            raise EndlessError(name)
        return minimal(get(name), get, (*seen, name))
    if "anyOf" in schema:
        for member in schema["anyOf"]:
            if not endless(member, get, seen):
                return minimal(member, get, seen)
        raise EndlessError(schema)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("not") == {}:
        raise EndlessError(schema)
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        return {key: minimal(properties.get(key, {}), get, seen) for key in schema.get("required", ())}
    return {"array": [], "string": "x", "boolean": False, "null": None}.get(
        schema.get("type"), schema.get("minimum", 0)
    )


def endless(schema: Any, get: Get = schemas.get, seen: tuple[str, ...] = ()) -> bool:
    """Whether no finite value fits a schema."""
    if "$ref" in schema and not seen:
        return _endless_by_name(schema["$ref"].rsplit("/", 1)[-1], get)
    try:
        minimal(schema, get, seen)
    except EndlessError:
        return True
    return False


@cache
def _endless_by_name(name: str, get: Get) -> bool:
    return endless(get(name), get, (name,))


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


class Drawing:
    """Strategies for the schemas of one document, sharing those of referenced schemas."""

    def __init__(self, get: Get, drawn: Drawn, extras: bool, through: str = "") -> None:
        self.through = through
        self.get = get
        self.drawn = drawn
        self.extras = extras
        self._named: dict[tuple[str, int], st.SearchStrategy[Any]] = {}
        self._kinds: dict[str, Callable[[Any, str, int], st.SearchStrategy[Any]]] = {
            "string": self._text,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda *_: st.booleans(),
            "null": lambda *_: st.none(),
            "array": self._array,
            "object": self._object,
        }

    def instances(self, name: str) -> st.SearchStrategy[Any]:
        """Valid instances of one schema."""
        return self.strategy({"$ref": f"#/$defs/{name}"}, name, 0 if self.through else 4)

    def strategy(self, schema: Any, at: str, depth: int) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            if depth < 0:
                return st.just(minimal(schema, self.get))
            if (name, depth) not in self._named:  # in full, it would be looked through for each use
                self._named[name, depth] = st.deferred(lambda: self.strategy(self.get(name), name, depth - 1))
            return self._named[name, depth]
        if "anyOf" in schema:
            members = {
                f"{at}/anyOf/{index}": member
                for index, member in enumerate(schema["anyOf"])
                if not endless(member, self.get)
            }
            wanted = [point for point in members if self._leads(point)] or list(members)
            return st.one_of(
                [self.strategy(members[point], point, depth).map(self._counting(point)) for point in wanted]
            )
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            wanted_values = [value for value in schema["enum"] if self.through == f"{at}={value!r}"]
            return st.sampled_from(wanted_values or schema["enum"]).map(
                lambda value: self._counting(f"{at}={value!r}")(value)
            )
        kind = self._kinds.get(schema.get("type", ""))
        return JSON if kind is None else kind(schema, at, depth)

    def _leads(self, point: str) -> bool:
        """Whether the choice that has to be made is at this point or inside it."""
        rest = self.through.removeprefix(point)
        return bool(self.through) and rest != self.through and rest[:1] in ("", "/", "=")

    def _counting(self, point: str) -> Callable[[Any], Any]:
        def count(value: Any) -> Any:
            self.drawn[point] += 1
            return value

        return count

    def _text(self, schema: Any, *_: Any) -> st.SearchStrategy[str]:
        if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        return TEXT.filter(lambda text: len(text) >= schema.get("minLength", 0))

    def _integer(self, schema: Any, *_: Any) -> st.SearchStrategy[int]:
        low = schema.get("minimum", -9)
        return st.integers(low, schema.get("maximum", low + 9_999))

    def _number(self, schema: Any, *_: Any) -> st.SearchStrategy[float]:
        low = schema.get("minimum", -9)
        high = schema.get("maximum", low + 9_999)
        return st.floats(low, high, allow_nan=False) | st.integers(int(low) + 1, int(high))

    def _array(self, schema: Any, at: str, depth: int) -> st.SearchStrategy[list[Any]]:
        described = schema.get("items", {})
        if "prefixItems" in schema or endless(described, self.get):
            return st.just([])
        items = self.strategy(described, f"{at}/items", depth)
        least = max(schema.get("minItems", 0), int(self._leads(f"{at}/items")))
        return st.lists(items, min_size=least, max_size=max(least, min(2, schema.get("maxItems", 2))))

    def _object(self, schema: Any, at: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        properties = {
            key: self.strategy(member, f"{at}/{key}", depth)
            for key, member in schema.get("properties", {}).items()
            if not endless(member, self.get)
        }
        needed = [*schema.get("required", ()), *(key for key in properties if self._leads(f"{at}/{key}"))]
        required = {key: properties.get(key, JSON) for key in needed}
        optional = {key: value for key, value in properties.items() if key not in required}
        if not properties:
            values = schema.get("additionalProperties")
            free = not isinstance(values, dict) or endless(values, self.get)
            inner = JSON if free else self.strategy(values, f"{at}/*", depth)
            some = st.dictionaries(TEXT, inner, min_size=int(self._leads(f"{at}/*")), max_size=2)
            return (
                some
                if not required
                else st.tuples(some, st.fixed_dictionaries(required)).map(lambda p: p[0] | p[1])
            )
        drawn_object = st.fixed_dictionaries(required, optional=optional)
        if not self.extras:
            return drawn_object
        unknown = st.dictionaries(
            st.sampled_from(["x_new", "x-late", "ünbekannt"]), JSON, min_size=1, max_size=2
        )
        return st.tuples(drawn_object, unknown).map(lambda pair: {**pair[1], **pair[0]})
