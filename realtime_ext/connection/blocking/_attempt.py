"""One attempt at opening a WebSocket, blocking, which another thread or a signal can break off.

It must not decide whether there is another attempt.
"""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ._sockets import Dialer

__all__ = ["Library", "attempt", "library"]

_BLIND = 10.0  # seconds for what the library does with a proxy, while nobody can break it off


@attrs.frozen(kw_only=True)
class Library:
    """What the installed version of the library can do.

    Args:
        connect: Opens a WebSocket, given where and its `connect`'s further arguments.
        connection: The class of its connections.
        known: The names of those arguments.
        takes_bytes: Whether text that is received can be left undecoded.
        parse_uri: Takes an address apart.
        get_proxy: Finds the environment's proxy for an address; None if it knows no proxies.
    """

    connect: Callable[[str, Mapping[str, Any]], Any]
    connection: type[Any]
    known: frozenset[str]
    takes_bytes: bool
    parse_uri: Callable[[str], Any]
    get_proxy: Callable[[Any], str | None] | None


@functools.cache
def library() -> Library:
    """Load the library."""
    import inspect

    from websockets.sync import client
    from websockets.uri import parse_uri

    connecter: Any = getattr(client, "reconnect", None)
    if connecter is None:  # versions that follow no redirects

        def connect(uri: str, arguments: Mapping[str, Any]) -> Any:
            return client.connect(uri, **arguments)

    else:

        class Connect(connecter):  # type: ignore[misc]
            # A redirect could carry the key to somebody else.
            def process_redirect(self, exc: Exception) -> Exception:
                return exc

        def connect(uri: str, arguments: Mapping[str, Any]) -> Any:
            connected = Connect(uri, **arguments).connect()
            # Closing is the connection's own business here, not that of a `with` block.
            connected.pending_legacy_warning = False
            return connected

    return Library(
        connect=connect,
        connection=client.ClientConnection,
        known=frozenset(inspect.signature(client.connect).parameters),
        takes_bytes="decode" in inspect.signature(client.ClientConnection.recv).parameters,
        parse_uri=parse_uri,
        get_proxy=getattr(client, "get_proxy", None),
    )


def attempt(uri: str, arguments: Mapping[str, Any], dialer: Dialer | None) -> Any:
    """Open a WebSocket.

    Args:
        uri: Where it goes.
        arguments: As `LinkOptions.arguments` gives them.
        dialer: What breaks this off, and holds the connection afterwards; None where a signal alone does.

    Returns:
        The library's connection. What is raised is the library's too.
    """
    own = dialer or Dialer()
    arguments = dict(arguments)
    if "sock" not in arguments and not _uses_proxy(uri, arguments):
        _dial(uri, arguments, own)
    else:

        def made(sock: Any, *further: Any, **options: Any) -> Any:
            own.hold(sock)
            return library().connection(sock, *further, **options)

        arguments["create_connection"] = made
        if dialer is not None:
            arguments["open_timeout"] = min(arguments["open_timeout"] or _BLIND, _BLIND)
    try:
        return library().connect(uri, arguments)
    except Exception:
        own.release()
        raise
    except BaseException:
        own.cut()  # the library leaves socket and thread behind where it is interrupted
        raise
    finally:
        if dialer is None:
            own.release()


def _uses_proxy(uri: str, arguments: Mapping[str, Any]) -> bool:
    proxy, get_proxy = arguments.get("proxy"), library().get_proxy
    if proxy is True and get_proxy is not None:
        return get_proxy(library().parse_uri(uri)) is not None
    return bool(proxy)


def _dial(uri: str, arguments: dict[str, Any], dialer: Dialer) -> None:
    """Make the connection and put it in the arguments' place."""
    begun, timeout = time.monotonic(), arguments["open_timeout"]
    parsed = library().parse_uri(uri)
    arguments["sock"] = dialer.connect(
        arguments.pop("host", parsed.host),
        arguments.pop("port", parsed.port),
        timeout,
        family=arguments.pop("family", socket.AF_UNSPEC),
    )
    if timeout is not None:
        arguments["open_timeout"] = max(0.001, timeout - (time.monotonic() - begun))
    if "proxy" in arguments:
        arguments["proxy"] = None
