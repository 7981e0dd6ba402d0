"""This project's side of the benchmarks of connections."""

import os

from serve import serve
from websocket_tasks import LOOP, tasks

from realtime_ext import AsyncRealtimeClient, RealtimeClient

OPENED = []


def base_url(port):
    """Return the address of the API."""
    return f"http://127.0.0.1:{port}/v1"


class Sync:
    """With threads."""

    client = None

    @classmethod
    def one(cls, port):
        """Open a connection and take its first event."""
        cls.client = cls.client or RealtimeClient("sk-benchmark", base_url=base_url(port))
        connection = cls.client.connect(model="gpt-realtime-2.1").__enter__()
        assert connection.recv().type == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = cls.one(port)

        def work():
            connection.create_response()
            for event in connection:
                if event.type == "response.done":
                    break

        return work

    @classmethod
    def send(cls, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = cls.one(port), bytes(size)

        def work():
            for _ in range(chunks):
                connection.append_audio(sound)
            connection.commit_audio()
            assert connection.recv().type == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = cls.one(port)

        def work():
            connection.clear_audio()
            assert connection.recv().type == "input_audio_buffer.cleared"

        return work

    @classmethod
    def open(cls, port, connections):
        """Open connections, and keep them."""
        return lambda: OPENED.extend(cls.one(port) for _ in range(connections))


class Async:
    """With asyncio."""

    client = None

    @classmethod
    async def one(cls, port):
        """Open a connection and take its first event."""
        cls.client = cls.client or AsyncRealtimeClient("sk-benchmark", base_url=base_url(port))
        connection = await cls.client.connect(model="gpt-realtime-2.1").__aenter__()
        assert (await connection.recv()).type == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.create_response()
            async for event in connection:
                if event.type == "response.done":
                    break

        return work

    @classmethod
    def send(cls, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = LOOP.run_until_complete(cls.one(port)), bytes(size)

        async def work():
            for _ in range(chunks):
                await connection.append_audio(sound)
            await connection.commit_audio()
            assert (await connection.recv()).type == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.clear_audio()
            assert (await connection.recv()).type == "input_audio_buffer.cleared"

        return work

    @classmethod
    def open(cls, port, connections):
        """Open connections, and keep them."""

        async def work():
            for _ in range(connections):
                OPENED.append(await cls.one(port))

        return work


serve(tasks(Sync, Async))
os._exit(0)  # with the connections that are still open
