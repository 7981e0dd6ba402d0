"""A WebSocket as a link, awaited: the only place of the async flavour that touches the library.

It must not know events.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any, Protocol

from ..call import SAFETY_HEADER
from ..errors import RealtimeError
from ..http.sending import AsyncHttp
from ..http.settings import RequestOptions, ask_key
from ._websocket import (
    AS_BYTES,
    AS_IT_IS,
    PINGS,
    LinkClosed,
    LinkOptions,
    answer_of,
    closed_by,
    forget_handshake,
    proxy_fault,
    proxy_of,
    seconds_of,
)
from .state._handshake import Handshake
from .state._opening import Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

__all__ = ["AsyncLink", "LinkClosed", "WebSocketLink", "open_link"]

logger = logging.getLogger("realtime_ext")

CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that
SMALL = 8 * 2**10  # characters that can be handed over at once, whatever they are made of


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
        patience: Seconds that sending may stand still: the library's pings wait behind what isn't sent, and
            then end nothing. None for no limit.
    """

    __slots__ = ("_arguments", "_closed", "_is_stuck", "_open", "_patience", "_socket", "_transport")

    def __init__(self, socket: Any, *, takes_bytes: bool, patience: float | None = None) -> None:
        from websockets.exceptions import ConnectionClosed
        from websockets.protocol import State

        self._socket = socket
        self._transport: Any = socket.transport
        self._patience = patience
        self._is_stuck = False
        self._closed = ConnectionClosed
        self._open = State.OPEN
        self._arguments = AS_BYTES if takes_bytes else AS_IT_IS
        forget_handshake(socket)

    async def send(self, text: str) -> None:
        """Send a message."""
        waiting = self._transport.get_write_buffer_size() + len(text)
        watch = None if self._patience is None or waiting < SMALL else _Watch(self, self._patience, waiting)
        try:
            await self._socket.send(text)
        except self._closed as error:
            raise self._end(error) from error
        finally:
            if watch is not None:
                watch.timer.cancel()
        if self._transport.is_closing() and self._socket.protocol.state is self._open:
            # Writing failed, which the library learns in the loop's next step: it has taken this for sent.
            raise LinkClosed(1006, "the connection was lost")

    def recv(self) -> Awaitable[str | bytes]:
        """Wait for a message: the library's own coroutine, for one around it costs time with each message."""
        message: Awaitable[str | bytes] = self._socket.recv(**self._arguments)
        return message

    def ended(self, error: Exception) -> LinkClosed | None:
        """Give the end of the link that an exception of `recv` tells of."""
        return self._end(error) if isinstance(error, self._closed) else None

    def standstill(self, left: int) -> bool:
        """Give the link up if not even that much less waits to be sent; say whether it is given up."""
        if 0 < left <= self.waiting:
            self._is_stuck = True
            self._transport.abort()
        return self._is_stuck

    @property
    def waiting(self) -> int:
        """The bytes that wait to be sent."""
        return int(self._transport.get_write_buffer_size())

    def _end(self, error: Any) -> LinkClosed:
        return LinkClosed(1011, "the other side takes nothing", error) if self._is_stuck else closed_by(error)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds."""
        pinging = getattr(self._socket, "keepalive_task", None)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.close(code, reason)
        except BaseException as error:
            logger.debug("closing the link failed: %s", type(error).__name__)
            self._transport.abort()
            if not isinstance(error, Exception):
                raise
        finally:
            if pinging is not None:  # it ends with the connection, some steps of the loop later
                await asyncio.wait([pinging], timeout=1)


class _Watch:
    """Looks from time to time whether what is being sent gets less."""

    __slots__ = ("_left", "_link", "_patience", "timer")

    def __init__(self, link: WebSocketLink, patience: float, left: int) -> None:
        self._link = link
        self._patience = patience
        self._left = left
        self.timer = asyncio.get_running_loop().call_later(patience, self._look)

    def _look(self) -> None:
        if not self._link.standstill(self._left):
            self._left = self._link.waiting
            self.timer = asyncio.get_running_loop().call_later(self._patience, self._look)


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
    from websockets.asyncio import client
    from websockets.exceptions import InvalidStatus, WebSocketException

    connect, known, takes_bytes = _library()
    settings = http.settings
    uri = plan.uri(settings, options)
    seconds = seconds_of(settings.timeout if options.timeout is None else options.timeout)
    handshake = Handshake(
        uri,
        proxy=proxy_of(uri, link_options.proxy, client),
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
            pings: list[Any] = [arguments.get(name) for name in PINGS]
            patience = None if None in pings else float(sum(pings))
            return WebSocketLink(socket, takes_bytes=takes_bytes, patience=patience)
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
