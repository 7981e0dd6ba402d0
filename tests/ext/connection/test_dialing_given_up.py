"""A call can be given up at any moment: it is hung up, and no task, socket or thread stays behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient
from realtime_ext.connection import _dialing as dialing
from tests.ext.connection.far_end import FarEnd

pytestmark = pytest.mark.real_time

STEPS = ["offer", "call", "ice", "dtls", "data channel"]
TURNS = [*range(8), 10, 13, 17, 21, 28, 34, 45, 55, 89]  # of the event loop, after a step


def watched() -> list[dict[str, Any]]:
    """Collect unretrieved exceptions from now on."""
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    return unseen


async def give_up(client: AsyncRealtimeClient, step: str | None, turns: int) -> None:
    """Dial, and cancel it some turns of the event loop after a step."""
    reached = asyncio.Event()
    if step is None:
        reached.set()

    async def call() -> None:
        async with client.dial(on_progress=lambda done: reached.set() if done == step else None):
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await reached.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.slow
@pytest.mark.parametrize("step", [None, *STEPS])
def test_a_call_is_given_up_at_any_moment(step: str | None) -> None:
    async def main(simulator: Simulator) -> None:
        unseen = watched()
        async with AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            for turns in TURNS:
                await give_up(client, step, turns)
                assert asyncio.all_tasks() == {asyncio.current_task()}, f"{turns} turns after {step}"
        gc.collect()
        assert unseen == []

    with Simulator(pacing="none") as simulator:
        asyncio.run(main(simulator))
        simulator.wait_for(lambda: all(call.ended for call in simulator.calls))
        # The peer closes while the request is on its way, and may be first.
        assert {call.ended for call in simulator.calls} <= {"hangup", "peer"}


def test_a_call_that_is_made_while_it_is_given_up_is_hung_up() -> None:
    async def main() -> None:
        unseen, far_end = watched(), FarEnd()
        far_end.may_answer.clear()
        async with far_end.client() as client:
            task = asyncio.create_task(client.dial().__aenter__())
            await far_end.requested.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            far_end.may_answer.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert far_end.hung_up == ["rtc_u1_1"]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert unseen == []

    asyncio.run(main())


def test_a_missing_answer_does_not_block_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "ANSWER_PATIENCE", 0.01)

    async def main() -> None:
        far_end = FarEnd()
        far_end.may_answer.clear()
        async with far_end.client() as client:
            task = asyncio.create_task(client.dial().__aenter__())
            await far_end.requested.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.slow
def test_twenty_calls_in_a_row_leave_nothing_behind() -> None:
    async def main() -> None:
        unseen = watched()
        selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        far_end = FarEnd()
        sockets, threads = len(selector.get_map()), set(threading.enumerate())
        async with far_end.client() as client:
            for number in range(1, 21):
                async with client.dial() as connection:
                    assert connection.call_id == f"rtc_u1_{number}"
        await asyncio.sleep(0)
        gc.collect()
        assert far_end.hung_up == [f"rtc_u1_{number}" for number in range(1, 21)]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(selector.get_map()) == sockets
        await asyncio.get_running_loop().shutdown_default_executor()  # its threads are asyncio's own
        assert set(threading.enumerate()) <= threads
        assert unseen == []

    asyncio.run(main())
