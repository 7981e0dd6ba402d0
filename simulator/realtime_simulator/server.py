"""The thread in which a simulator lives: its event loop, its HTTP server, its orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

import uvicorn
from starlette.types import ASGIApp

from realtime_simulator.resets import HttpProtocol
from realtime_simulator.ws.protocol import WebSocketProtocol

logger = logging.getLogger("realtime_simulator")
_GRACE_SECONDS = 1.0
MAX_FRAME_BYTES = 24 * 1024 * 1024
"""More than an event may have, so that one too large is answered and not cut off; 1009 beyond that."""


class _HttpServer(uvicorn.Server):
    """uvicorn's server without its polling: it starts and stops at once."""

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
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + _GRACE_SECONDS
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline:
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
    """Runs an ASGI application in a thread of its own.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        build: Called in the thread's event loop; returns the application and what closes it.
    """

    def __init__(
        self, host: str, port: int, build: Callable[[], tuple[ASGIApp, Callable[[], Awaitable[None]]]]
    ) -> None:
        self._build = build
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
            raise RuntimeError("the simulator is not running")
        return self._loop

    @property
    def inside(self) -> bool:
        """Whether the caller is in the server's thread."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Start the thread; `started` tells when it serves."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `ended` tells when it is about to."""
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
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
            # A client that answers no pings may be stopped in a debugger: that is no reason to leave it.
            ws_ping_timeout=None,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=64 * 1024,
        )
        server = _HttpServer(config, self._stopping, lambda: self.started.set_result(None))
        try:
            await server.serve(sockets=[self._socket])
        finally:
            await close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that a taken port is known before a thread starts."""
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
