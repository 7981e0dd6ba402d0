"""Values checked against a JSON Schema, with messages that a model can act on.

It checks what a tool's parameters are written with: types, constants, enums, properties, items, limits,
lengths, patterns, unions and local references. `format` and keywords that are rarer still are taken as
notes. This module must not know about tools.

Source: JSON Schema 2020-12, https://json-schema.org/draft/2020-12/json-schema-validation.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import attrs

__all__ = ["Problem", "check", "type_name"]


@attrs.frozen
class Problem:
    """One way in which a value doesn't fit.

    Args:
        kind: "missing_argument", "unknown_argument" or "invalid_argument".
        path: Where, such as `guest.names[0]`; empty for the value itself.
        message: A phrase with the path, what was wrong and what is allowed.
        depth: Steps from the value that was checked.
        of_form: Whether the value is of another type altogether.
    """

    kind: str
    path: str
    message: str
    depth: int
    of_form: bool = False


def check(schema: Any, value: Any) -> list[Problem]:
    """Find everything that is wrong with a value.

    Args:
        schema: JSON Schema; references may go to its own parts.
        value: Decoded JSON.

    Returns:
        The problems, outermost first; empty if it fits.
    """
    return list(_Checker(schema).problems(schema, value, "", 0))


@attrs.frozen
class _Checker:
    root: Any

    def problems(self, schema: Any, value: Any, path: str, depth: int) -> Iterator[Problem]:
        if not isinstance(schema, dict):
            if schema is False:
                yield _invalid(path, depth, "nothing is allowed here", value)
            return
        target = _target(self.root, schema.get("$ref"))
        if target is not None:
            yield from self.problems(target, value, path, depth)
        expected = _other_form(schema, value)
        if expected:
            yield attrs.evolve(_invalid(path, depth, expected, value), of_form=True)
            return
        expected = _expectation(schema, value)
        if expected:
            yield _invalid(path, depth, expected, value)
            return
        if isinstance(value, dict):
            yield from self._object(schema, value, path, depth)
        elif isinstance(value, list):
            yield from self._array(schema, value, path, depth)
        for part in schema.get("allOf", ()):
            yield from self.problems(part, value, path, depth)
        yield from self._unions(schema, value, path, depth)

    def _object(
        self, schema: dict[str, Any], value: dict[str, Any], path: str, depth: int
    ) -> Iterator[Problem]:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                at = _member(path, name)
                yield Problem("missing_argument", at, f"{at} is missing and required", depth + 1)
        patterns = schema.get("patternProperties", {})
        extra = schema.get("additionalProperties", True)
        for name, item in value.items():
            at = _member(path, name)
            matching = [part for pattern, part in patterns.items() if _matches(pattern, name)]
            if name in properties:
                matching.append(properties[name])
            if not matching and extra is False:
                yield Problem("unknown_argument", at, _unknown(at, name, properties), depth + 1)
                continue
            for part in matching or [extra]:
                yield from self.problems(part, item, at, depth + 1)
            for problem in self.problems(schema.get("propertyNames", True), name, at, depth + 1):
                yield attrs.evolve(problem, message=f"the name of {problem.message}")

    def _array(self, schema: dict[str, Any], value: list[Any], path: str, depth: int) -> Iterator[Problem]:
        first = schema.get("prefixItems", ())
        rest = schema.get("items", True)
        for index, item in enumerate(value):
            part = first[index] if index < len(first) else rest
            yield from self.problems(part, item, f"{path}[{index}]", depth + 1)

    def _unions(self, schema: dict[str, Any], value: Any, path: str, depth: int) -> Iterator[Problem]:
        for keyword in ("anyOf", "oneOf"):
            if keyword not in schema:
                continue
            results = [list(self.problems(part, value, path, depth)) for part in schema[keyword]]
            fitting = sum(not found for found in results)
            if fitting > 1 and keyword == "oneOf":
                yield _invalid(
                    path, depth, f"expected one of {len(results)} forms, and it fits {fitting}", value
                )
            if fitting:
                continue
            # The form that was meant is the one whose type the value has, with the fewest faults.
            meant = sorted((found for found in results if _meant(found, depth)), key=len)
            if len(results) == 1:
                yield from results[0]
            elif meant and (len(meant) == 1 or len(meant[0]) < len(meant[1])):
                yield from meant[0]
            elif meant:
                faults = " / ".join(", ".join(problem.message for problem in found) for found in meant)
                yield _invalid(path, depth, f"expected one of {len(results)} forms ({faults})", value)
            else:
                forms = dict.fromkeys(_form(self.root, part) for part in schema[keyword])
                yield _invalid(path, depth, f"expected {' or '.join(forms)}", value)
        if "not" in schema and not list(self.problems(schema["not"], value, path, depth)):
            yield _invalid(path, depth, "this is what is not allowed", value)


def _meant(found: list[Problem], depth: int) -> bool:
    return not any(problem.of_form and problem.depth == depth for problem in found)


def _other_form(schema: dict[str, Any], value: Any) -> str | None:
    """What the schema expects, if that is of another type than the value."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, name) for name in types):
        return f"expected {' or '.join(types)}, got {type_name(value)}"
    members = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    if not any(type_name(member) == type_name(value) for member in members):
        return _expectation(schema, value)
    return None


