"""Make odd input of real input: one or a few changes to a JSON value, or to a text in it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["copied", "mutated", "places"]

Path = tuple[Any, ...]

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7.5, -0.0, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400),
    *(1e308, math.inf, -math.inf, math.nan, 1e-320),
    *(
        "",
        " ",
        "x",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\u2028",
        "\x85",
        "\x1b[2J",
        "é" * 40,
        "a" * 300,
        "0",
        "-1",
    ),
    *(
        "null",
        "root",
        "inf",
        "NaN",
        "__class__",
        "../..",
        "%0d%0a",
        "====",
        "AAAA",
        "AAA=",
        "resp_1",
        "item_1",
    ),
    *([], {}, [[]], [{}], [None], {"": None}, {"type": 7}, {"id": []}, {"a": {"b": [{}]}}, ["x"] * 20),
)
_NAMES = (
    "type",
    "id",
    "event_id",
    "item",
    "session",
    "response",
    "delta",
    "self",
    "__class__",
    "",
    "\ud800",
    "$ref",
)
_TEXTS = (
    *(
        "\0",
        "\r\n",
        "\n",
        "\r",
        "\ufeff",
        "\u2028",
        "\ud800",
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        ";",
        "=",
        "<",
    ),
    *(
        ">",
        "%",
        "%00",
        "'",
        "/",
        "*",
        "&",
        "!",
        "#",
        "- ",
        "  ",
        "\t",
        "1e999",
        "NaN",
        "9" * 30,
        "\\ud800",
        "a=",
        "m=",
    ),
)
_DEEP = (5, 40, 200, 1500)


def mutated(chance: random.Random, value: Any, pool: Sequence[Any] = ()) -> Any:
    """Return a value with one or a few changes; the value itself stays as it is.

    Args:
        chance: What decides.
        value: A JSON value.
        pool: Values that may be put in.
    """
    value = copied(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        paths = list(places(value))
        path = chance.choice(paths[1:] or paths)
        if not path and isinstance(value, str):
            value = _garbled(chance, value)
            continue
        value = _put(value, path, _changed(chance, _get(value, path), paths, value, pool))
    return value


def places(value: Any, most: int = 20_000) -> Iterator[Path]:
    """Yield the way to each value inside a value, itself first."""
    stack: list[tuple[Any, Path]] = [(value, ())]
    while stack and most:
        inner, path = stack.pop()
        most -= 1
        yield path
        if isinstance(inner, dict):
            stack += [(one, (*path, key)) for key, one in inner.items()]
        elif isinstance(inner, list):
            stack += [(one, (*path, index)) for index, one in enumerate(inner)]


def copied(value: Any) -> Any:
    """Copy a JSON value, however deep it is."""
    whole = [value]
    stack: list[tuple[Any, Any]] = [(whole, 0)]
    while stack:
        parent, key = stack.pop()
        inner = parent[key]
        if isinstance(inner, dict):
            inner = parent[key] = dict(inner)
            stack += [(inner, name) for name in inner]
        elif isinstance(inner, list):
            inner = parent[key] = list(inner)
            stack += [(inner, index) for index in range(len(inner))]
    return whole[0]


class _Gone:
    """What is put where a value is to be removed."""


def _changed(chance: random.Random, value: Any, paths: list[Path], whole: Any, pool: Sequence[Any]) -> Any:
    kind = chance.random()
    if isinstance(value, str) and kind < 0.5:
        return _garbled(chance, value)
    if kind < 0.6:
        return copied(chance.choice(_ODD))
    if kind < 0.7:
        return _Gone
    if kind < 0.78 and pool:
        return copied(chance.choice(pool))
    if kind < 0.84:
        return copied(_get(whole, chance.choice(paths)))
    if kind < 0.86:
        deep: Any = 0
        is_list = chance.random() < 0.5
        for _ in range(chance.choice(_DEEP)):
            deep = [deep] if is_list else {"a": deep}
        return deep
    odd = copied(chance.choice(_ODD))
    if isinstance(value, dict):
        return {**value, chance.choice(_NAMES): odd}
    if isinstance(value, list):
        return chance.choice(([*value, odd], value * 3, value[::-1], value[1:]))
    return [value, value]


def _garbled(chance: random.Random, text: str) -> str:
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        at = chance.randrange(len(text) + 1)
        end = at + chance.choice((1, 2, 8, 64))
        text = chance.choice(
            (
                text[:at] + text[end:],
                text[:at] + chance.choice(_TEXTS) + text[at:],
                text[:at] + chr(chance.randrange(256)) + text[at + 1 :],
                text[:at] + text[at:end] * chance.choice((2, 3, 50)) + text[end:],
                text[:at],
                text[:at] + chance.choice(_TEXTS) * chance.choice((1, 30)) + text[end:],
            )
        )
        text = text[:200_000]
    return text


def _get(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return value if new is _Gone else new
    parent = _get(value, path[:-1])
    if new is _Gone:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return value
