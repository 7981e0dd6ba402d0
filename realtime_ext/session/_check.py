"""The one check of a session, whether it came as a builder, a model or a dict.

The job: bring the schemas, the beta names and the rules to bear, and put what they find in one order: beta
names, `type`, the schema's fields in its own order, the rules. This module must not change what it checks.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import attrs

from ..errors import SessionConfigError, SessionConfigWarning, SessionProblem
from ._beta import BETA_FIELDS, beta_field, with_format_hint
from ._forms import place
from ._given import Given
from ._kinds import KINDS, Kind, fields, nearest, owner
from ._problem import ABSENT, SECRET_FIELDS, problem, refusal
from ._rules import Subject, find_problems, find_warnings
from ._walk import Unknown, Walk

__all__ = ["Findings", "examine", "report"]

_PACKAGE = str(Path(__file__).parent.parent) + os.sep


@attrs.frozen
class Findings:
    """What a check found.

    Args:
        problems: What the API would refuse, in order, at most one a field.
        warnings: What may be meant otherwise.
    """

    problems: tuple[SessionProblem, ...]
    warnings: tuple[str, ...]


def examine(
    given: Given,
    kinds: tuple[str, ...],
    *,
    is_update: bool = False,
    is_partial: bool = False,
    model: str | None = None,
) -> Findings:
    """Check a session.

    Args:
        given: The session.
        kinds: Names of the kinds that are taken.
        is_update: Whether it changes a session that runs.
        is_partial: Whether what is absent may be set elsewhere.
        model: The model that serves it unless the session says so.

    Returns:
        Everything that was found.
    """
    body = given.body
    kind, type_problem = _kind(body, kinds)
    walk = Walk()
    walk.check(place(kind.update if is_update else kind.schema), body, "")
    own = body.get("model")
    subject = Subject(body, is_partial, own if isinstance(own, str) else model)

    beta = [beta_field(name, body[name], kind) for name in BETA_FIELDS if name in body]
    betas = {found.field: found for found in beta if found is not None}
    foreign, strange = [], []
    for unknown in walk.unknown:
        if unknown.path in betas:
            continue
        stranger = None if unknown.path == "type" and kind.name == body["type"] else owner(unknown.path, kind)
        if stranger is not None:
            foreign.append(_foreign(unknown, kind, stranger))
        elif unknown.path not in given.extras:
            strange.append(_strange(unknown, kind))

    rules = {found.field: found for found in find_problems(subject)}
    fitting = [rules.pop(found.field, with_format_hint(found)) for found in (*given.problems, *walk.problems)]
    ordered = [*betas.values(), *type_problem, *fitting, *foreign, *rules.values()]
    unique = {found.field: found for found in reversed(ordered)}
    return Findings(
        problems=tuple(found for found in ordered if unique[found.field] is found),
        warnings=(*strange, *find_warnings(subject)),
    )


def report(findings: Findings) -> None:
    """Raise what was found, or warn of it where the caller's own code stands.

    Raises:
        SessionConfigError: There are problems.
    """
    if findings.problems:
        raise SessionConfigError(findings.problems)
    for message in findings.warnings:
        warnings.warn(message, SessionConfigWarning, stacklevel=_caller_level())


def _kind(body: dict[str, Any], kinds: tuple[str, ...]) -> tuple[Kind, list[SessionProblem]]:
    """Tell a session's kind, and what is wrong with how it says so."""
    taken = [KINDS[name] for name in kinds]
    typed = {kind.type: kind for kind in taken if kind.type is not None}
    untyped = next((kind for kind in taken if kind.type is None), None)
    found = body.get("type", ABSENT)
    if isinstance(found, str) and found in typed:
        return typed[found], []
    if found is ABSENT and untyped is not None:
        return untyped, []
    if untyped is not None and found == untyped.name:
        return untyped, []
    words = " or ".join(map(repr, typed)) or "no such field"
    hint = "it is required" if found is ABSENT else ""
    named = next((kind for kind in KINDS.values() if kind.type is not None and kind.type == found), None)
    if named is not None:
        hint = f"a {named.label} session is not taken here"
    return named or taken[0], [problem("type", found, tuple(typed) or None, words, hint=hint)]


def _foreign(unknown: Unknown, kind: Kind, other: Kind) -> SessionProblem:
    reason = f"a field of {other.label} sessions, which {kind.label} sessions don't have"
    hint = ""
    if kind.is_older and other.type is not None:
        hint = f"with type {other.type!r} it is a session of the present form"
    elif same := [path for path in sorted(fields(kind.name)) if path.rpartition(".")[2] == unknown.name]:
        hint = f"there is {same[0]}"
    secret = unknown.name in SECRET_FIELDS
    return refusal(unknown.path, unknown.value, None, reason, secret=secret, hint=hint)


def _strange(unknown: Unknown, kind: Kind) -> str:
    if unknown.path == "type":
        return f"type: not a field of {kind.label} sessions, sent as it is; leave it out"
    near = nearest(unknown.name, unknown.known, kind)
    hint = f"did you mean {near}?" if near else f"known are {', '.join(unknown.known)}"
    return f"{unknown.path}: not a known field, sent as it is; {hint}"


def _caller_level() -> int:
    """How many frames up the first one outside this package is, counted from `report`."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
