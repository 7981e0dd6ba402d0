"""The connections against the simulator: whole turns on real sockets, and a call over real WebRTC."""

from __future__ import annotations

import asyncio
import math
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Fail, Pacing, Simulator, call_tool, sequence

from realtime_ext import (
    AsyncRealtimeClient,
    NotFoundError,
    RealtimeClient,
    RealtimeError,
    SessionBuilder,
    SessionConfigWarning,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    audio,
)
from tests.ext.connection.driver import Driven, async_only
from tests.support.runner import Runner

SESSION = SessionBuilder("gpt-realtime").instructions("Be brief.").push_to_talk()
TRUNCATED = "conversation.item.truncated"


def connected(runner: Runner, sim: Simulator, **options: Any) -> Any:
    client = runner.client(base_url=sim.base_url, api_key=sim.api_key)
    return Driven(client.connect(**options), runner)


def test_a_turn_from_asking_to_usage(runner: Runner) -> None:
    with Simulator(pacing="none") as sim, connected(runner, sim, session=SESSION) as connection:
        turn = connection.ask("Say something.")
        assert turn.status == "completed"
        assert turn.transcript
        assert len(turn.audio) > 1000
        assert turn.usage.total_tokens > 0
        assert connection.usage.entries[0].amount.count == 1
        assert [item.role for item in connection.items] == ["user", "assistant"]
        connection.update_session({"instructions": "Be briefer."})
        assert connection.session.instructions == "Be briefer."


@async_only
def test_a_turn_that_failed_has_the_reason(runner: Runner) -> None:
    with Simulator(pacing="none") as sim, connected(runner, sim, session=SESSION) as connection:
        sim.on_response(Fail())
        turn = connection.ask("Say something.")
    assert (turn.status, turn.status_details.type) == ("failed", "failed")
    assert turn.status_details.error.code == "server_error"


@async_only
def test_speech_is_heard_and_answered(runner: Runner) -> None:
    with Simulator(pacing="none") as sim, connected(runner, sim, session=SESSION) as connection:
        with connection.expect("response.done") as done:
            connection.append_audio(audio.silence(500))
            connection.commit_audio()
            connection.create_response()
        assert done.wait().response.status == "completed"


@async_only
def test_turns_follow_each_other(runner: Runner) -> None:
    with Simulator(pacing="none") as sim, connected(runner, sim, session=SESSION) as connection:
        assert connection.ask("one").status == "completed"
        assert connection.ask("two").status == "completed"
        ids = [item.id for item in connection.items]
    assert len(ids) == len(set(ids)) == 4


@async_only
def test_a_response_can_be_made_from_items_of_the_session(runner: Runner) -> None:
    text = SESSION.output("text")
    with Simulator(pacing="none") as sim, connected(runner, sim, session=text) as connection:
        sim.on_response(lambda turn: f"heard {turn.text}")
        connection.send_text("one")
        connection.send_text("two")
        while len(connection.items) < 2:
            connection.recv()
        reference = {"type": "item_reference", "id": connection.items[0].id}
        with connection.expect("response.done") as done:
            connection.create_response(input=[reference])
        assert done.wait().response.output[0].content[0].text == "heard one"
        with connection.expect("error") as refused:
            connection.create_response(input=[{**reference, "id": "item_gone"}])
        assert refused.wait().error.param == "response.input[0].id"
        with pytest.raises(ValueError, match=r"item\.type: expected 'message'"):
            connection.create_item(reference)  # it is no item of its own


@async_only
def test_other_kinds_of_sessions(runner: Runner) -> None:
    with Simulator(pacing="none") as sim:
        built: Any = TranscriptionSessionBuilder("gpt-4o-transcribe")
        with connected(runner, sim, session=built) as connection:
            assert connection.session.type == "transcription"
        built = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
        with connected(runner, sim, session=built) as connection:
            connection.append_audio(audio.silence(200))


@async_only
def test_a_sideband_needs_a_call(runner: Runner) -> None:
    with Simulator(pacing="none") as sim, pytest.raises(NotFoundError, match="isn't ready yet"):
        connected(runner, sim, call_id="rtc_u1_none").__enter__()


def _tone(path: Path, ms: int) -> str:
    samples = (int(8000 * math.sin(2 * math.pi * 300 * n / 24000)) for n in range(24 * ms))
    audio.write_wav(path, array("h", samples).tobytes())
    return str(path)


@pytest.mark.early
def test_a_call_is_dialled_watched_and_hung_up(tmp_path: Path) -> None:
    async def main(sim: Simulator) -> None:
        progress: list[str] = []
        async with AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client:
            dialling = client.dial(
                session=SESSION,
                audio_in=_tone(tmp_path / "question.wav", 400),
                audio_out=str(tmp_path / "reply.wav"),
                on_progress=progress.append,
            )
            async with dialling as connection:
                assert connection.call_id == connection.call.id == sim.calls[0].id
                with pytest.raises(RealtimeError, match="track"):
                    await connection.append_audio(b"12")
                await connection.finished_speaking()
                assert connection.sent_ms == 400
                async with client.connect(call_id=connection.call.id) as sideband:
                    stopped = connection.expect("output_audio_buffer.stopped")
                    here, there = connection.expect("response.done"), sideband.expect("response.done")
                    await connection.commit_audio()
                    await connection.create_response()
                    assert (await here).response.id == (await there).response.id
                await stopped
                assert connection.playback.position is None
            assert connection.is_closed
            assert [event async for event in connection][-1].type
        assert progress == ["offer", "call", "ice", "dtls", "data channel"]
        sim.wait_for(lambda: sim.calls[0].ended)

    with Simulator(pacing="none") as sim:
        asyncio.run(main(sim))
    heard = array("h", audio.read_wav(tmp_path / "reply.wav"))
    assert max(heard) > 1000


