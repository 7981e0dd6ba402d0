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
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from realtime_simulator import Simulator, call_tool

from realtime_ext import (
    APIConnectionError,
    AsyncRealtimeClient,
    ConnectionClosedError,
    RealtimeClient,
    RealtimeError,
)
from realtime_ext.tools import Toolbox
from tests.attack.packets import JUNK
from tests.attack.target import Run, Target, text_of
from tests.simulator.test_slow_readers import Unread

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
    """Raised by the handler of a signal."""


_SIGNALS: Mapping[str, tuple[signal.Signals, type[BaseException]]] = {
    "SIGINT": (signal.SIGINT, KeyboardInterrupt),
    "SIGTERM": (signal.SIGTERM, SystemExit),
    "SIGVTALRM": (signal.SIGVTALRM, TimeoutError),  # the attack itself uses SIGALRM
    "SIGUSR1": (signal.SIGUSR1, _Interrupted),
}


@contextlib.contextmanager
def _signals() -> Iterator[Run]:
    armed: list[type[BaseException]] = []

    def interrupt(number: int, frame: object) -> None:
        if armed:
            raise armed.pop()

    def attack(case: dict[str, Any]) -> None:
        main = threading.get_ident()
        number, raised = _SIGNALS.get(text_of(case.get("signal")), _SIGNALS["SIGUSR1"])
        program = _PROGRAMS.get(text_of(case.get("program")), _PROGRAMS["ask"])
        with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            with client.connect(session=_TEXT) as connection:
                for wait in case["after"]:
                    seconds = min(abs(wait), 50) / 1000 if isinstance(wait, int) else 0
                    timer = threading.Timer(seconds, signal.pthread_kill, (main, number))
                    timer.start()
                    with contextlib.suppress(raised):
                        try:
                            armed.append(raised)
                            with contextlib.suppress(RealtimeError):
                                program(client, connection)
                        finally:
                            armed.clear()
                    armed.clear()
                    timer.join()
                with contextlib.suppress(RealtimeError):
                    connection.create_response()
                    connection.wait_for("response.done", timeout=15)
            with client.connect(session=_TEXT) as connection:
                assert connection.ask("Hi", timeout=15).status == "completed"
        for thread in threading.enumerate():
            if thread.name == "realtime_ext loop":
                thread.join(5)
                assert not thread.is_alive(), "the loop's thread goes on"

    def run(case: Any) -> None:
        if isinstance(case, dict) and isinstance(case.get("after"), list):
            before = {number: signal.signal(number, interrupt) for number, _ in _SIGNALS.values()}
            try:
                attack(case)
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    with Simulator(**_QUICK) as simulator:
        yield run


def _send(client: RealtimeClient, connection: Any) -> None:
    for number in range(20):
        connection.send_text(str(number))


def _append(client: RealtimeClient, connection: Any) -> None:
    for _ in range(20):
        connection.append_audio(bytes(9_600))
    connection.clear_audio()


def _receive(client: RealtimeClient, connection: Any) -> None:
    connection.create_response()
    for _ in range(5):
        connection.recv(timeout=5)


def _open(client: RealtimeClient, connection: Any) -> None:
    for _ in range(3):
        with client.connect("gpt-realtime") as other, other.expect("session.updated") as expected:
            other.update_session({"type": "realtime", "instructions": "Be brief."})
        expected.wait(5)


def _stream(client: RealtimeClient, connection: Any) -> None:
    with connection.stream("Hi") as stream:
        for _ in stream:
            pass


def _dial_briefly(client: RealtimeClient, connection: Any) -> None:
    with client.dial(session=_TEXT) as other:
        other.send_text("Hi")


_PROGRAMS: Mapping[str, Callable[[RealtimeClient, Any], object]] = {
    "ask": lambda client, connection: connection.ask("Hi", timeout=5),
    "send": _send,
    "append": _append,
    "recv": _receive,
    "open": _open,
    "stream": _stream,
    "request": lambda client, connection: client.client_secrets.create(),
    "dial": _dial_briefly,
}


