"""A webhook receiver for tests: keeps what came, and answers what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from realtime_ext import webhooks


@attrs.frozen
class Delivered:
    body: bytes
    headers: dict[str, str]

    def event(self, secret: str) -> Any:
        """Check the signature and read the event."""
        return webhooks.unwrap(self.body, self.headers, secret)


class Receiver:
    """Everything that was delivered to it.

    Args:
        answer: Called with each delivery; returns the status to answer.
    """

    def __init__(self, answer: Callable[[Delivered], int]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.deliveries: list[Delivered] = []
        self.url = ""

    def take(self, delivered: Delivered) -> int:
        with self._lock:
            self.deliveries.append(delivered)
        return self._answer(delivered)


@contextmanager
def receiving(answer: Callable[[Delivered], int] = lambda _: 200) -> Iterator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(Delivered(body, headers)))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with listening(Handler) as origin:
        receiver.url = f"{origin}/hook?token=hush"
        yield receiver


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port, each request in its own thread; gives the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
