"""The error of a failing step: step, JSON pointer, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SpecError(Exception):
    """An invalid API description, patch or name.

    Args:
        message: The problem, in one sentence.
        pointer: JSON pointer in the document, or "" for the document itself.
        hint: How the maintainer can fix it.
        step: The pipeline step, set by `pipeline`.
    """

    def __init__(self, message: str, *, pointer: str = "", hint: str = "", step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.hint = hint
        self.step = step

    def __str__(self) -> str:
        lines = [f"{self.step}: {self.message}" if self.step else self.message]
        if self.pointer:
            lines.append(f"  at    {self.pointer}")
        if self.hint:
            lines.append(f"  do    {self.hint}")
        return "\n".join(lines)


@contextmanager
def reading(path: Path, hint: str = "") -> Iterator[None]:
    """Raise what goes wrong while a file is read, and its entries are used, as a SpecError.

    Args:
        path: The file.
        hint: Its format.

    Raises:
        SpecError: the file cannot be read, or is malformed.
    """
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, AttributeError, re.error) as error:
        raise SpecError(f"cannot read {path.name}: {error}", hint=hint) from error
