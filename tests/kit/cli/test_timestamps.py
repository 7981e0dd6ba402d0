"""`realtime transcribe` with times: --timestamps, --srt and --vtt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from realtime_simulator import Simulator, speech

from realtime_ext import audio
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.command import realtime_here, terminal
from tests.support.paths import QUESTION
from tests.support.rows import each


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none") as running:
        running.on_speech(lambda heard: "Is <it> late?")
        yield running


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two utterances, which begin after one second, and two seconds after the end of the first."""
    path = tmp_path_factory.mktemp("sound") / "two.wav"
    said = speech("When does breakfast start, and where?")
    audio.write_wav(path, audio.silence(1000) + said + audio.silence(2000) + said)
    return path


def test_utterances_have_times(simulator: Simulator, sound: Path) -> None:
    done = realtime_here("transcribe", "--timestamps", "--json", sound, simulator=simulator)
    assert (done.status, done.err) == (0, "")
    first, second = done.json["utterances"]
    said = audio.duration_ms(speech("When does breakfast start, and where?")) / 1000
    padding = 0.3
    assert first["start"] == pytest.approx(1 - padding, abs=0.15)
    assert second["start"] == pytest.approx(3 + said - padding, abs=0.15)
    assert first["start"] < first["end"] < second["start"] < second["end"] <= done.json["seconds"]
    assert [one["text"] for one in (first, second)] == ["Is <it> late?"] * 2
    text = realtime_here("transcribe", "--timestamps", sound, simulator=simulator).out
    assert text.splitlines()[0] == f"{first['start']}\t{first['end']}\tIs <it> late?"
    assert len(text.splitlines()) == 2


def test_subtitles(simulator: Simulator, sound: Path) -> None:
    srt = realtime_here("transcribe", "--srt", sound, simulator=simulator).out.split("\n\n")
    assert srt[0].startswith("1\n00:00:00,") and srt[0].endswith("\nIs <it> late?")
    assert srt[1].startswith("2\n00:00:0") and len(srt) == 2
    vtt = realtime_here("transcribe", "--vtt", sound, simulator=simulator).out.split("\n\n")
    assert vtt[0] == "WEBVTT" and len(vtt) == 3
    assert vtt[1].startswith("00:00:00.") and vtt[1].endswith("\nIs &lt;it&gt; late?")


@pytest.mark.programs
def test_progress_is_shown_on_a_terminal_and_not_with_json(simulator: Simulator, sound: Path) -> None:
    with terminal("transcribe", "--timestamps", sound, simulator=simulator) as shown:
        assert shown.wait() == 0
    assert "Sending" in shown.shown and "Listening" in shown.shown and "100%" in shown.shown
    with terminal("transcribe", sound, simulator=simulator) as shown:
        assert shown.wait() == 0
    assert "Sending" in shown.shown and "100%" in shown.shown
    with terminal("transcribe", "--timestamps", "--json", sound, simulator=simulator) as shown:
        assert shown.wait() == 0
    assert "Sending" not in shown.shown and "\x1b" not in shown.shown


def test_segments_have_their_own_times_and_speakers(simulator: Simulator, sound: Path) -> None:
    diarize = ("--model", "gpt-4o-transcribe-diarize")
    done = realtime_here("transcribe", "--timestamps", "--json", *diarize, sound, simulator=simulator)
    assert [one["speaker"] for one in done.json["utterances"]] == ["A", "A"]
    assert done.json["utterances"][1]["start"] > 3


def test_a_speaker_can_not_add_a_subtitle() -> None:
    item = {"item_id": "one", "content_index": 0}
    speaker = "A\n\n2\n00:00:09,000 --> 00:00:10,000\nB"

    def answer(peer: Peer) -> None:
        peer.send("session.updated", session=peer.expect("session.update")["session"])
        peer.expect("input_audio_buffer.commit")
        peer.send("input_audio_buffer.speech_started", item_id="one", audio_start_ms=0)
        peer.send("input_audio_buffer.committed", item_id="one")
        words = "conversation.item.input_audio_transcription"
        peer.send(f"{words}.segment", **item, id="s", start=0, end=1, text="Yes.", speaker=speaker)
        usage = {"type": "duration", "seconds": 1}
        peer.send(f"{words}.completed", **item, transcript="Yes.", usage=usage)
        peer.until_closed()

    with ScriptedServer(answer) as server:
        done = realtime_here(
            "transcribe", "--srt", QUESTION, OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-1"
        )
    assert done.out == ("1\n00:00:00,000 --> 00:00:01,000\nA 2 00:00:09,000 --> 00:00:10,000 B: Yes.\n"), (
        done.err
    )


def test_audio_without_speech_has_no_utterances(simulator: Simulator, tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "none.wav", audio.silence(500))
    done = realtime_here("transcribe", "--vtt", tmp_path / "none.wav", simulator=simulator)
    assert (done.status, done.out) == (0, "WEBVTT\n")


@each("arguments", [("--srt", "--vtt", "a.wav"), ("--srt", "--json", "a.wav"), ("--vtt", "a.wav", "b.wav")])
def test_formats_that_exclude_each_other_are_wrong_use(arguments: tuple[str, ...]) -> None:
    assert realtime_here("transcribe", *arguments).status == 2
