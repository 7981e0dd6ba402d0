"""A WebSocket as a link: opening it with repeats, sending, receiving, and what its end means.

The only place that touches the `websockets` library. It is loaded on first use, and seen by no user. It must
not know events.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio import client
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, WebSocketException
from websockets.frames import Frame
from websockets.protocol import State

from .._core.call import SAFETY_HEADER
from .._core.secrets import Secret
from .._http.sending import AsyncHttp
from .._http.settings import RequestOptions
from ..errors import RealtimeError
from ._link import LinkClosed, LinkOptions, OnEnd, OnMessage, seconds_of
from ._state import Handshake, Message, Plan

__all__ = ["WebSocketLink", "open_link"]

logger: logging.Logger = logging.getLogger("realtime_ext")

CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that
LOST = "the connection was lost"
PINGS = ("ping_interval", "ping_timeout")

_KNOWN = frozenset(inspect.signature(client.connect).parameters)


class _Inbox:
    """Makes messages of frames and passes them on, in place of the library's own queue, which keeps them."""

    __slots__ = ("_early", "_end", "_on_end", "_on_message", "_parts")

    def __init__(self) -> None:
        self._early: list[Message] = []  # what comes before somebody receives
        self._end: ConnectionClosed | None = None
        self._on_message: OnMessage = self._early.append
        self._on_end: Callable[[ConnectionClosed], object] | None = None
        self._parts: bytearray | None = None

    def put(self, frame: Frame) -> None:
        """Add a frame with data; the library calls this."""
        data: Any = frame.data
        if frame.fin and self._parts is None:
            self._on_message(data)
            return
        parts = bytearray() if self._parts is None else self._parts
        parts += data
        self._parts = None if frame.fin else parts
        if frame.fin:
            self._on_message(parts)

    def close(self) -> None:
        """Do nothing; the library calls this before it can tell how the connection ended."""

    def end(self, error: ConnectionClosed) -> None:
        """Pass on how the connection ended, and release whoever receives."""
        self._end = error
        if self._on_end is not None:
            on_end, self._on_end, self._on_message = self._on_end, None, _ignore
            on_end(error)

    def start(self, on_message: OnMessage, on_end: Callable[[ConnectionClosed], object]) -> None:
        """Pass on what came early, and from now on what comes."""
        for message in self._early:
            on_message(message)
        self._early.clear()
        self._on_message, self._on_end = on_message, on_end
        if self._end is not None:
            self.end(self._end)


def _ignore(message: Message) -> None:
    """Ignore what comes after the end."""


class _Socket(client.ClientConnection):
    """A connection of the library whose messages are passed on as they come.

    A task that waits for each of them would cost a step of the loop a message, and memory while none comes.
    """

    inbox: _Inbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.inbox = self.recv_messages = _Inbox()  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        error = self.protocol.close_exc
        error.__cause__ = error.__cause__ or exc
        self.inbox.end(error)


class _Connect(client.connect):
    def process_redirect(self, exc: Exception) -> Exception:
        return exc  # a redirect could carry the key to somebody else


