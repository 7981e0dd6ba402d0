from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from aiortc import RTCSessionDescription
from realtime_simulator import Pacing, Simulator, say

from tests.simulator.caller import Caller
from tests.simulator.checking import in_order
from tests.simulator.wire import Socket

T = TypeVar("T")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


async def run(function: Callable[[], T]) -> T:
    """The sockets block: not in the loop that carries the call."""
    return await asyncio.to_thread(function)


def sideband(sim: Simulator) -> Socket:
    return Socket(sim, f"call_id={sim.calls[0].id}")


@pytest.mark.slow
def test_a_sideband_and_the_data_channel_see_the_same_events(sim: Simulator) -> None:
    sim.on_response(lambda turn: say("hello"))

    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            with await run(lambda: sideband(sim)) as socket:
                shown = await run(lambda: socket.update(instructions="From the side."))
                assert shown["instructions"] == "From the side."
                assert socket.types() == ["session.updated"]  # and no session.created before it
                assert (await caller.until("session.updated"))["session"] == shown
                caller.send("response.create")
                await run(lambda: socket.until("output_audio_buffer.stopped"))
                await caller.until("output_audio_buffer.stopped")
                assert caller.events[1:] == socket.events
                assert "response.output_audio_transcript.delta" in socket.types()
                assert "response.output_audio.delta" not in socket.types()

    asyncio.run(main())


@pytest.mark.slow
def test_a_caller_gets_what_a_sideband_began_before_its_data_channel_was_open(sim: Simulator) -> None:
    sim.on_response(lambda turn: say("hello"))

    async def main() -> None:
        async with Caller(sim) as caller:
            response = await caller.post()
            with await run(lambda: sideband(sim)) as socket:
                socket.send("response.create")
                await run(lambda: socket.until("response.done"))
                await caller.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
                await caller.until("output_audio_buffer.stopped")
                await run(lambda: socket.until("output_audio_buffer.stopped"))
            assert caller.events[0]["type"] == "session.created"
            assert caller.events[1:] == socket.events

    asyncio.run(main())


@pytest.mark.slow
def test_events_are_not_kept_without_end_for_a_data_channel_that_does_not_open(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realtime_simulator._calls.webrtc.MAX_HELD_BYTES", 5000)

    async def main() -> None:
        opened = asyncio.Event()
        async with Caller(sim) as caller:
            caller.channel.on("open", opened.set)
            response = await caller.post()
            with await run(lambda: sideband(sim)) as socket:
                for _ in range(10):
                    await run(lambda: socket.update(instructions="Sing."))
                await caller.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
                await opened.wait()
                caller.send("response.create")
                await caller.until("response.created")
            assert caller.events[0]["type"] == "response.created"

    asyncio.run(main())
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"call {sim.calls[0].id}: no data channel was opened, and its events are dropped",
    ]


def test_errors_and_deltas_reach_every_sideband_and_leaving_ends_nothing(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            with await run(lambda: sideband(sim)) as first, await run(lambda: sideband(sim)) as second:
                first.send("response.cancel", event_id="e1")
                for socket in (first, second):
                    error = (await run(lambda socket=socket: socket.until("error")))["error"]
                    assert error["event_id"] == "e1"
            assert sim.calls[0].ended is None
            caller.send("session.update", session={"type": "realtime", "instructions": "Still here."})
            await caller.until("session.updated")
        assert [event["type"] for event in sim.sessions[0].received] == ["response.cancel", "session.update"]

    asyncio.run(main())


def test_the_end_of_the_call_closes_its_sidebands(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            with await run(lambda: sideband(sim)) as socket:
                await caller.hangup()
                assert await run(socket.closed) == (1000, "hangup")

    asyncio.run(main())


def test_a_call_that_has_expired_closes_its_sidebands() -> None:
    async def main() -> None:
        async with Simulator(pacing="none", espeak=False, session_seconds=60) as sim, Caller(sim) as caller:
            await caller.connect()
            with await run(lambda: sideband(sim)) as socket:
                await run(lambda: sim.advance(60))
                assert await run(socket.closed) == (1001, sim.sessions[0].ended)
                assert socket.all("error")[0]["error"]["code"] == "session_expired"
            await run(lambda: sim.wait_for(lambda: sim.calls[0].ended == "expired"))

    asyncio.run(main())


@pytest.mark.slow
def test_a_caller_who_speaks_is_heard_and_answered(sim: Simulator) -> None:
    sim.on_speech(lambda heard: "hum")

    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            caller.microphone.hum(8000)
            await caller.until("input_audio_buffer.speech_started")
            caller.microphone.hum(0)
            await caller.until("output_audio_buffer.started")
            done = (await caller.until("response.done"))["response"]
            assert "hum" in done["output"][0]["content"][0]["transcript"]
        assert in_order(
            [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.done",
                "response.created",
            ],
            [event["type"] for event in caller.events],
        )

    asyncio.run(main())


@pytest.mark.parametrize("pacing", [Pacing(), Pacing(speed=1)])
@pytest.mark.slow
def test_a_caller_who_interrupts_stops_the_model_where_it_was_heard(pacing: Pacing) -> None:
    async def main() -> None:
        async with Simulator(espeak=False, keep_audio=True, pacing=pacing) as sim, Caller(sim) as caller:
            sim.on_response(lambda turn: say("a long story " * 50))
            await caller.connect()
            caller.send("response.create")
            await caller.until("output_audio_buffer.started")
            await run(lambda: sim.wait_for(lambda: len(sim.calls[0].sent_audio) > 9600))
            caller.microphone.hum(8000)
            cut = await caller.until("conversation.item.truncated")
            played = len(sim.calls[0].sent_audio) / 48
            assert 200 <= cut["audio_end_ms"] <= played
            assert played - cut["audio_end_ms"] < 20
            done = (await caller.until("response.done"))["response"]
            assert (done["status"] == "cancelled") == (pacing.speed == 1)
            types = [event["type"] for event in caller.events]
            assert in_order(
                [
                    "input_audio_buffer.speech_started",
                    "output_audio_buffer.cleared",
                    "conversation.item.truncated",
                ],
                types,
            )
            assert "output_audio_buffer.stopped" not in types

    asyncio.run(main())
