"""`realtime listen`: receive webhooks, verify, show, save and forward them; replay saved ones."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer

from .._core.files import private_opener
from ._failures import FAILED, WRONG_USE, CommandError, explain
from ._options import Json, read_bytes
from ._output import note, note_traceback, paint, print_line, write
from ._webhook_commands import Secret, Tolerance, describe, post, secret_of

_LENGTH = re.compile("[0-9]{1,12}")
_LARGEST = 2**20  # bytes of a body; the API's are some kilobytes
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


def listen(
    forward_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Forward verified deliveries to this URL, unchanged.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 chooses a free one.")] = 8766,
    secret: Secret = None,
    tolerance: Tolerance = 300,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append deliveries to this file, readable only by its owner."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Sign saved deliveries again, send them to --forward-to, and exit; - for standard input.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Receive webhooks: verify, show, save, forward and replay them.

    It runs until Ctrl-C. The sender gets your app's response; 400 for invalid signatures, 502 if your app
    does not respond, 200 without --forward-to. To receive webhooks from the API, open a tunnel to this port
    and set its URL as the webhook's.
    """
    key = secret_of(secret)
    if replay is not None:
        if forward_to is None:
            raise CommandError("--replay needs --forward-to", status=WRONG_USE)
        if not _replay(replay, forward_to, key, as_json=as_json):
            raise typer.Exit(FAILED)
        return
    from realtime_ext.webhooks import sign

    sign(b"", key)  # a malformed secret is an error now, not at the first delivery
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise CommandError(message, "--port 0 chooses a free port") from error
    server.use(key, tolerance, forward_to, save, as_json=as_json)
    with server:
        try:
            to = f" for {forward_to}" if forward_to else ""
            note(f"listening on http://{host}:{server.server_port}/{to}")
            server.serve_forever()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    """Receives deliveries, each in a thread."""

    daemon_threads = True

    def use(
        self, key: str, tolerance: float, forward_to: str | None, save: Path | None, *, as_json: bool
    ) -> None:
        """Set the handling of deliveries."""
        from realtime_ext.webhooks import Deduplicator

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
                "realtime listen failed to handle a request: this is a bug in realtime-ext, please report it"
            )

    def _refused(self, line: dict[str, Any], problem: str) -> tuple[int, str]:
        self._show({**line, "genuine": False, "status": 400, "problem": problem})
        return 400, problem

    def _show(self, line: dict[str, Any]) -> None:
        with self._lock:
            _show(line, as_json=self._as_json)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
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


def _replay(file: str, url: str, key: str, *, as_json: bool) -> bool:
    """Send saved webhooks, freshly signed; return whether all were answered with success."""
    from realtime_ext import webhooks

    good = True
    for number, text in enumerate(read_bytes(file).decode("utf-8", "replace").splitlines(), 1):
        try:
            kept = json.loads(text)
            body, webhook_id = kept["body"].encode(), kept["webhook_id"]
            event = json.loads(body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{file}: line {number} was not written by listen --save") from error
        status, milliseconds = post(url, body, webhooks.sign(body, key, webhook_id=webhook_id))
        good = good and 200 <= status < 300
        line = {
            "webhook_id": webhook_id,
            "genuine": True,
            **describe(event),
            "status": status,
            "ms": milliseconds,
        }
        _show(line, as_json=as_json)
    return good


def _show(line: dict[str, Any], *, as_json: bool) -> None:
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