class WebSocketLink:
    """A WebSocket connection of the library.

    Args:
        socket: The WebSocket, a `_Socket`.
        patience: Seconds that sending may stand still: the library's pings wait behind what isn't sent, and
            so end nothing. None for no limit.
    """

    __slots__ = ("_is_stuck", "_patience", "_protocol", "_socket", "_transport")

    def __init__(self, socket: Any, *, patience: float | None = None) -> None:
        self._socket = socket
        self._protocol = socket.protocol
        self._transport = socket.transport
        self._patience = patience
        self._is_stuck = False
        _forget_handshake(socket)

    async def send(self, text: str) -> None:
        """Send a message."""
        transport = self._transport
        if self._protocol.state is not State.OPEN or transport.is_closing():
            raise await self._no_link(text)
        self._protocol.send_text(text.encode())
        try:
            self._socket.send_data()
        except Exception as error:
            if not transport.is_closing():
                raise
            # The loop fails in odd ways where the connection is lost meanwhile.
            raise LinkClosed(1006, LOST, error) from error
        if self._socket.paused:
            await self._drain()
        if transport.is_closing():  # writing failed, which the library learns in the loop's next step
            raise await self._no_link(text)

    async def _no_link(self, text: str) -> LinkClosed:
        """Return why a message can't be sent, once the connection has ended."""
        if self._protocol.state is not State.OPEN:
            try:
                await self._socket.send(text)  # which sends nothing, and waits for the end within limits
            except ConnectionClosed as error:
                return self._end(error)
        return LinkClosed(1006, LOST)

    async def _drain(self) -> None:
        """Wait while too much waits to be sent, and look now and then whether that gets less."""
        watch = None if self._patience is None else _Watch(self, self._patience, self.waiting)
        try:
            await self._socket.drain()
        except OSError as error:
            raise LinkClosed(1006, LOST, error) from error
        finally:
            if watch is not None:
                watch.timer.cancel()

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message as it comes, and another with the link's end."""
        start = self._socket.inbox.start
        asyncio.get_running_loop().call_soon(start, on_message, lambda error: on_end(self._end(error)))

    def standstill(self, left: int) -> bool:
        """Abort the link if no less than this waits to be sent; return whether it is aborted."""
        if 0 < left <= self.waiting:
            self._is_stuck = True
            self._transport.abort()
        return self._is_stuck

    @property
    def waiting(self) -> int:
        """The bytes that wait to be sent."""
        return int(self._transport.get_write_buffer_size())

    def _end(self, error: Any) -> LinkClosed:
        if self._is_stuck:
            return LinkClosed(1011, "the other side takes nothing", error)
        return _closed_by(error)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds."""
        pinging = self._socket.keepalive_task
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

    def forget(self) -> None:
        """Release the descriptor."""
        descriptor = self._transport.get_extra_info("socket").fileno()
        if descriptor >= 0:
            # In its place, for the loop and the library's objects go on holding its number.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, descriptor, inheritable=False)
            os.close(nothing)


class _Watch:
    """Checks from time to time whether what is being sent gets less."""

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
        options: Time limit, headers and query.
        link_options: How the link is made.
        safety_identifier: A stable, hashed id of the end user.
        is_first: Whether to wait for a call to be ready, and to repeat; a reconnect does so by itself.

    Raises:
        MissingApiKeyError: There is no key.
        APIStatusError: The API refused.
        APIConnectionError: There is no connection; APITimeoutError if it took too long.
        ValueError: The library doesn't know an option.
    """
    settings = http.settings
    uri = plan.uri(settings, options)
    seconds = seconds_of(settings.timeout if options.timeout is None else options.timeout)
    handshake = Handshake(
        uri,
        proxy=functools.partial(_proxy_of, uri, link_options.proxy),
        is_sideband=plan.role.is_sideband,
        waits_for_call=is_first,
        max_retries=settings.max_retries if is_first else 0,
        now=http.clock.now,
        random=http.clock.random,
    )
    own: dict[str, str] = {} if safety_identifier is None else {SAFETY_HEADER: safety_identifier}
    if settings.dialect == "beta":
        own["openai-beta"] = "realtime=v1"
    while True:
        key = await settings.akey() if settings.needs_key(options.headers) else None
        headers = settings.request_headers(key, headers=own, extra=options.headers)
        arguments = link_options.arguments(_KNOWN, uri=uri, headers=headers, timeout=seconds)
        try:
            socket: Any = await _Connect(uri, create_connection=_Socket, **arguments)
        except InvalidStatus as error:
            outcome: float | Exception = handshake.refused(*_answer_of(error), _revealed(key))
            cause: BaseException = error
        except TimeoutError as error:
            raise handshake.timed_out(seconds) from error
        except ImportError as error:
            raise RealtimeError(f"proxy: it needs a further package: {error}") from error
        except (OSError, EOFError, WebSocketException) as error:
            if (fault := _proxy_fault(error)) is not None:
                raise fault from None
            outcome = handshake.failed(error, _revealed(key))
            cause = error
        else:
            logger.info("connected: %s", plan.subject)
            pings: list[Any] = [arguments.get(name) for name in PINGS]
            patience = None if None in pings else float(sum(pings))
            return WebSocketLink(socket, patience=patience)
        if isinstance(outcome, Exception):
            raise outcome from cause
        await http.clock.asleep(outcome)


def _closed_by(error: Any) -> LinkClosed:
    """Return the library's ConnectionClosed as ours."""
    received = error.rcvd
    if received is not None:
        return LinkClosed(int(received.code), received.reason, error)
    sent = error.sent
    if sent is not None and sent.code not in (1000, 1001):
        # This side ended it: a frame too large, bytes that are no frames, a ping without an answer.
        return LinkClosed(int(sent.code), sent.reason or "protocol error", error)
    return LinkClosed(1006, LOST, error)


def _forget_handshake(socket: Any) -> None:
    """Clear what the library keeps of the handshake: the key stands in it, and nobody needs it again."""
    for message in (socket.request, socket.response):
        message.headers.clear()


def _revealed(key: Secret | None) -> tuple[str, ...]:
    """Return what is to be masked in messages."""
    return () if key is None else (key.reveal(),)


def _answer_of(error: Any) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers (lower-case names) and body of the answer in the library's InvalidStatus."""
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, headers, bytes(response.body or b"")


def _proxy_of(uri: str, proxy: object) -> str | None:
    """Return the host and port of the proxy that an address is reached through, without its password.

    Args:
        uri: The address.
        proxy: As `LinkOptions` has it.

    Returns:
        The two; None if there is no proxy, or its URL can't be one.
    """
    try:
        if proxy is True:
            library: Any = client  # what it imports there is found there in all versions
            proxy = library.get_proxy(library.parse_uri(uri))
        if not isinstance(proxy, str):
            return None
        parts = urlsplit(proxy)
        return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except (ValueError, WebSocketException):  # an address that can't be one; connecting raises that
        return None


def _proxy_fault(error: BaseException) -> RealtimeError | None:
    """Return the library's complaint about a proxy's address as ours, without the address: it has passwords.

    Returns:
        The error, to be raised from nothing; None for other faults.
    """
    return (
        RealtimeError(f"proxy: its URL can't be used: {error.msg}")
        if isinstance(error, InvalidProxy)
        else None
    )
