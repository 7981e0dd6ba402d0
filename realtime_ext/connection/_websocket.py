"""What both flavours need to know of the `websockets` library: its options, its errors, its silence.

The library is loaded on first use, and nothing of it is seen by users. It must not connect.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import attrs

from ..errors import RealtimeError

if TYPE_CHECKING:
    import ssl

    from ..arguments import Timeout

__all__ = [
    "AS_BYTES",
    "AS_IT_IS",
    "PINGS",
    "LinkClosed",
    "LinkOptions",
    "answer_of",
    "closed_by",
    "forget_handshake",
    "proxy_fault",
    "proxy_of",
    "seconds_of",
]

# Arguments of the library's `recv`: text undecoded, or as that version gives it.
AS_BYTES: Mapping[str, Any] = {"decode": False}
AS_IT_IS: Mapping[str, Any] = {}
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
    ) -> dict[str, Any]:
        """Put together the arguments of the library's `connect`, as far as the installed version knows them.

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
        arguments = {name: value for name, value in _DEFAULTS.items() if name in known}
        arguments |= self.options
        arguments |= {
            "additional_headers": dict(headers),
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


def closed_by(error: Any) -> LinkClosed:
    """Turn the library's ConnectionClosed into ours."""
    received = error.rcvd
    if received is not None:
        return LinkClosed(int(received.code), received.reason, error)
    sent = error.sent
    if sent is not None and sent.code not in (1000, 1001):
        # This side ended it: a frame too large, bytes that are no frames, a ping without an answer.
        return LinkClosed(int(sent.code), sent.reason or "protocol error", error)
    return LinkClosed(1006, "the connection was lost", error)


def forget_handshake(socket: Any) -> None:
    """Empty what the library keeps of the handshake: the key stands in it, and nobody asks for it again."""
    for message in (socket.request, socket.response):
        message.headers.clear()


def answer_of(error: Any) -> tuple[int, Mapping[str, str], bytes]:
    """Give status, headers (lower-case names) and body of the answer in the library's InvalidStatus."""
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, headers, bytes(response.body or b"")


def proxy_of(uri: str, proxy: object, client: Any) -> str | None:
    """Give the host and port of the proxy that an address is reached through, without its password.

    Args:
        uri: The address.
        proxy: As `LinkOptions` has it.
        client: The library's module that connects; older ones know no proxies.

    Returns:
        They; None if there is no proxy, or its URL can't be one.
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
    except (ValueError, WebSocketException):  # an address that can't be one; whoever connects is told so
        return None


def proxy_fault(error: BaseException) -> RealtimeError | None:
    """Turn the library's complaint about a proxy's address into ours, without the address: it has passwords.

    Returns:
        The error, to be raised from nothing; None for other faults.
    """
    if type(error).__name__ != "InvalidProxy":  # a class that not all versions have
        return None
    return RealtimeError(f"proxy: its URL can't be used: {getattr(error, 'msg', 'it is malformed')}")


def seconds_of(timeout: Timeout | None) -> float | None:
    """Turn a checked time limit into seconds; None for no limit. Of an httpx.Timeout, reading counts."""
    if timeout is None or isinstance(timeout, int | float):
        return None if timeout is None or math.isinf(timeout) else float(timeout)
    return timeout.read
