"""This project's side of the benchmarks of connections, of either API."""

import os

from serve import serve
from websocket_tasks import Async, Sync, tasks

from realtime_ext import AsyncRealtimeClient, RealtimeClient

CLIENTS = {}


def client(kind, port):
    """Return the client of all connections of its kind."""
    if kind not in CLIENTS:
        CLIENTS[kind] = kind("sk-benchmark", base_url=f"http://127.0.0.1:{port}/v1")
    return CLIENTS[kind]


def connecting(kind, port):
    """Return a connection to be opened."""
    return client(kind, port).connect(model="gpt-realtime-2.1")


def connecting_live(kind, port):
    """Return a connection of the Live API to be opened."""
    return client(kind, port).live.connect({"model": "gpt-live-1"}, idle_audio=False)


def opener(connecting, first):
    """Return what opens a connection and takes its first event."""

    def one(port):
        connection = connecting(RealtimeClient, port).__enter__()
        assert connection.recv().type == first
        return connection

    return one


def async_opener(connecting, first):
    """Return what opens a connection with asyncio and takes its first event."""

    async def one(port):
        connection = await connecting(AsyncRealtimeClient, port).__aenter__()
        assert (await connection.recv()).type == first
        return connection

    return one


REALTIME = {
    "ask": lambda connection: connection.create_response(),
    "done": "response.done",
    "append": lambda connection: connection.append_audio,
    "settle": lambda connection: connection.commit_audio(),
    "settled": "input_audio_buffer.committed",
    "clear": lambda connection: connection.clear_audio(),
    "cleared": "input_audio_buffer.cleared",
}
LIVE = {
    "ask": lambda connection: connection.send({"type": "response.create"}),
    "done": "session.usage.updated",
    "append": lambda connection: connection.send_audio,
    "settle": lambda connection: connection.unmute(),
    "settled": "session.input_audio.unmuted",
    "clear": lambda connection: connection.mute(),
    "cleared": "session.input_audio.muted",
}
serve(
    tasks(
        realtime=(
            Sync(opener(connecting, "session.created"), **REALTIME),
            Async(async_opener(connecting, "session.created"), **REALTIME),
        ),
        live=(
            Sync(opener(connecting_live, "session.started"), **LIVE),
            Async(async_opener(connecting_live, "session.started"), **LIVE),
        ),
    )
)
os._exit(0)  # with the connections that are still open
