"""What is sent while the link drops: nothing twice, and what did not go out is given back."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime_ext import APITimeoutError, AsyncRealtimeClient, ConnectionClosedError, RealtimeClient
from realtime_ext.connection import Reconnect
from realtime_ext.connection._link import LinkClosed
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.reconnect import CloseInfo
from realtime_ext.connection._websocket import WebSocketLink
from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

POLICY = Reconnect(first_delay=0.0, max_delay=0.0, attempts=50)
DROPS = 5


@pytest.mark.parametrize(
    "as_text", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["bytes", "base64"]
)
@pytest.mark.slow
def test_audio_of_any_size_arrives_or_is_contents_of(runner: Runner, as_text: bool) -> None:
    data = bytes(range(256)) * (40 * 2**12)  # 40 MiB: four events, of which the server reads three at most
    received: list[dict[str, Any]] = []

    def script(peer: Peer) -> None:
        received.append(peer.expect("input_audio_buffer.append"))
        peer.abort()

    with ScriptedServer(script, max_queue=1) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            connection.append_audio(base64.b64encode(data).decode() if as_text else data)
    # What the server had taken off the wire when it dropped the link is neither here nor there.
    unsent = caught.value.unsent
    assert {event["type"] for event in unsent} == {"input_audio_buffer.append"}
    ids = [event["event_id"] for event in (*received, *unsent)]
    assert len(set(ids)) == len(ids) in (2, 3, 4)
    begin = b"".join(base64.b64decode(event["audio"]) for event in received)
    end = b"".join(base64.b64decode(event["audio"]) for event in unsent)
    assert data.startswith(begin)
    assert data.endswith(end)
    assert end != b""


@pytest.mark.slow
def test_audio_after_the_end_is_given_back_whole(runner: Runner) -> None:
    with ScriptedServer(lambda peer: peer.close(1011, "broken")) as server:
        with connect(runner, server) as connection:
            with pytest.raises(ConnectionClosedError):
                list(connection)
            with pytest.raises(ConnectionClosedError, match="broken") as caught:
                connection.append_audio(bytes(20 * 2**20))
    assert sum(len(base64.b64decode(event["audio"])) for event in caught.value.unsent) == 20 * 2**20


class Dropping:
    """A script that drops the link after so many events, in one way and another, and then keeps it."""

    def __init__(self, drops: int, after: int) -> None:
        self._drops = drops
        self._after = after

    def __call__(self, peer: Peer) -> None:
        if self._drops == 0:
            peer.until_closed()
        self._drops -= 1
        for _ in range(self._after):
            peer.recv()
        peer.abort() if self._drops % 2 else peer.close(1011, "restarting")


def events(sender: int, server: ScriptedServer) -> Iterator[dict[str, Any]]:
    """Give events until the link has dropped as often as it does."""
    for number in itertools.count():
        if len(server.requests) > DROPS:
            return
        yield {"type": "input_audio_buffer.clear", "event_id": f"{sender}_{number}"}


def check(server: ScriptedServer, sent: list[str], unsent: list[str]) -> None:
    arrived = [event["event_id"] for event in server.received]
    assert len(arrived) == len(set(arrived)), "an event came twice"
    assert set(arrived) & set(unsent) == set(), "an event came although it was given back"
    assert len(server.requests) == DROPS + 1
    for sender in "01234567":  # of each, in the order in which they were sent
        own = [event_id for event_id in arrived if event_id.startswith(sender)]
        assert own == sorted(own, key=lambda event_id: int(event_id[2:]))
    assert set(arrived) <= set(sent)


def test_threads_that_send_while_the_link_drops_send_nothing_twice() -> None:
    sent: list[str] = []
    unsent: list[str] = []

    def send(sender: int) -> None:
        for event in events(sender, server):
            try:
                sent.append(connection.send(event))
            except ConnectionClosedError as error:
                unsent.extend(event["event_id"] for event in error.unsent)
                sent.extend(event["event_id"] for event in error.unsent)

    with (
        ScriptedServer(Dropping(DROPS, 40)) as server,
        RealtimeClient("key", base_url=server.base_url) as client,
    ):
        with client.connect(call_id="rtc_1", reconnect=POLICY) as connection:
            threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # Data sent on a link whose loss is not noticed yet arrives nowhere.
            while not server.of("input_audio_buffer.commit"):
                with contextlib.suppress(ConnectionClosedError, APITimeoutError):
                    sent.append(connection.commit_audio())
                    connection.wait_for("nothing.comes", timeout=0.02)
    check(server, sent, unsent)


def test_tasks_that_send_while_the_link_drops_send_nothing_twice() -> None:
    sent: list[str] = []
    unsent: list[str] = []

    async def main() -> None:
        async def send(sender: int) -> None:
            for event in events(sender, server):
                await asyncio.sleep(0)
                try:
                    sent.append(await connection.send(event))
                except ConnectionClosedError as error:
                    unsent.extend(event["event_id"] for event in error.unsent)
                    sent.extend(event["event_id"] for event in error.unsent)

        async with AsyncRealtimeClient("key", base_url=server.base_url) as client:
            async with client.connect(call_id="rtc_1", reconnect=POLICY) as connection:
                await asyncio.gather(*(send(sender) for sender in range(8)))
                while not server.of("input_audio_buffer.commit"):
                    with contextlib.suppress(ConnectionClosedError, APITimeoutError):
                        sent.append(await connection.commit_audio())
                        await connection.wait_for("nothing.comes", timeout=0.02)

    with ScriptedServer(Dropping(DROPS, 40)) as server:
        asyncio.run(main())
    check(server, sent, unsent)


def test_a_failed_send_makes_others_wait_if_the_link_may_be_replaced() -> None:
    reconnected = ConnectionState(Role(is_sideband=True, plays=False), id_prefix="x", reconnect=POLICY)
    reconnected.suspend()
    waiter = reconnected.wait_link()
    assert not waiter.done
    assert reconnected.lost(CloseInfo.by_peer(1006, "lost", expiry=None), 0.0, lambda: 0.5) is not None
    reconnected.link_ready(1, 10.0)
    assert waiter.done

    given_up = ConnectionState(Role(), id_prefix="x")
    given_up.suspend()
    assert given_up.wait_link().done


def test_every_failure_to_send_is_the_end_of_the_link() -> None:
    class Transport:
        is_lost = False

        def is_closing(self) -> bool:
            return self.is_lost

    class Socket:
        transport = Transport()
        protocol = ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN)
        request = response = SimpleNamespace(headers={})

        def __init__(self, *, loses: bool) -> None:
            self.loses = loses

        def send_data(self) -> None:
            Transport.is_lost = self.loses
            raise AttributeError("'NoneType' object has no attribute 'call_soon'")

    async def main() -> None:
        for loses in (False, True):
            socket: Any = Socket(loses=loses)
            with pytest.raises(LinkClosed, match="lost") as caught:
                await WebSocketLink(socket).send("{}")
            assert caught.value.code == 1006

    asyncio.run(main())


def test_audio_that_waits_while_the_server_closes_is_given_back(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        ready.wait(PATIENCE)
        raw = peer.socket.socket
        raw.recv(1, socket.MSG_PEEK)  # the audio, of which the most still waits to be sent
        peer.bytes_on_the_wire(b"\x88\x06\x03\xf1full")  # a Close frame with code 1009
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(2**20):
            pass

    ready = threading.Event()
    with ScriptedServer(script, max_queue=1) as server, connect(runner, server) as connection:
        connection.clear_audio()
        connection.clear_audio()  # more than the server reads ahead
        connection.append_audio(bytes(2**10))
        ready.set()
        with pytest.raises(ConnectionClosedError, match="full") as caught:
            for _ in range(20):
                connection.append_audio(bytes(14 * 2**20))
    assert caught.value.code == 1009
    assert caught.value.unsent
