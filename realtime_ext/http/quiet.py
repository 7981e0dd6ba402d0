"""Keep libraries' own loggers from telling what this package's requests carry.

httpx logs whole URLs, with their query, and httpcore logs answers' headers. While `quiet` is on, in the task
or thread that makes a request, their records are dropped; what others do with the same libraries is logged as
ever. It must not touch levels, handlers or propagation.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Iterable, Iterator

__all__ = ["HTTP_LOGGERS", "quiet", "silence"]

HTTP_LOGGERS = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)

_quiet = contextvars.ContextVar("realtime_ext_quiet", default=False)


class _Silencer(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.get()


_SILENCER = _Silencer()


def silence(loggers: Iterable[str]) -> None:
    """Make these loggers heed `quiet`, from now on; naming one twice does nothing.

    Args:
        loggers: Names of the very loggers that libraries write to: a filter doesn't reach their children.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_SILENCER)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence them for what happens inside, in this task or thread and the tasks that it starts."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
