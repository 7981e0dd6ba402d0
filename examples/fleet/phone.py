"""A telephone service on many machines: `web` receives webhooks, each `worker` answers calls.

    python phone.py migrate
    python phone.py web --port 8000
    python phone.py worker --slots 100

FLEET_DSN is the database; OPENAI_API_KEY and OPENAI_WEBHOOK_SECRET are needed as usual.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os

import uvicorn
from realtime_kit.fleet import Fleet, OwnedCall
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, SessionBuilder
from realtime_ext.tools import ToolContext

SESSION = SessionBuilder("gpt-realtime-2.1").instructions("You order taxis. Ask for the street.").build()
ORDERS = os.environ.get("ORDERS", "orders.txt")

fleet = Fleet(os.environ.get("FLEET_DSN", "postgresql:///phone"))


async def order_taxi(street: str, context: ToolContext[OwnedCall]) -> str:
    """Order a taxi to a street."""
    call = context.state

    def order() -> str:  # a real one would pass f"{call.id}/{context.call_id}" on as its idempotency key
        with open(ORDERS, "a", encoding="utf-8") as file:
            file.write(f"{call.id} {context.call_id} {street}\n")
        return f"A taxi is on its way to {street}."

    return await call.once(context.call_id, order)


@fleet.on_call
async def phone(call: OwnedCall) -> None:
    """Answer a call, or continue one whose worker is gone."""
    async with call.open(SESSION, tools=[order_taxi]) as connection:
        said = 0 if call.data is None else call.data["said"]
        print(f"{'answered' if call.is_new else 'went on with'} {call.id}", flush=True)
        if call.is_new:
            await connection.create_response()
        async for event in connection:
            if event.type == "response.output_audio_transcript.done":
                said += 1
                await call.save({"said": said})
    print(f"over {call.id}", flush=True)


async def work(slots: int, generation: int, probes: tuple[str, int] | None) -> None:
    async with AsyncRealtimeClient() as client, fleet:
        await fleet.run(client, slots=slots, drain=5, generation=generation, probes=probes)  # until SIGTERM


async def migrate() -> None:
    async with fleet:
        await fleet.migrate()


def serve(host: str, port: int) -> None:
    client = AsyncRealtimeClient()
    routes = [
        Route("/webhook", fleet.webhook(client), methods=["POST"]),
        Route("/live", fleet.live()),
        Route("/ready", fleet.ready()),
        Route("/health", fleet.health()),
    ]
    uvicorn.run(Starlette(routes=routes), host=host, port=port, log_level="warning")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("role", choices=["migrate", "web", "worker"])
    parser.add_argument("--host", default="127.0.0.1", help="where the web node and probes listen")
    parser.add_argument("--port", type=int, default=8000, help="where the webhook is served")
    parser.add_argument("--probes", type=int, help="where a worker answers /live, /ready and /metrics")
    parser.add_argument("--slots", type=int, default=100, help="how many calls a worker has at most")
    parser.add_argument("--generation", type=int, default=0, help="the number of a worker's deploy")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if options.role == "web":
        serve(options.host, options.port)
    elif options.role == "worker":
        probes = None if options.probes is None else (options.host, options.probes)
        asyncio.run(work(options.slots, options.generation, probes))
    else:
        asyncio.run(migrate())


if __name__ == "__main__":
    main()
