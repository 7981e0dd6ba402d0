from __future__ import annotations

import base64
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Heard, Pacing, Simulator, call_tool, say
from websockets.exceptions import ConnectionClosed

from tests.simulator.checking import in_order, rms
from tests.simulator.sounds import hiss, silence, vowel
from tests.simulator.wire import Socket
from tests.support.rows import each

SPOKEN = [
    "session.created",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


def test_a_written_turn(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"], instructions="Be brief.")
        socket.user_says("good morning")
        socket.send("response.create", response={"metadata": {"n": "1"}})
        done = socket.until("response.done")["response"]
        assert done["metadata"] == {"n": "1"}
        assert "good morning" in done["output"][0]["content"][0]["text"]
        deltas = "".join(event["delta"] for event in socket.all("response.output_text.delta"))
        assert deltas == done["output"][0]["content"][0]["text"]
        socket.until("rate_limits.updated")
    (session,) = sim.sessions
    assert session.transport == "websocket"
    assert session.types_sent() == socket.types()
    assert [event["type"] for event in session.received] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]


def test_a_spoken_turn_is_heard_and_answered(sim: Simulator) -> None:
    sim.on_speech(lambda heard: "what time is it?")
    with Socket(sim) as socket:
        socket.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
        socket.append(silence(0.5) + vowel() + silence())
        done = socket.until("response.done")["response"]
        assert "what time is it?" in done["output"][0]["content"][0]["transcript"]
        socket.until("rate_limits.updated")
        assert in_order(SPOKEN, socket.types())
        sound = socket.audio()
        assert rms(sound) > 1000 and len(sound) > 48000
        sim.wait_for(lambda: sim.sessions[0].sent_audio == sound)
    assert sim.sessions[0].received_audio == silence(0.5) + vowel() + silence()


def test_the_default_transcript_is_the_length_of_the_speech(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(audio={"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}})
        for sound, said in ((vowel(2), "2.0 seconds of speech"), (silence() + hiss(), "")):
            socket.append(sound)
            socket.send("input_audio_buffer.commit")
            completed = socket.until("conversation.item.input_audio_transcription.completed")
            assert completed["transcript"] == said


def test_transcripts_may_be_slow_or_fail(sim: Simulator) -> None:
    async def listen(heard: Heard) -> str:
        assert heard.session["type"] == "transcription"
        if heard.seconds < 1.5:
            raise KeyError("nothing heard")
        return "slowly found out"

    sim.on_speech(listen)
    with Socket(sim, "intent=transcription") as socket:
        assert socket.recv()["session"]["type"] == "transcription"
        audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        socket.send("session.update", session={"type": "transcription", "audio": audio})
        socket.append(vowel(2) + silence())
        completed = socket.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "slowly found out"
        socket.append(vowel(0.3) + silence())
        failed = socket.until("conversation.item.input_audio_transcription.failed")
        assert "nothing heard" in failed["error"]["message"]


def test_a_transcription_sessions_model(sim: Simulator) -> None:
    with Socket(sim, "intent=transcription") as socket:
        audio = {"input": {"transcription": {"model": "whisper-1"}}}
        socket.send("session.update", session={"type": "transcription", "audio": audio})
        shown = socket.until("session.updated")["session"]["audio"]["input"]
        assert shown["transcription"]["model"] == "whisper-1"
        socket.send("response.create")
        assert socket.until("error")["error"]["code"] == "invalid_value"


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_a_telephones_audio_goes_both_ways(sim: Simulator, format: str) -> None:
    from realtime_simulator._media.formats import Decoder, encode

    sim.on_speech(lambda heard: f"{rms(heard.pcm[24000:48000]):.0f}")
    with Socket(sim) as socket:
        telephone = {"format": {"type": format}}
        socket.update(audio={"input": telephone, "output": telephone})
        socket.append(encode(vowel() + silence(), format))
        socket.until("response.done")
        item = socket.all("conversation.item.done")[0]["item"]
        socket.send("conversation.item.retrieve", item_id=item["id"])
        heard = base64.b64decode(socket.until("conversation.item.retrieved")["item"]["content"][0]["audio"])
        assert rms(heard[12000:36000]) == pytest.approx(rms(vowel()), rel=0.15)
        spoken = Decoder(format).push(socket.audio())
        assert len(spoken) == pytest.approx(len(sim.sessions[0].sent_audio), abs=200)
        assert rms(spoken) == pytest.approx(rms(sim.sessions[0].sent_audio), rel=0.15)


def test_a_tool_call_and_its_output(sim: Simulator) -> None:
    sim.on_response(
        lambda turn: (
            say("It is noon.") if turn.items[-1]["type"] == "function_call_output" else call_tool("clock")
        )
    )
    with Socket(sim) as socket:
        socket.update(tools=[{"type": "function", "name": "clock"}])
        socket.user_says("what time is it?")
        socket.send("response.create")
        call = socket.until("response.function_call_arguments.done")
        socket.until("response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "12:00"}
        socket.send("conversation.item.create", item=output)
        socket.send("response.create")
        done = socket.until("response.done")["response"]
        assert done["output"][0]["content"][0]["transcript"] == "It is noon."


def test_mcp_tools_are_listed_as_scripted(sim: Simulator) -> None:
    sim.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}}])
    sim.mcp_server("down", None)
    with Socket(sim) as socket:
        servers = [
            {
                "type": "mcp",
                "server_label": label,
                "server_url": "https://x.example",
                "allowed_tools": ["look"],
            }
            for label in ("shop", "down", "other")
        ]
        socket.update(tools=servers)
        socket.until("mcp_list_tools.failed")
        while len(socket.all("conversation.item.done")) < 3:
            socket.recv()
        listed = {e["item"]["server_label"]: e["item"]["tools"] for e in socket.all("conversation.item.done")}
        assert [tool["name"] for tool in listed["shop"]] == ["buy"]
        assert listed["down"] == [] and [tool["name"] for tool in listed["other"]] == ["look"]


def test_cancelling_in_the_middle() -> None:
    with Simulator(espeak=False, pacing=Pacing(speed=1)) as sim, Socket(sim) as socket:
        sim.on_response(lambda turn: say("a long story " * 50))
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        socket.send("response.cancel", event_id="c1")
        done = socket.until("response.done")["response"]
        assert done["status"] == "cancelled"
        socket.send("response.cancel", event_id="c2")
        error = socket.until("error")["error"]
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "c2")


