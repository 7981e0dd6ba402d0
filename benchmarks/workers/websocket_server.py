"""A scripted server of realtime events on loopback, so small that the clients are timed.

It does the handshake of WebSocket (RFC 6455) and no more of it than the clients here use. It greets with
`session.created` and answers three events: `response.create` with a whole response of audio, which was made
beforehand; `input_audio_buffer.commit` and `input_audio_buffer.clear` with what the API
says to them. Below `/live` it speaks the Live API: `session.start`, `session.input_audio.mute` and
`unmute`, and `response.create`, which it answers with audio up to a `session.usage.updated`.
Longer events are audio, which is skipped without being looked at.

Prints its port, and serves until stdin ends. Arguments: audio events a response, characters of audio in each.
"""

import asyncio
import base64
import hashlib
import itertools
import json
import struct
import sys

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SHORT = 126  # a payload from here on is audio
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime-2.1",
    "output_modalities": ["audio"],
    "instructions": "You answer for the front desk. " * 10,
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
}


def frame(payload, opcode=TEXT):
    """Return one unmasked frame."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


NUMBERS = itertools.count()


def event(kind, **fields):
    """Return the frame of an event."""
    content = {"type": kind, "event_id": f"event_{next(NUMBERS):016}", **fields}
    return frame(json.dumps(content, separators=(",", ":")).encode())


class Response:
    """The frames of whole responses, each with an id of its own but for their audio, which is made once.

    Args:
        deltas: Audio events in each.
        characters: Audio in each of those.
    """

    def __init__(self, deltas, characters):
        sound = bytes(n * 7919 % 256 for n in range(characters * 3 // 4))
        where = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        delta = event("response.output_audio.delta", **where, delta=base64.b64encode(sound).decode())
        self.audio = delta * deltas
        self.count = 0

    def __call__(self):
        self.count += 1
        body = {"object": "realtime.response", "id": f"resp_{self.count}", "output": []}
        body["conversation_id"] = "conv_1"
        created = event("response.created", response={**body, "status": "in_progress"})
        return [created, self.audio, event("response.done", response={**body, "status": "completed"})]


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers):
        self.answers = answers
        self.data = b""
        self.is_open = False
        self.api = ""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        if not self.is_open and b"\r\n\r\n" in self.data:
            self.shake_hands()
        if self.is_open:
            self.read()

    def shake_hands(self):
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        if head.split(b" ", 2)[1].startswith(b"/v1/live"):
            self.api = "live "
        else:
            self.transport.write(event("session.created", session=SESSION))
        self.is_open = True

    def read(self):
        data, at, end = self.data, 0, len(self.data)
        while end - at >= 6:
            size, head = data[at + 1] & 0x7F, 6
            if size == 126:
                if end - at < 8:
                    break
                size, head = (data[at + 2] << 8) | data[at + 3], 8
            elif size == 127:
                raise ValueError("no client here sends that much")
            if end - at < head + size:
                break
            if size < SHORT:
                mask, payload = data[at + 2 : at + 6], data[at + 6 : at + 6 + size]
                self.take(data[at] & 15, bytes(b ^ mask[n % 4] for n, b in enumerate(payload)))
            at += head + size
        self.data = data[at:]

    def take(self, opcode, payload):
        if opcode == CLOSE:
            self.transport.write(frame(payload, CLOSE))
            self.transport.close()
        elif opcode == PING:
            self.transport.write(frame(payload, PONG))
        elif opcode == TEXT:
            self.transport.writelines(self.answers[self.api + json.loads(payload)["type"]]())


LIVE = {
    "id": "live_1",
    "model": "gpt-live-1",
    "expires_at": 4_000_000_000,
    "audio": {"output": {"voice": "marin"}, "format": {"type": "audio/pcm", "rate": 24000}},
    "delegation": {"type": "client"},
    "status": "active",
    "input": [],
}


def live_answers(deltas, characters):
    """Return what the Live API says to events."""
    sound = base64.b64encode(bytes(n * 7919 % 256 for n in range(characters * 3 // 4))).decode()
    delta = {"type": "session.output_audio.delta", "delta": sound}
    audio = frame(json.dumps(delta, separators=(",", ":")).encode()) * deltas
    usage = {"usage": {"seconds": 14.0}, "context_window": {"usage_ratio": 0.01}}
    return {
        "live session.start": lambda: [event("session.started", session=LIVE)],
        "live session.input_audio.mute": lambda: [event("session.input_audio.muted")],
        "live session.input_audio.unmute": lambda: [event("session.input_audio.unmuted")],
        "live response.create": lambda: [audio, event("session.usage.updated", **usage)],
    }


async def main(deltas, characters):
    """Serve."""
    answers = {
        "response.create": Response(deltas, characters),
        "input_audio_buffer.commit": lambda: [event("input_audio_buffer.committed", item_id="item_2")],
        "input_audio_buffer.clear": lambda: [event("input_audio_buffer.cleared")],
        **live_answers(deltas, characters),
    }
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(answers), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
