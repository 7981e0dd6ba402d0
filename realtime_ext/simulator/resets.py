"""How a connection is cut hard: the one grip on uvicorn's transports.

The protocols that serve hand a function to each request, in its scope; a fault may call it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_KEY = "realtime_ext.reset"


def with_reset(app: ASGIApp, transport: Callable[[], asyncio.Transport]) -> ASGIApp:
    """Return an application whose requests know how to reset their connection.

    Args:
        app: The application.
        transport: Returns the connection's transport.
    """

    async def resettable(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = dict(scope.get("extensions") or {})
        scope["extensions"] = {**extensions, _KEY: lambda: _reset(transport())}
        await app(scope, receive, send)

    return resettable


def reset(scope: Scope) -> None:
    """Reset the connection that a request came over."""
    cut: Callable[[], None] = scope["extensions"][_KEY]
    cut()


def _reset(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Without lingering the system says RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class HttpProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with a way to reset its connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = with_reset(self.app, lambda: self.transport)
