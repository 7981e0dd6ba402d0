"""A client whose process was stopped for a while: what arrived meanwhile is not late."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from realtime_simulator import Simulator
from websockets.utils import accept_key

from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.loopback import Loopback
from tests.support.suspended import Process
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system can't stop a process"),
]

PROGRAM = """
import asyncio
from realtime_ext import AsyncRealtimeClient, SessionBuilder, TranslationSessionBuilder
from realtime_ext.connection import _async_connection
print("begun")
_async_connection._LAST_WORDS = 20.0
async def main():
    async with AsyncRealtimeClient("sk-x", base_url=sys.argv[1], max_retries=0) as client:
        %s
asyncio.run(main())
"""
OPEN = """
        async with client.connect("gpt-realtime", websocket_options={"ping_interval": 0.05}) as connection:
            print("open")
            await asyncio.Event().wait()
"""
WAIT = """
        async with client.connect("gpt-realtime") as connection:
            asyncio.get_running_loop().call_soon(print, "waiting")
            print((await connection.wait_for("later.event", timeout=20)).type)
"""
CLOSE = """
        session = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
        async with client.connect(session) as connection:
            await connection.close()
            print([event.type async for event in connection])
"""
DIAL = """
        session = SessionBuilder("gpt-realtime").build()
        def progress(step):
            if step == "ice":
                print(step)
                input()
        async with client.dial(session, on_progress=progress, hangup_on_exit=False) as connection:
            print("open")
"""


def program(body: str) -> str:
    return PROGRAM % body.strip()


class Connections:
    """The connections to a server, each of which stays open until that closes."""

    def __init__(self) -> None:
        self._opened = queue.SimpleQueue[socket.socket]()

    def __call__(self, connection: socket.socket, server: Loopback) -> None:
        self._opened.put(connection)
        server.closing.wait()

    def next(self) -> socket.socket:
        return self._opened.get(timeout=PATIENCE)


def accept(connection: socket.socket, server: Loopback) -> None:
    """Answer a handshake."""
    key = server.requests[-1].header("sec-websocket-key") or ""
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode())


def receive_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Return the opcode and the content of a client's short frame."""
    head = connection.recv(2, socket.MSG_WAITALL)
    mask, content = (connection.recv(size, socket.MSG_WAITALL) for size in (4, head[1] & 127))
    return head[0] & 15, bytes(byte ^ mask[number % 4] for number, byte in enumerate(content))


def test_a_handshake_answered_in_the_meantime_opens_the_connection() -> None:
    connections = Connections()
    with Loopback(connections) as server, Process(program(OPEN), server.base_url) as process:
        connection = connections.next()
        with process.stopped():
            accept(connection, server)
        assert process.read() == "open"


def test_a_ping_answered_in_the_meantime_keeps_the_connection() -> None:
    connections = Connections()
    with Loopback(connections) as server, Process(program(OPEN), server.base_url) as process:
        connection = connections.next()
        accept(connection, server)
        for _ in range(2):
            opcode, content = receive_frame(connection)
            assert opcode == 9
            with process.stopped():
                connection.sendall(bytes((0x8A, len(content))) + content)


@pytest.fixture
def peers() -> Iterator[tuple[ScriptedServer, queue.SimpleQueue[Peer]]]:
    opened = queue.SimpleQueue[Peer]()

    def script(peer: Peer) -> None:
        opened.put(peer)
        peer.server.closing.wait()

    with ScriptedServer(script) as server:
        yield server, opened
        server.closing.set()


def test_an_event_that_came_in_the_meantime_is_returned(
    peers: tuple[ScriptedServer, queue.SimpleQueue[Peer]],
) -> None:
    server, opened = peers
    with Process(program(WAIT), server.base_url) as process:
        peer = opened.get(timeout=PATIENCE)
        assert process.read() == "waiting"
        with process.stopped():
            peer.send("later.event")
        assert process.read() == "later.event"


@contextlib.contextmanager
def closing(server: ScriptedServer, opened: queue.SimpleQueue[Peer]) -> Iterator[tuple[Process, Peer]]:
    """A program that waits for the end of the session that it closes, and its peer."""
    with Process(program(CLOSE), server.base_url) as process:
        peer = opened.get(timeout=PATIENCE)
        peer.expect("session.update")
        peer.send("session.updated", session={})
        peer.expect("session.close")
        yield process, peer


def test_the_end_of_a_session_that_came_in_the_meantime_is_waited_for(
    peers: tuple[ScriptedServer, queue.SimpleQueue[Peer]],
) -> None:
    with closing(*peers) as (process, peer):

        def end() -> None:
            peer.send("session.output_audio.delta", delta="A" * 2**20)  # more than is read at once
            peer.send("session.closed")

        ending = threading.Thread(target=end)
        with process.stopped():
            ending.start()
        assert "session.closed" in process.read()
        ending.join()


def test_the_end_of_a_session_is_waited_for_after_a_stop(
    peers: tuple[ScriptedServer, queue.SimpleQueue[Peer]],
) -> None:
    with closing(*peers) as (process, peer):
        with process.stopped():
            pass
        for _ in range(50):  # longer than what has arrived takes to be processed
            assert peer.socket.ping().wait(PATIENCE)
        peer.send("session.closed")
        assert "session.closed" in process.read()


def test_a_call_is_set_up_although_the_process_was_stopped() -> None:
    with (
        Simulator(pacing="none", espeak=False, api_key="sk-x") as simulator,
        Process(program(DIAL), simulator.base_url) as process,
    ):
        assert process.read() == "ice"
        with process.stopped():
            process.write("")
        assert process.read() == "open"
