"""A gate before a connection sends: a fleet must not act on a call that another worker may own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

gate: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar("gate", default=None)
"""Awaited before each event is sent, on connections that are made in this context; None for nothing."""
