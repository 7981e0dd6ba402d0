"""Arguments that match a tool's JSON Schema, with values from the user's words where possible.

Covers the usual features of tools' schemas; the result is checked against the schema by a real validator
before it is used. Texts for a regular expression come from Python's own expression parser; lookarounds are
ignored.
"""

from __future__ import annotations

import importlib
import logging
import math
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from realtime_simulator._scenario.expressions import Budget, Expression

logger: logging.Logger = logging.getLogger("realtime_simulator")
_MAX_DEPTH = 12
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'|“([^”]+)”|«([^»]+)»")
_FORMATS = {
    "date": ("2026-01-15", re.compile(r"\b\d{4}-\d\d-\d\d\b")),
    "time": ("12:00:00Z", re.compile(r"\b\d\d:\d\d:\d\dZ?\b")),
    "date-time": ("2026-01-15T12:00:00Z", re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\b")),
    "duration": ("PT1H", re.compile(r"\bP\w+\b")),
    "email": ("someone@example.com", re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\w\b")),
    "uri": ("https://example.com/", re.compile(r"\bhttps?://[^\s\"'<>]+")),
    "uuid": (
        "123e4567-e89b-42d3-a456-426614174000",
        re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ),
    "ipv4": ("192.0.2.1", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")),
    "ipv6": ("2001:db8::1", re.compile(r"\b[0-9a-f:]*:[0-9a-f:]+\b")),
    "hostname": ("example.com", re.compile(r"\b[\w-]+(?:\.[\w-]+)+\b")),
}
_MAX_REPEAT = 256
_CATEGORIES = {
    "CATEGORY_DIGIT": "1",
    "CATEGORY_WORD": "a",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_WORD": "-",
    "CATEGORY_NOT_SPACE": "a",
}
_PRINTABLE = "aA1" + "".join(map(chr, range(32, 127)))


def fitting(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return arguments for a tool.

    Args:
        schema: The JSON Schema of its parameters.
        text: The user's words; numbers, quoted words, dates and options are used in their order.

    Returns:
        Arguments that match; `{}` if none were found.
    """
    found = _Maker(schema, text).make(schema, "arguments", 0)
    try:
        if isinstance(found, dict) and jsonschema_rs.validator_for(dict(schema)).is_valid(found):
            return found
    except (ValueError, jsonschema_rs.ValidationError) as error:
        logger.debug("a tool's schema is not valid: %s", type(error).__name__)
    return {}


class _Maker:
    """Makes values for one schema and one text; values of the text are used once each.

    Args:
        root: The schema that references are resolved in.
        text: The text.
    """

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._text = text
        self._budget = Budget()
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        self._quoted = ["".join(groups) for groups in _QUOTED.findall(text)]

    def make(self, schema: Any, name: str, depth: int) -> Any:
        """Return a value that matches a schema, as far as possible.

        Args:
            schema: The schema; true and {} accept anything.
            name: The property's name.
            depth: How far down it is.
        """
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return name
        schema = self._whole(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._option(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                return self._member(schema, union, name, depth)
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        kind = next((kind for kind in kinds if kind != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return self._proposed(schema, True)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _whole(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A schema with its reference followed and its `allOf` put together."""
        for _ in range(_MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self._root
            for part in reference.removeprefix("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key, {}) if isinstance(target, Mapping) else {}
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        if "allOf" not in schema:
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for member in map(self._whole, schema["allOf"]):
            properties = {**merged.get("properties", {}), **member.get("properties", {})}
            required = [*merged.get("required", ()), *member.get("required", ())]
            merged = {**merged, **member, "properties": properties, "required": required}
        return merged

    def _member(self, schema: Mapping[str, Any], union: str, name: str, depth: int) -> Any:
        rest = {key: value for key, value in schema.items() if key != union}
        members = [member for member in schema[union] if member.get("type") != "null"] or schema[union]
        return self.make({**rest, **self._whole(members[0])}, name, depth + 1)

    def _option(self, options: list[Any]) -> Any:
        for option in options:
            if isinstance(option, str) and re.search(rf"(?<!\w){re.escape(option)}(?!\w)", self._text, re.I):
                return option
        return options[0]

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        made = {}
        for key in dict.fromkeys([*properties, *required]):
            described = properties.get(key, {})
            if key in required or self._says(described, key):
                made[key] = self.make(described, key, depth + 1)
        return made

    def _says(self, schema: Any, name: str) -> bool:
        """Return whether the text has a value for an optional property."""
        schema = self._whole(schema) if isinstance(schema, Mapping) else {}
        kind = schema.get("type")
        if schema.get("enum"):
            return self._option([object(), *schema["enum"]]) in schema["enum"]
        if kind in ("integer", "number"):
            return self._take_number(schema, whole=kind == "integer", take=False) is not None
        return kind == "string" and self._after(name) is not None

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        size = min(max(schema.get("minItems", 0), 1), schema.get("maxItems", math.inf))
        firsts = schema.get("prefixItems", ())
        made: list[Any] = []
        for number in range(int(size)):
            items = firsts[number] if number < len(firsts) else schema.get("items", {})
            value = self.make(items, name, depth + 1)
            if schema.get("uniqueItems") and value in made:
                value = self._another(self._whole(items) if isinstance(items, Mapping) else {}, made, value)
            made.append(value)
        return made

    @staticmethod
    def _another(items: Mapping[str, Any], made: list[Any], value: Any) -> Any:
        if items.get("enum"):
            return next((option for option in items["enum"] if option not in made), value)
        if isinstance(value, int | float):
            return max(made) + items.get("multipleOf", 1)
        return f"{value} {len(made) + 1}"

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> float | int:
        found = self._take_number(schema, whole=whole)
        if found is None:
            found = self._proposed(schema, None)
        if found is None:
            step = schema.get("multipleOf") or (1 if whole else 0)
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            start = low if low is not None else min(1, high) if high is not None else 1
            found = math.ceil(start / step) * step if step else start
            if not _fits(found, schema):
                found = found + (step or ((high - start) / 2 if high is not None else 1))
        return int(found) if whole or (isinstance(found, float) and found.is_integer()) else float(found)

    def _take_number(self, schema: Mapping[str, Any], *, whole: bool, take: bool = True) -> float | None:
        for number in self._numbers:
            if (number.is_integer() or not whole) and _fits(number, schema):
                if take:
                    self._numbers.remove(number)
                return number
        return None

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        example, shape = _FORMATS.get(schema.get("format", ""), (None, None))
        candidates = [match[0] for match in shape.finditer(self._text)] if shape is not None else []
        if shape is None:
            candidates += [*self._quoted, *filter(None, [self._after(name)])]
        candidates += [value for value in (self._proposed(schema, None), example) if isinstance(value, str)]
        pattern = schema.get("pattern")
        if pattern is not None:
            candidates += [*re.findall(r"\S+", self._text), matching_text(pattern)]
        low, high = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        words = name.replace("_", " ")
        padded = words + "." * max(0, low - len(words))
        candidates.append(padded if len(padded) <= high else padded[: int(high)])
        for candidate in candidates:
            if low <= len(candidate) <= high and (pattern is None or self._matches(pattern, candidate)):
                if candidate in self._quoted:
                    self._quoted.remove(candidate)
                return candidate
        return candidates[-1]

    def _matches(self, pattern: str, candidate: str) -> bool:
        """Whether a text matches a schema's pattern; False if that takes too long."""
        try:
            return Expression(pattern, ignore_case=False).search(candidate, self._budget) is not None
        except TimeoutError:
            return False

    def _after(self, name: str) -> str | None:
        """The word that follows a property's name in the text: "in the city of Paris", "room: 12"."""
        words = r"[\s_\-]+".join(map(re.escape, re.split(r"[_\-]+", name)))
        found = re.search(
            rf"(?<!\w){words}(?:\s+(?:is|of|to|for|named|called))?[\s:=]+([\w\-]+)", self._text, re.I
        )
        return found[1] if found else None

    @staticmethod
    def _proposed(schema: Mapping[str, Any], otherwise: Any) -> Any:
        """Return the schema's default or example."""
        if schema.get("default") is not None:
            return schema["default"]
        examples = schema.get("examples")
        return examples[0] if isinstance(examples, list) and examples else otherwise


def _fits(number: float, schema: Mapping[str, Any]) -> bool:
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < number < schema.get("exclusiveMaximum", math.inf)
        and (not step or math.isclose(number / step, round(number / step)))
    )


def matching_text(pattern: str) -> str:
    """Return a text for a regular expression; `""` for one that Python can't read.

    Args:
        pattern: The expression.
    """
    try:
        return _text(importlib.import_module("re._parser").parse(pattern))
    except (re.error, RecursionError, OverflowError):
        return ""


def _text(parsed: Any) -> str:
    return "".join(_one(str(operation), argument) for operation, argument in parsed)


def _one(operation: str, argument: Any) -> str:
    match operation:
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL":
            return "a" if argument != ord("a") else "b"
        case "ANY":
            return "a"
        case "IN":
            return _member(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, _, inner = argument
            return _text(inner) * min(int(low), _MAX_REPEAT)
        case "SUBPATTERN":
            return _text(argument[3])
        case "ATOMIC_GROUP":
            return _text(argument)
        case "BRANCH":
            return _text(argument[1][0])
        case _:
            return ""


def _member(choices: Any) -> str:
    """A character of a set, readable if possible."""
    negated = bool(choices) and str(choices[0][0]) == "NEGATE"
    if not negated:
        operation, argument = choices[0]
        match str(operation):
            case "LITERAL":
                return chr(argument)
            case "RANGE":
                return chr(argument[0])
            case _:
                return _CATEGORIES.get(str(argument), "a")
    return next((char for char in _PRINTABLE if not any(_has(choice, char) for choice in choices[1:])), "a")


def _has(choice: Any, char: str) -> bool:
    operation, argument = choice
    match str(operation):
        case "LITERAL":
            return bool(ord(char) == argument)
        case "RANGE":
            return bool(argument[0] <= ord(char) <= argument[1])
        case _:
            return _in_category(str(argument), char)


def _in_category(category: str, char: str) -> bool:
    name = category.removeprefix("CATEGORY_").removeprefix("NOT_")
    kinds = {"DIGIT": char.isdigit(), "WORD": char.isalnum() or char == "_", "SPACE": char.isspace()}
    return kinds.get(name, False) != category.startswith("CATEGORY_NOT_")
