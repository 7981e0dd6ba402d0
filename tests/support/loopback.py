"""A scripted HTTP server on this machine, for what mock transports can't show: raw bytes, resets, silence."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs


@attrs.frozen
class Request:
    """A request as it came in."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


# What to do with a request; an OSError closes the connection.
Step = Callable[[socket.socket, "Loopback"], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Step:
    """Answer with this status, body and headers (underscores stand for hyphens)."""
    lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw = "\r\n".join([*lines, "", ""]).encode() + body
    return lambda connection, server: connection.sendall(raw)


def reset(connection: socket.socket, server: Loopback) -> None:
    """Reset the connection in place of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def hang_up(connection: socket.socket, server: Loopback) -> None:
    """Close the connection in place of an answer."""
    raise ConnectionAbortedError


def say_nothing(connection: socket.socket, server: Loopback) -> None:
    """Keep the connection open without an answer until the server closes."""
    server.closing.wait()


def break_off(connection: socket.socket, server: Loopback) -> None:
    """Begin an answer and close amid its body."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    raise ConnectionAbortedError


class Loopback:
    """The server: each request takes the next step; the last step is for all that follow.

    Args:
        steps: What to do with requests, in order.

    Attributes:
        requests: What came in, in order.
        base_url: Where it listens, with `/v1`.
        closing: Set when the server closes.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while not self.closing.is_set() and (line := stream.readline()):
                method, target, _ = line.decode().split()
                headers = []
                while (field := stream.readline().decode().rstrip("\r\n")) != "":
                    name, _, value = field.partition(":")
                    headers.append((name, value.strip()))
                length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
                self.requests.append(Request(method, target, tuple(headers), stream.read(length)))
                step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                step(connection, self)