def test_speech_interrupts_the_model() -> None:
    with Simulator(espeak=False, pacing=Pacing(speed=1)) as sim, Socket(sim) as socket:
        sim.on_response(lambda turn: say("a long story " * 50))
        socket.send("response.create")
        delta = socket.until("response.output_audio.delta")
        socket.append(vowel())
        done = socket.until("response.done")["response"]
        assert done["status_details"]["reason"] == "turn_detected"
        socket.send("conversation.item.truncate", item_id=delta["item_id"], content_index=0, audio_end_ms=100)
        assert socket.until("conversation.item.truncated")["audio_end_ms"] == 100


def test_at_the_services_pace_a_response_is_active_for_a_while() -> None:
    with Simulator(espeak=False) as sim, Socket(sim) as socket:
        socket.send("response.create")
        socket.send("response.create", event_id="second")
        socket.send("response.cancel", event_id="third")
        assert socket.until("error")["error"]["code"] == "conversation_already_has_active_response"
        assert socket.until("response.done")["response"]["status"] == "cancelled"


def test_pacing_is_kept_by_the_simulators_clock() -> None:
    with Simulator(espeak=False, pacing=Pacing(first_audio=100, speed=0.01)) as sim, Socket(sim) as socket:
        socket.send("response.create")
        socket.until("response.created")
        sim.wait_for(lambda: "response.created" in sim.sessions[0].types_sent())
        sim.advance(99)
        assert "response.output_audio.delta" not in sim.sessions[0].types_sent()
        sim.advance(2)
        socket.until("response.output_audio.delta")
        sim.advance(3000)
        socket.until("response.done")


