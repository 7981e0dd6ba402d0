"""A worker or a web node of the fleet that is attacked; each line of its log is written at once.

Arguments: `web PORT` or `worker SLOTS GENERATION`. FLEET_DSN and FLEET_LOG name the database and the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import time

import uvicorn
from realtime_kit.fleet import EffectUnknown, Fleet, OwnedCall
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder, SessionBuilder
from realtime_ext.tools import ToolContext

LOG = os.open(os.environ["FLEET_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
SESSION = SessionBuilder("gpt-realtime-2.1").output("text")
LIVE = LiveSessionBuilder("gpt-live-1").delegate_to("gpt-5.6-sol")
fleet = Fleet(os.environ["FLEET_DSN"])


def note(kind: str, call: OwnedCall, what: str = "") -> None:
    """Write a line, which a kill can't lose."""
    row = {"at": time.time(), "pid": os.getpid(), "kind": kind, "call": call.id, "epoch": call.epoch}
    os.write(LOG, json.dumps({**row, "what": what}).encode() + b"\n")


async def charge(what: str, context: ToolContext[OwnedCall]) -> str:
    """Charge for something, which takes a while."""
    call = context.state
    note("tool", call, what)
    await asyncio.sleep(random.choice((0.0, 0.05, 0.5, 2.0)))
    try:
        done: str = await call.once(context.call_id, lambda: note("effect", call, what) or what)
    except EffectUnknown:
        note("unknown", call, what)
        raise
    await asyncio.sleep(random.choice((0.0, 0.05, 0.5)))
    return done


@fleet.on_call
async def phone(call: OwnedCall) -> None:
    """Greet, answer function calls, and tidy up slowly at the end."""
    if call.api == "live":
        async with call.open_live(LIVE, tools=[charge]) as live:
            note("attached", call)
            try:
                async for _ in live:
                    pass
            finally:
                await asyncio.sleep(0.3)
        return
    async with call.open(SESSION, tools=[charge]) as connection:
        note("attached", call)
        if call.is_new:
            await connection.create_response()
        try:
            async for event in connection:
                if event.type == "response.done":
                    await call.save({"epoch": call.epoch})
        finally:
            await asyncio.sleep(0.3)


async def work(slots: int, generation: int) -> None:
    """Own calls until SIGTERM."""
    async with AsyncRealtimeClient() as client, fleet:
        await fleet.run(client, slots=slots, generation=generation)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(process)d %(message)s")
    logging.getLogger("realtime_kit.fleet").setLevel(logging.INFO)
    if sys.argv[1] == "web":
        client = AsyncRealtimeClient()
        routes = [
            Route("/realtime", fleet.webhook(client), methods=["POST"]),
            Route("/live", fleet.webhook(client, api="live"), methods=["POST"]),
        ]
        uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
    else:
        asyncio.run(work(int(sys.argv[2]), int(sys.argv[3])))
