"""Events of the Live API by their type, on sync and async connections. Never run."""

from __future__ import annotations

from typing import assert_type

from realtime_api import models

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import AsyncLiveConnection, LiveConnection
from realtime_ext.events import LiveEvent, Reconnected, TalkedOver, UnknownEvent


def iterate(client: RealtimeClient) -> None:
    with client.live.connect({"model": "gpt-live-1"}) as connection:
        for event in connection:
            assert_type(event, LiveEvent)
            if event.type == "session.output_transcript.delta":
                assert_type(event, models.LiveOutputTranscriptDelta)
                print(event.delta, event.start_ms, event.nothing)  # wrong
            elif event.type == "session.delegation.created":
                print(event.delegation.id)
            elif event.type == "realtime_ext.reconnected":
                assert_type(event, Reconnected)
            elif event.type == "realtime_ext.talked_over":
                assert_type(event, TalkedOver)
                print(event.start_ms)
            elif isinstance(event, UnknownEvent):
                print(event.event_type)
            else:
                print(event.type == "response.done")  # wrong
        assert_type(connection.recv(), LiveEvent)


def ask_by_name(connection: LiveConnection) -> None:
    closed = connection.wait_for("session.closed", where=lambda event: event.usage.seconds > 1)
    assert_type(closed, models.LiveSessionClosed)
    connection.wait_for("response.done")  # wrong
    with connection.expect("session.usage.updated") as expected:
        connection.say("Good morning.")
    assert_type(expected.wait(), models.LiveSessionUsageUpdated)
    assert_type(connection.wait_for(Reconnected), Reconnected)
    assert_type(connection.wait_for("realtime_ext.talked_over"), LiveEvent)

    @connection.on("error")
    def failed(event: models.LiveErrorEvent) -> None: ...

    connection.on("session.started", failed)  # wrong
    connection.off("session.delegation.created")
    connection.send({"type": "session.input_audio.mute"})
    connection.send(models.LiveSessionClose(type="session.close"))
    connection.send({"type": "input_audio_buffer.clear"})  # wrong


async def ask_by_name_async(client: AsyncRealtimeClient, connection: AsyncLiveConnection) -> None:
    async with client.live.attach("live_1") as sideband:
        async for event in sideband:
            if event.type == "transport.ringing":
                assert_type(event, models.LiveTransportRinging)
    assert_type(await connection.recv(), LiveEvent)
    assert_type(await connection.wait_for("session.started"), models.LiveSessionStarted)
    with connection.expect("decision.event") as expected:
        await connection.mute()
    assert_type(await expected, models.LiveDecisionEvent)
    await connection.send({"type": "session.close"})
    await connection.wait_for("session.output_transcript.dleta")  # wrong
