"""Warnings that name the place where the program calls this package, also from another thread.

It must not hold frames, for their variables would live as long as a connection's tasks.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from typing import Any, TypeAlias

_PACKAGE = str(Path(__file__).parent.parent) + os.sep
Place: TypeAlias = tuple[str, int, dict[str, Any]]  # a file, a line of it, and its module's names
_place: ContextVar[Place | None] = ContextVar("realtime_ext caller", default=None)


def context_of_caller() -> Context:
    """Return a context for work in another thread, in which warnings name the current caller."""
    context = copy_context()
    context.run(_place.set, _find_place())
    return context


def warn(message: str, category: type[Warning]) -> None:
    """Warn of something where the program's own code stands.

    Args:
        message: The warning.
        category: Its class.
    """
    place = _find_place()
    if place[2].get("__name__", "").partition(".")[0] in ("asyncio", "threading"):
        place = _place.get() or place  # the call came from another thread
    file, line, names = place
    registry = names.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, file, line, names.get("__name__", "<string>"), registry)


def _find_place() -> Place:
    """Return the first place up the stack that is outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_globals
