"""One problem of an offer, as `check_offer` reports it."""

from __future__ import annotations

import attrs

__all__ = ["Problem"]


@attrs.frozen
class Problem:
    """Why the API would refuse an offer, or why the call that it makes would stay silent.

    Attributes:
        line: The line it concerns, counted from 1; for what is missing, the place that lacks it.
        code: A short name in snake_case for programs to hold on to, such as `no_final_crlf`.
        message: What was found and what is needed. ICE passwords are masked.
        hint: Where this mostly comes from, and what to do about it.
        fatal: False where only that line is lost and the call can still be made without it.
    """

    line: int
    code: str
    message: str
    hint: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} [{self.code}]"
