from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiortc import RTCRtpSender, RTCSessionDescription
from realtime_simulator import Pacing, Simulator, say

from tests.simulator.caller import RATE, Caller
from tests.simulator.checking import fits, in_order, loudness
from tests.support.waiting import auntil

pytestmark = pytest.mark.real_time

TURN = [
    "session.created",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "output_audio_buffer.started",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
    "output_audio_buffer.stopped",
]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


def wait_in_thread(sim: Simulator, condition) -> object:
    return asyncio.to_thread(sim.wait_for, condition)


def test_a_session_outlives_an_event_that_its_peer_cannot_take(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect({"type": "realtime"})
            # Within what a request may have; its acknowledgement is longer than the 256 KiB of aiortc.
            caller.send("session.update", session={"type": "realtime", "instructions": "x" * 261_900})
            caller.send("input_audio_buffer.clear")
            await caller.until("input_audio_buffer.cleared")

    asyncio.run(main())
    assert "longer than the peer of a call takes" in caplog.text


@pytest.mark.slow
def test_a_spoken_turn_over_webrtc(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect({"type": "realtime", "instructions": "Be kind."})
            assert caller.events[0]["session"]["instructions"] == "Be kind."
            content = [{"type": "input_text", "text": "good morning to you"}]
            caller.send(
                "conversation.item.create", item={"type": "message", "role": "user", "content": content}
            )
            caller.send("response.create", response={"metadata": {"n": "1"}})
            await caller.until("output_audio_buffer.stopped")
            call = sim.calls[0]
            spoken = len(call.sent_audio) / 48000
            loud = loudness(call.sent_audio)

            # A client's jitter buffer holds the last packets back until others follow.
            def heard_all() -> bool:
                heard = caller.heard_mono()
                return (
                    sum(abs(value) > 300 for value in heard[-RATE // 5 :]) == 0 and len(heard) > spoken * RATE
                )

            await caller.wait(heard_all)

            assert [event["type"] for event in caller.events] == call.session.types_sent()
            assert in_order(TURN, call.session.types_sent())
            for event in caller.events:
                fits(event)
            done = caller.all("response.done")[0]["response"]
            assert done["metadata"] == {"n": "1"}
            assert "good morning to you" in done["output"][0]["content"][0]["transcript"]
            assert spoken > 1.0
            heard = caller.heard_mono()
            first = next(n for n, value in enumerate(heard) if abs(value) > 300)
            last = len(heard) - next(n for n, value in enumerate(reversed(heard)) if abs(value) > 300)
            # After a pause of the machine a jitter buffer drops what it holds, a third of a second.
            assert 0.5 * spoken < (last - first) / RATE < spoken + 0.25
            assert loudness(heard.tobytes(), RATE) == pytest.approx(loud, rel=0.3)
            assert (await caller.hangup()).status_code == 200
            assert call.state == "ended" and call.ended == "hangup"

    asyncio.run(main())


def test_a_caller_without_opus_is_spoken_to_in_g711(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            transceiver = caller.peer.getTransceivers()[0]
            transceiver.setCodecPreferences([codec for codec in codecs if codec.name == "PCMA"])
            await caller.connect()
            assert "PCMA/8000" in sim.calls[0].answer and "opus" not in sim.calls[0].answer
            sim.on_response(lambda turn: say("hello"))
            caller.send("response.create")
            await caller.until("output_audio_buffer.stopped")
            await caller.wait(lambda: any(abs(value) > 300 for value in caller.heard_mono()))
            await wait_in_thread(sim, lambda: len(sim.calls[0].received_audio) > 4800)

    asyncio.run(main())


def test_the_callers_audio_is_recorded_in_length_and_loudness(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            caller.microphone.is_steady = True
            await caller.connect()
            await wait_in_thread(sim, lambda: len(sim.calls[0].received_audio) >= 48000)
        pcm = sim.calls[0].received_audio
        assert loudness(pcm) == pytest.approx(8000 / 2**0.5, rel=0.1)

    asyncio.run(main())


def test_a_session_is_updated_over_the_data_channel_and_bad_events_leave_it_open(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            caller.send("session.update", session={"type": "realtime", "instructions": "Sing."})
            updated = await caller.until("session.updated")
            assert updated["session"]["instructions"] == "Sing."
            caller.send("session.update", event_id="bad", session={"type": "realtime", "voice": "x"})
            error = await caller.until("error")
            fits(error)
            assert error["error"]["event_id"] == "bad" and error["error"]["code"] == "unknown_parameter"
            caller.send("session.update", session={"type": "realtime", "instructions": ""})
            assert (await caller.until("session.updated", 2))["session"]["instructions"] != "Sing."
            assert sim.calls[0].session.config["instructions"] != "Sing."
            assert [event["type"] for event in sim.sessions[0].received] == ["session.update"] * 3

    asyncio.run(main())


def test_a_client_secret_carries_its_session_into_a_raw_call(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as minter:
            body = {"session": {"type": "realtime", "instructions": "From the secret."}}
            response = await minter.http.post("/realtime/client_secrets", json=body)
        async with Caller(sim, key=response.json()["value"]) as caller:
            await caller.connect(raw=True)
            assert caller.events[0]["session"]["instructions"] == "From the secret."

    asyncio.run(main())


def test_the_answer_offers_loopback_only_names_opus_and_carries_an_msid(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            response = await caller.post()
            answer = response.text
            await caller.hangup()
        audio = answer[answer.index("m=audio") : answer.index("m=application")]
        candidates = [line.split() for line in answer.splitlines() if line.startswith("a=candidate")]
        assert {line[4] for line in candidates} == {"127.0.0.1"}
        lines = [line for line in audio.splitlines() if line.startswith(("a=rtpmap", "a=fmtp", "a=msid"))]
        assert lines == [
            "a=msid:realtimeapi audio",
            "a=rtpmap:96 opus/48000/2",
            "a=fmtp:96 minptime=10;useinbandfec=1",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
        ]
        assert "cname:realtimeapi" in audio and answer.endswith("\r\n")
        assert "a=candidate" not in answer[answer.index("m=application") :]
        assert sim.calls[0].answer == answer
        assert caller.location == f"/v1/realtime/calls/{sim.calls[0].id}"
        assert sim.calls[0].id.startswith("rtc_u1_")
        assert caller.peer.localDescription.sdp.encode() == sim.calls[0].offer

    asyncio.run(main())


@pytest.mark.slow
def test_a_call_that_translates(sim: Simulator) -> None:
    sim.on_speech(lambda heard: "good morning")
    session = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}

    async def main() -> None:
        async with Caller(sim) as client:
            minted = await client.http.post(
                "/realtime/translations/client_secrets", json={"session": session}
            )
        secret = minted.json()["value"]
        async with Caller(sim, secret, path="/realtime/translations/calls", microphone=8000) as caller:
            await caller.connect(raw=True)
            assert caller.events[0]["session"]["type"] == "translation"
            await wait_in_thread(sim, lambda: len(sim.calls[0].received_audio) > 48_000)
            caller.microphone.hum(0)
            await caller.until("session.output_transcript.delta")
            await caller.wait(lambda: any(map(abs, caller.heard_mono())))
            assert not caller.all("session.output_audio.delta")
            caller.send("session.close")
            await caller.until("session.closed")

    asyncio.run(main())
    assert sim.calls[0].kind == "webrtc"


def test_the_caller_may_leave_without_hanging_up(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            location = caller.location.removeprefix("/v1")
        async with Caller(sim) as other:
            await wait_in_thread(sim, lambda: sim.calls[0].ended is not None)
            assert sim.calls[0].ended == "peer"
            assert (await other.http.post(f"{location}/hangup")).status_code == 404

    asyncio.run(main())


def test_a_hangup_closes_the_callers_connection(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            await caller.hangup()
            await caller.wait(lambda: caller.peer.connectionState == "closed")
            assert (await caller.hangup()).status_code == 404

    asyncio.run(main())


@pytest.mark.slow
def test_stopping_the_simulator_closes_calls_in_the_middle_of_speech() -> None:
    async def main() -> None:
        async with Simulator(espeak=False, keep_audio=True, pacing=Pacing(speed=1)) as sim:
            sim.on_response(lambda turn: say("a long story " * 50))
            async with Caller(sim) as caller:
                await caller.connect()
                caller.send("response.create")
                await caller.until("output_audio_buffer.started")
                await wait_in_thread(sim, lambda: len(sim.calls[0].sent_audio) > 0)
                await sim.aclose()
                await caller.wait(lambda: caller.peer.connectionState == "closed")
        assert sim.calls[0].ended == "shutdown"
        assert 0 < len(sim.calls[0].sent_audio) < 48000 * 20
        assert "response.done" not in sim.sessions[0].types_sent()

    asyncio.run(main())


def test_cleared_output_is_not_played(sim: Simulator) -> None:
    async def main() -> None:
        sim.on_response(lambda turn: say("a long story " * 20))
        async with Caller(sim) as caller:
            await caller.connect()
            caller.send("response.create")
            await wait_in_thread(sim, lambda: len(sim.calls[0].sent_audio) > 4800)
            caller.send("output_audio_buffer.clear")
            await caller.until("output_audio_buffer.cleared")
            played = len(sim.calls[0].sent_audio)
            caller.send("response.create")
            await caller.until("output_audio_buffer.started", 2)
            assert played < 48000 * 10
            assert not caller.all("output_audio_buffer.stopped")

    asyncio.run(main())


def test_a_scenario_that_raises_fails_the_response_and_not_the_call(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(turn: object) -> str:
        raise KeyError("no such line")

    async def main() -> None:
        sim.on_response(broken)
        async with Caller(sim) as caller:
            await caller.connect()
            caller.send("response.create")
            done = (await caller.until("response.done"))["response"]
            assert done["status"] == "failed"
            assert done["status_details"]["error"]["code"] == "scenario_error"
            sim.on_response(lambda turn: ["one", say("two")])
            caller.send("response.create")
            done = (await caller.until("response.done", 2))["response"]
            assert [item["content"][0]["transcript"] for item in done["output"]] == ["one", "two"]

    asyncio.run(main())


async def tasks_of(sim: Simulator) -> set[str]:
    assert sim._thread is not None

    async def inside() -> set[str]:
        def left() -> set[asyncio.Task[Any]]:
            return asyncio.all_tasks() - {asyncio.current_task()}

        # What closes in the background needs its turn; what is still there then has leaked.
        with contextlib.suppress(TimeoutError):
            await auntil(lambda: len(left()) <= 1)
        return {task.get_coro().__qualname__ for task in left()}

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inside(), sim._thread.loop))


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.weekly)])
@pytest.mark.slow
def test_calls_one_after_the_other_leave_no_task_socket_or_thread_behind(sim: Simulator, count: int) -> None:
    def census() -> tuple[int, list[str]]:
        gc.collect()
        names = sorted(thread.name for thread in threading.enumerate())
        return len(os.listdir("/proc/self/fd")), [name for name in names if not name.startswith("caller")]

    async def one(number: int) -> None:
        async with Caller(sim) as caller:
            how = number % 4
            if how == 0:  # hung up before anything connects
                await caller.post()
                await caller.hangup()
            elif how == 1:  # hung up while it connects
                answer = (await caller.post()).text
                await caller.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                await caller.hangup()
            elif how == 2:  # hung up while it speaks
                await caller.connect()
                caller.send("response.create")
                await caller.until("response.done")
                await caller.hangup()
            else:  # left by the caller
                await caller.connect()
        await wait_in_thread(sim, lambda: sim.calls[number].ended is not None)

    async def main() -> None:
        # The callers' own threads have a name, so that they are not counted.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4, thread_name_prefix="caller"))
        for number in range(8):
            await one(number)
        await tasks_of(sim)
        before = census()
        for number in range(8, 8 + count):
            await one(number)
        assert await tasks_of(sim) == {"ServerThread._serve"}
        assert census() == before
        assert [call.state for call in sim.calls] == ["ended"] * (8 + count)

    asyncio.run(main())
    assert json.dumps([call.ended for call in sim.calls]).count("failed") == 0


def test_a_turn_ends_when_the_peer_sends_no_more_packets(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim, microphone=8000) as caller:
            await caller.connect()
            await caller.until("input_audio_buffer.speech_started")
            caller.peer.getSenders()[0].replaceTrack(None)
            await caller.until("input_audio_buffer.speech_stopped")
            await caller.until("response.done")

    asyncio.run(main())