def hours(day: str) -> str:
    """Tell the opening hours."""
    return f"{day}: 9-18"


@async_only
@pytest.mark.parametrize("session", [None, SESSION, SESSION.build(), SESSION.tool(hours)])
def test_tools_are_declared_and_run_from_one_place(runner: Runner, session: Any) -> None:
    with Simulator(pacing="none") as sim:
        sim.on_response(sequence(call_tool("hours", {"day": "Mon"}), "Nine."))
        with connected(runner, sim, model="gpt-realtime", session=session, tools=[hours]) as connection:
            turn = connection.ask("When?")
            assert [tool.name for tool in connection.session.tools] == ["hours"]
    assert (turn.status, turn.text) == ("completed", "Nine.")
    assert [call.output for call in turn.tool_calls] == ['"Mon: 9-18"']
    assert [item.type for item in turn.items] == ["function_call", "message"]


@async_only
def test_a_phone_call_s_tools_are_declared_and_run(runner: Runner) -> None:
    with Simulator(pacing="none") as sim:
        sim.on_response(sequence(call_tool("hours", {"day": "Mon"}), "Nine."))
        call = sim.incoming_call("http://127.0.0.1:9/nobody", wait=False)
        client = runner.client(base_url=sim.base_url, api_key=sim.api_key)
        with Driven(client.answer(call.id, SESSION, tools=[hours]), runner) as connection:
            assert [tool.name for tool in connection.session.tools] == ["hours"]
            turn = connection.ask("When?")
    assert (turn.status, turn.text) == ("completed", "Nine.")
    assert [call.output for call in turn.tool_calls] == ['"Mon: 9-18"']


@async_only
@pytest.mark.slow
def test_a_webrtc_call_s_tools_are_declared_and_run(runner: Runner) -> None:
    with Simulator(pacing="none") as sim:
        sim.on_response(sequence(call_tool("hours", {"day": "Mon"}), "Nine."))
        client = runner.client(base_url=sim.base_url, api_key=sim.api_key)
        with Driven(client.dial(SESSION, tools=[hours]), runner) as connection:
            turn = connection.ask("When?")
    assert (turn.status, turn.text) == ("completed", "Nine.")
    assert [call.output for call in turn.tool_calls] == ['"Mon: 9-18"']


def test_an_interruption_without_turn_detection_stops_clears_and_cuts(runner: Runner) -> None:
    with Simulator(pacing=Pacing(speed=1)) as sim, connected(runner, sim, session=SESSION) as connection:
        sim.on_response("A long answer, of which only the beginning is ever heard.")
        with connection.expect("response.output_audio.delta") as delta:
            connection.create_response()
        item_id = delta.wait().item_id
        connection.playback.played_ms(50)
        with connection.expect("response.done") as done, connection.expect(TRUNCATED) as truncated:
            found = connection.interrupt()
        assert (found.item_id, found.played_ms) == (item_id, 50)
        assert done.wait().response.status == "cancelled"
        assert truncated.wait().audio_end_ms == 50


@async_only
def test_tools_that_are_not_run_or_not_declared_warn(runner: Runner) -> None:
    with Simulator(pacing="none") as sim:
        with (
            connected(runner, sim, session=SESSION.tool(hours)) as connection,
            pytest.warns(SessionConfigWarning, match="tools hours: they are never run"),
        ):
            connection.ask("When?")
        with (
            connected(runner, sim, session=SESSION) as connection,
            pytest.warns(SessionConfigWarning, match="tools hours: the model does not know them"),
        ):
            connection.run_tools([hours])


def test_warnings_of_a_sync_connection_name_the_line_that_calls() -> None:
    def line() -> int:
        return sys._getframe(1).f_lineno

    with (
        Simulator(pacing="none") as sim,
        RealtimeClient(sim.api_key, base_url=sim.base_url) as client,
        pytest.warns(SessionConfigWarning) as caught,
    ):
        with client.connect(session=SESSION) as connection:
            connection.run_tools([hours])
            run = line() - 1
        with client.connect(session=SESSION.tool(hours)) as connection:
            connection.ask("When?")
            asked = line() - 1
    places = [(warning.filename, warning.lineno) for warning in caught]
    assert places == [(__file__, run), (__file__, asked)]


def test_warnings_in_a_tool_name_its_line() -> None:
    def hours() -> str:
        """Opening hours."""
        SessionBuilder.from_dict({"new": 1}).build()
        lines.append(sys._getframe().f_lineno - 1)
        return "9-18"

    lines: list[int] = []
    with (
        Simulator(pacing="none") as sim,
        RealtimeClient(sim.api_key, base_url=sim.base_url) as client,
        client.connect(session=SESSION, tools=[hours]) as connection,
        pytest.warns(SessionConfigWarning) as caught,
    ):
        sim.on_response(sequence(call_tool("hours", {}), "Nine."))
        connection.ask("When?")
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, lines[0])]