def test_a_session_ends_after_an_hour(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        sim.advance(3599)
        assert sim.sessions[0].ended is None
        sim.advance(1.5)
        assert socket.until("error")["error"]["code"] == "session_expired"
        assert socket.closed() == (1001, "Your session hit the maximum duration of 60 minutes.")
    assert sim.sessions[0].ended == "Your session hit the maximum duration of 60 minutes."


def test_the_silent_user_is_asked_again(sim: Simulator) -> None:
    with Socket(sim) as socket:
        detection = {"type": "server_vad", "idle_timeout_ms": 5000}
        socket.update(audio={"input": {"turn_detection": detection}})
        socket.send("response.create")
        socket.until("rate_limits.updated")
        sim.advance(5 + len(socket.audio()) / 48000)
        socket.until("input_audio_buffer.timeout_triggered")
        socket.until("rate_limits.updated")


def test_errors_leave_the_session_open_and_name_the_event(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.ws.send("{")
        assert socket.until("error")["error"]["code"] == "invalid_json"
        socket.ws.send(b'{"type": "response.create"}')
        assert socket.until("error")["error"]["code"] == "invalid_event"
        socket.ws.send('{"type": "nonsense", "event_id": "e1"}')
        assert socket.until("error")["error"]["event_id"] == "e1"
        socket.send("session.update", session={"type": "realtime", "modalities": ["text"]}, event_id="e2")
        error = socket.until("error")["error"]
        assert (error["code"], error["param"], error["event_id"]) == (
            "unknown_parameter",
            "session.modalities",
            "e2",
        )
        socket.ws.send(
            '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", '
            '"content": [{"type": "input_text", "text": "\\ud800"}]}}'
        )
        assert socket.until("error")["error"]["code"] == "invalid_json"
        assert socket.update()["type"] == "realtime"


@each("role", ["user", "assistant", "system"])
def test_a_part_without_a_type_is_refused_and_the_session_continues(sim: Simulator, role: str) -> None:
    part = {"text": "Hi"} if role != "assistant" else {}
    item = {"type": "message", "role": role, "content": [part]}
    with Socket(sim) as socket:
        socket.send("conversation.item.create", item=item)
        error = socket.until("error")["error"]
        assert (error["code"], error["param"]) == ("missing_required_parameter", "item.content[0].type")
        socket.send("response.create", response={"input": [item]})
        assert socket.until("error")["error"]["code"] == "missing_required_parameter"
        socket.send("input_audio_buffer.clear")
        socket.until("input_audio_buffer.cleared")


@each("profile", ["beta", "xai"])
@each(
    "event",
    [
        {"type": "session.update", "session": {"audio": 5, "modalities": 7, "turn_detection": {}}},
        {"type": "conversation.item.create", "item": {"role": "assistant", "content": [5]}},
        {"type": "response.create", "response": {"input": [5], "output_modalities": 3}},
    ],
    ids=["session", "item", "response"],
)
def test_an_event_of_no_shape_of_its_dialect_is_refused(profile: Any, event: dict[str, Any]) -> None:
    with Simulator(pacing="none", espeak=False, profile=profile) as other, Socket(other) as socket:
        socket.ws.send(json.dumps(event))
        socket.ws.send(json.dumps({"type": "input_audio_buffer.clear"}))
        types = []
        while "input_audio_buffer.cleared" not in types:
            types.append(json.loads(socket.ws.recv(20))["type"])
    assert "error" in types


@pytest.mark.slow
def test_large_frames_pass_in_both_directions(sim: Simulator) -> None:
    sound = vowel() * 60
    with Socket(sim) as socket:
        socket.update(audio={"input": {"turn_detection": None}})
        socket.append(sound, chunk=11 * 1024 * 1024)
        socket.send("input_audio_buffer.commit")
        item_id = socket.until("input_audio_buffer.committed")["item_id"]
        socket.send("conversation.item.retrieve", item_id=item_id)
        shown = socket.until("conversation.item.retrieved")["item"]
        assert base64.b64decode(shown["content"][0]["audio"]) == sound


@pytest.mark.slow
def test_an_event_that_is_too_large_is_refused_and_a_huge_frame_ends_the_connection(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.send("input_audio_buffer.append", audio="A" * (15 * 1024 * 1024))
        assert socket.until("error")["error"]["code"] == "string_above_max_length"
        with contextlib.suppress(ConnectionClosed):
            socket.send("input_audio_buffer.append", audio="A" * (25 * 1024 * 1024))
        assert socket.closed()[0] in (1006, 1009)
    sim.wait_for(lambda: any(session.ended is not None for session in sim.sessions))


@pytest.mark.slow
def test_a_client_that_does_not_read_is_disconnected(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_simulator._server.connection.MAX_QUEUED_BYTES", 1024 * 1024)
    sim.on_response(lambda turn: say("a very long story " * 50))
    with Socket(sim) as socket:
        for _ in range(8):
            socket.send("response.create", response={"conversation": "none"})
        sim.wait_for(lambda: any(session.ended is not None for session in sim.sessions))
        assert socket.closed() == (1008, "the client reads too slowly")


def test_the_voice_is_fixed_once_it_has_spoken(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(audio={"output": {"voice": "marin"}})
        socket.send("response.create")
        socket.until("response.done")
        socket.send("session.update", session={"type": "realtime", "audio": {"output": {"voice": "cedar"}}})
        assert socket.until("error")["error"]["code"] == "cannot_update_voice"


def test_a_closed_socket_ends_the_session(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
    sim.wait_for(lambda: any(session.ended is not None for session in sim.sessions))
    assert sim.sessions[0].ended == "client closed"


def test_stopping_the_simulator_closes_sockets() -> None:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as sim, Socket(sim) as socket:
        socket.recv()
        sim.close()
        assert socket.closed()[0] in (1001, 1012)
    assert sim.sessions[0].ended is not None


def test_no_log_has_keys_or_payloads(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Socket(sim, headers={"x-test": "hush-hush"}) as socket:
        socket.update(instructions="a secret instruction")
    # What the client under the test itself logs is not the simulator's.
    server = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    text = "\n".join(record.getMessage() for record in server)
    assert sim.api_key not in text and "hush-hush" not in text and "secret instruction" not in text
    assert any(record.name == "realtime_simulator" for record in server)


@pytest.mark.slow
def test_many_sessions_at_once_lose_nothing(sim: Simulator) -> None:
    sockets = [Socket(sim) for _ in range(20)]
    try:
        for number, socket in enumerate(sockets):
            socket.user_says(f"I am number {number}")
            socket.send("response.create", response={"output_modalities": ["text"]})
        for number, socket in enumerate(sockets):
            done = socket.until("response.done")["response"]
            assert done["output"][0]["content"][0]["text"] == f"You said: I am number {number}"
            socket.until("rate_limits.updated")
    finally:
        for socket in sockets:
            socket.close()


def test_a_fault_of_the_simulator_closes_with_1011_and_is_logged(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*args: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("realtime_simulator._engine.responses.Responses.create", break_down)
    with Socket(sim) as socket:
        socket.until("session.created")
        with caplog.at_level(logging.ERROR, "realtime_simulator"), pytest.raises(ConnectionClosed) as closed:
            socket.send("response.create")
            socket.until("response.created")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "internal error")
    assert sim.sessions[-1].ended == "internal error"
    assert "ZeroDivisionError" in caplog.text


def test_audio_is_kept_for_tests_only_on_request() -> None:
    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as socket:
        socket.recv()
        socket.append(silence(1))
        sim.wait_for(lambda: sim.sessions[0].received_audio_seconds == 1)
        with pytest.raises(RuntimeError, match="keep_audio=True"):
            _ = sim.sessions[0].received_audio
    with Simulator(pacing="none", espeak=False, keep_audio=0.5) as sim, Socket(sim) as socket:
        socket.recv()
        socket.append(silence(1))
        sim.wait_for(lambda: sim.sessions[0].received_audio_seconds == 1)
        assert len(sim.sessions[0].received_audio) == 24_000
    for keep in (-1, 601):
        with pytest.raises(ValueError, match="keep_audio: allowed is 0 to 600"):
            Simulator(pacing="none", keep_audio=keep)
