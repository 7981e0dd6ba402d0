"""Answer telephone calls: the webhook says that one comes in, a task of its own takes it.

Live, the webhook's URL is set in the project's settings and OPENAI_WEBHOOK_SECRET holds its secret. Without
--live, the simulator lets one caller ring, ask and hang up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
import where
from realtime_api.models import WebhookRealtimeCallIncoming
from realtime_simulator import Simulator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from realtime_ext import (
    AsyncRealtimeClient,
    RealtimeError,
    SessionBuilder,
    SipHeaders,
    WebhookVerificationError,
)
from realtime_ext.webhooks import Deduplicator

SESSION = (
    SessionBuilder("gpt-realtime")
    .instructions("You answer for the front desk of a small hotel. Greet the caller.")
    .voice("marin")
    .semantic_vad()  # waits until a sentence is over; by default 200 ms of silence end a caller's turn
    .transcribe("gpt-4o-transcribe")
)


class FrontDesk:
    """The calls that are going on, and the client that they share."""

    def __init__(self) -> None:
        self.client = AsyncRealtimeClient()
        self.deduplicator = Deduplicator()
        self.calls: set[asyncio.Task[None]] = set()

    async def webhook(self, request: Request) -> Response:
        """Acknowledge at once; whoever waits for the call to be over gets the webhook again."""
        try:
            event = self.client.webhooks.unwrap(await request.body(), request.headers)
        except WebhookVerificationError:
            return Response(status_code=400)
        if isinstance(event, WebhookRealtimeCallIncoming):
            call_id = event.data.call_id
            if not self.deduplicator.seen(request.headers["webhook-id"], call_id):
                task = asyncio.create_task(self.answer(call_id, SipHeaders(event.data.sip_headers)))
                self.calls.add(task)
                task.add_done_callback(self.calls.discard)
        return Response()

    async def answer(self, call_id: str, headers: SipHeaders) -> None:
        """Take a call and stay with it until the caller hangs up."""
        caller = headers.from_.user if headers.from_ else "somebody"
        print(f"{caller} calls")
        try:
            async with self.client.answer(call_id, SESSION) as connection:
                await connection.create_response()  # the greeting
                async for event in connection:
                    match event.type:
                        case "conversation.item.input_audio_transcription.completed":
                            print(f"caller: {event.transcript}")
                        case "response.output_audio_transcript.done":
                            print(f"desk: {event.transcript}")
            print("the call is over")
        except RealtimeError as error:  # such as a caller who has hung up by now
            print(f"the call failed: {error}")

    def app(self) -> Starlette:
        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with self.client:
                yield
                for task in self.calls:
                    task.cancel()  # hangs up, too
                await asyncio.gather(*self.calls, return_exceptions=True)

        return Starlette(routes=[Route("/webhook", self.webhook, methods=["POST"])], lifespan=lifespan)


async def ring(simulator: Simulator, url: str) -> None:
    """Let one caller ring, ask, hear the answer and hang up."""
    simulator.on_speech(lambda heard: "What time does breakfast start?")
    simulator.on_response("Breakfast starts at seven.", match="breakfast")
    simulator.on_response("Front desk, good morning.", match="^$")
    call = await asyncio.to_thread(simulator.incoming_call, url)
    heard = call.session.types_sent

    def said(answers: int) -> bool:
        return heard().count("output_audio_buffer.stopped") == answers

    await asyncio.to_thread(simulator.wait_for, lambda: said(1))
    simulator.caller_says(call, str(where.QUESTION))
    await asyncio.to_thread(simulator.wait_for, lambda: said(2))
    simulator.hang_up(call)


async def serve(port: int, simulator: Simulator | None) -> None:
    desk = FrontDesk()
    config = uvicorn.Config(desk.app(), host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # from now on nobody is refused
    serving = asyncio.create_task(server.serve([socket]))
    if simulator is not None:
        await ring(simulator, f"http://127.0.0.1:{socket.getsockname()[1]}/webhook")
        await asyncio.gather(*desk.calls)
        server.should_exit = True
    await serving


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--port", type=int, default=0, help="where the webhook is served; a free one if 0")
    options = parser.parse_args()
    with where.api(options.live) as simulator:
        asyncio.run(serve(options.port, simulator))


if __name__ == "__main__":
    main()
