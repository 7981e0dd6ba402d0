"""Send one request and read its answer within bounds that httpx doesn't have: of size, and of time in all.

httpx limits each step alone, and a server may trickle. On an event loop a timer ends what lasts too long.
A sync request is cut from another thread, which shuts down its connection: one thread watches all requests of
the process, and ends when there are none. No other module uses the inside of httpx and httpcore, or of
httpx2 and httpcore2, which are alike.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import httpx

LIMIT = 16 * 2**20  # bytes of an answer, unpacked, unless its operation has another limit
_AT_ONCE = 2**12  # bytes that are unpacked at once; gzip makes a thousand times as many of them at most
_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")
_LOOK = 0.5  # seconds between two looks at the requests at most, and before an idle thread ends
_STOPPED = 3 * _LOOK  # seconds without a look, after which the process is taken to have been stopped


def library_of(client: httpx.Client | httpx.AsyncClient) -> Any:
    """Return the library of a client: httpx, or httpx2."""
    return sys.modules[type(client.timeout).__module__.partition(".")[0]]


def receive(
    client: httpx.Client,
    request: httpx.Request,
    arguments: dict[str, Any],
    limit: float | None,
    longest: int = LIMIT,
) -> httpx.Response:
    """Send a request and return the answer, read within bounds of size and time.

    Args:
        client: What sends it.
        request: The request.
        arguments: Those of `Exchange.sending`.
        limit: Seconds until the answer must be there; None for no limit.
        longest: Bytes of the longest answer, unpacked.

    Raises:
        httpx.HTTPError: There is no answer, or none within the bounds.
    """
    with _Watched(client, request, limit) as watched:
        try:
            response = client.send(request, **arguments)
            try:
                if response.is_stream_consumed:  # by a mock, or a hook of the user's
                    return response
                body = _Body(response, library_of(client), longest)
                for chunk in response.iter_raw():
                    body.add(chunk)
                    if watched.is_late:
                        break
                else:
                    return body.response()
            finally:
                response.close()
        except library_of(client).TransportError:
            if limit is None or not watched.is_late:
                raise
    assert limit is not None
    raise _too_slow(client, limit, request)


async def areceive(
    client: httpx.AsyncClient,
    request: httpx.Request,
    arguments: dict[str, Any],
    limit: float | None,
    longest: int = LIMIT,
) -> httpx.Response:
    """Send a request on the event loop; arguments, result and errors are those of `receive`."""
    from .._core.time_limit import TimeLimit

    timer = TimeLimit(limit)
    try:
        async with timer:
            response = await client.send(request, **arguments)
            if response.is_stream_consumed:
                return response
            try:
                body = _Body(response, library_of(client), longest)
                async for chunk in response.aiter_raw():
                    body.add(chunk)
                return body.response()
            finally:
                await response.aclose()
    except TimeoutError as error:
        if limit is None or not timer.expired():
            raise
        raise _too_slow(client, limit, request) from error


def _too_slow(
    client: httpx.Client | httpx.AsyncClient, limit: float, request: httpx.Request
) -> httpx.ReadTimeout:
    message = f"the answer was not complete within {limit:g} s"
    error: httpx.ReadTimeout = library_of(client).ReadTimeout(message, request=request)
    return error


class _Body:
    """Collects an answer's body, then unpacks it."""

    def __init__(self, response: httpx.Response, library: Any, longest: int) -> None:
        self._response = response
        self._longest = longest
        self._library = library
        self._encoding = response.headers.get("content-encoding", "")
        self._raw: list[bytes] = []
        self._size = 0
        if "," in self._encoding:
            raise self._refused("it is compressed more than once")

    def add(self, chunk: bytes) -> None:
        """Add what came over the wire, if it isn't too much."""
        self._raw.append(chunk)
        self._size += len(chunk)
        if self._size > self._longest:
            raise self._too_long()

    def response(self) -> httpx.Response:
        """Return the answer with its body."""
        response = self._response
        content = b"".join(self._raw)
        if not self._encoding:
            response._content = content  # as httpx does; making another response takes longer
            return response
        content = self._unpacked(content)
        # As bytes, which need be no ASCII.
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _PACKING]
        unpacked: httpx.Response = self._library.Response(
            response.status_code, headers=headers, content=content, request=response.request
        )
        return unpacked

    def _unpacked(self, content: bytes) -> bytes:
        # httpx knows how; it is handed little at a time.
        packed: httpx.Response = self._library.Response(
            self._response.status_code,
            headers={"content-encoding": self._encoding},
            content=(content[at : at + _AT_ONCE] for at in range(0, len(content), _AT_ONCE)),
            request=self._response.request,
        )
        parts, size = [], 0
        for part in packed.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._longest:
                raise self._too_long()
        return b"".join(parts)

    def _too_long(self) -> httpx.RemoteProtocolError:
        return self._refused(f"it has more than {self._longest // 2**20} MiB")

    def _refused(self, what: str) -> httpx.RemoteProtocolError:
        error: httpx.RemoteProtocolError = self._library.RemoteProtocolError(
            f"the answer is refused: {what}", request=self._response.request
        )
        return error


