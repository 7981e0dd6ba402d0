"""The thread in which a simulator serves: its event loop, its HTTP and WebSocket server, its orderly end.

Only this module uses uvicorn's internals. Each request carries a function in its scope that resets its
connection; faults call it. Input that never becomes a request is rejected here, with the API's envelope.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from http import HTTPStatus
from typing import Any, TypeVar

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import State

from realtime_simulator._core.event_loop import EventLoop
from realtime_simulator._core.outgoing import SILENT
from realtime_simulator._core.problem import ApiProblem

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("realtime_simulator")
HEAD_SECONDS = 20.0
"""How long the head of a request may take."""
BODY_SECONDS = 30.0
"""How long its body may take, in every application."""
_KEY = "realtime_simulator.transport"
_GRACE_SECONDS = 1.0
_NOT_RUNNING = "the simulator is not running"
MAX_FRAME_BYTES = 24 * 1024 * 1024
"""More than an event may have, so that one too large is answered; 1009 beyond that."""


def with_reset(app: ASGIApp, transport: Callable[[], asyncio.Transport]) -> ASGIApp:
    """Return an application whose requests carry their connection's transport, to cut it.

    Args:
        app: The application.
        transport: Returns the connection's transport.
    """

    async def resettable(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = dict(scope.get("extensions") or {})
        scope["extensions"] = {**extensions, _KEY: transport}
        await app(scope, receive, send)

    return resettable


def reset(scope: Scope) -> None:
    """Reset a request's connection; unread data is lost."""
    transport: asyncio.Transport = scope["extensions"][_KEY]()
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Without lingering the system sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def drop(scope: Scope) -> None:
    """Close a request's connection without a close frame, after the data that was sent."""
    transport: asyncio.Transport = scope["extensions"][_KEY]()
    transport.close()


class HttpProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with resets, and an envelope for invalid requests."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app: ASGIApp = with_reset(self.app, lambda: self.transport)
        self.logger = SILENT
        self._owed: tuple[str, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(("head", 0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, and determine what the client still has to send: a head, a body or nothing."""
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            return
        cycle: object = self.cycle
        if self.conn.their_state is h11.SEND_BODY:
            self._expect(("body", id(cycle)))
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._expect(("head", id(cycle) if cycle is not None else 0))
        else:
            self._expect(None)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Switch to the WebSocket protocol; the timer would keep this one, and its session, in memory."""
        self._expect(None)
        super().handle_websocket_upgrade(event)

    def _expect(self, owed: tuple[str, int] | None) -> None:
        """Start the timer for the data that the client still has to send, unless it runs already."""
        if owed == self._owed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._owed, self._timer = owed, None
        if owed is not None:
            self._set_timer(owed[0])

    def _set_timer(self, what: str) -> None:
        seconds = HEAD_SECONDS if what == "head" else BODY_SECONDS
        self._timer = self.loop.call_later(seconds, self._too_slow, what)

    def _too_slow(self, what: str) -> None:
        """End the connection of a client that has not sent a head or a body in time."""
        if what == "body" and self.flow.read_paused:
            self._set_timer(what)  # it is the application that does not read
            return
        self._owed = self._timer = None
        cycle: Any = self.cycle  # uvicorn's types claim that there always is one
        # One answer per request: the last one's was sent before a new head, or maybe before its body.
        may_answer = cycle is None or (
            cycle.response_complete if what == "head" else not cycle.response_started
        )
        problem = ApiProblem(f"The request's {what} did not arrive in time.", status=408)
        self._refuse(problem, may_answer=may_answer)

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP, or a head that is too long."""
        cycle: object = self.cycle
        problem = ApiProblem("This is not an HTTP/1.1 request, or its head is too long.", status=400)
        self._refuse(problem, may_answer=cycle is None)

    def _refuse(self, problem: ApiProblem, *, may_answer: bool) -> None:
        # Past h11, which may be in a state in which it refuses to speak.
        content = json.dumps(problem.envelope()).encode()
        if may_answer and not self.transport.is_closing():
            head = (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + content)
        self.transport.close()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol without its log.

    Args:
        config: The server's configuration.
        server_state: What its connections share.
        app_state: The application's state.
        _loop: The event loop; the running one if None.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app: ASGIApp = with_reset(self.app, lambda: self.transport)
        self.logger = SILENT
        self.conn.logger = SILENT
        self.conn.debug = False

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read the answers."""
        output = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(output)

    def shutdown(self) -> None:
        """Close with 1012; drop one that is closing already, for which uvicorn would raise."""
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()


class _HttpServer(uvicorn.Server):
    """uvicorn's server without polling: it starts and stops at once."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._started = started

    async def main_loop(self) -> None:
        self._started()
        while True:
            await self.on_tick(0)  # renews the Date header
            try:
                async with asyncio.timeout(1.0):
                    await self._stopping.wait()
                return
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio loses a connection, with its socket open, that is accepted when the server closes.
        loop = asyncio.get_running_loop()
        for sock in sockets or []:
            with contextlib.suppress(NotImplementedError):  # on Windows
                loop.remove_reader(sock)
        for _ in range(2):  # the last ones get their transports, then their protocols
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = loop.time() + _GRACE_SECONDS
        while self.server_state.connections and loop.time() < deadline:
            await asyncio.sleep(0.005)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        for sock in sockets or []:
            sock.close()


class ServerThread:
    """Runs an ASGI application in its own thread.

    Args:
        host: The address to listen on.
        port: The port; 0 chooses a free one.
        build: Called in the thread's event loop; returns the application and what closes it.
        certificate: The PEM file of a certificate and its key, to speak TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        build: Callable[[], tuple[ASGIApp, Callable[[], Awaitable[None]]]],
        certificate: str | os.PathLike[str] | None = None,
    ) -> None:
        self._build = build
        self._certificate = certificate
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.started: Future[None] = Future()
        self.ended: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="realtime-simulator", daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The thread's event loop.

        Raises:
            RuntimeError: It doesn't run.
        """
        if self._loop is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._loop

    @property
    def inside(self) -> bool:
        """Whether the caller is in the server's thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread, and return its result.

        Raises:
            RuntimeError: The thread doesn't run, or ended before it came to it.
        """
        done: Future[T] = Future()

        def called() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        try:
            self.loop.call_soon_threadsafe(called)
        except RuntimeError as error:  # its event loop is closed
            raise RuntimeError(_NOT_RUNNING) from error
        return self._result(done)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread's event loop, and return its result.

        Raises:
            RuntimeError: As in `call`.
        """
        try:
            done = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError as error:
            coroutine.close()
            raise RuntimeError(_NOT_RUNNING) from error
        return self._result(done)

    def _result(self, done: Future[T]) -> T:
        awaited: tuple[Future[Any], ...] = done, self.ended
        wait(awaited, return_when=FIRST_COMPLETED)
        if not done.done() or done.cancelled():
            raise RuntimeError(_NOT_RUNNING)
        return done.result()

    def start(self) -> None:
        """Start the thread; `started` is done when it serves."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `ended` is done when it is about to."""
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=EventLoop) as runner:
                _run_to_completion(runner.get_loop(), self._serve())
        except BaseException as error:
            logger.debug("the simulator's thread failed", exc_info=True)
            if not self.started.done():
                self.started.set_exception(error)
            elif not self.ended.done():
                self.ended.set_exception(error)
        finally:
            self._socket.close()
            self._loop = None
            if not self.ended.done():
                self.ended.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app, close = self._build()
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            # A client that does not answer pings may be stopped in a debugger, which is not a reason to
            # disconnect it.
            ws_ping_timeout=None,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=64 * 1024,
            ssl_certfile=self._certificate,
        )
        server = _HttpServer(config, self._stopping, lambda: self.started.set_result(None))
        try:
            await server.serve(sockets=[self._socket])
        finally:
            await close()


def _run_to_completion(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; SystemExit and KeyboardInterrupt in any other task or callback don't stop it."""
    task = loop.create_task(coroutine)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt):
            if not task.done():
                logger.exception(
                    "a callback tried to end the simulator's thread, which continues. "
                    "This is an error in realtime_simulator: please report it"
                )
    task.result()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that a port in use is an error before a thread starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off on accepted sockets only if the protocol is named: without that each
    # small answer waits some 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
