"""What a caller gave as a session, as plain JSON values.

The job: turn generated models, tuples and enums into what JSON has, and find what has no JSON form at all.
This module must not know what a session may hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

import attrs

from ..errors import SessionConfigError, SessionProblem
from ._problem import SECRET_FIELDS, member, problem

__all__ = ["Extras", "Given", "SessionLike", "SupportsToDict", "plain", "read"]


class SupportsToDict(Protocol):
    """A builder or a generated model."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that it stands for."""


SessionLike = SupportsToDict | Mapping[str, Any]


class Extras(dict[str, Any]):
    """A model's unknown fields, with the paths of those that a builder was told to send.

    Args:
        values: The fields of the model itself.
        paths: Dotted paths, also of fields further inside.
    """

    def __init__(self, values: Mapping[str, Any], paths: frozenset[str]) -> None:
        super().__init__(values)
        self.paths = paths


@attrs.frozen
class Given:
    """A session as it was given.

    Args:
        body: Its JSON object; nobody else holds it.
        extras: The paths of unknown fields that are sent on purpose.
        problems: What has no JSON form.
    """

    body: dict[str, Any]
    extras: frozenset[str] = frozenset()
    problems: tuple[SessionProblem, ...] = ()


def read(session: SessionLike) -> Given:
    """Read what was given.

    Args:
        session: A builder, a generated model or a dict, which may hold models in turn.

    Raises:
        SessionConfigError: It is nested too deeply, or within itself.
        TypeError: It is none of the three.
    """
    value: Any = session
    convert = getattr(value, "to_dict", None)
    if callable(convert) and not isinstance(value, type):
        value = convert()
    if not isinstance(value, Mapping):
        kind = f"the class {session.__name__}" if isinstance(session, type) else type(session).__name__
        raise TypeError(f"session: expected a builder, a generated model or a dict, got {kind}")
    own = getattr(session, "additional_properties", None)
    extras = own.paths if isinstance(own, Extras) else getattr(session, "extra_paths", frozenset())
    problems: list[SessionProblem] = []
    body = plain(value, problems)
    return Given(body, extras, tuple(problems))


def plain(value: Any, problems: list[SessionProblem] | None = None, path: str = "") -> Any:
    """Copy a value as JSON has it.

    Args:
        value: JSON values, generated models, tuples, enums.
        problems: Takes what has no JSON form, which is kept as it is.
        path: The value's dotted path.

    Raises:
        SessionConfigError: It is nested too deeply, or within itself.
    """
    found: list[SessionProblem] = [] if problems is None else problems
    try:
        return _plain(value, path, found, secret=False)
    except RecursionError as error:
        where = path or "session"
        allowed = "values that end somewhere"
        message = f"{where}: expected {allowed}, got some nested too deeply or within themselves"
        raise SessionConfigError([SessionProblem(where, None, allowed, message)]) from error


def _plain(value: Any, path: str, problems: list[SessionProblem], *, secret: bool) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return _plain_object(value, path, problems, secret=secret)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]", problems, secret=secret) for index, item in enumerate(value)]
    convert = getattr(value, "to_dict", None)
    if callable(convert) and not isinstance(value, type):
        return _plain(convert(), path, problems, secret=secret)
    # Its repr may show anything, so the type must do.
    told = value if isinstance(value, float) else f"<{type(value).__name__}>"
    allowed = "a value that JSON has"
    problems.append(problem(path or "session", told, allowed, allowed, secret=secret))
    return value


def _plain_object(
    value: Mapping[Any, Any], path: str, problems: list[SessionProblem], *, secret: bool
) -> dict[str, Any]:
    found = {}
    for key, item in value.items():
        if not isinstance(key, str):
            where, allowed = path or "session", "names that are text"
            problems.append(problem(where, f"<{type(key).__name__}>", allowed, f"fields with {allowed}"))
        at = member(path, str(key))
        found[key] = _plain(item, at, problems, secret=secret or key in SECRET_FIELDS)
    return found