def _real_signals() -> list[Any]:
    return [
        {"program": program, "signal": name, "after": after}
        for program in _PROGRAMS
        for name in _SIGNALS
        for after in ([0], [1], [2, 1], [3], [5], [8, 2, 1], [13])
    ]


# Callbacks that raise anything


class _Unusual(BaseException):
    pass


_RAISED: Mapping[str, type[BaseException]] = {
    one.__name__: one
    for one in (
        *(ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration),
        *(asyncio.CancelledError, _Unusual),
    )
}
_END_PROGRAMS = (SystemExit, KeyboardInterrupt)  # in the main thread, where an async client runs


class _Failing:
    """Callbacks that raise, and the simulator that a program uses with them."""

    def __init__(self, simulator: Simulator, raised: type[BaseException], text: Any) -> None:
        self.simulator = simulator
        self.raised = raised
        self._text = text

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        raise self.raised(self._text)

    async def later(self, *arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        self()

    async def pieces(self) -> AsyncIterator[bytes]:
        yield bytes(960)
        self()

    def client(self, key: Any = None) -> RealtimeClient:
        return RealtimeClient(key or self.simulator.api_key, base_url=self.simulator.base_url)

    def async_client(self, key: Any = None) -> AsyncRealtimeClient:
        return AsyncRealtimeClient(key or self.simulator.api_key, base_url=self.simulator.base_url)

    def toolbox(self, *, is_async: bool, **options: Any) -> Toolbox:
        def sync_tool(x: str) -> str:
            return str(self())

        async def async_tool(x: str) -> str:
            return str(await self.later())

        toolbox = Toolbox(**options)
        toolbox.add(
            {"type": "function", "name": "trick", "parameters": _X}, async_tool if is_async else sync_tool
        )
        self.simulator.on_response(call_tool("trick", {"x": "y"}), times=1)
        return toolbox


_X = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}


def _respond(connection: Any) -> None:
    connection.send_text("Hi")
    connection.create_response()
    connection.wait_for("response.done", timeout=10)


def _with_scenario(set_up: Callable[[_Failing], object]) -> Callable[[_Failing], None]:
    def use(failing: _Failing) -> None:
        set_up(failing)
        with failing.client() as client, client.connect("gpt-realtime") as connection:
            _respond(connection)

    return use


def _observer(failing: _Failing) -> None:
    with failing.client() as client, client.connect(session=_TEXT, observer=failing) as connection:
        _respond(connection)


def _condition(failing: _Failing) -> None:
    with failing.client() as client, client.connect(session=_TEXT) as connection:
        connection.create_response()
        with contextlib.suppress(failing.raised, RuntimeError):
            connection.wait_for("response.done", failing, timeout=10)
            raise AssertionError("the condition's exception was lost")
        _respond(connection)


def _handler(failing: _Failing) -> None:
    with failing.client() as client, client.connect(session=_TEXT) as connection:
        connection.once("response.done", failing)
        with contextlib.suppress(failing.raised, RuntimeError):
            connection.ask("Hi", timeout=10)
            raise AssertionError("the handler's exception was lost")
        _respond(connection)


def _key(failing: _Failing) -> None:
    with failing.client(failing) as client, contextlib.suppress(failing.raised, RuntimeError):
        client.connect(session=_TEXT).__enter__()
        raise AssertionError("the exception of the key's function was lost")


def _tool(failing: _Failing, *, is_async: bool = False, **options: Any) -> None:
    toolbox = failing.toolbox(is_async=is_async, **options)
    if not is_async:
        with failing.client() as client, client.connect(session=_TEXT, tools=toolbox) as connection:
            assert "tool_failed" in str(connection.ask("Hi", timeout=10).tool_calls[0].output)
        return

    async def use() -> None:
        async with (
            failing.async_client() as client,
            client.connect(session=_TEXT, tools=toolbox) as connection,
        ):
            assert "tool_failed" in str((await connection.ask("Hi", timeout=10)).tool_calls[0].output)

    if failing.raised is not KeyboardInterrupt:
        asyncio.run(use())


