"""Arguments that a tool refuses, each with the kind that the model is told."""

from __future__ import annotations

from ..errors import ToolArgumentError

__all__ = ["ArgumentFault"]


class ArgumentFault(ToolArgumentError):
    """What the model got wrong.

    Args:
        message: A sentence for the model: what was wrong, where, and what is allowed.
        kind: As `ToolFailure.kind` has it.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
