"""Make a case that fails small: remove what can go, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.attack.mutation import copied, places

__all__ = ["minimized"]


def minimized(case: Any, fails: Callable[[Any], bool], tries: int = 500) -> Any:
    """Return a smaller case that fails alike.

    Args:
        case: One that fails.
        fails: Whether a case fails in the same way.
        tries: How often that may be asked.
    """
    while tries > 0:
        for smaller in _smaller(case):
            tries -= 1
            if fails(smaller):
                case = smaller
                break
            if tries <= 0:
                break
        else:
            break
    return case


def _smaller(case: Any) -> Iterator[Any]:
    """Yield the case without one of its parts, or with a shorter one: large parts first."""
    paths = sorted(places(case), key=len)
    for path in paths:
        value = _at(case, path)
        if isinstance(value, list | str) and len(value) > 1:
            half = len(value) // 2
            yield _with(case, path, value[half:])
            yield _with(case, path, value[:half])
        if isinstance(value, dict):
            for name in value:
                yield _with(case, path, {key: one for key, one in value.items() if key != name})
        elif (isinstance(value, list) and len(value) <= 40) or (
            isinstance(value, str) and 1 < len(value) <= 40
        ):
            for index in range(len(value)):
                yield _with(case, path, value[:index] + value[index + 1 :])
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield _with(case, path, inner)


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(case: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    case = copied(case)
    _at(case, path[:-1])[path[-1]] = value
    return case
