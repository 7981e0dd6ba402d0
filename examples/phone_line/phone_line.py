"""A phone line with a receptionist: it answers, transfers, hangs up, and survives a restart during a call.

    realtime simulator                   # in its own terminal; it prints the variables for the others
    python examples/phone_line/phone_line.py --port 8081
    realtime simulator incoming --to http://127.0.0.1:8081/webhook

Each active call has a file. A new process reattaches to these calls, because a call continues
at the API without an app. For the API, use the project's OPENAI_API_KEY and OPENAI_WEBHOOK_SECRET,
and set the webhook's URL in its settings.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import uvicorn
from realtime_kit.web import IncomingCall, RunningCalls, router
from starlette.applications import Starlette
from starlette.routing import Mount

from realtime_ext import AsyncConnection, NotFoundError, RealtimeError, SessionBuilder
from realtime_ext.tools import Silent, Toolbox, ToolContext

SESSION = (
    SessionBuilder("gpt-realtime-2.1")
    .instructions(
        "You are the receptionist of a small hotel. Greet the caller. Answer briefly. Transfer callers "
        "who ask for the kitchen or the manager. When the caller says good bye, say good bye and hang up."
    )
    .voice("marin")
    .semantic_vad()  # waits until a sentence is over; by default 200 ms of silence end a caller's turn
    .transcribe("gpt-realtime-whisper")
)
NUMBERS = {"kitchen": "tel:+14155550111", "manager": "tel:+14155550112"}


class PhoneLine:
    """The calls of one phone number.

    Args:
        kept: The folder with a file for each active call.
    """

    def __init__(self, kept: Path) -> None:
        kept.mkdir(parents=True, exist_ok=True)
        self._kept = kept
        self.calls = RunningCalls(hangup_on_exit=False)  # a deployment does not end conversations

    async def answer(self, call: IncomingCall) -> None:
        """Answer a call, and handle it until it is over."""
        caller = call.headers.from_.user if call.headers.from_ else "unknown"
        print(f"{caller} calls", flush=True)
        with self._keeping(call.id):
            async with self.calls.client.answer(
                call.id, SESSION, tools=self._tools(call.id), hangup_on_exit=False
            ) as connection:
                await connection.create_response()  # the greeting
                await self._listen(connection)

    async def go_on(self, call_id: str) -> None:
        """Continue a call that another process answered."""
        with self._keeping(call_id), contextlib.suppress(NotFoundError):  # it may have ended meanwhile
            async with self.calls.client.connect(call_id=call_id) as connection:
                print("a call goes on", flush=True)
                connection.run_tools(self._tools(call_id))
                await self._listen(connection)

    async def _listen(self, connection: AsyncConnection) -> None:
        async for event in connection:
            match event.type:
                case "conversation.item.input_audio_transcription.completed":
                    print(f"caller: {event.transcript}", flush=True)
                case "response.output_audio_transcript.done":
                    print(f"desk: {event.transcript}", flush=True)

    def _tools(self, call_id: str) -> Toolbox:
        client = self.calls.client

        async def transfer(department: Literal["kitchen", "manager"]) -> Silent:
            """Transfer the caller to a department of the hotel."""
            await client.calls.refer(call_id, NUMBERS[department])
            return Silent(f"transferred to the {department}")

        async def hang_up(context: ToolContext) -> Silent:
            """End the call, once the last words have been heard."""

            async def end() -> None:
                with contextlib.suppress(RealtimeError):
                    await context.connection.wait_for("output_audio_buffer.stopped", timeout=10)
                with contextlib.suppress(RealtimeError):
                    await client.calls.hangup(call_id)

            self._ending = asyncio.create_task(end())
            return Silent("the call ends")

        return Toolbox([transfer, hang_up])

    @contextlib.contextmanager
    def _keeping(self, call_id: str) -> Iterator[None]:
        """Keep a call's file until the call is over, or for the next process if this one is stopped."""
        file = self._kept / call_id
        file.touch()
        try:
            yield
        except asyncio.CancelledError:
            raise  # this process ends, the call does not
        except RealtimeError as error:  # for example, the caller has hung up
            print(f"the call failed: {error}", flush=True)
        else:
            print("the call is over", flush=True)
        file.unlink()

    def app(self) -> Starlette:
        """Create the web app that receives the webhooks."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with self.calls:
                for file in self._kept.iterdir():
                    self.calls.run(file.name, self.go_on(file.name))
                yield

        routes = [Mount("/", router(self.calls, on_incoming=self.answer))]
        return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8081, help="where /webhook is served; a free one if 0")
    parser.add_argument("--kept", type=Path, default=Path("calls"), help="the folder of the calls that go on")
    options = parser.parse_args()
    config = uvicorn.Config(
        PhoneLine(options.kept).app(), host="127.0.0.1", port=options.port, log_level="warning"
    )
    socket = config.bind_socket()
    socket.listen()  # from now on connections are accepted
    print(f"http://127.0.0.1:{socket.getsockname()[1]}/webhook", flush=True)
    uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    main()
