"""The link interface, close codes, and WebSocket options.

It must not know events, nor load what carries them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import attrs

from .._core.arguments import check_seconds
from .._core.network import is_loopback
from .._core.secrets import MaskedDict
from ._state.messages import Message

if TYPE_CHECKING:
    import ssl

    from .._core.arguments import Timeout

_DEFAULTS: Mapping[str, Any] = {
    # Audio hardly shrinks, and a compressor each way costs more memory than everything else of a connection.
    "compression": None,
    "max_size": 64 * 2**20,  # frames of more than 1 MiB, the library's default, do come
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


_TIMES = ("close_timeout", "ping_interval", "ping_timeout")

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
        for name in _TIMES:  # a wrong one would flood the server, or keep a dead connection
            check_seconds(f"websocket_options: {name}", self.options.get(name))
        context: object = self.ssl_context
        if context is not None:
            import ssl

            if not isinstance(context, ssl.SSLContext):
                got = type(context).__name__
                raise TypeError(f"ssl_context: expected an ssl.SSLContext or None, got {got}")

    def proxy_for(self, uri: str) -> str | Literal[True] | None:
        """Return the proxy for an address: the environment's is not used for loopback."""
        return None if self.proxy is True and is_loopback(uri) else self.proxy

    def arguments(self, known: Collection[str], *, uri: str, headers: Mapping[str, str]) -> MaskedDict[Any]:
        """Return the arguments of the library's `connect`, as far as the installed version knows them.

        Args:
            known: The names of those arguments.
            uri: Where it goes.
            headers: The request's headers.

        Raises:
            ValueError: The installed version doesn't know an option.
        """
        for name in self.options:
            if name not in known and name not in ("host", "port", "sock", "family", "server_hostname"):
                raise ValueError(f"websocket_options: the installed websockets has no option {name!r}")
        arguments = MaskedDict({name: value for name, value in _DEFAULTS.items() if name in known})
        arguments |= self.options
        arguments |= {
            "additional_headers": headers,
            "user_agent_header": None,
            "open_timeout": None,  # the caller has the limit
            "logger": _SILENT,
        }
        if uri.startswith("wss:") and self.ssl_context is not None:
            arguments["ssl"] = self.ssl_context
        arguments["proxy"] = self.proxy_for(uri)
        return arguments


OnMessage: TypeAlias = Callable[[Message], object]
OnEnd: TypeAlias = Callable[[LinkClosed], object]


class Link(Protocol):
    """What carries messages: a WebSocket, or a data channel."""

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            LinkClosed: There is no link any more.
        """

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message as it comes, and another with the link's end, once.

        What came before this was called comes first, soon. Neither function may raise.
        """

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds; raises nothing."""

    def forget(self) -> None:
        """Release its descriptor and send nothing: the link belongs to the parent of this process."""


def seconds_of(timeout: Timeout | None) -> float | None:
    """Return a checked time limit in seconds; None for no limit. Of an httpx.Timeout, reading counts."""
    if timeout is None or isinstance(timeout, int | float):
        return None if timeout is None or math.isinf(timeout) else float(timeout)
    return timeout.read
