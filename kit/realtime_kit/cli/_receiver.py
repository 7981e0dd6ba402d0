"""The server of `realtime listen`, and the line that it prints for a delivery."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .._core.files import private_opener
from ._failures import CommandError, explain
from ._output import note, note_traceback, paint, print_line, write
from ._webhook_commands import describe, post

_LENGTH = re.compile("[0-9]{1,12}")
_LARGEST = 2**20  # bytes of a body; the API's are some kilobytes
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Receiver(ThreadingHTTPServer):
    """Receives deliveries, each in a thread."""

    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        key: str,
        tolerance: float,
        *,
        forward_to: str | None,
        save: Path | None,
        as_json: bool,
    ) -> None:
        from realtime_ext.webhooks import Deduplicator

        super().__init__((host, port), _Handler)
        self._key, self._tolerance, self._forward_to, self._save = key, tolerance, forward_to, save
        self._as_json = as_json
        self._known, self._known_calls = Deduplicator(), Deduplicator()
        self._lock = threading.Lock()

    def received(self, body: bytes, pairs: list[tuple[str, str]]) -> tuple[int, str]:
        """Handle a delivery; return the status to answer with, and the problem if there is one."""
        from realtime_ext import webhooks
        from realtime_ext.errors import WebhookVerificationError

        headers = {name.lower(): value for name, value in pairs}
        line: dict[str, Any] = {"webhook_id": headers.get("webhook-id")}
        try:
            event = webhooks.unwrap(body, pairs, self._key, self._tolerance)
        except WebhookVerificationError as error:
            return self._refused(line, str(error))
        line |= {
            "genuine": True,
            "again": self._known.seen(headers["webhook-id"]),
            **describe(event.to_dict()),
        }
        key = webhooks.call_key(event)
        if key is not None and self._known_calls.seen(key) and not line["again"]:
            line["same_call"] = True  # under another id: the call of an earlier event
        if self._save is not None:
            kept = {
                "webhook_id": headers["webhook-id"],
                "received_at": int(time.time()),
                "body": body.decode(),
            }
            try:
                with self._lock, open(self._save, "a", encoding="utf-8", opener=private_opener) as file:
                    file.write(json.dumps(kept) + "\n")
            except OSError as error:
                line["problem"] = explain(error).message
                self._show({**line, "status": 500})
                return 500, line["problem"]
        status = 200
        if self._forward_to is not None:
            signed = {name: headers[name] for name in (*_SIGNED, "content-type") if name in headers}
            try:
                status, line["ms"] = post(self._forward_to, body, signed)
            except CommandError as error:
                status, line["problem"] = 502, str(error)
        self._show({**line, "status": status})
        return status, line.get("problem", "")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what ended a request: the network's error as a line, any other with its traceback."""
        error = sys.exception()
        if isinstance(error, OSError):
            note(f"a request ended before it was answered: {error}")
        elif error is not None:
            note_traceback(error)
            note(
                "realtime listen failed to handle a request: this is a bug in realtime-kit, please report it"
            )

    def _refused(self, line: dict[str, Any], problem: str) -> tuple[int, str]:
        self._show({**line, "genuine": False, "status": 400, "problem": problem})
        return 400, problem

    def _show(self, line: dict[str, Any]) -> None:
        with self._lock:
            show(line, as_json=self._as_json)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30  # seconds for a request that comes in pieces

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not _LENGTH.fullmatch(length) or int(length) > _LARGEST:
            self.close_connection = True
            self._answer(413 if length.isdigit() else 411)
            return
        body = self.rfile.read(int(length))
        try:
            answer = self.server.received(body, self.headers.items())
        except Exception:
            self._answer(500)
            raise
        self._answer(*answer)

    def _answer(self, status: int, message: str = "") -> None:
        content = message.encode("utf-8", "backslashreplace")
        self.send_response(status)
        if content:
            self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: what came is shown otherwise."""


def show(line: dict[str, Any], *, as_json: bool) -> None:
    """Print what came of a delivery."""
    if as_json:
        print_line(line)
        return
    good = line["genuine"] and 200 <= line["status"] < 300
    mark = paint("✓", "green") if good else paint("✗", "red")
    named = (str(line[name]) for name in ("type", "call_id", "from") if line.get(name))
    words = [str(line["status"]), *(" ".join(text.split()) for text in named)]
    if line.get("again"):
        words.append("(again)")
    if line.get("ms") is not None:
        words.append(f"{line['ms']} ms")
    if line.get("problem"):
        words.append(line["problem"])
    write(f"{time.strftime('%H:%M:%S')}  ", mark, "  ", "  ".join(words))
