"""Handlers, right and wrong ones; type checkers must find the wrong ones and no others. Never run."""

from typing import assert_type

from realtime_ext import AsyncRealtimeClient, RealtimeClient, types


def right(client: RealtimeClient) -> None:
    with client.connect(model="gpt-realtime") as connection:

        @connection.on(types.ResponseDoneEvent)
        def finished(event: types.ResponseDoneEvent) -> None:
            print(event.response.status)

        @connection.once("response.done")
        def anything(event: object) -> None: ...

        assert_type(finished(types.ResponseDoneEvent.from_dict({})), None)
        connection.on(types.ResponseDoneEvent, lambda event: print(event.response.status))
        connection.on(types.ResponseDoneEvent | types.ResponseCreatedEvent, anything)
        connection.off(types.ResponseDoneEvent, finished)


async def right_async(client: AsyncRealtimeClient) -> None:
    async with client.connect(model="gpt-realtime") as connection:

        @connection.once(types.ResponseDoneEvent)
        async def finished(event: types.ResponseDoneEvent) -> None: ...

        connection.on(types.ResponseDoneEvent, finished)


def wrong(client: RealtimeClient) -> None:
    with client.connect(model="gpt-realtime") as connection:

        def created(event: types.ResponseCreatedEvent) -> None: ...

        connection.on(types.ResponseDoneEvent, created)  # wrong
        connection.once(types.ResponseDoneEvent)(created)  # wrong
        connection.on(types.ResponseDoneEvent, lambda event: event.nothing)  # wrong
