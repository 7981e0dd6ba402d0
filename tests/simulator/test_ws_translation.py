from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from realtime_simulator import Simulator

from tests.simulator.checking import rms
from tests.simulator.sounds import silence, vowel
from tests.simulator.wire import Socket

PATH = "/translations"
APPEND = "session.input_audio_buffer.append"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


def append(socket: Socket, sound: bytes) -> None:
    for start in range(0, len(sound), 9600):
        socket.send(APPEND, audio=base64.b64encode(sound[start : start + 9600]).decode())


def test_speech_is_translated_until_the_session_is_closed(sim: Simulator) -> None:
    sim.on_speech(lambda heard: "good morning to you")
    with Socket(sim, "model=gpt-realtime-translate", path=PATH) as socket:
        assert socket.recv()["session"]["model"] == "gpt-realtime-translate"
        audio = {"output": {"language": "es"}, "input": {"transcription": {"model": "whisper-1"}}}
        socket.send("session.update", session={"audio": audio})
        assert socket.until("session.updated")["session"]["audio"]["output"] == {"language": "es"}
        append(socket, silence(0.5) + vowel() + silence() + vowel())
        socket.send("session.close")
        assert socket.closed() == (1000, "session closed")
        assert socket.types()[-1] == "session.closed"
        said = "".join(event["delta"] for event in socket.all("session.input_transcript.delta"))
        assert said == "good morning to you" * 2
        translated = "".join(event["delta"] for event in socket.all("session.output_transcript.delta"))
        assert translated == "(es) good morning to you" * 2
        deltas = socket.all("session.output_audio.delta")
        sound = b"".join(base64.b64decode(event["delta"]) for event in deltas)
        assert rms(sound) > 1000
        assert {event["sample_rate"] for event in deltas} == {24000}
    sim.wait_for(lambda: sim.sessions[0].ended == "session closed")
    assert sim.sessions[0].sent_audio == sound
    assert sim.sessions[0].received_audio == silence(0.5) + vowel() + silence() + vowel()


def test_a_translation_may_be_slow_or_fail(sim: Simulator) -> None:
    async def translate(text: str, language: str) -> str:
        if language == "xx":
            raise LookupError("no such language")
        return {"1.9 seconds of speech": "uno"}[text]

    sim.on_translation(translate)
    with Socket(sim, "model=gpt-realtime-translate", path=PATH) as socket:
        append(socket, silence() + vowel() + silence())
        assert socket.until("session.output_transcript.delta")["delta"] == "uno"
        socket.send("session.update", session={"audio": {"output": {"language": "xx"}}})
        append(socket, vowel() + silence())
        error = socket.until("error")["error"]
        assert error["code"] == "translation_failed"
        socket.send("session.close")
        assert socket.closed()[0] == 1000


def test_a_call_has_no_translation(sim: Simulator) -> None:
    with Socket(sim, "model=gpt-realtime-translate", path=PATH) as socket:
        socket.send("response.create", event_id="e1")
        assert socket.until("error")["error"]["event_id"] == "e1"
