"""Clients that send and do not read, over real sockets."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import select
import socket

import pytest
from realtime_simulator import Simulator
from realtime_simulator._calls import peer
from realtime_simulator._server import connection
from realtime_simulator._simulator import endpoint
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.simulator.caller import Caller
from tests.simulator.wire import Socket
from tests.support.waiting import PATIENCE, auntil

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
ITEM = {
    "id": "long",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "long " * (MIB // 5)}],
}


class Unread:
    """A WebSocket whose client reads only when told to."""

    def __init__(self, sim: Simulator) -> None:
        url = f"{sim.base_url.replace('http', 'ws')}/realtime?model=gpt-realtime-2.1"
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        request = self._protocol.connect()
        request.headers["authorization"] = f"Bearer {sim.api_key}"
        self._protocol.send_request(request)
        uri = parse_uri(url)
        self.socket = socket.create_connection((uri.host, uri.port))
        self._flush()
        while not any(isinstance(event, Frame) for event in self._protocol.events_received()):
            self._protocol.receive_data(self.socket.recv(4096))  # session.created

    def send(self, event: object) -> None:
        self._protocol.send_text(json.dumps(event).encode())
        self._flush()

    def pings(self, count: int) -> None:
        self._protocol.send_ping(b"x" * 125)
        self.socket.sendall(b"".join(self._protocol.data_to_send()) * count)

    def close_code(self) -> int | None:
        """Read everything until the close frame or the end; the close code, None if there was none."""
        while True:
            try:
                data = self.socket.recv(MIB)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                    return int.from_bytes(event.data[:2], "big")

    def queued(self) -> int:
        """The bytes that the simulator has queued for this client."""
        return self._its_connection._queued

    @functools.cached_property
    def _its_connection(self) -> connection.Connection:
        address = self.socket.getsockname()
        open_ones = (
            one for one in gc.get_objects() if type(one) is connection.Connection and one._close is None
        )
        return next(one for one in open_ones if one._websocket.client == address)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self.socket.sendall(data)


def ask_for_much(client: Unread) -> None:
    """Send small requests whose answers are 100 times 1 MiB."""
    client.send({"type": "conversation.item.create", "item": ITEM})
    for _ in range(100):
        client.send({"type": "conversation.item.retrieve", "item_id": "long"})


def test_a_client_that_does_not_read_is_bounded_and_disconnected(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(connection, "_GRACE_SECONDS", PATIENCE)
    client = Unread(sim)
    peaks: list[int] = []
    record = sim.sessions[-1]
    client.queued()  # found while it is open
    ask_for_much(client)
    sim.wait_for(lambda: bool(peaks.append(client.queued()) or record.ended))
    assert 0 < max(peaks) < connection.BUSY_BYTES + 2 * MIB
    assert client.close_code() == connection.TOO_SLOW
    client.socket.close()


def test_a_client_that_does_not_read_its_close_frame_is_reset(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(connection, "_GRACE_SECONDS", 0.1)
    client = Unread(sim)
    ask_for_much(client)
    poll = select.poll()
    poll.register(client.socket, 0)  # errors and resets are reported always
    with client.socket:
        assert poll.poll(int(PATIENCE * 1000))
        assert client.close_code() is None


def test_a_client_that_reads_late_gets_everything(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", PATIENCE)
    client = Unread(sim)
    ask_for_much(client)
    seen = 0
    with client.socket:
        while seen < 100:
            client._protocol.receive_data(client.socket.recv(MIB))
            for event in client._protocol.events_received():
                if isinstance(event, Frame):
                    seen += b'"conversation.item.retrieved"' in event.data[:200]


def unsent(client: socket.socket) -> int:
    """The bytes that the simulator's event loop holds for a client that does not read."""
    kind = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    address = client.getsockname()
    transports = (one for one in gc.get_objects() if type(one) is kind)
    return max(one.get_write_buffer_size() for one in transports if one.get_extra_info("peername") == address)


def test_pongs_for_a_client_that_does_not_read_are_dropped(sim: Simulator) -> None:
    client = Unread(sim)
    record = sim.sessions[-1]
    with client.socket:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(100):
            client.pings(600)  # altogether more than the system holds for a connection
        client.send({"type": "nonsense"})
        sim.wait_for(lambda: bool(record.received))
        assert unsent(client.socket) < MIB // 4


@pytest.mark.parametrize("path", ["sessions/{}/events", "overview"])
def test_a_reader_of_the_console_that_does_not_read_is_bounded(
    sim: Simulator, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", 0.001)
    with Socket(sim) as session:
        session_id = session.recv()["session"]["id"]
        host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as unread:
            unread.sendall(
                f"GET /simulator/{path.format(session_id)} HTTP/1.1\r\nhost: {host}\r\n"
                f"authorization: Bearer {sim.api_key}\r\naccept: text/event-stream\r\n\r\n".encode()
            )
            assert unread.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
            session.send("conversation.item.create", item=ITEM)
            for _ in range(30):
                session.send("conversation.item.retrieve", item_id="long")
                session.until("conversation.item.retrieved")
            assert unsent(unread) < 8 * MIB
    with Socket(sim) as again:
        again.recv()


def test_a_call_whose_data_channel_does_not_transmit_is_lost(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(peer, "MAX_QUEUED_BYTES", MIB)
    text = {"type": "input_text", "text": "long " * 10_000}

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), Caller(sim) as caller:
            await caller.connect({"type": "realtime", "model": "gpt-realtime-2.1"})
            record = sim.calls[-1]
            caller.send("conversation.item.create", item={**ITEM, "content": [text]})
            await caller.until("conversation.item.added")
            for _ in range(60):
                caller.send("conversation.item.retrieve", item_id="long")
            caller.channel.transport.transport._handle_data = (
                None  # what comes is dropped, and not acknowledged
            )
            await auntil(lambda: record.ended)
            assert record.ended == "lost"

    asyncio.run(main())
    assert "the data channel of a call transmits too slowly; the call is lost" in caplog.text


def test_the_end_of_a_client_that_does_not_read_is_noticed_at_once(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 3600.0)  # longer than is waited for
    client = Unread(sim)
    record = sim.sessions[-1]
    client.queued()  # found while it is open
    ask_for_much(client)
    sim.wait_for(lambda: client.queued() > connection.BUSY_BYTES)
    client.socket.close()
    sim.wait_for(lambda: record.ended is not None)
    assert record.ended == "client closed"
