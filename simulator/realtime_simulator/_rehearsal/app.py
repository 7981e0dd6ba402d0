"""An app under test in this process, served on loopback in its own thread, with its lifespan."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from typing import Any

import uvicorn
from starlette.types import ASGIApp

_START_SECONDS = 30.0


class _Server(uvicorn.Server):
    """Tells when it serves, or has failed to."""

    def __init__(self, config: uvicorn.Config, started: Future[None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._started.set_result(None)


class ServedApp:
    """A running app.

    Args:
        app: The ASGI app.

    Raises:
        RuntimeError: Its lifespan fails.
    """

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
        started: Future[None] = Future()
        self._server = _Server(config, started)
        self._socket = config.bind_socket()
        self._thread = threading.Thread(target=self._run, args=(started,), name="rehearsed-app", daemon=True)
        self._thread.start()
        try:
            started.result(_START_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """End the app's lifespan, and stop."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self, started: Future[None]) -> None:
        problem: Any = None
        try:
            self._server.run([self._socket])
        except BaseException as error:  # the caller's thread reports it
            problem = error
        if not started.done():
            started.set_exception(RuntimeError("the app did not start; see its log"))
            started.exception().__cause__ = problem  # type: ignore[union-attr]
