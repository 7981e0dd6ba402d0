"""A worker of a fleet whose calls are made up: each works for some seconds, and logs its steps.

Arguments: the database, the log, slots, seconds that a call works. A stand-in for the API accepts at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any, cast

from realtime_kit.fleet import Fleet, OwnedCall

from realtime_ext import AsyncRealtimeClient

DSN, LOG, SLOTS, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
STEP = 0.5
out = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def log(kind: str, call: str, epoch: int = 0) -> None:
    """Write a line at once, so that a kill loses none."""
    line = json.dumps({"at": time.time(), "pid": os.getpid(), "kind": kind, "call": call, "epoch": epoch})
    os.write(out, line.encode() + b"\n")


class Attached:
    """What stands in for a connection."""

    async def __aenter__(self) -> Attached:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def close(self) -> None:
        """Act no more: the call belongs to another."""


class Calls:
    """What stands in for `client.calls`."""

    async def accept(self, call_id: str, session: Any) -> None:
        log("accepted", call_id)

    async def hangup(self, call_id: str) -> None:
        log("hung up", call_id)

    async def reject(self, call_id: str, status: int) -> None:
        log("rejected", call_id)


async def main() -> None:
    fleet = Fleet(DSN)

    @fleet.on_call
    async def work(call: OwnedCall) -> None:
        async with call.open({"type": "realtime"}):
            log("owned", call.id, call.epoch)
            done = 0 if call.data is None else call.data["done"]
            try:
                while done * STEP < SECONDS:
                    await asyncio.sleep(STEP)
                    if call.is_own:  # code of the app asks; the call's methods do so themselves
                        log("acted", call.id, call.epoch)
                    done += 1
                    if done % 4 == 0:
                        await call.save({"done": done})
                    if done * STEP >= SECONDS / 2:
                        await call.once("tool", lambda: log("tool", call.id, call.epoch))
                log("done", call.id, call.epoch)
            finally:
                log("let go", call.id, call.epoch)

    client = SimpleNamespace(calls=Calls(), connect=lambda **_: Attached())
    async with fleet:
        await fleet.run(cast(AsyncRealtimeClient, client), slots=SLOTS, drain=5.0)


asyncio.run(main())
