"""How connections end before their time: the one grip on uvicorn's HTTP protocol and its transports.

The protocols that serve hand each request a function that resets its connection, in its scope; faults call
it. What never becomes a request is refused here, with the API's envelope.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from realtime_simulator.outgoing import SILENT
from realtime_simulator.problem import ApiProblem

HEAD_SECONDS = 20.0
"""How long a client may take for a request's head."""
_KEY = "realtime_simulator.reset"


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
    """uvicorn's HTTP protocol, with a way to reset its connection, and an envelope for what is no request."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = with_reset(self.app, lambda: self.transport)
        self.logger = SILENT
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand over to the WebSocket protocol; the timer would keep this one, and its session, in memory."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or has too long a head."""
        self._refuse(ApiProblem("This is no HTTP/1.1 request, or its head is too long.", status=400))

    def _give_up(self) -> None:
        """Refuse a client that has not sent a whole head by now."""
        self._patience = None
        if not self._has_request() and self.transport.get_protocol() is self:
            self._refuse(ApiProblem("The request's head did not arrive in time.", status=408))

    def _has_request(self) -> bool:
        cycle: object = self.cycle  # uvicorn says that there always is one
        return cycle is not None

    def _refuse(self, problem: ApiProblem) -> None:
        # Past h11, which may be in a state in which it refuses to speak.
        content = json.dumps(problem.envelope()).encode()
        if not self._has_request() and not self.transport.is_closing():
            head = (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + content)
        self.transport.close()
