"""Other borders: datagrams, signals, callbacks that raise, half-closed sockets, readers that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient, RealtimeClient, RealtimeError
from tests.attack.packets import JUNK
from tests.attack.target import Run, Target, text_of
from tests.simulator.test_slow_readers import Unread, queued

__all__ = ["TARGETS"]

_TEXT = {"type": "realtime", "model": "gpt-realtime", "output_modalities": ["text"]}
_QUICK: Mapping[str, Any] = {"pacing": "none", "espeak": False, "kept": 8}
_UNREAD_BYTES = 8 * 1024 * 1024
_PORTS = re.compile(r"a=candidate:\S+ 1 udp \d+ (\d[\d.]+) (\d+)")


# Datagrams to both ends of a call


@contextlib.contextmanager
def _calls() -> Iterator[Run]:
    with Simulator(**_QUICK) as simulator, asyncio.Runner() as runner:

        async def attack(case: dict[str, Any]) -> None:
            async with (
                AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
                client.dial(session=_TEXT) as connection,
            ):
                call = simulator.calls[-1]
                ends = (call.offer.decode(), call.answer)
                targets = [found for sdp in ends for found in _PORTS.findall(sdp)]
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    for data in case["datagrams"]:
                        for host, port in targets:
                            with contextlib.suppress(OSError):
                                stranger.sendto(_datagram(data), (host, int(port)))
                turn = await connection.ask("Hi", timeout=15)
                assert turn.status == "completed" and call.ended is None, call.ended

        def run(case: Any) -> None:
            if isinstance(case, dict) and isinstance(case.get("datagrams"), list):
                runner.run(attack(case))

        yield run


def _datagram(data: Any) -> bytes:
    return text_of(data).encode("latin-1", "replace")[:9_000]


def _real_datagrams() -> list[Any]:
    junk = [data.decode("latin-1") for data in JUNK.values()]
    return [{"datagrams": junk}, *[{"datagrams": [data]} for data in junk]]


# Signals at any instant of a sync call


class _Interrupted(Exception):
    """Raised by the handler of the signal."""


@contextlib.contextmanager
def _signals() -> Iterator[Run]:
    armed = False

    def interrupt(number: int, frame: object) -> None:
        if armed:
            raise _Interrupted

    def attack(case: dict[str, Any]) -> None:
        nonlocal armed
        main = threading.get_ident()
        with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            with client.connect(session=_TEXT) as connection:
                for wait in case["after"]:
                    seconds = min(abs(wait), 50) / 1000 if isinstance(wait, int) else 0
                    timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGUSR1))
                    timer.start()
                    with contextlib.suppress(_Interrupted):
                        try:
                            armed = True
                            _program(connection, text_of(case.get("program")))
                        finally:
                            armed = False
                    armed = False
                    timer.join()
                with contextlib.suppress(RealtimeError):
                    connection.create_response()
                    connection.wait_for("response.done", timeout=15)
            with client.connect(session=_TEXT) as connection:
                assert connection.ask("Hi", timeout=15).status == "completed"

    def run(case: Any) -> None:
        if isinstance(case, dict) and isinstance(case.get("after"), list):
            before = signal.signal(signal.SIGUSR1, interrupt)
            try:
                attack(case)
            finally:
                signal.signal(signal.SIGUSR1, before)

    with Simulator(**_QUICK) as simulator:
        yield run


def _program(connection: Any, name: str) -> None:
    with contextlib.suppress(RealtimeError):
        if name == "send":
            for number in range(20):
                connection.send_text(str(number))
        elif name == "recv":
            connection.create_response()
            for _ in range(5):
                connection.recv(timeout=5)
        else:
            connection.ask("Hi", timeout=5)


def _real_signals() -> list[Any]:
    return [
        {"program": program, "after": after}
        for program in ("ask", "send", "recv")
        for after in ([0], [1], [2, 1], [3], [5], [8, 2, 1], [13])
    ]


# Callbacks that raise anything


class _Unusual(BaseException):
    pass


_RAISED: Mapping[str, type[BaseException]] = {
    one.__name__: one
    for one in (ValueError, SystemExit, GeneratorExit, StopIteration, asyncio.CancelledError, _Unusual)
}


@contextlib.contextmanager
def _callbacks() -> Iterator[Run]:
    def attack(case: dict[str, Any]) -> None:
        raised = _RAISED.get(text_of(case.get("raises")), RuntimeError)

        def fails(*arguments: Any, **options: Any) -> Any:
            raise raised(case.get("text"))

        simulator.on_voice(None)
        simulator.on_response("fine")
        where = case.get("where")
        if where == "scenario":
            simulator.on_response(fails, times=1)
        elif where == "match":
            simulator.on_response("fine", match=fails, times=1)
        elif where == "voice":
            simulator.on_voice(fails)
        observer = fails if where == "observer" else None
        with (
            RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
            client.connect("gpt-realtime", observer=observer) as own,
            client.connect(session=_TEXT) as other,
        ):
            own.send_text("Hi")
            own.create_response()
            if where == "condition":
                # StopIteration and CancelledError can't leave a coroutine as they are.
                with contextlib.suppress(raised, RuntimeError, RealtimeError):
                    own.wait_for("response.done", fails, timeout=10)
            else:
                own.wait_for("response.done", timeout=10)
            simulator.on_voice(None)
            simulator.on_response("fine")
            assert other.ask("Hi", timeout=10).status == "completed"

    def run(case: Any) -> None:
        if isinstance(case, dict):
            attack(case)

    with Simulator(**_QUICK) as simulator:
        yield run


def _real_callbacks() -> list[Any]:
    places = ("scenario", "match", "voice", "observer", "condition")
    return [{"where": where, "raises": name, "text": "no"} for where in places for name in _RAISED]


# Sockets that are closed in one direction, or reset


@contextlib.contextmanager
def _half_closed() -> Iterator[Run]:
    with Simulator(**_QUICK) as simulator:
        host, port = simulator.base_url.removeprefix("http://").removesuffix("/v1").split(":")

        def end(connection: socket.socket, how: str) -> None:
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "half":
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                connection.settimeout(15)
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(65536):
                        pass

        def attack(case: dict[str, Any]) -> None:
            how = text_of(case.get("end"))
            if case.get("to") == "websocket":
                client = Unread(simulator)
                record = simulator.sessions[-1]
                with client.socket, contextlib.suppress(OSError):
                    client.socket.sendall(_datagram(case.get("data")))
                    end(client.socket, how)
                simulator.wait_for(lambda: record.ended is not None, 15)
                return
            with socket.create_connection((host, int(port))) as connection, contextlib.suppress(OSError):
                connection.sendall(
                    b"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n"
                    + f"authorization: Bearer {simulator.api_key}\r\n\r\n".encode()
                    + _datagram(case.get("data"))
                )
                end(connection, how)

        def run(case: Any) -> None:
            if isinstance(case, dict):
                attack(case)
                with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
                    client.client_secrets.create()

        yield run


def _real_ends() -> list[Any]:
    data = ("", "{", "\x88\x80\0\0\0\0", "\x88\x82\0\0\0\0\x03\xe8", "\x81\x85\0\0\0\0ab", "\x01\x80\0\0\0\0")
    return [
        {"to": to, "data": one, "end": end}
        for to in ("websocket", "http")
        for one in data
        for end in ("reset", "half", "close")
    ]


# Readers that don't read


@contextlib.contextmanager
def _unread() -> Iterator[Run]:
    with Simulator(**_QUICK) as simulator:

        def run(case: Any) -> None:
            if not isinstance(case, dict) or not isinstance(case.get("events"), list):
                return
            client = Unread(simulator)
            client.socket.settimeout(0.05)
            with client.socket, contextlib.suppress(OSError, RecursionError):
                client.send({"type": "conversation.item.create", "item": case.get("item")})
                for _ in range(100):
                    for event in case["events"]:
                        client.send(event)
                    assert queued() < _UNREAD_BYTES, "too much is queued"

        yield run


def _real_unread() -> list[Any]:
    content = [{"type": "input_text", "text": "long " * 100_000}]
    item = {"id": "long", "type": "message", "role": "user", "content": content}
    read = {"type": "conversation.item.retrieve", "item_id": "long"}
    return [{"item": item, "events": [read]}, {"item": item, "events": [read, {"type": "response.create"}]}]


@contextlib.contextmanager
def _unconsumed() -> Iterator[Run]:
    with Simulator(**_QUICK) as simulator:

        def run(case: Any) -> None:
            if not isinstance(case, dict) or not isinstance(words := case.get("words"), list):
                return
            simulator.on_response(" ".join(text_of(word) for word in words)[:1_000] or "fine")
            with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
                closed: queue.SimpleQueue[None] = queue.SimpleQueue()

                def use() -> None:
                    with contextlib.suppress(RealtimeError), client.connect("gpt-realtime") as connection:
                        for _ in range(5):
                            connection.create_response()
                    closed.put(None)

                threading.Thread(target=use, daemon=True).start()
                closed.get(timeout=15)

        yield run


def _real_unconsumed() -> list[Any]:
    return [{"words": ["many", "words", "and", "more"] * count} for count in (1, 10, 50)]


TARGETS = (
    Target("datagrams", _real_datagrams, _calls, 20.0, share=2.0),
    Target("signals", _real_signals, _signals, 30.0, often=0.3),
    Target("callbacks", _real_callbacks, _callbacks, 20.0, often=0.6),
    Target("half closed", _real_ends, _half_closed, 20.0, often=0.3),
    Target("unread", _real_unread, _unread, 20.0),
    Target("unconsumed", _real_unconsumed, _unconsumed, 20.0),
)
