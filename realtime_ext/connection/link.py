"""A WebSocket as a link: its options, opening it with repeats, sending, receiving, and what its end means.

The only place that touches the `websockets` library, which is loaded on first use and seen by no user. It
must not know events.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

import attrs

from ..call import SAFETY_HEADER
from ..errors import RealtimeError
from ..http.sending import AsyncHttp
from ..http.settings import RequestOptions
from ..secrets import MaskedDict, Secret
from .state import Handshake, Plan

if TYPE_CHECKING:
    import ssl

    from ..arguments import Timeout

__all__ = ["Link", "LinkClosed", "LinkOptions", "WebSocketLink", "open_link", "seconds_of"]

logger: logging.Logger = logging.getLogger("realtime_ext")

CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that
SMALL = 8 * 2**10  # characters that can be sent at once, whatever they are made of
PINGS = frozenset({"ping_interval", "ping_timeout"})

_DEFAULTS: Mapping[str, Any] = {
    # Audio hardly shrinks, and a compressor each way costs more memory than everything else of a connection.
    "compression": None,
    "max_size": 64 * 2**20,  # frames of more than 1 MiB, the library's default, do come
    "max_queue": 64,
    "ping_interval": 20,
    "ping_timeout": 40,
    "close_timeout": 3,
}
_OWN = {
    "additional_headers": "extra_headers",
    "user_agent_header": "extra_headers",
    "open_timeout": "timeout",
    "proxy": "proxy",
    "ssl": "ssl_context",
    "logger": None,
    "create_connection": None,
    "process_exception": None,
    "legacy": None,
    "subprotocols": None,
}


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (is_number and value > 0)


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _is_limit(value: Any) -> bool:
    return all(map(_is_count, value)) and len(value) == 2 if isinstance(value, tuple) else _is_count(value)


# The library would refuse these late, in words of its own, or not at all.
_CHECKS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "close_timeout": ("seconds above 0 or None", _is_duration),
    "ping_interval": ("seconds above 0 or None", _is_duration),
    "ping_timeout": ("seconds above 0 or None", _is_duration),
    "max_size": ("bytes above 0, a pair of those, or None", _is_limit),
    "max_queue": ("frames above 0, a pair of those, or None", _is_limit),
    "write_limit": ("bytes above 0, a pair of those, or None", _is_limit),
    "compression": ("'deflate' or None", lambda value: value in (None, "deflate")),
}

# A logger outside the hierarchy: at DEBUG the library writes keys and payloads.
_SILENT = logging.Logger("realtime_ext.silent", logging.CRITICAL + 1)


class LinkClosed(Exception):
    """A link has ended.

    Args:
        code: The close code of the other side; 1006 if it sent none.
        reason: Its reason, or what happened.
        cause: The exception behind it.
    """

    def __init__(self, code: int | None, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.cause = cause


@attrs.frozen(kw_only=True)
class LinkOptions:
    """How the link is made.

    Args:
        proxy: True for the environment's, None for none, or a URL.
        ssl_context: For `wss`; None for the default.
        options: Further arguments of the library's `connect`.
    """

    proxy: str | Literal[True] | None = attrs.field(default=True, repr=False)
    ssl_context: ssl.SSLContext | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.proxy is not None and self.proxy is not True and not isinstance(self.proxy, str):
            raise TypeError(f"proxy: expected a URL, True or None, got {type(self.proxy).__name__}")
        if not isinstance(self.options, Mapping):
            raise TypeError(f"websocket_options: expected a mapping, got {type(self.options).__name__}")
        for name in self.options:
            if name in _OWN:
                instead = f"; use {_OWN[name]}" if _OWN[name] else ""
                raise ValueError(f"websocket_options: {name!r} is set by the connection{instead}")
        for name, (allowed, is_allowed) in _CHECKS.items():
            if name in self.options and not is_allowed(value := self.options[name]):
                raise ValueError(f"websocket_options: {name}: expected {allowed}, got {value!r}")
        context: object = self.ssl_context
        if context is not None:
            import ssl

            if not isinstance(context, ssl.SSLContext):
                got = type(context).__name__
                raise TypeError(f"ssl_context: expected an ssl.SSLContext or None, got {got}")

    def arguments(
        self, known: Collection[str], *, uri: str, headers: Mapping[str, str], timeout: float | None
    ) -> MaskedDict[Any]:
        """Return the arguments of the library's `connect`, as far as the installed version knows them.

        Args:
            known: The names of those arguments.
            uri: Where it goes.
            headers: The request's headers.
            timeout: Seconds for the handshake; None for no limit.

        Raises:
            ValueError: The installed version doesn't know an option, or can't use proxies.
        """
        for name in self.options:
            if name not in known and name not in ("host", "port", "sock", "family", "server_hostname"):
                raise ValueError(f"websocket_options: the installed websockets has no option {name!r}")
        arguments = MaskedDict({name: value for name, value in _DEFAULTS.items() if name in known})
        arguments |= self.options
        arguments |= {
            "additional_headers": headers,
            "user_agent_header": None,
            "open_timeout": timeout,
            "logger": _SILENT,
        }
        if uri.startswith("wss:") and self.ssl_context is not None:
            arguments["ssl"] = self.ssl_context
        if "proxy" in known:
            arguments["proxy"] = self.proxy
        elif isinstance(self.proxy, str):
            from websockets.version import version

            raise ValueError(f"proxy: the installed websockets {version} can't use proxies; 15 and newer can")
        return arguments


class Link(Protocol):
    """What carries messages: a WebSocket, or a data channel."""

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            LinkClosed: There is no link any more.
        """

    def recv(self) -> Awaitable[str | bytes]:
        """Wait for a message.

        Raises:
            Exception: There will be none; `ended` returns why.
        """

    def ended(self, error: Exception) -> LinkClosed | None:
        """Return the end of the link that an exception of `recv` stands for; None if it stands for none."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds; raises nothing."""

    def forget(self) -> None:
        """Release its descriptor and send nothing: the link belongs to the parent of this process."""


