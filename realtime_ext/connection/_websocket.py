"""A WebSocket as a link: opens it with retries, sends, receives, and interprets its end.

The only place that uses the `websockets` library, which is loaded on first use. It must not know events.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio import client
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, WebSocketException
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from .._core.call import SAFETY_HEADER
from .._core.callbacks import is_cancelled, raise_if_interrupt
from .._core.secrets import Secret
from .._core.time_limit import Countdown, TimeLimit, wait
from .._http.sending import AsyncHttp, Clock
from .._http.settings import RequestOptions
from ..errors import RealtimeError
from ._link import LinkClosed, LinkOptions, OnEnd, OnMessage, seconds_of
from ._state.connect_plan import Handshake, Plan
from ._state.messages import Message

logger: logging.Logger = logging.getLogger("realtime_ext")

CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that
LOST = "the connection was lost"
PINGS = ("ping_interval", "ping_timeout")

_WHOLE_TEXT = 0x81  # the first byte of a text message in one frame, not compressed (RFC 6455 §5.2)
_KNOWN = frozenset(inspect.signature(client.connect).parameters)


class _Inbox:
    """Passes messages on as frames arrive, in place of the library's own queue."""

    __slots__ = ("_early", "_end", "_on_end", "_parts", "on_message")

    def __init__(self) -> None:
        self._early: list[Message] = []  # messages that arrive before `start`
        self._end: ConnectionClosed | None = None
        self.on_message: OnMessage = self._early.append
        self._on_end: Callable[[ConnectionClosed], object] | None = None
        self._parts: bytearray | None = None

    def put(self, frame: Frame) -> None:
        """Add a frame with data; the library calls this."""
        data: Any = frame.data
        if frame.fin and self._parts is None:
            self.on_message(data)
            return
        parts = bytearray() if self._parts is None else self._parts
        parts += data
        self._parts = None if frame.fin else parts
        if frame.fin:
            self.on_message(parts)

    def close(self) -> None:
        """Do nothing; the library calls this before it knows how the connection ended."""

    def end(self, error: ConnectionClosed) -> None:
        """Report how the connection ended."""
        self._end = error
        if self._on_end is not None:
            on_end, self._on_end, self.on_message = self._on_end, None, _ignore
            on_end(error)

    def start(self, on_message: OnMessage, on_end: Callable[[ConnectionClosed], object]) -> None:
        """Pass on the messages so far, and those to come."""
        for message in self._early:
            on_message(message)
        self._early.clear()
        self.on_message, self._on_end = on_message, on_end
        if self._end is not None:
            self.end(self._end)


def _ignore(message: Message) -> None:
    """Ignore a message after the end."""


# The library's undocumented names that the quick link uses; without one of them the plain link is used.
INTERNALS = (
    "recv_messages.put",
    "recv_messages.close",
    "protocol.send_text",
    "protocol.close_exc",
    "protocol.events",
    "protocol.reader.at_eof",
    "protocol.reader.buffer",
    "protocol.reader.eof",
    "process_event",
    "send_data",
    "drain",
    "paused",
    "transport.is_closing",
)


_checked: dict[tuple[str, ...], bool] = {}  # the outcome for these names, checked with the first connection


def _has_internals(socket: object) -> bool:
    """Return whether the installed library has the internals that the quick link uses."""
    if INTERNALS not in _checked:
        _checked[INTERNALS] = all(_has(socket, path) for path in INTERNALS)
        if not _checked[INTERNALS]:
            logger.debug("the installed websockets has unknown internals: using its documented interface")
    return _checked[INTERNALS]


def _has(found: Any, path: str) -> bool:
    for name in path.split("."):
        own = getattr(found, "__dict__", {})
        # On the class where possible: `close_exc` is a property that fails before the end.
        if name not in own and not hasattr(type(found), name):
            return False
        found = own.get(name, getattr(type(found), name, None))
    return True


