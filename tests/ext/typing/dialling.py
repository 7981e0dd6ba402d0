"""A connection that `dial` made has a call; one that `connect` made need not have."""

from __future__ import annotations

from collections.abc import AsyncIterator

from realtime_ext import AsyncRealtimeClient


async def speech() -> AsyncIterator[bytes]:
    yield b""


async def listen(pcm: bytes) -> None:
    print(len(pcm))


def shout(pcm: bytes) -> None:
    print(len(pcm))


async def use(client: AsyncRealtimeClient) -> None:
    async with client.dial(audio_in=speech(), audio_out=listen, on_progress=print) as call:
        print(call.call.id)
    async with client.connect("gpt-realtime") as connection:
        print(connection.call.id)  # wrong
    client.dial(audio_in=speech)  # wrong
    client.dial(audio_out=shout)  # wrong
