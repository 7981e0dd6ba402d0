"""Problems as they are told: with the field, the value and what is allowed, and without secrets.

This module must not decide what is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import SessionProblem
from ..secrets import MASK, mask

__all__ = ["ABSENT", "SECRET_FIELDS", "member", "problem", "redacted", "refusal", "shown"]

# Their values may give access to the user's accounts: they stand in no problem, message or repr.
SECRET_FIELDS = frozenset({"authorization", "client_secret", "headers"})
ABSENT: Final = object()
_LONGEST = 80


def problem(
    field: str, value: Any, allowed: Any, expected: str, *, secret: bool = False, hint: str = ""
) -> SessionProblem:
    """Tell that something else was expected.

    Args:
        field: The dotted path.
        value: What stands there; `ABSENT` for nothing.
        allowed: What would do, for programs.
        expected: What would do, as a phrase.
        secret: Whether the value must not be shown.
        hint: What to do about it.
    """
    return refusal(field, value, allowed, f"expected {expected}", secret=secret, hint=hint)


def refusal(
    field: str, value: Any, allowed: Any, reason: str, *, secret: bool = False, hint: str = ""
) -> SessionProblem:
    """Tell a problem in other words than what was expected; the arguments are those of `problem`."""
    is_hidden = secret and value is not ABSENT
    got = MASK if is_hidden else shown(value)
    message = f"{field}: {reason}, got {got}{f'; {hint}' if hint else ''}"
    return SessionProblem(field, MASK if is_hidden else redacted(value), allowed, message)


def member(path: str, name: str) -> str:
    """The dotted path of a field in an object."""
    return f"{path}.{name}" if path else name


def redacted(value: Any) -> Any:
    """Copy a value without the secrets that it may hold."""
    if value is ABSENT:
        return None
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if key in SECRET_FIELDS and item is not None else redacted(item)
            for key, item in value.items()
        }
    return [redacted(item) for item in value] if isinstance(value, list) else value


def shown(value: Any) -> str:
    """A value in a message: short, and without secrets."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(redacted(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