class _Socket(client.ClientConnection):
    """A connection of the library whose messages are passed on as they arrive.

    A task that waits for each of them would cost a step of the loop per message, and memory while none comes.
    """

    inbox: _Inbox | None = None
    _closing: Countdown | None = None
    _is_fragmented = False  # whether further frames belong to the message that came last

    def __init__(self, *args: Any, clock: Clock, limits_size: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = clock
        self._limits_size = limits_size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if _has_internals(self):
            self.inbox = self.recv_messages = _Inbox()  # type: ignore[assignment]
            if not self._limits_size:
                self.protocol.reader.at_eof = self._take_messages  # type: ignore[method-assign]

    def _take_messages(self) -> Generator[None, None, bool]:
        """Take text messages of up to 64 KiB from the reader's buffer, if all of their bytes have arrived.

        The library calls this between two frames, as the reader's `at_eof`, which says whether the data has
        ended. It parses all other frames; for these it would take longer than decoding JSON.
        """
        protocol, reader = self.protocol, self.protocol.reader
        buffer = reader.buffer
        while True:
            if protocol.state is State.OPEN and not self._is_fragmented:
                at, end = 0, len(buffer)
                while end - at > 3 and buffer[at] == _WHOLE_TEXT and (size := buffer[at + 1]) <= 126:
                    start = at + 2
                    if size == 126:
                        size, start = buffer[start] << 8 | buffer[start + 1], start + 2
                    if start + size > end:
                        break
                    at = start + size
                    protocol.events.append(buffer[start:at])  # type: ignore[arg-type]
                del buffer[:at]
            if buffer:
                if not buffer[0] & 0x08:  # a part of a message
                    self._is_fragmented = not buffer[0] & 0x80
                return False
            if reader.eof:
                return True
            yield

    def process_event(self, event: Any) -> None:
        if type(event) is bytearray and self.inbox is not None:
            self.inbox.on_message(event)
        else:
            super().process_event(event)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.protocol.close_rcvd is not None and self._closing is None:
            # The server has to close the TCP connection now (RFC 6455 §7.1.1).
            timeout = CLOSE_TIMEOUT if self.close_timeout is None else self.close_timeout
            abort = functools.partial(_abort, self.transport)
            self._closing = Countdown(timeout, abort, call_later=self._clock.call_later)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._closing is not None:
            self._closing.cancel()
        if self.inbox is not None:
            error = self.protocol.close_exc
            error.__cause__ = error.__cause__ or exc
            self.inbox.end(error)

    async def keepalive(self) -> None:
        """Send pings; unlike the library, count only time in which the process ran against the answers."""
        if self.ping_interval is None or self.ping_timeout is None:
            return await super().keepalive()
        latency = 0.0
        with contextlib.suppress(Exception):  # of a connection that is lost meanwhile
            while True:
                await asyncio.sleep(self.ping_interval - latency)
                pong = await self.ping()
                try:
                    async with TimeLimit(self.ping_timeout, call_later=self._clock.call_later):
                        latency = await pong
                except TimeoutError:
                    async with self.send_context():
                        self.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")


def _abort(transport: asyncio.WriteTransport) -> None:
    """Abort a transport.

    asyncio's `abort` raises AttributeError where a transport was closed with data to send, and has sent it.
    """
    with contextlib.suppress(AttributeError):
        transport.abort()


class _Connect(client.connect):
    def process_redirect(self, exc: Exception) -> Exception:
        return exc  # a redirect could send the key to another server


class PlainLink:
    """A WebSocket connection, by the library's documented interface alone.

    Args:
        socket: The connection.
    """

    __slots__ = ("_receiving", "_socket", "_transport")

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._transport: Any = getattr(socket, "transport", None)
        self._receiving: asyncio.Task[None] | None = None
        for message in (socket.request, socket.response):  # the key is in there
            message.headers.clear()

    async def send(self, text: str) -> None:
        """Send a message."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise self._end(error) from error
        except Exception as error:  # the event loop raises various errors if the connection is lost meanwhile
            raise LinkClosed(1006, LOST, error) from error

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message as it arrives, and another with the link's end."""
        self._receiving = asyncio.get_running_loop().create_task(self._receive(on_message, on_end))

    async def _receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        try:
            while True:
                on_message(await self._socket.recv())
        except ConnectionClosed as error:
            on_end(self._end(error))

    def _end(self, error: Any) -> LinkClosed:
        return _closed_by(error)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds."""
        try:
            async with TimeLimit(CLOSE_TIMEOUT):
                await self._socket.close(code, reason)
        except BaseException as error:
            logger.debug("closing the link failed: %s", type(error).__name__)
            if self._transport is not None:
                _abort(self._transport)
            if not isinstance(error, Exception):
                raise
        finally:
            found = (self._receiving, getattr(self._socket, "keepalive_task", None))
            tasks = [task for task in found if task is not None and task is not asyncio.current_task()]
            if tasks:  # they end with the connection, some steps of the loop later
                await wait(tasks, 1)

    def forget(self) -> None:
        """Release the descriptor."""
        socket = None if self._transport is None else self._transport.get_extra_info("socket")
        descriptor = -1 if socket is None else socket.fileno()
        if descriptor >= 0:
            # Replace it, since the loop and the library's objects keep its number.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, descriptor, inheritable=False)
            os.close(nothing)


class WebSocketLink(PlainLink):
    """A WebSocket connection, quicker by the library's internals (`INTERNALS`).

    Args:
        socket: The connection, a `_Socket` with an inbox.
        patience: Seconds without progress after which sending gives up: the library's pings wait behind what
            isn't sent, and so end nothing. None for no limit.
    """

    __slots__ = ("_is_stuck", "_patience", "_protocol")

    def __init__(self, socket: Any, *, patience: float | None = None) -> None:
        super().__init__(socket)
        self._protocol = socket.protocol
        self._patience = patience
        self._is_stuck = False

    async def send(self, text: str) -> None:
        """Send a message."""
        transport = self._transport
        if self._protocol.state is not State.OPEN or transport.is_closing():
            raise await self._no_link(text)
        try:
            self._protocol.send_text(text.encode())
            self._socket.send_data()
        except Exception as error:  # the event loop raises various errors if the connection is lost meanwhile
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
            except Exception as error:  # as `_abort` says
                if self._protocol.state is State.CLOSED:
                    return self._end(self._protocol.close_exc)
                return LinkClosed(1006, LOST, error)
        return LinkClosed(1006, LOST)

    async def _drain(self) -> None:
        """Wait while too many bytes wait to be sent, and check from time to time whether they get fewer."""
        watch = None if self._patience is None else _Watch(self, self._patience, self.waiting)
        try:
            await self._socket.drain()
        except OSError as error:
            raise LinkClosed(1006, LOST, error) from error
        finally:
            if watch is not None:
                watch.timer.cancel()

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message as it arrives, and another with the link's end."""
        start = self._socket.inbox.start
        asyncio.get_running_loop().call_soon(start, on_message, lambda error: on_end(self._end(error)))

    def abort_if_stuck(self, left: int) -> bool:
        """Abort the link if no fewer bytes than this wait to be sent; return whether it is aborted."""
        if 0 < left <= self.waiting:
            self._is_stuck = True
            _abort(self._transport)
        return self._is_stuck

    @property
    def waiting(self) -> int:
        """The bytes that wait to be sent."""
        return int(self._transport.get_write_buffer_size())

    def _end(self, error: Any) -> LinkClosed:
        if self._is_stuck:
            return LinkClosed(1011, "the peer does not read", error)
        return _closed_by(error)


class _Watch:
    """Checks from time to time whether the bytes that wait to be sent get fewer."""

    __slots__ = ("_left", "_link", "_patience", "timer")

    def __init__(self, link: WebSocketLink, patience: float, left: int) -> None:
        self._link = link
        self._patience = patience
        self._left = left
        self.timer = Countdown(patience, self._look)

    def _look(self) -> None:
        if not self._link.abort_if_stuck(self._left):
            self._left = self._link.waiting
            self.timer = Countdown(self._patience, self._look)


async def open_link(
    plan: Plan,
    http: AsyncHttp,
    options: RequestOptions,
    link_options: LinkOptions,
    *,
    safety_identifier: str | None,
    is_first: bool = True,
) -> PlainLink:
    """Open a WebSocket, with retries where that is safe.

    Args:
        plan: Where it goes.
        http: Settings and clock.
        options: Time limit, headers and query.
        link_options: How the link is made.
        safety_identifier: A stable, hashed id of the end user.
        is_first: Whether to wait for a call to be ready, and to retry; a reconnect does so by itself.

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
        proxy=functools.partial(_proxy_of, uri, link_options.proxy_for(uri)),
        is_sideband=plan.role.is_sideband,
        waits_for_call=is_first,
        max_retries=settings.max_retries if is_first else 0,
        now=http.clock.now,
        random=http.clock.random,
    )
    limits_size = "max_size" in link_options.options
    create: Any = functools.partial(_Socket, clock=http.clock, limits_size=limits_size)
    own: dict[str, str] = {} if safety_identifier is None else {SAFETY_HEADER: safety_identifier}
    if settings.dialect == "beta":
        own["openai-beta"] = "realtime=v1"
    while True:
        key = None
        if settings.needs_key(options.headers):
            key = await (settings.akey() if is_first else _key_again(settings.akey()))
        headers = settings.request_headers(key, headers=own, extra=options.headers)
        arguments = link_options.arguments(_KNOWN, uri=uri, headers=headers)
        try:
            async with TimeLimit(seconds, call_later=http.clock.call_later):
                socket: Any = await _Connect(uri, create_connection=create, **arguments)
        except InvalidStatus as error:
            outcome: float | Exception = handshake.refused(*_answer_of(error), _revealed(key))
            cause: BaseException = error
        except TimeoutError as error:
            raise handshake.timed_out(seconds) from error
        except ImportError as error:
            raise RealtimeError(f"proxy: a further package is required: {error}") from error
        except (OSError, EOFError, WebSocketException) as error:
            if (invalid := _proxy_error(error)) is not None:
                raise invalid from None
            outcome = handshake.failed(error, _revealed(key))
            cause = error
        else:
            logger.info("connected: %s", plan.subject)
            if socket.inbox is None:
                return PlainLink(socket)
            pings: list[Any] = [arguments.get(name) for name in PINGS]
            patience = None if None in pings else float(sum(pings))
            return WebSocketLink(socket, patience=patience)
        if isinstance(outcome, Exception):
            raise outcome from cause
        await http.clock.asleep(outcome)


async def _key_again(asked: Awaitable[Secret]) -> Secret:
    """Return the key for a reconnect, whose failure no caller sees."""
    task = asyncio.current_task()
    try:
        return await asked
    except RealtimeError:
        raise
    except BaseException as error:
        raise_if_interrupt(error)
        if is_cancelled(error, task):
            raise
        raise RealtimeError(f"api_key: its function raised {type(error).__name__}") from error


def _closed_by(error: Any) -> LinkClosed:
    """Return the library's ConnectionClosed as ours."""
    received = error.rcvd
    if received is not None:
        return LinkClosed(int(received.code), received.reason, error)
    sent = error.sent
    if sent is not None and sent.code not in (1000, 1001):
        # This side closed it: a frame too large, an invalid frame, a ping without an answer.
        return LinkClosed(int(sent.code), sent.reason or "protocol error", error)
    return LinkClosed(1006, LOST, error)


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


def _proxy_error(error: BaseException) -> RealtimeError | None:
    """Return the library's error about a proxy's URL as ours, without the URL, which may have a password."""
    if not isinstance(error, InvalidProxy):
        return None
    reason = " ".join(error.msg.split())
    return RealtimeError(f"proxy: expected a URL such as http://proxy.example:3128; {reason}")