def _async_observer(failing: _Failing) -> None:
    async def use() -> None:
        options: Any = {"session": _TEXT, "observer": failing}
        async with failing.async_client() as client, client.connect(**options) as connection:
            assert (await connection.ask("Hi", timeout=10)).status == "completed"

    if failing.raised not in _END_PROGRAMS:
        asyncio.run(use())


def _dial(**callbacks: str) -> Callable[[_Failing], None]:
    def use(failing: _Failing) -> None:
        async def call() -> None:
            given = {"self": failing, "later": failing.later, "pieces": failing.pieces()}
            options: Any = {name: given[one] for name, one in callbacks.items()}
            async with failing.async_client() as client, client.dial(session=_TEXT, **options) as connection:
                if "audio_in" not in options and "audio_out" not in options:
                    assert (await connection.ask("Hi", timeout=10)).status == "completed"
                    return
                with contextlib.suppress(ConnectionClosedError):
                    async with asyncio.timeout(10):
                        await connection.run()
                    raise AssertionError("the call did not end")

        # Audio may fail before the call is connected, which is then the reason that it is not.
        early = () if "on_progress" in callbacks else (APIConnectionError,)
        if failing.raised not in _END_PROGRAMS:
            with contextlib.suppress(*early):
                asyncio.run(call())

    return use


_PLACES: Mapping[str, Callable[[_Failing], None]] = {
    "scenario": _with_scenario(lambda failing: failing.simulator.on_response(failing, times=1)),
    "match": _with_scenario(lambda failing: failing.simulator.on_response("x", match=failing, times=1)),
    "voice": _with_scenario(lambda failing: failing.simulator.on_voice(failing)),
    "async scenario": _with_scenario(lambda failing: failing.simulator.on_response(failing.later, times=1)),
    "async voice": _with_scenario(lambda failing: failing.simulator.on_voice(failing.later)),
    "observer": _observer,
    "async observer": _async_observer,
    "condition": _condition,
    "handler": _handler,
    "key": _key,
    "tool": _tool,
    "async tool": lambda failing: _tool(failing, is_async=True),
    "on_failure": lambda failing: _tool(failing, on_failure=failing),
    "explain": lambda failing: _tool(failing, explain=failing),
    "on_progress": _dial(on_progress="self"),
    "audio_in": _dial(audio_in="pieces"),
    "audio_out": _dial(audio_out="later"),
}


@contextlib.contextmanager
def _callbacks() -> Iterator[Run]:
    def run(case: Any) -> None:
        if not isinstance(case, dict) or (place := _PLACES.get(text_of(case.get("where")))) is None:
            return
        raised = _RAISED.get(text_of(case.get("raises")), RuntimeError)
        failing = _Failing(simulator, raised, case.get("text"))
        with failing.client() as client, client.connect(session=_TEXT) as other:
            try:
                place(failing)
            finally:
                simulator.on_voice(None)
                simulator.on_response("fine")
            assert other.ask("Hi", timeout=10).status == "completed"

    with Simulator(**_QUICK) as simulator:
        yield run


def _real_callbacks() -> list[Any]:
    return [{"where": where, "raises": name, "text": "no"} for where in _PLACES for name in _RAISED]


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
            client.queued()  # found while it is open
            record = simulator.sessions[-1]
            with client.socket:
                with contextlib.suppress(OSError, RecursionError):
                    client.send({"type": "conversation.item.create", "item": case.get("item")})
                    for _ in range(100):
                        for event in case["events"]:
                            client.send(event)
                count = -1
                while count != (count := len(record.received)):  # until it processes no more
                    time.sleep(0.1)
                    assert client.queued() < _UNREAD_BYTES, "too much is queued"

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
