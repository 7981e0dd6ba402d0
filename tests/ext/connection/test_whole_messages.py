"""Messages that are taken from the library's buffer: the same come in as by the library alone."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri
from websockets.utils import accept_key

from realtime_ext._http.sending import Clock
from realtime_ext.connection._websocket import _Socket
from tests.support.rows import each

LENGTHS = [0, 1, 2, 125, 126, 127, 4096, 65535, 65536]


class Transport(asyncio.Transport):
    """Where nothing is sent."""

    def write(self, data: Any) -> None:
        pass

    def writelines(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def frame(head: int, payload: bytes, *, is_masked: bool = False) -> bytes:
    """Return a frame with any first byte."""
    mask, size = 0x80 * is_masked, len(payload)
    if size < 126:
        return struct.pack("!BB", head, mask | size) + payload
    if size < 2**16:
        return struct.pack("!BBH", head, mask | 126, size) + payload
    return struct.pack("!BBQ", head, mask | 127, size) + payload


def received(pieces: list[bytes], *, limits_size: bool) -> tuple[list[bytes], object]:
    """Return what comes of pieces of a stream: the messages, and the close frame that answers them."""

    async def receive() -> tuple[list[bytes], object]:
        protocol = ClientProtocol(parse_uri("ws://host/"))
        socket: Any = _Socket(protocol, clock=Clock(), limits_size=limits_size, ping_interval=None)
        socket.connection_made(Transport())
        protocol.send_request(protocol.connect())
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(protocol.key)}\r\n\r\n"
        ).encode()
        messages: list[bytes] = []
        socket.inbox.start(lambda message: messages.append(bytes(message)), lambda error: None)
        socket._closing = False  # no timer
        socket.data_received(head + pieces[0])
        for piece in pieces[1:]:
            socket.data_received(piece)
        return messages, protocol.close_sent

    return asyncio.run(receive())


TEXT, LONG, LAST, PING = (
    frame(0x81, b"text"),
    frame(0x81, b"x" * 130),
    frame(0x81, b"last"),
    frame(0x89, b"p"),
)
STREAMS = {
    "text": TEXT + LONG + frame(0x81, b""),
    "a ping": TEXT + PING + TEXT,
    "fragments": frame(0x01, b"a") + PING + frame(0x00, b"b") + frame(0x80, b"c") + TEXT,
    "a message within another": frame(0x01, b"a") + PING + LONG,
    "a part of no message": TEXT + frame(0x80, b"a"),
    "bytes": frame(0x82, b"bytes") + TEXT,
    "a close": TEXT + frame(0x88, b"\x03\xe8") + TEXT,
    "a mask": TEXT + frame(0x81, b"text", is_masked=True) + TEXT,
    "compression": TEXT + frame(0xC1, b"text") + TEXT,
    "an unknown opcode": frame(0x83, b"text") + TEXT,
}


@pytest.mark.slow
@each("name", list(STREAMS))
def test_a_stream_cut_anywhere_gives_what_the_library_makes_of_it(name: str) -> None:
    stream = STREAMS[name] + LAST
    expected = received([stream], limits_size=True)
    for cut in range(len(stream) + 1):
        assert received([stream[:cut], stream[cut:]], limits_size=False) == expected, cut


def test_messages_of_all_lengths_come_in_order_whatever_is_between_them() -> None:
    pong, parts = frame(0x8A, b""), frame(0x01, b"a") + frame(0x89, b"") + frame(0x80, b"b")
    stream = b"".join(frame(0x81, b"x" * size) + pong for size in LENGTHS) + parts + frame(0x81, b"end")
    expected = [*(b"x" * size for size in LENGTHS), b"ab", b"end"]
    for step in (1000, 4099, len(stream)):
        pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
        assert received(pieces, limits_size=False) == (expected, None)