def cut(client: httpx.Client, request: httpx.Request) -> bool:
    """Shut down the connection on which a request is sent or waits for its answer, so that it fails there.

    Args:
        client: What sends it.
        request: The request.

    Returns:
        Whether there is a connection without other requests. A transport of the user's own shows none; with
        HTTP/2 others may share it. Connecting and the TLS handshake have limits of httpx's, each in all.
    """
    try:
        pool: Any = client._transport_for_url(request.url)._pool  # type: ignore[attr-defined]
        waiting = list(pool._requests)
        connection = next(
            (one.connection for one in waiting if one.request.extensions is request.extensions), None
        )
        if connection is None or sum(one.connection is connection for one in waiting) > 1:
            return False
        while not hasattr(connection, "_network_stream"):  # inside a proxy's, or not connected: then None
            connection = connection._connection
        _shut_down(connection._network_stream.get_extra_info("socket"))
    except AttributeError:  # not connected yet, another transport, or another version of the libraries
        return False
    return True


def _shut_down(sock: Any) -> None:
    # That of an SSLSocket would first make it one that sends in clear, while others may be sending.
    shutdown = socket.socket.shutdown if isinstance(sock, socket.socket) else type(sock).shutdown
    with contextlib.suppress(OSError):
        shutdown(sock, socket.SHUT_RDWR)


class _Watched:
    """A request that is cut unless the block ends in time.

    Args:
        client: What sends it.
        request: The request.
        limit: Seconds; None for no limit.

    Attributes:
        left: The seconds that are left of it.
    """

    __slots__ = ("_client", "_request", "_seen", "left")

    def __init__(self, client: httpx.Client, request: httpx.Request, limit: float | None) -> None:
        self._client = client
        self._request = request
        self._seen = time.monotonic()
        self.left: float = math.inf if limit is None else limit

    def __enter__(self) -> Self:
        if self.left < math.inf:
            _watchdog.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watchdog.remove(self)

    @property
    def is_late(self) -> bool:
        """Whether the limit is over."""
        return self.left <= 0

    def count(self, now: float) -> None:
        """Count the time since this was last called; none if that is so long that the process was stopped."""
        passed, self._seen = now - self._seen, now
        if passed < _STOPPED:
            self.left -= passed

    def cut(self) -> bool:
        """Cut it; return whether that could be done."""
        return cut(self._client, self._request)


class _Watchdog:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[_Watched] = set()
        self._thread: threading.Thread | None = None

    def add(self, watched: _Watched) -> None:
        with self._changed:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="realtime_ext watchdog", daemon=True)
                self._thread.start()

    def remove(self, watched: _Watched) -> None:
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
                for one in self._watched:
                    one.count(now)
                due = {one for one in self._watched if one.is_late}
                self._watched.difference_update([one for one in due if one.cut()])
                soonest = min((one.left for one in self._watched if one not in due), default=_LOOK)
                self._changed.wait(min(_LOOK, soonest))
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
