"""Coerce sessions to plain JSON values, and merge an update into a session.

The job: turn builders, generated models, tuples and enums into JSON values, and find values without a JSON
form. This module must not judge a session.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

import attrs

from .._core.schema import SECRET_FIELDS, Place, build_violation, place
from ..errors import SessionConfigError, SessionProblem
from ._kinds import Kind


class SupportsToDict(Protocol):
    """A builder or a generated model."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that it stands for."""


SessionInput = SupportsToDict | Mapping[str, Any]
"""A session as a builder, a generated model or any mapping."""


class Extras(dict[str, Any]):
    """A model's unknown fields, with the paths of those that a builder was asked to send.

    Args:
        values: The fields of the model itself.
        paths: Dotted paths, also of fields further inside.
    """

    def __init__(self, values: Mapping[str, Any], paths: frozenset[str]) -> None:
        super().__init__(values)
        self.paths = paths


@attrs.frozen
class Coerced:
    """A session as plain JSON values.

    Args:
        body: Its JSON object, a copy.
        extras: The paths of unknown fields that are sent on purpose.
        problems: The values without a JSON form.
    """

    body: dict[str, Any]
    extras: frozenset[str] = frozenset()
    problems: tuple[SessionProblem, ...] = ()


def problem(
    field: str, value: Any, allowed: Any, reason: str, *, secret: bool = False, hint: str = ""
) -> SessionProblem:
    """Return a problem; the arguments are those of `schema.build_violation`."""
    found = build_violation("wrong", field, value, allowed, reason, secret=secret, hint=hint)
    return SessionProblem(field, found.value, allowed, found.message)


def read(session: SessionInput) -> Coerced:
    """Coerce a session.

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
        hint = "; for a model's name use its builder, such as LiveSessionBuilder(…)" if kind == "str" else ""
        raise TypeError(f"session: expected a builder, a generated model or a dict, got {kind}{hint}")
    own = getattr(session, "additional_properties", None)
    extras = own.paths if isinstance(own, Extras) else getattr(session, "_extra_paths", frozenset())
    problems: list[SessionProblem] = []
    body = plain(value, problems)
    return Coerced(body, extras, tuple(problems))


def plain(value: Any, problems: list[SessionProblem] | None = None) -> Any:
    """Copy a value as JSON has it.

    Args:
        value: JSON values, generated models, tuples, enums.
        problems: Filled with values without a JSON form, which are kept as they are.

    Raises:
        SessionConfigError: It is nested too deeply, or within itself.
    """
    found: list[SessionProblem] = [] if problems is None else problems
    try:
        return _plain(value, "", found, secret=False, left=_DEEPEST)
    except RecursionError as error:
        allowed = "values that end somewhere"
        message = f"session: expected {allowed}, got some nested too deeply or within themselves"
        raise SessionConfigError([SessionProblem("session", None, allowed, message)]) from error


_PLAIN = frozenset({str, int, bool, type(None)})
_DEEPEST = 100  # levels; checking deeper values could exhaust the stack


def _plain(value: Any, path: str, problems: list[SessionProblem], *, secret: bool, left: int) -> Any:
    if not left:
        raise RecursionError
    left -= 1
    if isinstance(value, Mapping):
        found: dict[Any, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                where, allowed = path or "session", "names that are text"
                reason = f"expected fields with {allowed}"
                problems.append(problem(where, f"<{type(key).__name__}>", allowed, reason))
            if type(item) not in _PLAIN:
                inside = secret or key in SECRET_FIELDS
                item = _plain(item, f"{path}.{key}" if path else str(key), problems, secret=inside, left=left)
            found[key] = item
        return found
    if isinstance(value, list | tuple):
        return [
            _plain(item, f"{path}[{index}]", problems, secret=secret, left=left)
            for index, item in enumerate(value)
        ]
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    convert = getattr(value, "to_dict", None)
    if callable(convert) and not isinstance(value, type):
        return _plain(convert(), path, problems, secret=secret, left=left)
    # Its repr may show anything, so the type must do.
    named = value if isinstance(value, float) else f"<{type(value).__name__}>"
    allowed = "a value that JSON has"
    problems.append(problem(path or "session", named, allowed, f"expected {allowed}", secret=secret))
    return value


def as_request(body: dict[str, Any], kind: Kind, *, from_model: bool = False) -> dict[str, Any]:
    """Return a session as it can be asked for, without what only the server sets.

    Args:
        body: A session; one that has no `id` is not the server's and stays as it is.
        kind: Its kind.
        from_model: Whether it was a model. Those that only come in show null as absence; without turn
            detection, whose default is on, it was off.

    Returns:
        The session without its id, its end and such, and without the nulls by which the server shows that
        nothing is set, where a request can't have null.
    """
    if "id" not in body:
        return body
    request = place(kind.schema)
    own = place(kind.answer).fields.keys() - request.fields.keys()
    cleared: dict[str, Any] = _without_nulls(request, {key: body[key] for key in body if key not in own})
    audio = cleared.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    if from_model and isinstance(heard, dict) and kind.type is not None:
        heard.setdefault("turn_detection", None)
    return cleared


def _without_nulls(at: Place, value: Any) -> Any:
    forms = [form for form in at.forms if form.type == "object"]
    if not isinstance(value, dict) or len(forms) != 1:
        return value
    kept = {}
    for key, inner in value.items():
        there = forms[0].properties.get(key)
        if inner is None and there is not None and all(one.type != "null" for one in there.forms):
            continue
        kept[key] = inner if there is None else _without_nulls(there, inner)
    return kept


# Objects that an update changes field by field; any other value replaces the old one.
_BY_FIELD = frozenset(
    {
        *("audio", "audio.input", "audio.output"),
        *("delegation", "delegation.responses", "delegation.decisions"),  # of Live sessions
    }
)


def merge(current: SessionInput, update: SessionInput) -> dict[str, Any]:
    """Apply an update to a session.

    Args:
        current: The session as it is: as it was asked for, or as `session.created` or `session.updated`
            describe it.
        update: The changed fields. Absent fields stay, an empty string or list clears, null turns off.

    Returns:
        The session as it will be; new, and neither of the two is changed.

    Raises:
        SessionConfigError: One of them is nested too deeply.
        TypeError: One of them is not a session.

    Source: https://platform.openai.com/docs/api-reference/realtime-client-events/session/update
    """
    return _merged(read(current).body, read(update).body, "")


def _merged(current: Mapping[str, Any], update: Mapping[str, Any], path: str) -> dict[str, Any]:
    result = dict(current)
    for name, value in update.items():
        at, old = f"{path}{name}", current.get(name)
        if at in _BY_FIELD and isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value, f"{at}.")
        result[name] = value
    return result
