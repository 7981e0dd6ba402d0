"""A phone line on the Live API: answer, look things up, transfer.

    realtime simulator                   # in another terminal; it prints the variables for this one
    python examples/live/live_phone.py
    realtime simulator incoming --to http://127.0.0.1:8082/webhook

With the API, set OPENAI_API_KEY and OPENAI_WEBHOOK_SECRET, and the webhook's URL in the project's settings,
for the event live.transport.incoming.
"""

from __future__ import annotations

import os
from typing import Literal

import uvicorn
from realtime_kit.web import IncomingCall, RunningCalls, router
from starlette.applications import Starlette
from starlette.routing import Mount

from realtime_ext import LiveSessionBuilder

SESSION = (
    LiveSessionBuilder("gpt-live-1")
    .instructions("You are the receptionist of a small hotel. Answer briefly.")
    .voice("marin")
    .delegate_to("gpt-5.6-sol")
)
NUMBERS = {"kitchen": "tel:+14155550111", "manager": "tel:+14155550112"}
calls = RunningCalls()


async def answer(call: IncomingCall) -> None:
    """Answer a call, and handle it until it ends."""

    async def transfer(department: Literal["kitchen", "manager"]) -> str:
        """Transfer the caller to a department of the hotel."""
        await calls.client.live.calls.refer(call.id, NUMBERS[department])
        return f"transferred to the {department}"

    async with calls.client.live.answer(call.id, SESSION, tools=[transfer]) as connection:
        await connection.say("Good morning, this is the Harbour Hotel.")
        await connection.run()
        for line in connection.transcript:
            print(f"{line.speaker}: {line.text}", flush=True)


app = Starlette(routes=[Mount("/", router(calls, on_incoming=answer, api="live"))], lifespan=calls.lifespan)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", 8082)), log_level="warning")
