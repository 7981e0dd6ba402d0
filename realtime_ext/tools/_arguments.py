"""What the model sends as arguments, from text to a JSON object.

This module must not know what a tool takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ._check import Problem, check, type_name
from ._fault import ArgumentFault

__all__ = ["check_object", "decode_object", "refuse"]

_SHOWN = 5


def decode_object(name: str, arguments: str) -> dict[str, Any]:
    """Read the arguments of a call.

    Args:
        name: The tool, for the message.
        arguments: JSON text. Nothing but blanks counts as no arguments.

    Returns:
        The arguments by name.

    Raises:
        ArgumentFault: It is not JSON, or not an object.
    """
    try:
        value = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ArgumentFault(
            f"the arguments of {name} are not valid JSON: {reason}", kind="invalid_json"
        ) from error
    if not isinstance(value, dict):
        raise ArgumentFault(
            f"the arguments of {name}: expected a JSON object, got {type_name(value)}",
            kind="invalid_argument",
        )
    return value


def check_object(name: str, schema: dict[str, Any], value: dict[str, Any]) -> None:
    """Check arguments against a tool's schema.

    Raises:
        ArgumentFault: They don't fit.
    """
    try:
        problems = check(schema, value)
    except RecursionError as error:
        raise ArgumentFault(f"{name}: nested too deeply", kind="invalid_argument") from error
    if problems:
        raise refuse(name, problems)


def refuse(name: str, problems: Iterable[Problem]) -> ArgumentFault:
    """Make the error for one or more problems; its kind is the first one's."""
    first, *rest = problems
    more = [problem.message for problem in rest]
    if len(more) >= _SHOWN:
        more[_SHOWN - 1 :] = [f"and {len(more) - _SHOWN + 1} more"]
    return ArgumentFault(f"{name}: {'; '.join([first.message, *more])}", kind=first.kind)
