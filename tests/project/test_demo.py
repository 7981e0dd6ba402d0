"""`realtime demo`: it makes a whole call to a simulator; what goes wrong is said, and fails it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from realtime_simulator import Simulator
from realtime_simulator.media.voice import synthesize

from realtime_ext.cli.demo.sound import RATE, difference, loudness

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


def realtime(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "realtime_ext.cli", *arguments],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
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


def test_makes_a_call_to_the_simulator_and_shows_every_step(tmp_path: Path) -> None:
    result = realtime("demo", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    places = [result.stdout.find(f"✓ {step} ") for step in ("simulator", *STEPS)]
    assert -1 not in places, result.stdout
    assert places == sorted(places)
    for event in ("session.created", "response.created", "response.done", "output_audio_buffer.stopped"):
        assert event in result.stdout
    assert "3.00 s, 144,000 bytes" in result.stdout
    assert "✓ simulator heard" in result.stdout
    assert "✓ heard here" in result.stdout
    assert_files(tmp_path / "build" / "demo")


def test_its_steps_are_json_lines_where_that_is_asked_for(tmp_path: Path) -> None:
    result = realtime("demo", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert set(STEPS) <= {line.get("step") for line in lines}
    assert {"session.created", "response.done"} <= {line.get("event") for line in lines}
    assert all(line["at"] >= 0 for line in lines)


def test_live_calls_what_the_environment_names(tmp_path: Path) -> None:
    with Simulator(pacing="none") as simulator:
        result = realtime(
            "demo",
            "--live",
            "--out=kept",
            cwd=tmp_path,
            OPENAI_BASE_URL=simulator.base_url,
            OPENAI_API_KEY=simulator.api_key,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        (call,) = simulator.calls
        assert call.ended == "hangup"
        assert simulator.api_key not in result.stdout
    assert_files(tmp_path / "kept")


def test_a_step_that_fails_is_named_and_fails_the_demo(tmp_path: Path) -> None:
    with Simulator(pacing="none") as simulator:
        result = realtime(
            "demo", "--live", cwd=tmp_path, OPENAI_BASE_URL=simulator.base_url, OPENAI_API_KEY="sk-wrong"
        )
    assert result.returncode == 1
    assert "✗ client secret: " in result.stdout
    assert "401" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_going_live_needs_a_key(tmp_path: Path) -> None:
    result = realtime("demo", "--live", cwd=tmp_path)
    assert result.returncode == 4
    assert "OPENAI_API_KEY" in result.stderr


def test_a_folder_that_cannot_be_made_is_named_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = realtime("demo", "--out=file", cwd=tmp_path)
    assert result.returncode == 1
    assert "✗ files: " in result.stdout
    assert "✓" not in result.stdout


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


@pytest.fixture(scope="module")
def spoken() -> bytes:
    return synthesize("One two three four five six seven, all good children go to heaven.")


def louder(pcm: bytes, factor: float) -> bytes:
    return (np.frombuffer(pcm, "<i2") * factor).clip(-32768, 32767).astype("<i2").tobytes()


def test_what_arrives_whole_between_silence_is_what_was_played(spoken: bytes) -> None:
    assert difference(spoken, silence(1.2) + louder(spoken, 0.95) + silence(0.4)) is None


def test_silence_is_not_what_was_played(spoken: bytes) -> None:
    assert "nothing audible arrived" in str(difference(spoken, silence(3)))
    assert "nothing audible arrived" in str(difference(spoken, b""))


def test_a_cut_reply_is_not_what_was_played(spoken: bytes) -> None:
    assert "s arrived" in str(difference(spoken, silence(1) + spoken[: len(spoken) // 2]))


def test_a_reply_at_a_third_of_its_loudness_is_not_what_was_played(spoken: bytes) -> None:
    assert "times the played energy" in str(difference(spoken, louder(spoken, 1 / 3)))


def test_another_sound_of_the_same_length_and_energy_is_not_what_was_played(spoken: bytes) -> None:
    backwards = np.frombuffer(spoken, "<i2")[::-1].tobytes()
    assert "rises and falls otherwise" in str(difference(spoken, backwards))
