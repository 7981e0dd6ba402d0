"""A small server for tests that speaks OpenAI's chat, transcription and speech API, with scripted answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import attrs

from tests.simulator.receiver import listening


@attrs.frozen
class Asked:
    """A request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Answering:
    """What an answer is written with.

    Args:
        handler: The connection.
        closing: Set when the server closes.
    """

    def __init__(self, handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        self._handler = handler
        self.closing = closing

    def begin(self, status: int = 200, kind: str = "text/event-stream") -> None:
        self._handler.send_response(status)
        self._handler.send_header("content-type", kind)
        self._handler.send_header("connection", "close")
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def whole(self, data: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.begin(status, kind)
        self.write(data)

    def chunk(self, **delta: Any) -> None:
        """Send a piece of a streamed chat answer."""
        self.write(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")

    def text(self, *pieces: str) -> None:
        """Stream a whole chat answer."""
        self.begin()
        for piece in pieces:
            self.chunk(content=piece)
        self.write(b"data: [DONE]\n\n")

    def until_gone(self) -> bool:
        """Wait until the client has gone away; False if the server closes before."""
        while not self.closing.is_set():
            try:
                self.write(b": \n\n")
            except OSError:
                return True
            self.closing.wait(0.01)
        return False


Answer = Callable[[Asked, Answering], None]


class Endpoint:
    """The server.

    Args:
        answer: Called with each request, in its own thread.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""


@contextmanager
def serving(answer: Answer) -> Iterator[Endpoint]:
    endpoint, closing = Endpoint(answer), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.path, headers, body)
            endpoint.asked.append(asked)
            try:
                endpoint.answer(asked, Answering(self, closing))
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with listening(Handler) as origin:
        endpoint.url = f"{origin}/v1"
        try:
            yield endpoint
        finally:
            closing.set()
