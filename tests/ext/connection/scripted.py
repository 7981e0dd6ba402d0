"""A scripted WebSocket server on this machine, for faults: garbage, stalls, broken links."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.waiting import PATIENCE

Script = Callable[["Peer"], None]


class Peer:
    """One connection, from the server's side.

    Attributes:
        request: The handshake.
        received: All events that came, in order.
    """

    def __init__(self, socket: ServerConnection, server: ScriptedServer) -> None:
        self.socket = socket
        self.server = server
        self.request = socket.request
        self.received: list[dict[str, Any]] = []
        self._count = 0

    @property
    def query(self) -> dict[str, str]:
        """The query of the address that was asked for."""
        return {key: values[0] for key, values in parse_qs(urlsplit(self.request.path).query).items()}

    @property
    def close_code(self) -> int | None:
        """The code that the other side closed with; None until it has."""
        received = self.socket.protocol.close_rcvd
        return None if received is None else int(received.code)

    def recv(self) -> dict[str, Any]:
        """Wait for an event; ConnectionClosed ends the script."""
        event: dict[str, Any] = json.loads(self.socket.recv())
        self.received.append(event)
        self.server.received.append(event)
        self.server.changed()
        return event

    def expect(self, kind: str) -> dict[str, Any]:
        """Wait for an event of a type; others before it are passed over."""
        while (event := self.recv())["type"] != kind:
            pass
        return event

    def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        self._count += 1
        self.socket.send(json.dumps({"type": kind, "event_id": f"event_{self._count}", **fields}))

    def raw(self, data: str | bytes) -> None:
        """Send a message as it is; bytes make a binary frame."""
        self.socket.send(data)

    def bytes_on_the_wire(self, data: bytes) -> None:
        """Send bytes past the WebSocket protocol."""
        self.socket.socket.sendall(data)

    def abort(self) -> None:
        """Reset the connection."""
        self.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.socket.close()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code."""
        self.socket.close(code, reason)

    def until_closed(self) -> None:
        """Take what comes until the other side closes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.recv()


class ScriptedServer:
    """The server. Each connection runs the next script; the last one is for all that follow.

    Args:
        scripts: What to do with connections.
        refusals: Answers in place of the first handshakes: status, body, headers.
        max_queue: Frames that it reads ahead of its scripts.
        port: Where it listens; 0 for a free one.

    Attributes:
        base_url: Where it listens, for `base_url=`.
        requests: The handshakes, also refused ones.
        received: All events, of all connections.
        errors: What scripts raised.
        lets_in: Handshakes that are answered; those after them wait until the server closes.
    """

    def __init__(
        self,
        *scripts: Script,
        refusals: tuple[tuple[int, str, dict[str, str]], ...] = (),
        max_queue: int = 16,
        port: int = 0,
    ) -> None:
        self._scripts = list(scripts) or [lambda peer: peer.until_closed()]
        self._refusals = list(refusals)
        self._max_queue = max_queue
        self._port = port
        self.requests: list[Request] = []
        self.received: list[dict[str, Any]] = []
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self.lets_in: int | None = None
        self.closing = threading.Event()
        self._condition = threading.Condition()
        self._running = 0

    def __enter__(self) -> Self:
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            self._port,
            process_request=self._admit,
            max_size=None,
            max_queue=self._max_queue,
            open_timeout=PATIENCE,
            close_timeout=1,
            ping_interval=None,
        )
        self._server.SHUTDOWN_POLLING_INTERVAL = 0.005  # hundreds of tests end with it; it is 0.1 s
        port = self._server.socket.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        with self._condition:  # what a client sent before it closed is read by now, whatever the machine does
            self._condition.wait_for(lambda: self._running == 0, timeout=PATIENCE)
        if error is None:
            assert self.errors == []

    def _accept(self) -> None:
        try:
            self._server.serve_forever()
        except OSError:  # the block ended before this thread began
            if not self.closing.is_set():
                raise

    def changed(self) -> None:
        """Wake those who wait for something to have come."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on what came holds."""
        with self._condition:
            assert self._condition.wait_for(condition, timeout=PATIENCE), "the condition never held"

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of a type have come."""
        self.wait(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type that came."""
        return [event for event in tuple(self.received) if event["type"] == kind]

    def refuse(self, *refusals: tuple[int, str, dict[str, str]]) -> None:
        """Refuse the next handshakes: status, body, headers."""
        self._refusals += refusals

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        self.changed()
        if self.lets_in is not None and len(self.requests) > self.lets_in:
            self.closing.wait()
        if not self._refusals:
            return None
        status, body, headers = self._refusals.pop(0)
        response = connection.respond(HTTPStatus(status), body)
        for name, value in headers.items():
            response.headers[name] = value
        return response

    def _serve(self, connection: ServerConnection) -> None:
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        peer = Peer(connection, self)
        self.peers.append(peer)
        with self._condition:
            self._running += 1
        try:
            script(peer)
        except (ConnectionClosed, OSError):
            pass
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            with self._condition:
                self._running -= 1
                self._condition.notify_all()


