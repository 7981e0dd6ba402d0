"""The official package's side of the benchmarks of connections, of either API; runs in build/peers."""

import base64
import os

import openai
from serve import serve
from websocket_tasks import Async, Sync, tasks

CLIENTS = {}


def client(kind, port):
    """Return the client of all connections of its kind."""
    if kind not in CLIENTS:
        CLIENTS[kind] = kind(api_key="sk-benchmark", base_url=f"http://127.0.0.1:{port}/v1")
    return CLIENTS[kind]


def one(port):
    """Open a connection and take its first event."""
    connection = client(openai.OpenAI, port).realtime.connect(model="gpt-realtime-2.1").enter()
    assert connection.recv().type == "session.created"
    return connection


async def async_one(port):
    """Open a connection with asyncio and take its first event."""
    connection = await client(openai.AsyncOpenAI, port).realtime.connect(model="gpt-realtime-2.1").enter()
    assert (await connection.recv()).type == "session.created"
    return connection


def live_one(port):
    """Start a session of the Live API and take its first event."""
    connection = client(openai.OpenAI, port).live.connect().enter()
    connection.session.start(session={"model": "gpt-live-1"})
    assert connection.recv().type == "session.started"
    return connection


async def async_live_one(port):
    """Start a session of the Live API with asyncio and take its first event."""
    connection = await client(openai.AsyncOpenAI, port).live.connect().enter()
    await connection.session.start(session={"model": "gpt-live-1"})
    assert (await connection.recv()).type == "session.started"
    return connection


def appender(buffer_of):
    """Return the `append` of a program, by what has that method in the package."""

    def append(connection):
        buffer = buffer_of(connection)
        return lambda sound: buffer.append(audio=base64.b64encode(sound).decode())

    return append


REALTIME = {
    "ask": lambda connection: connection.response.create(),
    "done": "response.done",
    "append": appender(lambda connection: connection.input_audio_buffer),
    "settle": lambda connection: connection.input_audio_buffer.commit(),
    "settled": "input_audio_buffer.committed",
    "clear": lambda connection: connection.input_audio_buffer.clear(),
    "cleared": "input_audio_buffer.cleared",
}
LIVE = {
    "ask": lambda connection: connection.response.create(),
    "done": "session.usage.updated",
    "append": appender(lambda connection: connection.session.input_audio),
    "settle": lambda connection: connection.session.input_audio.unmute(),
    "settled": "session.input_audio.unmuted",
    "clear": lambda connection: connection.session.input_audio.mute(),
    "cleared": "session.input_audio.muted",
}
serve(
    tasks(
        realtime=(Sync(one, **REALTIME), Async(async_one, **REALTIME)),
        live=(Sync(live_one, **LIVE), Async(async_live_one, **LIVE)),
    )
)
os._exit(0)  # with the connections that are still open