def _expectation(schema: dict[str, Any], value: Any) -> str | None:
    """What the schema's own assertions ask for, if the value doesn't have it."""
    if "const" in schema and not _same(schema["const"], value):
        return f"expected {_shown(schema['const'])}"
    if "enum" in schema and not any(_same(member, value) for member in schema["enum"]):
        one_of = "one of " if len(schema["enum"]) > 1 else ""
        return f"expected {one_of}{', '.join(_shown(member) for member in schema['enum'])}"
    if isinstance(value, str):
        return _text_expectation(schema, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_expectation(schema, value)
    if isinstance(value, list):
        if schema.get("uniqueItems") and any(_same(a, b) for i, a in enumerate(value) for b in value[:i]):
            return "expected no item twice"
        return _size_expectation(schema, len(value), "Items", "items")
    if isinstance(value, dict):
        return _size_expectation(schema, len(value), "Properties", "fields")
    return None


def _text_expectation(schema: dict[str, Any], value: str) -> str | None:
    if "pattern" in schema and not _matches(schema["pattern"], value):
        return f"expected text that matches {schema['pattern']}"
    return _size_expectation(schema, len(value), "Length", "characters")


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True  # JavaScript's patterns are not all Python's; such a one is taken as a note


def _size_expectation(schema: dict[str, Any], size: int, suffix: str, unit: str) -> str | None:
    least, most = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}")
    if size < least or (most is not None and size > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        return f"expected {wanted} {unit}, got {size}"
    return None


def _number_expectation(schema: dict[str, Any], value: float) -> str | None:
    for keyword, words, fits in (
        ("minimum", "at least", lambda limit: value >= limit),
        ("maximum", "at most", lambda limit: value <= limit),
        ("exclusiveMinimum", "more than", lambda limit: value > limit),
        ("exclusiveMaximum", "less than", lambda limit: value < limit),
        ("multipleOf", "a multiple of", lambda limit: _fraction(value) % _fraction(limit) == 0),
    ):
        if keyword in schema and not fits(schema[keyword]):
            return f"expected {words} {_shown(schema[keyword])}"
    return None


def _fraction(number: float) -> Fraction:
    return Fraction(repr(number))  # as it is written: 0.3 is a multiple of 0.1


def _target(root: Any, reference: str | None) -> Any:
    """Follow a JSON pointer into the schema; None if it leads out of it or nowhere."""
    if reference is None or not reference.startswith("#"):
        return None
    node = root
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


def _invalid(path: str, depth: int, expected: str, value: Any) -> Problem:
    where = path or "the value"
    return Problem("invalid_argument", path, f"{where}: {expected}; it is {_shown(value)}", depth)


def _unknown(at: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(names)}" if names else ""
    return f"{at} is not known{hint}"


def _form(root: Any, schema: Any) -> str:
    if not isinstance(schema, dict):
        return "anything"
    if "$ref" in schema:
        return _form(root, _target(root, schema["$ref"]))
    if "const" in schema:
        return _shown(schema["const"])
    if "enum" in schema:
        return " or ".join(_shown(member) for member in schema["enum"])
    types = schema.get("type", "another form")
    return types if isinstance(types, str) else " or ".join(types)


def _member(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return type_name(value) == name or (name == "number" and isinstance(value, int))


def type_name(value: Any) -> str:
    """JSON Schema's name of a decoded value's type."""
    for kind, name in (
        (bool, "boolean"),
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (list, "array"),
    ):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
