"""Calls of the Live API: telephone calls that are answered, and sessions over WebRTC that Python dials."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from realtime_simulator import Call, Simulator, call_tool, delegate, speech

from realtime_ext import LiveSessionBuilder
from realtime_ext.audio import read_wav, write_wav
from realtime_ext.connection import Handover, Reconnected
from realtime_ext.errors import (
    APIConnectionError,
    APIResponseError,
    ConflictError,
    NotFoundError,
    RealtimeError,
)
from realtime_ext.session import with_backend_tools
from realtime_ext.tools import Toolbox
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.simulator.receiver import Receiver, receiving
from tests.support.rows import each
from tests.support.runner import Runner

pytestmark = pytest.mark.real_time

SESSION = LiveSessionBuilder("gpt-live-1").instructions("front desk")
BACKEND = SESSION.delegate_to("gpt-5.6-sol")
EVENT = "live.transport.incoming"
WORDS = "What will the weather be?"
ASKED = speech(WORDS) + bytes(48_000)


def forecast(city: str) -> str:
    """Return the weather of a city."""
    return f"It is mild in {city}."


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: WORDS if heard.finished else None)
        yield simulator


def client_of(runner: Runner, sim: Simulator, times: float = 25) -> Any:
    return hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key), times)


def ring(sim: Simulator, receiver: Receiver, **options: Any) -> tuple[Call, dict[str, Any]]:
    """Start a call; return it with the data of its webhook."""
    del receiver.deliveries[:]
    call = sim.incoming_call(receiver.url, events=[EVENT], **options)
    data: dict[str, Any] = json.loads(receiver.deliveries[0].body)["data"]
    return call, data


def ended(sim: Simulator, session_id: str) -> str:
    sim.wait_for(lambda: sim.session(session_id).ended is not None)
    [closed] = [event for event in sim.session(session_id).sent if event["type"] == "session.closed"]
    reason: str = closed["reason"]
    return reason


def words(connection: Any, said: str) -> None:
    while said not in " ".join(one.text for one in connection.transcript):
        connection.wait_for("session.output_transcript.delta")


# Answering


def test_a_telephone_call_is_answered_and_hung_up(runner: Runner, sim: Simulator, receiver: Receiver) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
    call, data = ring(sim, receiver, audio=ASKED, line_speed=20)
    with Driven(client_of(runner, sim).live.answer(data, BACKEND, tools=[forecast]), runner) as connection:
        assert connection.session_id == data["session_id"] == call.live_session_id
        words(connection, "mild in Ghent")
        with pytest.raises(RealtimeError, match="send_audio: a sideband sends no audio"):
            connection.send_audio(bytes(960))
    assert ended(sim, data["session_id"]) == "close_requested"
    assert call.ended is not None
    assert connection.usage.seconds > 0
    assert connection.is_closed


@async_only
def test_a_call_continues_without_hangup_on_exit(runner: Runner, sim: Simulator, receiver: Receiver) -> None:
    call, data = ring(sim, receiver)
    client = client_of(runner, sim)
    with Driven(client.live.answer(data, SESSION, hangup_on_exit=False), runner):
        pass
    assert call.ended is None
    runner.run(client.live.calls.hangup(data))


def test_a_call_that_hung_up_ends_the_block(runner: Runner, sim: Simulator, receiver: Receiver) -> None:
    call, data = ring(sim, receiver)
    with Driven(client_of(runner, sim).live.answer(data, SESSION), runner) as connection:
        sim.hang_up(call)
        assert [event.type for event in connection][-1] == "session.closed"
    assert ended(sim, data["session_id"]) == "remote_hangup"


@async_only
def test_a_call_that_another_took_is_a_conflict(runner: Runner, sim: Simulator, receiver: Receiver) -> None:
    _, data = ring(sim, receiver)
    client = client_of(runner, sim)
    runner.run(client.live.calls.accept(data, SESSION))
    with pytest.raises(ConflictError):
        Driven(client.live.answer(data, SESSION), runner).__enter__()
    assert sim.session(data["session_id"]).ended is None
    with pytest.raises(NotFoundError):
        Driven(client.live.answer("live_none", SESSION), runner).__enter__()


@async_only
@each("outcome", ["lost", "no sideband"])
def test_a_caller_is_not_left_in_a_silent_call(runner: Runner, outcome: str) -> None:
    paths: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path.removeprefix("/v1/live/sessions/"))
        if outcome == "lost" and paths[-1].endswith("accept"):
            raise httpx.ReadError("lost")
        return httpx.Response(200)

    client = runner.client(rest, base_url="http://127.0.0.1:1/v1", max_retries=0)
    with pytest.raises(APIConnectionError):
        Driven(client.live.answer("live_1", SESSION), runner).__enter__()
    assert paths == ["live_1/accept", "live_1/hangup"]


@async_only
def test_a_lost_sideband_reattaches_and_counts_what_it_saw_once(
    runner: Runner, sim: Simulator, receiver: Receiver
) -> None:
    client = client_of(runner, sim)
    with (
        Driven(client.live.connect(SESSION), runner) as connection,
        Driven(client.live.attach(connection.session_id), runner) as sideband,
    ):
        connection.say("Good morning.")
        sideband.wait_for("session.output_transcript.delta")
        sim.fault("socket_drop", on="sideband", times=1)
        event = sideband.wait_for(Reconnected)
        assert (event.attempts, event.replayed) == (1, 0)
        sideband.say("Goodbye.")
        words(connection, "Goodbye.")
        words(sideband, "Goodbye.")
        said = [[one.text for one in peer.transcript] for peer in (connection, sideband)]
        assert said[0] == said[1]


@async_only
@pytest.mark.parametrize("is_done", [False, True])
def test_a_sideband_takes_over_function_calls_that_another_program_left(
    runner: Runner, sim: Simulator, receiver: Receiver, is_done: bool
) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
    client = client_of(runner, sim)
    with Driven(client.live.connect(BACKEND), runner) as connection:
        connection.send_audio(ASKED)
        while (item := connection.wait_for("response.event").event.to_dict().get("item", {})).get(
            "status"
        ) != "completed" or item["type"] != "function_call":
            pass
        left = {item["call_id"]: ("forecast", item["arguments"])}
        with Driven(client.live.attach(connection.session_id), runner) as sideband:
            # The answer comes behind the events of the last seconds.
            sideband.update_session(with_backend_tools({}, Toolbox([forecast]), is_update=True))
            sideband.take_over(Handover(done=list(left)) if is_done else Handover(functions=left))
            sideband.run_tools([forecast])
            with pytest.raises(RealtimeError, match="take_over: call it before run_tools and delegate"):
                sideband.take_over(Handover())
            if not is_done:
                words(sideband, "mild in Ghent")
            sideband.think("That was all.")
        sent = [event["type"] for event in sim.session(connection.session_id).received]
        assert sent.count("response.item.create") == sent.count("response.create") == (0 if is_done else 1)


def test_a_sideband_takes_over_tasks_that_another_program_left(
    runner: Runner, sim: Simulator, receiver: Receiver
) -> None:
    client = client_of(runner, sim)
    tasks: list[tuple[str, str]] = []
    with (
        Driven(client.live.connect(SESSION), runner) as connection,
        Driven(client.live.attach(connection.session_id), runner) as sideband,
    ):
        sideband.take_over(Handover(tasks={"item_1": "Order a taxi."}, done=["item_2"]))
        sideband.delegate(lambda task: tasks.append((task.id, task.words)))
        sideband.think("That was all.")
    assert tasks == [("item_1", "Order a taxi.")]


# Dialling


@pytest.mark.slow
def test_a_session_over_webrtc_is_dialled(runner: Runner, sim: Simulator, tmp_path: Path) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    write_wav(question, ASKED, 24_000)
    client = client_of(runner, sim, times=1)
    steps: list[str] = []
    dialling = client.live.dial(
        BACKEND, audio_in=question, audio_out=reply, tools=[forecast], on_progress=steps.append
    )
    with Driven(dialling, runner) as connection:
        assert steps == ["offer", "call", "ice", "dtls", "data channel"]
        assert connection.call.session_id == connection.session_id
        assert connection.expires_at > 1_700_000_000
        connection.finished_speaking()
        assert connection.sent_ms >= 1000
        words(connection, "mild in Ghent")
        with pytest.raises(RealtimeError, match=r"send_audio: in a WebRTC call audio flows on the track"):
            connection.send_audio(bytes(960))
        received_ms = connection.received_ms
    assert ended(sim, connection.session_id) == "close_requested"
    assert any(read_wav(reply))
    assert received_ms > 1000
    assert connection.usage.seconds >= 1


@async_only
@pytest.mark.slow
def test_a_dialled_session_delegates_to_the_program(runner: Runner, sim: Simulator, tmp_path: Path) -> None:
    sim.on_response(["Let me see.", delegate()], times=1)
    question = tmp_path / "question.wav"
    write_wav(question, ASKED, 24_000)
    client = client_of(runner, sim, times=1)
    with Driven(client.live.dial(SESSION, audio_in=question), runner) as connection:
        connection.delegate(lambda task: "It is mild.")
        words(connection, "It is mild.")


@async_only
@pytest.mark.slow
def test_a_data_channel_that_withholds_the_start_is_no_failure(
    runner: Runner, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = SESSION.data_channel(server_events=["session.closed"])
    client = client_of(runner, sim, times=1)
    with Driven(client.live.dial(session), runner) as connection:
        assert connection.session_id.startswith("live_")
    assert "no session.started within 2 s" in caplog.text


@async_only
def test_a_session_whose_answer_is_unusable_is_ended(runner: Runner) -> None:
    paths: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path.removeprefix("/v1/live/sessions"))
        answer = {"session": {"id": "live_1"}, "transport": {"type": "webrtc", "sdp": "none"}}
        return httpx.Response(200) if paths[-1] else httpx.Response(201, json=answer)

    client = runner.client(rest, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(APIResponseError, match="the answer has no SDP"):
        Driven(client.live.dial(SESSION), runner).__enter__()
    assert paths == ["", "/live_1/hangup"]


@async_only
def test_a_refused_session_is_not_hung_up(runner: Runner) -> None:
    paths: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(404, json={"error": {"message": "no", "code": "model_not_found"}})

    client = runner.client(rest, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(NotFoundError):
        Driven(client.live.dial(SESSION), runner).__enter__()
    assert paths == ["/v1/live/sessions"]


@async_only
def test_wrong_arguments_are_refused_before_anything_is_sent(runner: Runner) -> None:
    live = runner.client(base_url="http://127.0.0.1:1/v1").live
    with pytest.raises(ValueError, match="tools: expected a session that delegates to a model"):
        live.dial(SESSION, tools=[forecast])
    with pytest.raises(ValueError, match="tools: expected a session that delegates to a model"):
        live.answer("live_1", SESSION, tools=[forecast])
    with pytest.raises(ValueError, match="session_id"):
        live.answer("..", SESSION)
    with pytest.raises(TypeError, match="audio_in"):
        live.dial(SESSION, audio_in=7)
    dialling = live.dial(SESSION)
    with pytest.raises(AttributeError, match=r"use it as `.*live\.dial"):
        dialling.say("Hello.")
