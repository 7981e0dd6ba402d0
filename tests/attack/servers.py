"""Borders to a faulty server, over HTTP and over WebSocket, and a program that cancels what it asked for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import gzip
import hashlib
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from realtime_simulator import Pacing, Simulator

from realtime_ext import AsyncRealtimeClient, RealtimeClient, SessionBuilder
from realtime_ext._http.sending import Clock
from realtime_ext.errors import RealtimeError
from tests.attack.target import Run, Target, plain, text_of
from tests.attack.texts import event_samples
from tests.samples.sdp import sample
from tests.support.loopback import Loopback, reset

__all__ = ["TARGETS"]

KEY = "sk-proj-attacked-0123456789abcdef"
OFFER = sample("offer-aiortc-audio-datachannel")
ANSWER = sample("answer-aiortc-audio-datachannel")
TEXT = SessionBuilder("gpt-realtime").output("text").build()

_ONCE = {"create", "accept", "refer"}  # operations that must not be repeated once they may have acted
_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "create": lambda client: client.calls.create(OFFER),
    "accept": lambda client: client.calls.accept("rtc_1", {"type": "realtime"}),
    "refer": lambda client: client.calls.refer("rtc_1", "tel:+14155550123"),
    "hangup": lambda client: client.calls.hangup("rtc_1"),
    "secret": lambda client: client.client_secrets.create(),
    "session": lambda client: client.sessions.create({"type": "realtime", "model": "gpt-realtime"}),
}
_STATUS = re.compile(r"HTTP/1\.[01] ([2-5]\d\d) ")


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


_CLOCK = Clock(sleep=lambda seconds: None, asleep=_no_pause)


def _check(error: RealtimeError) -> None:
    """Check that an error shows no key, and can be shown at all."""
    shown = f"{error!s} {error!r} {vars(error)!r}"
    assert KEY not in shown, "the key is shown"


def _nothing_left() -> None:
    """Check that no thread of the client's goes on, but for one that is about to end."""
    for thread in threading.enumerate():
        if thread.name.startswith("realtime_ext"):
            thread.join(5)
            assert not thread.is_alive(), f"{thread.name} goes on"


# HTTP


def _sending(chunks: list[Any], then: Any) -> Callable[[socket.socket, Loopback], None]:
    def step(connection: socket.socket, server: Loopback) -> None:
        for chunk in chunks:
            connection.sendall(text_of(chunk).encode("latin-1", "replace"))
        if then == "reset":
            reset(connection, server)
        if then == "wait":
            server.closing.wait()
        if then != "go on":
            raise ConnectionAbortedError

    return step


def _http(case: Any) -> None:
    if not isinstance(case, dict) or not isinstance(chunks := case.get("chunks"), list):
        return
    name = text_of(case.get("operation"))
    operation = _OPERATIONS.get(name, _OPERATIONS["create"])
    with Loopback(_sending(chunks, case.get("then"))) as server:
        options: dict[str, Any] = {"base_url": server.base_url, "timeout": 0.2, "max_retries": 1}

        async def main() -> None:
            async with AsyncRealtimeClient(KEY, **options) as client:
                client._http.clock = _CLOCK
                await operation(client)

        try:
            if case.get("is_async"):
                asyncio.run(main())
            else:
                with RealtimeClient(KEY, **options) as client:
                    client._http.clock = _CLOCK
                    operation(client)
        except RealtimeError as error:
            _check(error)
        status = _STATUS.match("".join(map(text_of, chunks)))
        if name in _ONCE and status is not None and status[1] not in ("429", "503"):
            assert len(server.requests) <= 1, "what may have acted was repeated"
    _nothing_left()


def _answer(status: str, body: str, *more: str) -> list[str]:
    return [
        f"HTTP/1.1 {status}\r\n",
        *[f"{one}\r\n" for one in more],
        f"content-length: {len(body)}\r\n\r\n",
        body,
    ]