def nothing_leaves(connection: Any) -> Callable[[], bool]:
    """Make a condition: an async connection waits with what it sends, for the system's buffers are full.

    The server must have stopped reading. Then only the system moves bytes, as soon as it can.
    """
    socket = connection._io.link._socket
    seen: list[int] = []

    def condition() -> bool:
        seen.append(socket.transport.get_write_buffer_size() if socket.paused else 0)
        return seen[-1] > 0 and seen[-20:] == [seen[-1]] * 20

    return condition


def session(**fields: Any) -> dict[str, Any]:
    """A session as the server describes it."""
    base = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "gpt-realtime"}
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {**base, "audio": {"input": {"format": pcm}, "output": {"format": pcm}}, **fields}


class Model:
    """A script that answers as the API does, in the order that the API keeps.

    Args:
        answer: What the model says to a `response.create`: text, or dicts for function calls.
        speaks: Whether it speaks; else it writes.
    """

    def __init__(
        self, answer: Callable[[int], str | list[dict[str, Any]]] | None = None, *, speaks: bool = True
    ) -> None:
        self._answer = answer or (lambda number: f"answer {number}")
        self._speaks = speaks
        self.last_item: str | None = None
        self.responses = 0
        self._items = 0

    def __call__(self, peer: Peer) -> None:
        if "call_id" not in peer.query:
            peer.send("session.created", session=session())
        while True:
            self.handle(peer, peer.recv())

    def handle(self, peer: Peer, event: dict[str, Any]) -> None:
        """Answer one event."""
        match event["type"]:
            case "session.update":
                peer.send("session.updated", session=session(**event["session"]))
            case "conversation.item.create":
                self.add(peer, event["item"])
            case "response.create":
                self.respond(peer, event.get("response") or {})
            case "response.cancel":
                error = {"code": "response_cancel_not_active", "message": "none is active"}
                peer.send(
                    "error", error={"type": "invalid_request_error", "event_id": event["event_id"], **error}
                )
            case "session.close":
                peer.send("session.closed")
                peer.close()

    def add(self, peer: Peer, item: dict[str, Any]) -> dict[str, Any]:
        """Put an item into the conversation."""
        self._items += 1
        item = {"id": f"item_{self._items}", "object": "realtime.item", "status": "completed", **item}
        for kind in ("conversation.item.added", "conversation.item.done"):
            peer.send(kind, previous_item_id=self.last_item, item=item)
        self.last_item = item["id"]
        return item

    def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
        """Make one response."""
        self.responses += 1
        base = {
            "id": f"resp_{self.responses}",
            "object": "realtime.response",
            "conversation_id": None if asked.get("conversation") == "none" else "conv_1",
            "metadata": asked.get("metadata"),
        }
        peer.send("response.created", response={**base, "status": "in_progress", "output": []})
        answer = self._answer(self.responses)
        if isinstance(answer, str):
            output = [self.say(peer, base["id"], answer)]
        else:
            output = [self.call(peer, base["id"], index, call) for index, call in enumerate(answer)]
        usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
        peer.send("response.done", response={**base, "status": "completed", "output": output, "usage": usage})
        peer.send("rate_limits.updated", rate_limits=[])

    def say(self, peer: Peer, response_id: str, words: str) -> dict[str, Any]:
        """Speak, or write."""
        self._items += 1
        where = {"response_id": response_id, "output_index": 0}
        item = {
            "id": f"item_{self._items}",
            "type": "message",
            "role": "assistant",
            "object": "realtime.item",
        }
        empty = {**item, "status": "in_progress", "content": []}
        peer.send("response.output_item.added", **where, item=empty)
        peer.send("conversation.item.added", previous_item_id=self.last_item, item=empty)
        self.last_item = item["id"]
        where |= {"item_id": item["id"], "content_index": 0}
        if self._speaks:
            part = {"type": "output_audio", "transcript": words}
            peer.send("response.output_audio_transcript.delta", **where, delta=words)
            audio = base64.b64encode(bytes(48) * len(words)).decode()
            peer.send("response.output_audio.delta", **where, delta=audio)
            peer.send("response.output_audio.done", **where)
            peer.send("response.output_audio_transcript.done", **where, transcript=words)
        else:
            part = {"type": "output_text", "text": words}
            peer.send("response.output_text.delta", **where, delta=words)
            peer.send("response.output_text.done", **where, text=words)
        whole = {**item, "status": "completed", "content": [part]}
        peer.send("conversation.item.done", previous_item_id=None, item=whole)
        peer.send("response.output_item.done", response_id=response_id, output_index=0, item=whole)
        return whole

    def call(self, peer: Peer, response_id: str, index: int, call: dict[str, Any]) -> dict[str, Any]:
        """Call a function."""
        self._items += 1
        item = {"id": f"item_{self._items}", "type": "function_call", "status": "completed", **call}
        peer.send("conversation.item.added", previous_item_id=self.last_item, item=item)
        self.last_item = item["id"]
        peer.send("response.output_item.done", response_id=response_id, output_index=index, item=item)
        peer.send("conversation.item.done", previous_item_id=None, item=item)
        return item
