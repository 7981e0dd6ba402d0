"""One WebSocket connection: events out through a bounded queue, messages in, an orderly close."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_simulator._core.problem import CUT
from realtime_simulator._server.thread import drop, reset

logger: logging.Logger = logging.getLogger("realtime_simulator")
MAX_QUEUED_BYTES = 40 * 1024 * 1024
"""The unread bytes that a client may have, enough for ten minutes of audio at once; it is disconnected beyond
that."""
BUSY_BYTES = 2 * 1024 * 1024
"""While more than this is unread, nothing that the client sends is processed."""
STALL_SECONDS = 30.0
"""A client that reads nothing for so long while more than `BUSY_BYTES` is unread is disconnected."""
TOO_SLOW = 1008
_GRACE_SECONDS = 10.0


def short_reason(reason: str) -> str:
    """Return a reason cut to the 123 bytes that a close frame has room for (RFC 6455 §5.5)."""
    return reason.encode()[:123].decode("utf-8", "ignore")


class Connection:
    """An accepted WebSocket.

    Args:
        websocket: The accepted WebSocket.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._queue: deque[str] = deque()
        self._queued = 0
        self._news = asyncio.Event()
        self._read_on = asyncio.Event()
        self._read_on.set()
        self._stall: asyncio.TimerHandle | None = None
        self._close: tuple[int, str] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    def send(self, event: Mapping[str, Any]) -> None:
        """Queue an event; dropped once the connection is closing."""
        if self._close is not None:
            return
        text = json.dumps(event, separators=(",", ":"))
        self._queue.append(text)
        self._queued += len(text)
        if self._queued > MAX_QUEUED_BYTES:
            self._too_slow()
        elif self._queued > BUSY_BYTES and self._read_on.is_set():
            self._read_on.clear()
            self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, self._too_slow)
        self._news.set()

    def close(self, code: int, reason: str) -> None:
        """Close after the queued events have been sent.

        Args:
            code: The close code; `CUT` for a connection that ends without one.
            reason: Why; cut to what a close frame has room for.
        """
        if self._close is None:
            self._close = (code, short_reason(reason))
            self._news.set()

    def _too_slow(self) -> None:
        logger.info("a client reads too slowly and is disconnected")
        self._queue.clear()
        self.close(TOO_SLOW, "the client reads too slowly")
        if self._reader is not None:
            self._reader.cancel()

    def _sent(self, size: int) -> None:
        """Process that the client, or the system for it, has read a message."""
        self._queued -= size
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._queued <= BUSY_BYTES:
            self._read_on.set()
        elif self._close is None:
            self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, self._too_slow)

    async def run(self, receive: Callable[[str | bytes], None]) -> None:
        """Serve until either side has closed, or the client reads too slowly; `finish` follows.

        Args:
            receive: Called with each message that comes in.
        """
        loop = asyncio.get_running_loop()
        self._writer = loop.create_task(self._write())
        self._reader = reader = loop.create_task(self._read(receive))
        try:
            await asyncio.wait([reader])
        finally:
            reader.cancel()
        if not reader.cancelled():
            reader.result()

    async def finish(self) -> None:
        """Send the queued events, and close; drop a client that does not read."""
        if self._writer is not None:
            self.close(1000, "")
            await asyncio.wait([self._writer], timeout=_GRACE_SECONDS)
            if not self._writer.done():
                self._writer.cancel()
                reset(self._websocket.scope)  # closing would wait forever for the client to read the rest
            if self._stall is not None:
                self._stall.cancel()

    async def _read(self, receive: Callable[[str | bytes], None]) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                if self._writer is not None:
                    self._writer.cancel()
                return
            text = message.get("text")
            await self._read_on.wait()
            receive(message["bytes"] if text is None else text)

    @contextlib.contextmanager
    def _reading_on(self) -> Iterator[None]:
        """Resume the reader once everything is written, or can't be: it then learns of the end."""
        try:
            yield
        finally:
            self._queue.clear()
            self.close(CUT, "")
            self._read_on.set()

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect), self._reading_on():
            while True:
                while self._queue:
                    text = self._queue.popleft()
                    await self._websocket.send_text(text)
                    self._sent(len(text))
                if self._close is not None:
                    if self._close[0] == CUT:
                        drop(self._websocket.scope)
                    else:
                        await self._websocket.close(*self._close)
                    return
                self._news.clear()
                await self._news.wait()
