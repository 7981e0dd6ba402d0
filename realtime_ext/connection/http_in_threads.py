"""The HTTP side of a blocking client, as a connection's event loop needs it.

The job: ask for keys and send requests in worker threads, since both may block. It must not decide anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from ..http.sending import AsyncHttp, Http
from ..http.settings import checked_key
from ..worker import run_in_thread

if TYPE_CHECKING:
    import httpx

    from ..secrets import Secret

__all__ = ["HttpInThreads"]

_LAST_STEPS = 1.0  # seconds for a request that was cut to end


class HttpInThreads(AsyncHttp):
    """A blocking client's HTTP side, awaited.

    Args:
        http: It.
    """

    def __init__(self, http: Http) -> None:
        settings = http.settings
        if callable(settings.api_key):
            settings = attrs.evolve(settings, api_key=partial(_ask, settings.api_key))
        super().__init__(settings, None, http.clock)
        self._http = http

    def open(self) -> Any:
        """Return what sends requests; raises as `Http.open`."""
        return _ClientInThreads(self._http.open())


class _ClientInThreads:
    """As much of an httpx.AsyncClient as sending an operation needs."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.timeout = client.timeout

    async def request(self, **arguments: Any) -> httpx.Response:
        """Send a request; once it is cancelled, the connection that was made for it is shut down."""
        made: list[Any] = []

        def trace(step: str, about: dict[str, Any]) -> None:  # called by httpcore
            stream = about.get("return_value")
            if step.endswith(".complete") and callable(find := getattr(stream, "get_extra_info", None)):
                made.append(find("socket"))

        send = partial(self._client.request, **arguments, extensions={"trace": trace})
        sending = asyncio.ensure_future(run_in_thread(send, name="realtime_ext request"))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            for sock in made:
                _shut_down(sock)
            await asyncio.wait([sending], timeout=_LAST_STEPS)
            sending.cancel()
            raise


async def _ask(source: Callable[[], Any]) -> Secret:
    return checked_key(await run_in_thread(source, name="realtime_ext key"))


def _shut_down(sock: Any) -> None:
    # That of an SSLSocket would first make it one that sends in clear, while others may be sending.
    shutdown = socket.socket.shutdown if isinstance(sock, socket.socket) else type(sock).shutdown
    with contextlib.suppress(OSError, AttributeError):
        shutdown(sock, socket.SHUT_RDWR)
