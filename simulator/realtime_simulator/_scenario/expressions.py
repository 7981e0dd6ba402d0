"""Untrusted regular expressions, searched with a time limit: some would never end, such as
`(a+)+$`, and block everything else.

They use Python's syntax; the library `regex` can be interrupted.
"""

from __future__ import annotations

import re
import time
from typing import Protocol

import regex

SECONDS = 0.2
"""The limit for all expressions of one turn together."""


class Found(Protocol):
    """A match."""

    def group(self, name: str | int, /) -> str | None: ...

    def groupdict(self) -> dict[str, str | None]: ...


class Expression:
    """A regular expression.

    Args:
        pattern: The expression.
        ignore_case: Whether the case of letters makes no difference.

    Raises:
        ValueError: It is not a regular expression.
    """

    def __init__(self, pattern: str, *, ignore_case: bool = True) -> None:
        try:
            self._compiled = regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
        except (regex.error, re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern[:200]!r} is not a regular expression: {error}") from error
        self.pattern = pattern
        self.groups: int = self._compiled.groups
        self.names: list[str] = [*map(str, range(1, self.groups + 1)), *self._compiled.groupindex]

    def search(self, text: str, budget: Budget) -> Found | None:
        """Return the first match, or None.

        Raises:
            TimeoutError: The budget's time is up.
        """
        begun = time.monotonic()
        try:
            if budget.left <= 0:
                raise TimeoutError
            found: Found | None = self._compiled.search(text, timeout=budget.left)
        except TimeoutError:
            message = f"the expression {self.pattern[:200]!r} takes too long to search for"
            raise TimeoutError(message) from None
        finally:
            budget.left -= time.monotonic() - begun
        return found


class Budget:
    """The time for which expressions may be searched, together.

    Args:
        seconds: How long.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.left: float = SECONDS if seconds is None else seconds
