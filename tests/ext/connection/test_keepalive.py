"""Keepalive: pings that are answered or not, and options that make no sense, sync and async."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from websockets.frames import Opcode
from websockets.utils import accept_key

from realtime_ext import RealtimeClient
from realtime_ext.errors import ConnectionClosedError
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Peer, ScriptedServer, nothing_leaves
from tests.support.loopback import Loopback
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE, joined, until


def options(interval: float | None, timeout: float | None) -> dict[str, Any]:
    """Options of a connection with pings at an interval, which closes without ceremony."""
    return {"websocket_options": {"ping_interval": interval, "ping_timeout": timeout, "close_timeout": 0.05}}


class Pings:
    """The pings that reach a peer."""

    def __init__(self, peer: Peer) -> None:
        self._process = peer.socket.process_event
        self._come = threading.Semaphore(0)
        peer.socket.process_event = self._see

    def _see(self, event: Any) -> None:
        if getattr(event, "opcode", None) is Opcode.PING:
            self._come.release()
        self._process(event)

    def wait(self, count: int) -> None:
        """Wait until so many more have come."""
        for _ in range(count):
            assert self._come.acquire(timeout=PATIENCE), "there was no ping"


@async_only
def test_a_silent_peer_that_answers_pings_is_kept(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        Pings(peer).wait(5)
        peer.send("later.event")
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server, **options(0.02, PATIENCE)) as connection:
        assert [event.type for event in connection] == ["later.event"]


@async_only
def test_pings_continue_after_events_came(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        pings = Pings(peer)
        for _ in range(3):
            pings.wait(2)
            peer.send("later.event")
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server, **options(0.02, None)) as connection:
        assert [event.type for event in connection] == ["later.event"] * 3


def test_a_peer_that_answers_no_ping_is_given_up(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        with peer.socket.protocol_mutex:  # without which the library can't take a ping
            peer.server.closing.wait()

    with ScriptedServer(script) as server:
        with (
            connect(runner, server, **options(0.02, 0.05)) as connection,
            pytest.raises(ConnectionClosedError, match="ping timeout") as raised,
        ):
            connection.wait_for("later.event", timeout=PATIENCE)
        assert raised.value.code == 1011
        server.closing.set()


@async_only
def test_without_an_interval_no_pings_are_sent(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        pings = Pings(peer)
        peer.expect("input_audio_buffer.commit")
        assert not pings._come.acquire(blocking=False)
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server, **options(None, 0.02)) as connection:
        connection.commit_audio()
        assert list(connection) == []


@async_only
@each("seconds", [0, -1.0, "20", True, float("nan")])
@each("name", ["ping_interval", "ping_timeout"])
def test_other_than_seconds_is_refused(runner: Runner, name: str, seconds: object) -> None:
    with (
        ScriptedServer() as server,
        pytest.raises((TypeError, ValueError), match=f"{name}: expected .*seconds"),
    ):
        connect(runner, server, websocket_options={name: seconds})


def test_a_peer_that_stops_reading_ends_the_connection(runner: Runner) -> None:
    """Sending waits while the other side takes nothing; when that lasts too long, the rest is given back."""

    def script(peer: Peer) -> None:
        peer.server.closing.wait()

    with ScriptedServer(script) as server:
        with (
            connect(runner, server, **options(0.1, 0.1)) as connection,
            pytest.raises(ConnectionClosedError) as caught,
        ):
            while True:
                connection.append_audio(bytes(100_000))
        server.closing.set()
    assert caught.value.code == 1011
    # The sync runner's audio is queued, up to 256 KiB of it, and a failure is raised by the next call.
    assert 1 <= len(caught.value.unsent) <= (1 if runner.is_async else 3)


@pytest.mark.slow
def test_closing_ends_what_waits_for_a_peer_that_stopped_reading() -> None:
    def script(peer: Peer) -> None:
        with peer.socket.protocol_mutex:  # without which the library reads no further
            peer.server.closing.wait()

    given_back = []
    with ScriptedServer(script) as server, RealtimeClient("key", base_url=server.base_url) as client:
        with client.connect("gpt-realtime") as connection:

            def pump() -> None:
                try:
                    while True:
                        connection.append_audio(bytes(1_000_000))
                except ConnectionClosedError as error:
                    given_back.append(error.unsent)

            thread = threading.Thread(target=pump)
            thread.start()
            until(nothing_leaves(connection._inner))
        joined(thread)
        server.closing.set()
    assert len(given_back[0]) == 1


@async_only
def test_a_close_frame_without_the_end_of_tcp_ends_the_connection_after_the_close_timeout(
    runner: Runner,
) -> None:
    def half_close(connection: socket.socket, server: Loopback) -> None:
        key = server.requests[-1].header("sec-websocket-key") or ""
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(f"{head}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode())
        connection.sendall(b'\x81\x16{"type":"later.event"}' + b"\x88\x02\x03\xe8")  # code 1000
        server.closing.wait()  # TCP stays open

    with Loopback(half_close) as server, connect(runner, server, **options(None, None)) as connection:
        assert [event.type for event in connection] == ["later.event"]
