"""The side of the bare libraries in the benchmarks of connections: websockets and orjson."""

import base64
import os

import orjson
from serve import serve
from websocket_tasks import LOOP, tasks
from websockets.asyncio.client import connect as aconnect
from websockets.sync.client import connect

OPTIONS = {"compression": None, "max_size": None}  # proxies are looked up, as the others do
HEADERS = {"Authorization": "Bearer sk-benchmark"}


def url(port):
    """Return the address of a session."""
    return f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime-2.1"


OPENED = []


class Sync:
    """With threads."""

    @classmethod
    def one(cls, port):
        """Open a connection and take its first event."""
        connection = connect(url(port), additional_headers=HEADERS, **OPTIONS).__enter__()
        assert orjson.loads(connection.recv(decode=False))["type"] == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = cls.one(port)

        def work():
            connection.send(orjson.dumps({"type": "response.create"}), text=True)
            while orjson.loads(connection.recv(decode=False))["type"] != "response.done":
                pass

        return work

    @classmethod
    def send(cls, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = cls.one(port), bytes(size)

        def work():
            for _ in range(chunks):
                audio = base64.b64encode(sound).decode()
                event = {"type": "input_audio_buffer.append", "audio": audio}
                connection.send(orjson.dumps(event), text=True)
            connection.send(orjson.dumps({"type": "input_audio_buffer.commit"}), text=True)
            assert orjson.loads(connection.recv(decode=False))["type"] == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = cls.one(port)

        def work():
            connection.send(orjson.dumps({"type": "input_audio_buffer.clear"}), text=True)
            assert orjson.loads(connection.recv(decode=False))["type"] == "input_audio_buffer.cleared"

        return work

    @classmethod
    def open(cls, port, connections):
        """Open connections, and keep them."""
        return lambda: OPENED.extend(cls.one(port) for _ in range(connections))


class Async:
    """With asyncio."""

    @classmethod
    async def one(cls, port):
        """Open a connection and take its first event."""
        connection = await aconnect(url(port), additional_headers=HEADERS, **OPTIONS)
        assert orjson.loads(await connection.recv(decode=False))["type"] == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.send(orjson.dumps({"type": "response.create"}), text=True)
            while orjson.loads(await connection.recv(decode=False))["type"] != "response.done":
                pass

        return work

    @classmethod
    def send(cls, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = LOOP.run_until_complete(cls.one(port)), bytes(size)

        async def work():
            for _ in range(chunks):
                audio = base64.b64encode(sound).decode()
                event = {"type": "input_audio_buffer.append", "audio": audio}
                await connection.send(orjson.dumps(event), text=True)
            await connection.send(orjson.dumps({"type": "input_audio_buffer.commit"}), text=True)
            assert orjson.loads(await connection.recv(decode=False))["type"] == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.send(orjson.dumps({"type": "input_audio_buffer.clear"}), text=True)
            assert orjson.loads(await connection.recv(decode=False))["type"] == "input_audio_buffer.cleared"

        return work

    @classmethod
    def open(cls, port, connections):
        """Open connections, and keep them."""

        async def work():
            for _ in range(connections):
                OPENED.append(await cls.one(port))

        return work


serve(tasks(realtime=(Sync, Async)))
os._exit(0)  # with the connections that are still open
