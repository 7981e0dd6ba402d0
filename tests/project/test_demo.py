"""`realtime demo`: it makes a whole call to a simulator; what goes wrong is said, and fails it."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from realtime_kit._demo.sound import RATE, difference, loudness
from realtime_simulator import Simulator
from realtime_simulator._media.voice import synthesize

from tests.support.command import realtime_here

STEPS = (
    "client secret",
    "offer",
    "call",
    "ICE",
    "DTLS",
    "data channel",
    "spoke",
    "first audio",
    "reply",
    "hung up",
    "audio received",
    "files",
)


def assert_files(folder: Path) -> None:
    with wave.open(str(folder / "reply.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        assert loudness(file.readframes(file.getnframes())).seconds > 1
    picture = (folder / "call.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 1000
    assert height > 700  # pixels


@pytest.mark.early
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the oldest matplotlib that is allowed has some
@pytest.mark.slow
def test_makes_a_call_to_the_simulator_and_shows_every_step(tmp_path: Path) -> None:
    done = realtime_here("demo", cwd=tmp_path)
    assert done.status == 0, done.out + done.err
    places = [done.out.find(f"✓ {step} ") for step in ("simulator", *STEPS)]
    assert -1 not in places, done.out
    assert places == sorted(places)
    for event in ("session.created", "response.created", "response.done", "output_audio_buffer.stopped"):
        assert event in done.out
    assert "3.00 s, 144,000 bytes" in done.out
    assert "✓ simulator heard" in done.out
    assert "✓ heard here" in done.out
    assert_files(tmp_path / "build" / "demo")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as above
def test_live_calls_the_server_of_the_environment_and_prints_json_lines_on_request(tmp_path: Path) -> None:
    with Simulator(pacing="none") as simulator:
        done = realtime_here("demo", "--live", "--json", "--out=kept", cwd=tmp_path, simulator=simulator)
        assert done.status == 0, done.out + done.err
        (call,) = simulator.calls
        assert call.ended == "hangup"
        assert simulator.api_key not in done.out
    assert set(STEPS) <= {line.get("step") for line in done.lines}
    assert {"session.created", "response.done"} <= {line.get("event") for line in done.lines}
    assert all(line["at"] >= 0 for line in done.lines)
    assert_files(tmp_path / "kept")


def test_a_step_that_fails_is_named_and_fails_the_demo(tmp_path: Path) -> None:
    with Simulator(pacing="none") as simulator:
        done = realtime_here("demo", "--live", cwd=tmp_path, simulator=simulator, OPENAI_API_KEY="sk-wrong")
    assert done.status == 1
    assert "✗ client secret: " in done.out
    assert "401" in done.out
    assert "Traceback" not in done.out + done.err


def test_going_live_needs_a_key(tmp_path: Path) -> None:
    done = realtime_here("demo", "--live", cwd=tmp_path)
    assert done.status == 4
    assert "OPENAI_API_KEY" in done.err


def test_a_folder_that_cannot_be_made_is_named_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = realtime_here("demo", "--out=file", cwd=tmp_path)
    assert done.status == 1
    assert "✗ files: file: File exists" in done.out
    assert "✓" not in done.out


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


@pytest.fixture(scope="module")
def spoken() -> bytes:
    return synthesize("One two three four five six seven, all good children go to heaven.")


def louder(pcm: bytes, factor: float) -> bytes:
    return (np.frombuffer(pcm, "<i2") * factor).clip(-32768, 32767).astype("<i2").tobytes()


def test_a_complete_reply_between_silence_matches(spoken: bytes) -> None:
    assert difference(spoken, silence(1.2) + louder(spoken, 0.95) + silence(0.4)) is None


def test_silence_does_not_match(spoken: bytes) -> None:
    assert "nothing audible arrived" in str(difference(spoken, silence(3)))
    assert "nothing audible arrived" in str(difference(spoken, b""))


def test_a_cut_reply_does_not_match(spoken: bytes) -> None:
    assert "s arrived" in str(difference(spoken, silence(1) + spoken[: len(spoken) // 2]))


def test_a_reply_at_a_third_of_its_loudness_does_not_match(spoken: bytes) -> None:
    assert "times the played energy" in str(difference(spoken, louder(spoken, 1 / 3)))


def test_other_audio_of_the_same_length_and_energy_does_not_match(spoken: bytes) -> None:
    backwards = np.frombuffer(spoken, "<i2")[::-1].tobytes()
    assert "the loudness of received and sent audio differs" in str(difference(spoken, backwards))