def _real_http() -> list[Any]:
    where = (
        "Location: /v1/realtime/calls/rtc_u1_x",
        "Content-Type: text/plain; charset=utf-8",
        "x-request-id: req_1",
    )
    packed = gzip.compress(ANSWER.encode()).decode("latin-1")
    secret = (
        '{"value":"ek_1","expires_at":1800000000,"session":{"type":"realtime","object":"realtime.session"}}'
    )
    refused = (
        '{"error":{"message":"Incorrect API key '
        + KEY
        + '","type":"invalid_request_error","code":"x","param":null}}'
    )
    chunked = f"{len(ANSWER):x}\r\n{ANSWER}\r\n0\r\n\r\n"
    answers = {
        "create": [
            _answer("201 Created", ANSWER, *where),
            _answer("201 Created", packed, *where, "content-encoding: gzip"),
            ["HTTP/1.1 201 Created\r\n", f"{where[0]}\r\ntransfer-encoding: chunked\r\n\r\n", chunked],
            ["HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", *_answer("201 Created", ANSWER, *where)],
        ],
        "secret": [_answer("200 OK", secret, "content-type: application/json")],
        "session": [_answer("200 OK", secret)],
        "hangup": [_answer("200 OK", ""), _answer("404 Not Found", refused)],
        "accept": [_answer("200 OK", ""), _answer("500 Oh", "<html>oh</html>")],
        "refer": [
            _answer("401 No", refused, f"x-request-id: {KEY}"),
            _answer("429 Later", refused, "retry-after: 1"),
            _answer("503 Later", "", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
            _answer("307 Elsewhere", "", "Location: http://127.0.0.1:9/x"),
        ],
    }
    return [
        {"operation": name, "is_async": is_async, "chunks": chunks, "then": then}
        for name, found in answers.items()
        for chunks in found
        for is_async in (False, True)
        for then in ("close", "close", "reset", "go on", "wait")
    ]


# WebSocket


def _frame(frame: Any) -> bytes:
    if not isinstance(frame, dict):
        return text_of(frame).encode("latin-1", "replace")
    numbers = {
        name: value if isinstance(value := frame.get(name), int) else 0
        for name in ("op", "fin", "rsv", "mask")
    }
    data = text_of(frame.get("data")).encode(errors="surrogatepass")
    if isinstance(code := frame.get("code"), int):
        data = struct.pack(">H", code % 65536) + data
    length = frame.get("length") if isinstance(frame.get("length"), int) else len(data)
    head = bytes([(numbers["fin"] & 1) << 7 | (numbers["rsv"] & 7) << 4 | numbers["op"] & 15])
    mask = (numbers["mask"] & 1) << 7
    if 0 <= length < 126:
        head += bytes([mask | length])
    elif 0 <= length < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", length % 2**64)
    return head + (b"\0\0\0\0" if mask else b"") + data


def _upgrading(case: dict[str, Any]) -> Callable[[socket.socket, Loopback], None]:
    frames = case["frames"]

    def step(connection: socket.socket, server: Loopback) -> None:
        key = server.requests[-1].header("sec-websocket-key") or ""
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        accept = base64.b64encode(digest).decode()
        head = text_of(case.get("head")).replace("ACCEPT", accept)
        connection.sendall(head.encode("latin-1", "replace"))
        for frame in frames:
            connection.sendall(_frame(frame))
        if case.get("then") == "reset":
            reset(connection, server)
        if case.get("then") == "wait":
            connection.settimeout(3)
            while connection.recv(65536):
                pass
        raise ConnectionAbortedError

    return step


def _websocket(case: Any) -> None:
    if not isinstance(case, dict) or not isinstance(case.get("frames"), list):
        return
    with Loopback(_upgrading(case)) as server:
        options: dict[str, Any] = {"base_url": server.base_url, "timeout": 0.3, "max_retries": 0}
        asked: dict[str, Any] = {"model": "gpt-realtime", "websocket_options": {"close_timeout": 0.1}}

        async def main() -> None:
            async with (
                AsyncRealtimeClient(KEY, **options) as client,
                client.connect(**asked) as connection,
                asyncio.timeout(0.2),
            ):
                await connection.run()

        def in_threads() -> None:
            with RealtimeClient(KEY, **options) as client, client.connect(**asked) as connection:
                while True:
                    connection.recv(0.1)

        try:
            asyncio.run(main()) if case.get("is_async") else in_threads()
        except TimeoutError as error:  # of this program, or an APITimeoutError
            if isinstance(error, RealtimeError):
                _check(error)
        except RealtimeError as error:
            _check(error)
            assert "the reader failed" not in str(error)
    _nothing_left()


def _real_websocket() -> list[Any]:
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Accept: ACCEPT\r\n\r\n"
    refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nx-request-id: " + KEY + "\r\n\r\n{}"
    created, *events = [
        '{"type":"session.created","event_id":"e","session":{"type":"realtime"}}',
        *map(_text, event_samples("conversation")),
    ]
    message = {"op": 1, "fin": 1, "rsv": 0, "mask": 0}
    close = {"op": 8, "fin": 1, "code": 1000, "data": "done"}
    frames: list[list[Any]] = [
        [{**message, "data": created}, *[{**message, "data": one} for one in events[:6]], close],
        [
            {**message, "data": created},
            {"op": 9, "fin": 1, "data": "ping"},
            {"op": 10, "fin": 1, "data": ""},
            close,
        ],
        [
            {"op": 1, "fin": 0, "data": created[:9]},
            {"op": 0, "fin": 0, "data": created[9:20]},
            {"op": 0, "fin": 1, "data": created[20:]},
            close,
        ],
        [
            {"op": 2, "fin": 1, "data": created},
            {**message, "data": "{nope"},
            {**close, "code": 1011, "data": f"Bearer {KEY}"},
        ],
        [{**message, "data": created}, {**message, "data": "x", "length": 2**62}],
        [{**message, "data": created}, {**close, "code": 4000}],
    ]
    return [
        {"head": one, "frames": sent, "then": then, "is_async": is_async}
        for sent in frames
        for one in (head, head, head, refusal)
        for then in ("close", "reset", "wait")
        for is_async in (False, True)
    ]


def _text(event: dict[str, Any]) -> str:
    import json

    return json.dumps(event)


# Cancellations


async def _asks(client: AsyncRealtimeClient) -> None:
    async with client.connect(session=TEXT) as connection:
        for number in range(3):
            await connection.ask(f"Hello {number}")


async def _mixes(client: AsyncRealtimeClient) -> None:
    async def read(connection: Any) -> None:
        async for _ in connection:
            pass

    async with client.connect(session=TEXT) as connection:
        reading = asyncio.ensure_future(read(connection))
        try:
            await connection.update_session({"type": "realtime", "instructions": "Be brief."})
            async with connection.stream("Hello") as stream:
                async for _ in stream:
                    pass
            await asyncio.gather(*(connection.send_text(str(number)) for number in range(5)))
            await connection.create_response()
            await connection.create_response()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _requests(client: AsyncRealtimeClient) -> None:
    await asyncio.gather(
        client.client_secrets.create(), client.sessions.create(TEXT), client.client_secrets.create()
    )


_PROGRAMS = {"asks": _asks, "mixes": _mixes, "requests": _requests}


@contextlib.contextmanager
def _cancelling() -> Iterator[Run]:
    with Simulator(pacing=Pacing(first_audio=0.005, speed=100)) as simulator:

        async def main(case: dict[str, Any]) -> None:
            program = _PROGRAMS.get(text_of(case.get("program")), _asks)
            async with AsyncRealtimeClient(
                simulator.api_key, base_url=simulator.base_url, timeout=5
            ) as client:
                task = asyncio.ensure_future(program(client))
                for wait in case.get("after", ()):
                    await asyncio.sleep(min(abs(wait), 60) / 1000 if isinstance(wait, int) else 0)
                    task.cancel()
                await asyncio.wait([task], timeout=8)
                assert task.done(), "it goes on although it was cancelled"
                fault = None if task.cancelled() else task.exception()
                if fault is not None and not isinstance(fault, RealtimeError):
                    raise fault
            for _ in range(50):  # what is closing takes some steps
                left = asyncio.all_tasks() - {asyncio.current_task()}
                if not left:
                    return
                await asyncio.wait(left, timeout=0.1)
            raise AssertionError(f"left behind: {left}")

        def run(case: Any) -> None:
            if isinstance(case, dict) and isinstance(case.get("after"), list):
                before = _sockets()
                asyncio.run(main(case))
                gc.collect()
                assert _sockets() <= before + 4, "sockets are left behind"  # the simulator's may be closing

        yield run


def _sockets() -> int:
    folder, count = "/proc/self/fd", 0
    for number in os.listdir(folder) if os.path.isdir(folder) else ():
        with contextlib.suppress(OSError):
            count += os.readlink(f"{folder}/{number}").startswith("socket:")
    return count


def _real_cancellations() -> list[Any]:
    return [
        {"program": program, "after": after}
        for program in _PROGRAMS
        for after in ([0], [1], [2], [3], [5], [8], [12], [20], [30], [3, 0], [5, 1], [9, 0, 0])
    ]


TARGETS = (
    Target("http", _real_http, plain(_http), 20.0, share=2.0),
    Target("websocket", _real_websocket, plain(_websocket), 20.0, share=2.0),
    Target("cancellations", _real_cancellations, _cancelling, 30.0, share=1.5, often=0.6),
)
