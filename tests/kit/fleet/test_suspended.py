"""A worker whose process was stopped for longer than it may act without a renewal."""

from __future__ import annotations

import signal

import pytest

from tests.support.suspended import Process

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system can't stop a process"),
]

WORKER = """
import asyncio, time
from realtime_simulator import Simulator
from realtime_ext import AsyncRealtimeClient, SessionBuilder
from realtime_kit.fleet import OwnershipLost
from realtime_kit.fleet import Fleet

begun, is_kept = time.monotonic(), sys.argv[1] == "kept"
fleet = Fleet.in_memory(time_to_live=20.0)
beat = fleet._store.beat

async def renew(number):
    was_stopped = time.monotonic() - begun > 50
    if was_stopped:
        await asyncio.sleep(0.05)  # in which the handler would act
    return None if was_stopped and not is_kept else await beat(number)

fleet._store.beat = renew

@fleet.on_call
async def handle(call):
    try:
        async with call.open(SessionBuilder("gpt-realtime-2.1").build()) as connection:
            print("begun", call.epoch)
            while time.monotonic() - begun < 50:
                await asyncio.sleep(0.001)
            await connection.send({"type": "input_audio_buffer.clear"})
            print("sent", call.epoch)
            await call.save({"step": 2})
            print("acted", call.epoch)
            await asyncio.Event().wait()
    except (OwnershipLost, asyncio.CancelledError):
        print("lost", call.epoch)
        raise

async def main():
    with Simulator(api_key="sk-x") as simulator:
        call = simulator.incoming_call("http://127.0.0.1:9/", attempts=1, wait=False)
        async with AsyncRealtimeClient(base_url=simulator.base_url, api_key="sk-x") as client:
            print("ready")
            await fleet.offer(call.id)
            await fleet.run(client, slots=1)

asyncio.run(main())
"""


def test_a_call_that_is_still_its_own_in_the_database_is_kept() -> None:
    with Process(WORKER, "kept") as worker:
        assert worker.read() == "begun 1"
        with worker.stopped():
            pass
        assert [worker.read(), worker.read()] == ["sent 1", "acted 1"]


def test_a_call_that_was_handed_on_meanwhile_is_not_acted_on() -> None:
    with Process(WORKER, "lost") as worker:
        assert worker.read() == "begun 1"
        with worker.stopped():
            pass
        assert worker.read() == "lost 1"
