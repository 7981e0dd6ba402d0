"""All checks, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_simulator._suite import calls, exchanges, live, refusals, sessions, speaking
from realtime_simulator._suite.check import CHECKS, Check

_MODULES = (calls, exchanges, live, refusals, sessions, speaking)
"""Their import registers their checks."""


def checks() -> Sequence[Check]:
    """Return all checks, in order."""
    return [CHECKS[id] for id in sorted(CHECKS)]


def chosen(only: Sequence[str]) -> Sequence[Check]:
    """Return the checks of some areas or numbers, in words or lists with commas; all if none is named.

    Raises:
        ValueError: A word is neither a number nor an area.
    """
    every = checks()
    asked = {word.strip().lower(): word for words in only for word in words.split(",")}
    known = {word for one in every for word in (one.id.lower(), one.area)}
    for folded, word in asked.items():
        if folded not in known:
            areas = ", ".join(sorted({one.area for one in every}))
            raise ValueError(f"--only: {word!r} is not a check; allowed are numbers such as E01, and {areas}")
    return [one for one in every if not asked or one.id.lower() in asked or one.area in asked]
