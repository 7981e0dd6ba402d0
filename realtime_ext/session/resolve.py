"""From what a caller passes as a session to the JSON object that is sent.

Every operation with a session comes through here, so that builders, models and dicts are checked by the same
code. This module must not send anything.
"""

from __future__ import annotations

from typing import Any

from .. import _json
from ..errors import SessionConfigError, SessionProblem
from .check import Findings, examine, find_problems, report
from .given import Given, SessionLike, merge, problem, read

__all__ = ["encode", "resolve", "resolve_update"]


def resolve(
    session: SessionLike,
    *,
    validate: bool,
    kinds: tuple[str, ...] = ("realtime", "transcription"),
    model: str | None = None,
) -> dict[str, Any]:
    """Turn a new session into the JSON object that is sent.

    Args:
        session: A builder, a generated model or a dict.
        validate: Whether to check it.
        kinds: The kinds that the operation accepts: `realtime`, `transcription`, `translation`, and
            `realtime_older` or `transcription_older` for the forms without `type`, in which beta names are
            right.
        model: The model that serves it unless the session names one: the one in a connection's address.

    Returns:
        The object, new.

    Raises:
        SessionConfigError: The API would refuse it; `problems` has everything that is wrong.
        TypeError: It is none of the three.

    Warns:
        SessionConfigWarning: A field is not known, or it is not known whether the model has what is asked.
    """
    given = read(session)
    if validate:
        report(examine(given, kinds, model=model))
    return given.body


def encode(body: dict[str, Any]) -> bytes:
    """Encode a resolved session, or a body that holds one, as JSON.

    Raises:
        SessionConfigError: Something in it has no JSON form.
    """
    try:
        return _json.encode(body, plain=True).encode()
    except ValueError as error:
        message = f"session: cannot be written as JSON: {error}"
        raise SessionConfigError([SessionProblem("session", body, "JSON values", message)]) from error


def resolve_update(
    session: SessionLike,
    current: SessionLike | None = None,
    *,
    validate: bool,
    kinds: tuple[str, ...] = ("realtime", "transcription"),
) -> dict[str, Any]:
    """Turn an update of a running session into the JSON object that is sent.

    Args:
        session: What changes: a builder, a generated model or a dict.
        current: The session as it is, as far as it is known; rules across fields are applied to the two
            merged.
        validate: Whether to check it. What was wrong with the current session already is not reported.
        kinds: The kinds that the connection serves; a known `type` of the current session narrows them.

    Returns:
        The object, new. A translation session's model, which an update can't name, is left out.

    Raises:
        SessionConfigError: The API would refuse it; `problems` has everything that is wrong.
        TypeError: It is none of the three.

    Warns:
        SessionConfigWarning: A field is not known, or it is not known whether the model has what is asked.
    """
    given = read(session)
    before = {} if current is None else read(current).body
    body = dict(given.body)
    if kinds == ("translation",):
        body.pop("model", None)
    if validate:
        kinds = (before["type"],) if before.get("type") in kinds else kinds
        findings = examine(
            Given(body, given.extras, given.problems),
            kinds,
            is_update=True,
            is_partial=True,
            model=_model(before),
        )
        after = _across(before, body) if current is not None else []
        fields = {found.field for found in findings.problems}
        more = [found for found in (*_changed_model(given.body, before), *after) if found.field not in fields]
        report(Findings((*findings.problems, *more), findings.warnings))
    return body


def _model(session: dict[str, Any]) -> str | None:
    model = session.get("model")
    return model if isinstance(model, str) else None


def _changed_model(update: dict[str, Any], before: dict[str, Any]) -> list[SessionProblem]:
    was, now = _model(before), update.get("model")
    if was is None or now in (None, was):
        return []
    return [problem("model", now, (was,), f"expected {was!r}", hint="a session's model never changes")]


def _across(before: dict[str, Any], update: dict[str, Any]) -> list[SessionProblem]:
    """Return what the rules find in the two merged and didn't find before."""
    after = merge(before, update)
    known = find_problems(before, _model(before), is_partial=False)
    return [found for found in find_problems(after, _model(after), is_partial=False) if found not in known]
