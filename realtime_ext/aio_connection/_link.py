"""A WebSocket as a link, awaited: the only place of the async flavour that touches the library.

It must not know events.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any, Protocol

from .._execute import AsyncHttp
from .._options import RequestOptions
from .._protocol._handshake import Handshake
from .._protocol._opening import Plan
from .._settings import ask_key
from ..calls import SAFETY_HEADER
from ..connection._websocket import (
    AS_BYTES,
    AS_IT_IS,
    LinkClosed,
    LinkOptions,
    answer_of,
    closed_by,
    forget_handshake,
    proxy_fault,
    seconds_of,
)
from ..errors import RealtimeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

__all__ = ["AsyncLink", "LinkClosed", "WebSocketLink", "open_link"]

logger = logging.getLogger("realtime_ext")

CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that


class AsyncLink(Protocol):
    """What carries messages: a WebSocket, or a data channel."""

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            LinkClosed: There is no link any more.
        """

    def recv(self) -> Awaitable[str | bytes]:
        """Wait for a message.

        Raises:
            Exception: There will be none; `ended` knows why.
        """

    def ended(self, error: Exception) -> LinkClosed | None:
        """Give the end of the link that an exception of `recv` tells of; None if it tells of none."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds; raises nothing."""


class WebSocketLink:
    """A WebSocket connection of the library.

    Args:
        socket: It.
        takes_bytes: Whether `recv` can leave text undecoded.
    """

    __slots__ = ("_arguments", "_closed", "_socket")

    def __init__(self, socket: Any, *, takes_bytes: bool) -> None:
        from websockets.exceptions import ConnectionClosed

        self._socket = socket
        self._closed = ConnectionClosed
        self._arguments = AS_BYTES if takes_bytes else AS_IT_IS
        forget_handshake(socket)

    async def send(self, text: str) -> None:
        """Send a message."""
        try:
            await self._socket.send(text)
        except self._closed as error:
            raise closed_by(error) from error

    def recv(self) -> Awaitable[str | bytes]:
        """Wait for a message: the library's own coroutine, for one around it costs time with each message."""
        message: Awaitable[str | bytes] = self._socket.recv(**self._arguments)
        return message

    def ended(self, error: Exception) -> LinkClosed | None:
        """Give the end of the link that an exception of `recv` tells of."""
        return closed_by(error) if isinstance(error, self._closed) else None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.close(code, reason)
        except Exception as error:
            logger.debug("closing the link failed: %s", type(error).__name__)
            transport = getattr(self._socket, "transport", None)
            if transport is not None:
                transport.abort()


async def open_link(
    plan: Plan,
    http: AsyncHttp,
    options: RequestOptions,
    link_options: LinkOptions,
    *,
    safety_identifier: str | None,
    is_first: bool = True,
) -> WebSocketLink:
    """Open a WebSocket, trying again where that is safe.

    Args:
        plan: What it is about.
        http: Settings and clock.
        options: What this connection is told besides.
        link_options: How the link is made.
        safety_identifier: A stable, hashed id of the end user.
        is_first: Whether to wait for a call to be ready, and to repeat; a reconnect does so by itself.

    Raises:
        MissingApiKeyError: There is no key.
        APIStatusError: The API refused.
        APIConnectionError: There is no connection; APITimeoutError if it took too long.
        ValueError: The library doesn't know an option.
    """
    from websockets.exceptions import InvalidStatus, WebSocketException

    connect, known, takes_bytes = _library()
    settings = http.settings
    uri = plan.uri(settings, options)
    seconds = seconds_of(settings.timeout if options.timeout is None else options.timeout)
    handshake = Handshake(
        uri,
        is_sideband=plan.role.is_sideband,
        waits_for_call=is_first,
        max_retries=settings.max_retries if is_first else 0,
        now=http.clock.now,
        random=http.clock.random,
    )
    own: Mapping[str, str] = {} if safety_identifier is None else {SAFETY_HEADER: safety_identifier}
    while True:
        key = await ask_key(settings) if settings.needs_key(options.headers) else None
        secrets = () if key is None else (key.reveal(),)
        headers = settings.request_headers(key, headers=own, extra=options.headers)
        arguments = link_options.arguments(known, uri=uri, headers=headers, timeout=seconds)
        try:
            socket = await connect(uri, **arguments)
        except InvalidStatus as error:
            outcome: float | Exception = handshake.refused(*answer_of(error), secrets)
            cause: BaseException = error
        except TimeoutError as error:
            raise handshake.timed_out(seconds) from error
        except ImportError as error:
            raise RealtimeError(f"proxy: it needs a further package: {error}") from error
        except (OSError, EOFError, WebSocketException) as error:
            if (fault := proxy_fault(error)) is not None:
                raise fault from None
            outcome = handshake.failed(error, secrets)
            cause = error
        else:
            logger.info("connected: %s", plan.subject)
            return WebSocketLink(socket, takes_bytes=takes_bytes)
        if isinstance(outcome, Exception):
            raise outcome from cause
        await http.clock.asleep(outcome)


@functools.cache
def _library() -> tuple[Any, frozenset[str], bool]:
    """Load the library: what connects, the options that it knows, and whether text can be left undecoded."""
    import inspect

    from websockets.asyncio.client import connect
    from websockets.asyncio.connection import Connection

    class Connect(connect):
        # A redirect could carry the key to somebody else.
        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    known = frozenset(inspect.signature(connect).parameters)
    return Connect, known, "decode" in inspect.signature(Connection.recv).parameters
