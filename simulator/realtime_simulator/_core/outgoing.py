"""HTTP requests of the simulator itself: webhooks, and requests that it forwards to a recorded API.

httpx logs whole URLs, with their query, and httpcore logs the headers of answers. While `unlogged` is on, in
the task that makes a request, their records are dropped; records of other tasks stay.
"""

from __future__ import annotations

import contextlib
import contextvars
import ipaddress
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

__all__ = ["SILENT", "is_loopback", "unlogged"]

SILENT = logging.Logger("realtime_simulator.silent", logging.CRITICAL + 1)
"""For libraries that accept a logger and would write headers, and so keys, to it."""
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_unlogged = contextvars.ContextVar("realtime_simulator_unlogged", default=False)


def _wanted(record: logging.LogRecord) -> bool:
    return not _unlogged.get()


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Drop httpx's log records of the requests that are made inside."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_wanted)  # adding it twice does nothing
    token = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(token)


def is_loopback(url: str) -> bool:
    """Return whether a URL, with or without its scheme, is one of this machine by its name."""
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
