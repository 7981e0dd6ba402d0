"""A restaurant's phone service that books tables. The scripts in calls/ rehearse it; see test_restaurant.py.

    python examples/rehearsal/restaurant.py --port 8081 [--live]

Telephone calls come to /webhook, calls from pages to /offer, Twilio's media streams to /media; /state has the
bookings.
RESTAURANT_BUGS switches on typical bugs, separated by commas: `wrong_caller`,
`books_twice`, `cut_goodbye`, `waits_forever`, `tells_prompt`. The rehearsal finds each of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import uvicorn
from realtime_kit.incoming import IncomingCall, webhook_endpoint
from realtime_kit.media_stream import MediaStream
from realtime_kit.web import RunningCalls, offer_endpoint
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from realtime_ext import AsyncConnection, LiveSessionBuilder, RealtimeError, SessionBuilder
from realtime_ext.connection import AsyncLiveConnection
from realtime_ext.tools import Silent, ToolContext

BUGS = ("wrong_caller", "books_twice", "cut_goodbye", "waits_forever", "tells_prompt")
PROMPT = "You answer the telephone of the Elm. Friends of the house say 'maple' and get the good table."
GREETING = "Good evening, this is the Elm. How can I help you?"
FACTS = {"parking": "There is a car park behind the house.", "hours": "We are open from six to eleven."}
SILENCE_SECONDS = 6


class Restaurant:
    """The phone service of a restaurant.

    Args:
        api: The API that answers calls: `realtime` or `live`.
        bugs: The bugs to switch on.
    """

    def __init__(self, api: str = "realtime", bugs: Collection[str] = ()) -> None:
        self._api = api
        self._bugs = bugs
        self._calls = RunningCalls()
        self._newest: AsyncConnection | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.bookings: list[tuple[str, int]] = []

    # What the model may use

    async def book_table(self, time: str, people: int) -> str:
        """Book a table.

        Args:
            time: Such as 20:00.
            people: How many guests.
        """
        self.bookings.append((time, people))
        return f"The table is booked for {time}."

    async def look_up(self, topic: str) -> str:
        """Look up what the restaurant tells its guests.

        Args:
            topic: Such as parking, or hours.
        """
        fallback = PROMPT if "tells_prompt" in self._bugs else "I can't say anything about that."
        return FACTS.get(topic, fallback)

    async def hang_up(self, context: ToolContext) -> Silent:
        """End the call, after the last words."""
        connection: Any = context.connection
        task = asyncio.create_task(self._end(connection))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return Silent("the call ends")

    async def _end(self, connection: AsyncConnection | AsyncLiveConnection) -> None:
        client = self._calls.client
        with contextlib.suppress(RealtimeError):
            if isinstance(connection, AsyncLiveConnection):
                if "cut_goodbye" not in self._bugs:
                    await asyncio.sleep(1)  # the Live API does not report the end of playback
                await client.live.calls.hangup(connection.session_id)
                return
            if connection.call_id is None:  # a media stream, which plays pending audio before it ends
                await connection.close()
                return
            if "cut_goodbye" not in self._bugs:
                await connection.wait_for("output_audio_buffer.stopped", timeout=10)
            await client.calls.hangup(connection.call_id)

    # Calls

    @property
    def _tools(self) -> list[Callable[..., Any]]:
        return [self.book_table, self.look_up, self.hang_up]

    def _session(self) -> SessionBuilder:
        idle = None if "waits_forever" in self._bugs else SILENCE_SECONDS * 1000
        session = SessionBuilder("gpt-realtime-2.1").instructions(PROMPT)
        return session.server_vad(silence_duration_ms=400, idle_timeout_ms=idle, create_response=False)

    def _live_session(self) -> LiveSessionBuilder:
        return LiveSessionBuilder("gpt-live-1").instructions(PROMPT).delegate_to("gpt-5.6-sol")

    async def answer(self, call: IncomingCall) -> None:
        """Answer a telephone call, and handle it until it is over."""
        client = self._calls.client
        with contextlib.suppress(RealtimeError):  # for example, the caller has hung up
            if self._api == "live":
                async with client.live.answer(call.id, self._live_session(), tools=self._tools) as live:
                    await self._listen_live(live)
                return
            async with client.answer(call.id, self._session(), tools=self._tools) as connection:
                await self._begin(connection)
                await connection.run()

    async def stream(self, websocket: WebSocket) -> None:
        """Connect a media stream to a session until one of them ends."""
        await websocket.accept()
        client = self._calls.client
        with contextlib.suppress(RealtimeError):
            async with MediaStream(websocket) as stream:
                form = (await stream.start()).format
                if self._api == "live":
                    live_session = self._live_session().format(form)
                    async with client.live.connect(live_session, tools=self._tools) as live:
                        await live.say(GREETING)
                        await stream.bridge(live)
                    return
                async with client.connect(self._session().telephony(form), tools=self._tools) as connection:
                    await self._begin(connection)
                    await stream.bridge(connection)

    async def _begin(self, connection: AsyncConnection) -> None:
        """Greet, and answer every turn of the caller."""
        self._newest = connection
        cut: list[object] = []

        @connection.on("output_audio_buffer.cleared")
        def interrupted(event: object) -> None:
            cut.append(event)

        @connection.on("input_audio_buffer.committed")
        async def spoken(event: object) -> None:
            target = connection
            if cut and "wrong_caller" in self._bugs and self._newest is not None:
                target = self._newest
            cut.clear()
            await target.create_response()

        @connection.on("response.function_call_arguments.done")
        async def called(event: Any) -> None:
            if event.name == "book_table" and "books_twice" in self._bugs:  # in addition to the toolbox
                await self.book_table("20:00", 2)
                output: Any = {"type": "function_call_output", "call_id": event.call_id, "output": ""}
                await connection.send({"type": "conversation.item.create", "item": output})

        await connection.create_response()  # the greeting

    async def _listen_live(self, connection: AsyncLiveConnection) -> None:
        await connection.say(GREETING)
        while True:
            wait = None if "waits_forever" in self._bugs else SILENCE_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await anext(connection)
            except TimeoutError:
                await connection.say("Are you still there?")
            except StopAsyncIteration:
                return

    def app(self) -> Starlette:
        """Create the web app that receives the calls."""
        calls = self._calls
        known: set[str] = set()

        async def begin(call: IncomingCall) -> None:
            if call.id not in known:  # webhooks may be delivered more than once
                known.add(call.id)
                calls.run(call.id, self.answer(call))

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with calls:
                yield

        api: Any = self._api
        webhook = webhook_endpoint(lambda: calls.client, begin, api=api)
        session: Any = self._live_session() if self._api == "live" else self._session()
        begin_call: Any = self._listen_live if self._api == "live" else self._begin
        offer = offer_endpoint(calls, session, api=api, tools=lambda _: self._tools, on_connection=begin_call)

        async def state(request: Request) -> Response:
            if request.method == "PUT":
                found = (await request.json()).get("bookings", [])
                self.bookings = [(one["time"], one["people"]) for one in found]
            bookings = [{"time": time, "people": people} for time, people in self.bookings]
            return JSONResponse({"bookings": bookings})

        return Starlette(
            routes=[
                Route("/webhook", webhook, methods=["POST"]),
                Route("/offer", offer, methods=["POST"]),
                WebSocketRoute("/media", self.stream),
                Route("/state", state, methods=["GET", "PUT"]),  # for scenarios that expect one
            ],
            lifespan=lifespan,
        )


def bugs_from_environment() -> list[str]:
    """Return the bugs that RESTAURANT_BUGS names."""
    names = [name for name in os.environ.get("RESTAURANT_BUGS", "").split(",") if name]
    if unknown := set(names) - set(BUGS):
        raise SystemExit(f"RESTAURANT_BUGS: allowed are {', '.join(BUGS)}, got {', '.join(sorted(unknown))}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8081, help="where /webhook is served; a free one if 0")
    parser.add_argument("--live", action="store_true", help="answer by the Live API")
    options = parser.parse_args()
    app = Restaurant("live" if options.live else "realtime", bugs_from_environment()).app()
    config = uvicorn.Config(app, host="127.0.0.1", port=options.port, log_level="warning")
    socket = config.bind_socket()
    socket.listen()  # from now on connections are accepted
    print(f"http://127.0.0.1:{socket.getsockname()[1]}/webhook", flush=True)
    uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    main()
