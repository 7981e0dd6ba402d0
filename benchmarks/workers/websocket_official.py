"""The official package's side of the benchmarks of connections; runs in build/peers."""

import base64
import os

import openai
from serve import serve
from websocket_tasks import LOOP, tasks

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
        cls.client = cls.client or openai.OpenAI(api_key="sk-benchmark", base_url=base_url(port))
        connection = cls.client.realtime.connect(model="gpt-realtime-2.1").enter()
        assert connection.recv().type == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = cls.one(port)

        def work():
            connection.response.create()
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
                connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
            connection.input_audio_buffer.commit()
            assert connection.recv().type == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = cls.one(port)

        def work():
            connection.input_audio_buffer.clear()
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
        cls.client = cls.client or openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base_url(port))
        connection = await cls.client.realtime.connect(model="gpt-realtime-2.1").enter()
        assert (await connection.recv()).type == "session.created"
        return connection

    @classmethod
    def receive(cls, port):
        """Ask for a response and read it."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.response.create()
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
                await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
            await connection.input_audio_buffer.commit()
            assert (await connection.recv()).type == "input_audio_buffer.committed"

        return work

    @classmethod
    def round_trip(cls, port):
        """Send an event and wait for its answer."""
        connection = LOOP.run_until_complete(cls.one(port))

        async def work():
            await connection.input_audio_buffer.clear()
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
