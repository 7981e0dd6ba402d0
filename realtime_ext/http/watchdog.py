"""Ends blocking requests that last too long: httpx limits each step alone, and a server may trickle.

One thread watches all requests of the process; it ends when there are none. It is the only place that uses
the inside of httpx and httpcore, which cannot end a request from another thread.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import httpx

__all__ = ["Watched", "cut", "rest"]

_LOOK = 0.5  # seconds between two looks at a request without a connection, and before an idle thread ends


def cut(client: httpx.Client, request: httpx.Request) -> bool:
    """Shut down the connection on which a request is sent or waits for its answer, so that it fails there.

    Args:
        client: What sends it.
        request: The request.

    Returns:
        Whether there is a connection. With a transport of the user's own there is none that can be seen, nor
        with HTTP/2, where other requests share it.
    """
    try:
        pool: Any = client._transport_for_url(request.url)._pool  # type: ignore[attr-defined]
        for waiting in list(pool._requests):
            if waiting.request.extensions is request.extensions:
                stream = _stream_of(waiting.connection)
                if stream is not None:
                    _shut_down(stream.get_extra_info("socket"))
                    return True
    except AttributeError:  # another transport, or another version of the libraries
        pass
    return False


def _stream_of(connection: Any) -> Any:
    """Return what an httpcore connection, or one inside a proxy's, reads from; None if there is none yet."""
    while connection is not None and type(connection).__name__ != "HTTP11Connection":
        connection = getattr(connection, "_connection", None)
    return None if connection is None else connection._network_stream


def _shut_down(sock: Any) -> None:
    # That of an SSLSocket would first make it one that sends in clear, while others may be sending.
    shutdown = socket.socket.shutdown if isinstance(sock, socket.socket) else type(sock).shutdown
    with contextlib.suppress(OSError):
        shutdown(sock, socket.SHUT_RDWR)


class Watched:
    """A request that is cut unless the block ends in time.

    Args:
        client: What sends it.
        request: The request.
        limit: Seconds; None for no limit.

    Attributes:
        deadline: When that is over, in seconds of `time.monotonic`.
    """

    __slots__ = ("_client", "_request", "deadline")

    def __init__(self, client: httpx.Client, request: httpx.Request, limit: float | None) -> None:
        self._client = client
        self._request = request
        self.deadline: float = math.inf if limit is None else time.monotonic() + limit

    def __enter__(self) -> Self:
        if self.deadline < math.inf:
            _watchdog.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watchdog.remove(self)

    @property
    def is_late(self) -> bool:
        """Whether the limit is over."""
        return time.monotonic() >= self.deadline

    def cut(self) -> bool:
        """Cut it; return whether that could be done."""
        return cut(self._client, self._request)


class _Watchdog:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Watched] = set()
        self._thread: threading.Thread | None = None

    def add(self, watched: Watched) -> None:
        with self._changed:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="realtime_ext watchdog", daemon=True)
                self._thread.start()

    def remove(self, watched: Watched) -> None:
        with self._changed:
            self._watched.discard(watched)

    def rest(self) -> None:
        with self._changed:
            thread = None if self._watched else self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LOOK)

    def _run(self) -> None:
        with self._changed:
            while self._watched:
                now = time.monotonic()
                due = {one for one in self._watched if one.deadline <= now}
                self._watched.difference_update([one for one in due if one.cut()])
                soonest = min((one.deadline for one in self._watched if one not in due), default=now + _LOOK)
                self._changed.wait(min(_LOOK, soonest - now))
            self._thread = None


_watchdog = _Watchdog()


def rest() -> None:
    """End the thread now if nothing is watched; it would end soon."""
    _watchdog.rest()


def _start_anew() -> None:
    global _watchdog
    _watchdog = _Watchdog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
