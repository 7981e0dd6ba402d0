"""Attacks on Live connections: odd events in any order, floods, cancellation at every step, interrupts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies
from realtime_simulator import Simulator, delegate, speech

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder, RealtimeClient, RealtimeError
from realtime_ext.audio import audio_format
from realtime_ext.connection import AsyncLiveConnection, Reconnect
from realtime_ext.connection._live_playback import LivePlayback
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.live import LiveState
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.reconnect import CloseInfo
from tests.ext.connection.clocks import hurry
from tests.ext.connection.test_interrupted_anywhere import Interrupted, interrupted_at
from tests.simulator.live_recordings import RECORDINGS, load
from tests.support.live_replay import messages
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow

SESSION = LiveSessionBuilder("gpt-live-1")
BACKEND = SESSION.delegate_to("gpt-5.6-sol")
RECORDED = [one for make in RECORDINGS for one in messages(load(make.__name__))]
PARTS: list[Any] = [{"id": []}, {"type": {}}, {"usage": {"seconds": "x"}}]
ODD = strategies.sampled_from([None, 7, -1, True, 1e999, 10**400, "", "x", [], [0], {}, *PARTS])
KINDS = strategies.sampled_from(sorted({one["type"] for one in RECORDED} | {"info"}))
EVENTS = strategies.integers(0, len(RECORDED) - 1).map(RECORDED.__getitem__)


@strategies.composite
def mutated(draw: Any) -> dict[str, Any]:
    """A recorded event of which one field, at any depth, is something else, or gone."""
    event: dict[str, Any] = json.loads(json.dumps(draw(EVENTS)))
    place: Any = event
    while True:
        name = draw(strategies.sampled_from(sorted(place)))
        if isinstance(place[name], dict) and place[name] and draw(strategies.booleans()):
            place = place[name]
            continue
        if draw(strategies.booleans()):
            place[name] = draw(ODD)
        else:
            del place[name]
        return event


@given(strategies.lists(strategies.one_of(EVENTS, mutated()), max_size=30), ODD, KINDS)
@settings(max_examples=150)
def test_malformed_events_in_any_order_do_not_end_the_connection(
    events: list[dict[str, Any]], odd: Any, kind: str
) -> None:
    state = LiveState(Role(kind="live", plays=False), id_prefix="odd")
    state.live.backend.register_tools(lambda: None)
    state.live.on_sound = LivePlayback(audio_format())._received
    waiter = state.live.appending("evt_1", "session.commentary.append")
    for content in [*events, {"type": kind, "session": odd, "event": odd, "usage": odd, "delegation": odd}]:
        text = json.dumps(content)
        found, event, size = read_message(text, is_live=True)
        state.apply(found, event, size)
        assert (state.live.transcript, state.live.usage.total) is not None
        while (job := state.live.backend.next_job()) is not None:
            assert job.response_id
    assert state.close_info is None
    state.restored()
    state.finish(CloseInfo.by_user())
    assert waiter.done


def test_a_flood_takes_bounded_memory() -> None:
    """Two hours of a session whose program reads no events, in little memory."""
    state = LiveState(Role(kind="live", plays=False), id_prefix="flood")
    sound = json.dumps({"type": "session.output_audio.delta", "delta": "A" * 6400})
    numbers = iter(range(10**9))

    def minutes(count: int) -> None:
        for _ in range(count * 60):
            for _ in range(10):
                state.apply(*read_message(sound, is_live=True))
            number = next(numbers)
            for kind in ("input", "output"):
                at = {"start_ms": number * 1000, "end_ms": number * 1000 + 200}
                words = {"type": f"session.{kind}_transcript.delta", "delta": " word", **at}
                text = json.dumps({**words, "event_id": f"event_{kind}_{number}"})
                state.apply(*read_message(text, is_live=True))

    tracemalloc.start()
    minutes(5)
    before = tracemalloc.get_traced_memory()[0]
    minutes(10)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert state.close_info is None
    assert grown < 1_000_000


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "What now?" if heard.finished else None)
        yield simulator


def forecast(city: str) -> str:
    """Return the weather of a city."""
    return city


async def talked(connection: AsyncLiveConnection) -> None:
    await connection.send_audio(speech("what now") + bytes(24_000))
    await connection.say("Hello.")


async def attached(connection: AsyncLiveConnection) -> None:
    await connection.think("It rains.")
    await connection.mute()
    await connection.unmute()


async def read(connection: AsyncLiveConnection) -> None:
    for _ in range(3):
        await connection.recv()
    await connection.wait_for("session.output_audio.delta")


@pytest.mark.parametrize("work", [pytest.param(talked, marks=pytest.mark.weekly), attached, read])
def test_a_connection_is_usable_after_a_cancellation_at_any_step(
    sim: Simulator, work: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key), 100) as client:
            for steps in range(25):
                async with client.live.connect(SESSION) as connection:
                    task = asyncio.create_task(work(connection))
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                    await connection.think("Still here.", timeout=PATIENCE)
                    usage = (await connection.close()).usage
                assert usage.seconds >= 0
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert [task.get_name() for task in others if "realtime_ext" in task.get_name()] == []

    asyncio.run(main())


def test_an_opening_that_is_cancelled_at_any_step_leaves_nothing_behind(sim: Simulator) -> None:
    async def opened(client: AsyncRealtimeClient) -> None:
        async with client.live.connect(BACKEND, tools=[forecast]) as connection:
            await connection.recv()

    async def main() -> None:
        async with hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key), 100) as client:
            for steps in range(0, 60, 2):
                task = asyncio.create_task(opened(client))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                others = asyncio.all_tasks() - {asyncio.current_task()}
                assert [task.get_name() for task in others if "realtime_ext" in task.get_name()] == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "what", ["say", *(pytest.param(name, marks=pytest.mark.weekly) for name in ("send_audio", "recv"))]
)
def test_a_sync_connection_is_usable_after_an_interrupt_at_any_line(sim: Simulator, what: str) -> None:
    def work(connection: Any) -> None:
        if what == "say":
            connection.say("Hello.")
        elif what == "send_audio":
            connection.send_audio(bytes(4800))
            connection.mute()
        else:
            connection.recv(timeout=PATIENCE)

    with hurry(RealtimeClient(base_url=sim.base_url, api_key=sim.api_key), 100) as client:
        with client.live.connect(SESSION) as connection, interrupted_at(0) as lines:
            work(connection)
        assert lines() > 5
        for number in range(1, lines() + 1, 3):
            with client.live.connect(SESSION) as connection:
                with contextlib.suppress(Interrupted, RealtimeError), interrupted_at(number):
                    work(connection)
                connection.think("Still here.", timeout=PATIENCE)


def test_a_session_that_is_lost_again_and_again_continues(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    chance = random.Random(7)

    async def main() -> None:
        again = Reconnect(replay=True, first_delay=0.0, attempts=50)
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key), 100) as client,
            client.live.connect(BACKEND.store(), tools=[forecast], reconnect=again) as connection,
        ):
            for number in range(12):
                sim.fault("live_lost", on="connect", after="session.thinking.appended", times=1)
                with contextlib.suppress(RealtimeError):
                    await asyncio.wait_for(
                        connection.send_audio(bytes(chance.choice([960, 96_000]))), PATIENCE
                    )
                    await connection.think("It rains.")
                await connection.wait_for("realtime_ext.reconnected", timeout=PATIENCE)
                assert not connection.is_closed, number
            await connection.say("Still here.")

    asyncio.run(main())
    assert caplog.text == ""


def test_threads_share_a_connection(sim: Simulator) -> None:
    sim.on_response(["Let me see.", delegate()])
    failures: list[BaseException] = []
    with (
        hurry(RealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
        client.live.connect(SESSION) as connection,
    ):
        connection.delegate(lambda task: "Found it.")

        def work() -> None:
            try:
                for _ in range(5):
                    connection.send_audio(bytes(960))
                    connection.think("It rains.")
                    assert connection.transcript is not None
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
