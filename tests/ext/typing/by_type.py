"""Events by their type: what narrows, and which methods know the class. Never run."""

from __future__ import annotations

from typing import assert_type

from realtime_ext import AsyncRealtimeClient, RealtimeClient, types, webhooks
from realtime_ext.events import Reconnected, SessionExpiring, UnknownEvent


def iterate(client: RealtimeClient) -> None:
    with client.connect("gpt-realtime") as connection:
        for event in connection:
            print(event.type == "response.output_text.dleta")  # wrong
            if event.type == "response.output_text.delta":
                assert_type(event, types.RealtimeServerEventResponseTextDelta)
                print(event.delta, event.nothing)  # wrong
            elif event.type == "error":
                print(event.error.message)
            elif event.type == "realtime_ext.reconnected":
                assert_type(event, Reconnected)
            elif isinstance(event, UnknownEvent):
                assert_type(event, UnknownEvent)
                print(event.event_type, event.newer_field)
        with connection.stream("Hi") as stream:
            for event in stream:
                if event.type == "response.done":
                    assert_type(event, types.RealtimeServerEventResponseDone)
        event = connection.recv()
        match event.type:
            case "response.done":
                assert_type(event, types.RealtimeServerEventResponseDone)
            case "realtime_ext.session_expiring":
                assert_type(event, SessionExpiring)
                print(event.minutes_left)  # wrong
            case _:
                pass


def ask_by_name(client: RealtimeClient) -> None:
    with client.connect("gpt-realtime") as connection:
        done = connection.wait_for("response.done", where=lambda event: event.response.id == "resp_1")
        assert_type(done, types.RealtimeServerEventResponseDone)
        connection.wait_for("response.doen")  # wrong
        with connection.expect("conversation.item.done") as expected:
            connection.send_text("Hi")
        assert_type(expected.wait(), types.RealtimeServerEventConversationItemDone)
        assert_type(connection.wait_for(Reconnected), Reconnected)
        connection.wait_for("realtime_ext.talked_over")  # wrong
        several = connection.wait_for((types.ResponseDoneEvent, "error"))
        print(several.type)
        connection.wait_for("realtime_ext.reconnected")

        @connection.on("error")
        def failed(event: types.RealtimeErrorEvent) -> None: ...

        @connection.once("session.updated")
        def updated(event: types.SessionUpdatedEvent) -> None: ...

        connection.on("error", lambda event: print(event.error.code))
        connection.on("response.done", failed)  # wrong
        connection.on("eror", failed)  # wrong
        connection.on("error", lambda event: print(event.eror))  # wrong
        connection.off("response.doen")  # wrong


async def ask_by_name_async(client: AsyncRealtimeClient) -> None:
    async with client.connect("gpt-realtime") as connection:
        async for event in connection:
            if event.type == "response.done":
                assert_type(event, types.RealtimeServerEventResponseDone)
        assert_type(await connection.wait_for("response.done"), types.RealtimeServerEventResponseDone)
        with connection.expect("session.closed") as closed:
            await connection.send({"type": "session.close"})
        assert_type(await closed, types.RealtimeTranslationServerEventSessionClosed)
        await connection.wait_for("response.doen")  # wrong

        @connection.on("response.done")
        async def done(event: types.ResponseDoneEvent) -> None: ...


def hook(body: bytes, headers: dict[str, str]) -> None:
    event = webhooks.unwrap(body, headers)
    if event.type == "realtime.call.incoming":
        assert_type(event, types.WebhookRealtimeCallIncoming)
        print(event.data.call_id)
    print(event.nothing)  # wrong