class WebSocketLink:
    """A WebSocket connection of the library.

    Args:
        socket: The WebSocket.
        receiving: Arguments of the library's `recv`.
        patience: Seconds that sending may stand still: the library's pings wait behind what isn't sent, and
            so end nothing. None for no limit.
    """

    __slots__ = ("_closed", "_is_stuck", "_open", "_patience", "_receiving", "_socket", "_transport")

    def __init__(self, socket: Any, receiving: Mapping[str, Any], *, patience: float | None = None) -> None:
        from websockets.exceptions import ConnectionClosed
        from websockets.protocol import State

        self._socket = socket
        self._transport: Any = socket.transport
        self._patience = patience
        self._is_stuck = False
        self._closed = ConnectionClosed
        self._open = State.OPEN
        self._receiving = receiving
        _forget_handshake(socket)

    async def send(self, text: str) -> None:
        """Send a message."""
        waiting = self.waiting + len(text)
        watch = None if self._patience is None or waiting < SMALL else _Watch(self, self._patience, waiting)
        try:
            await self._socket.send(text)
        except self._closed as error:
            raise self._end(error) from error
        except Exception as error:
            if not self._transport.is_closing():
                raise
            # The library, or the loop, fails in other ways too where the connection is lost meanwhile.
            raise LinkClosed(1006, "the connection was lost", error) from error
        finally:
            if watch is not None:
                watch.timer.cancel()
        if self._transport.is_closing() and self._socket.protocol.state is self._open:
            # Writing failed, which the library learns in the loop's next step: to it, this counts as sent.
            raise LinkClosed(1006, "the connection was lost")

    def recv(self) -> Awaitable[str | bytes]:
        """Wait for a message: the library's own coroutine, for one around it costs time with each message."""
        message: Awaitable[str | bytes] = self._socket.recv(**self._receiving)
        return message

    def ended(self, error: Exception) -> LinkClosed | None:
        """Return the end of the link that an exception of `recv` stands for."""
        return self._end(error) if isinstance(error, self._closed) else None

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
    from websockets.asyncio import client
    from websockets.exceptions import InvalidStatus, WebSocketException

    connect, known, receiving = _library()
    settings = http.settings
    uri = plan.uri(settings, options)
    seconds = seconds_of(settings.timeout if options.timeout is None else options.timeout)
    handshake = Handshake(
        uri,
        proxy=functools.partial(_proxy_of, uri, link_options.proxy, client),
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
        arguments = link_options.arguments(known, uri=uri, headers=headers, timeout=seconds)
        try:
            socket = await connect(uri, **arguments)
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
            return WebSocketLink(socket, receiving, patience=patience)
        if isinstance(outcome, Exception):
            raise outcome from cause
        await http.clock.asleep(outcome)


@functools.cache
def _library() -> tuple[Any, frozenset[str], Mapping[str, Any]]:
    """Load the library: return what connects, the options that it knows, and the arguments of `recv`."""
    import inspect

    from websockets.asyncio.client import connect
    from websockets.asyncio.connection import Connection

    class Connect(connect):
        # A redirect could carry the key to somebody else.
        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    known = frozenset(inspect.signature(connect).parameters)
    # Text is left undecoded where the installed version can do that.
    receiving = {"decode": False} if "decode" in inspect.signature(Connection.recv).parameters else {}
    return Connect, known, receiving


def _closed_by(error: Any) -> LinkClosed:
    """Return the library's ConnectionClosed as ours."""
    received = error.rcvd
    if received is not None:
        return LinkClosed(int(received.code), received.reason, error)
    sent = error.sent
    if sent is not None and sent.code not in (1000, 1001):
        # This side ended it: a frame too large, bytes that are no frames, a ping without an answer.
        return LinkClosed(int(sent.code), sent.reason or "protocol error", error)
    return LinkClosed(1006, "the connection was lost", error)


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


def _proxy_of(uri: str, proxy: object, client: Any) -> str | None:
    """Return the host and port of the proxy that an address is reached through, without its password.

    Args:
        uri: The address.
        proxy: As `LinkOptions` has it.
        client: The library's module that connects; older ones know no proxies.

    Returns:
        The two; None if there is no proxy, or its URL can't be one.
    """
    from websockets.exceptions import WebSocketException

    get_proxy = getattr(client, "get_proxy", None)
    try:
        if proxy is True and get_proxy is not None:
            proxy = get_proxy(client.parse_uri(uri))
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
    if type(error).__name__ != "InvalidProxy":  # a class that not all versions have
        return None
    return RealtimeError(f"proxy: its URL can't be used: {getattr(error, 'msg', 'it is malformed')}")


def seconds_of(timeout: Timeout | None) -> float | None:
    """Return a checked time limit in seconds; None for no limit. Of an httpx.Timeout, reading counts."""
    if timeout is None or isinstance(timeout, int | float):
        return None if timeout is None or math.isinf(timeout) else float(timeout)
    return timeout.read
