"""Texts that match a regular expression, the shortest that come to hand.

The one grip on Python's own expression parser; lookarounds are not looked at, so whoever asks checks the
result.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

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
