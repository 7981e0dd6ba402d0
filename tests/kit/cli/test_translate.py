"""`realtime translate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from realtime_simulator import Simulator

from realtime_ext import audio
from tests.support.command import realtime_here, terminal
from tests.support.paths import QUESTION


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as running:
        running.on_speech(lambda heard: "When is breakfast?")
        yield running


def test_speech_is_translated_to_text_and_speech(simulator: Simulator, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    done = realtime_here("translate", "--to=es", "--audio-out", spoken, QUESTION, simulator=simulator)
    assert (done.status, done.out, done.err) == (0, "(es) When is breakfast?\n", "")
    assert audio.duration_ms(audio.read_wav(spoken)) > 300
    done = realtime_here(
        "translate", "--to=de", "-", "--json", simulator=simulator, stdin=QUESTION.read_bytes()
    )
    assert done.json["text"] == "(de) When is breakfast?"
    assert (done.json["file"], done.json["language"]) == ("-", "de")


def test_the_language_is_needed_and_checked(simulator: Simulator) -> None:
    missing = realtime_here("translate", QUESTION, simulator=simulator)
    assert (missing.status, missing.out) == (2, "") and "--to" in missing.err
    wrong = realtime_here("translate", "--to", "spanish", QUESTION, simulator=simulator)
    assert (wrong.status, wrong.out) == (2, "") and "did you mean 'es'" in wrong.err
    assert "--to" in wrong.err


def test_a_file_that_cannot_be_written_is_noticed_before_it_costs_anything(simulator: Simulator) -> None:
    simulator.clear_sessions()
    done = realtime_here("translate", "--to=es", "--audio-out=gone/x.wav", QUESTION, simulator=simulator)
    assert (done.status, done.out) == (1, "") and "gone/x.wav" in done.err
    assert not simulator.sessions


def test_a_failed_translation_is_an_error() -> None:
    with Simulator(pacing="none", espeak=False) as simulator:

        def fail(words: str, language: str) -> str:
            raise LookupError("no such language")

        simulator.on_translation(fail)
        done = realtime_here("translate", "--to=es", QUESTION, simulator=simulator)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("realtime: translation failed: ")


@pytest.mark.programs
def test_the_translation_appears_on_a_terminal(simulator: Simulator) -> None:
    with terminal("translate", "--to=es", QUESTION, simulator=simulator) as shown:
        shown.wait_for("(es) When is breakfast?\r\n")
        assert shown.wait() == 0
