"""A worker of calls of both APIs, for tests that kill it; each line of its log is written at once.

FLEET_DSN and FLEET_LOG name the database and the log.
"""

from __future__ import annotations

import asyncio
import json
import os

from realtime_kit.fleet import Fleet, OwnedCall

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder, SessionBuilder
from realtime_ext.tools import ToolContext

LOG = os.open(os.environ["FLEET_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
PAUSE = float(os.environ.get("TOOL_SECONDS", "0"))
REALTIME = SessionBuilder("gpt-realtime-2.1").output("text")
LIVE = LiveSessionBuilder("gpt-live-1").delegate_to("gpt-5.6-sol")
fleet = Fleet(os.environ["FLEET_DSN"])


def note(kind: str, call: OwnedCall) -> None:
    """Write a line, which a kill can't lose."""
    line = {"kind": kind, "pid": os.getpid(), "call": call.id, "api": call.api}
    os.write(LOG, json.dumps(line).encode() + b"\n")


async def order(what: str, context: ToolContext[OwnedCall]) -> str:
    """Order something, which takes a while."""
    call = context.state
    note("begun", call)
    await asyncio.sleep(PAUSE)
    ordered: str = await call.once(context.call_id, lambda: note("ordered", call) or what)  # type: ignore[func-returns-value]
    return ordered


@fleet.on_call
async def phone(call: OwnedCall) -> None:
    """Answer function calls until the caller hangs up."""
    if call.api == "live":
        async with call.open_live(LIVE, tools=[order]) as live:
            note("attached", call)
            async for _ in live:
                pass
        return
    async with call.open(REALTIME, tools=[order]) as connection:
        note("attached", call)
        async for _ in connection:
            pass


async def main() -> None:
    """Own calls until SIGTERM."""
    async with AsyncRealtimeClient() as client, fleet:
        await fleet.run(client)


if __name__ == "__main__":
    asyncio.run(main())
