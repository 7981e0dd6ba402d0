"""Clients that send and do not read, over real sockets."""

from __future__ import annotations

import gc
import json
import select
import socket

import pytest
from realtime_simulator import Simulator
from realtime_simulator._server import connection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

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

    def ping(self) -> None:
        self._protocol.send_ping(b"x" * 125)
        self._flush()

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

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self.socket.sendall(data)


def queued() -> int:
    return sum(one._queued for one in gc.get_objects() if type(one) is connection.Connection)


def ask_for_much(client: Unread) -> None:
    """Send small requests whose answers are 100 times 1 MiB."""
    client.send({"type": "conversation.item.create", "item": ITEM})
    for _ in range(100):
        client.send({"type": "conversation.item.retrieve", "item_id": "long"})


def test_a_client_that_does_not_read_is_bounded_and_disconnected(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.3)
    client = Unread(sim)
    peaks: list[int] = []
    record = sim.sessions[-1]
    ask_for_much(client)
    sim.wait_for(lambda: bool(peaks.append(queued()) or record.ended))
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
        assert poll.poll(10_000)
        assert client.close_code() is None


def test_a_client_that_reads_late_gets_everything(sim: Simulator) -> None:
    client = Unread(sim)
    ask_for_much(client)
    seen = 0
    with client.socket:
        while seen < 100:
            client._protocol.receive_data(client.socket.recv(MIB))
            for event in client._protocol.events_received():
                if isinstance(event, Frame):
                    seen += b'"conversation.item.retrieved"' in event.data[:200]
