"""The recorder: where sound goes in the stereo file, what an interruption cuts, what the transcript has."""

from __future__ import annotations

import base64
import json
import os
import tracemalloc
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.recorder import _RATE as RATE, _REMEMBERED as REMEMBERED, Recorder
from realtime_simulator import Simulator, call_tool, sequence
from realtime_simulator._engine.turn import Pacing

from realtime_ext import RealtimeClient, SessionBuilder, audio
from realtime_ext.events import parse_event
from tests.support.paths import QUESTION
from tests.support.rows import each


def loud(seconds: float, level: int = 1000, rate: int = RATE) -> bytes:
    return array("h", [level] * int(seconds * rate)).tobytes()


def sides(path: Path) -> tuple[array[int], array[int]]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = array("h", file.readframes(file.getnframes()))
    return samples[0::2], samples[1::2]


def at(side: array[int], seconds: float) -> int:
    return side[int(seconds * RATE)]


class Tape:
    """A recorder whose events have their times."""

    def __init__(self, folder: Path, *, is_live: bool = False) -> None:
        self._is_live = is_live
        self.path = folder / "call.wav"
        self.recorder = Recorder(self.path)
        self._began = self.recorder.began_ns
        self._count = 0

    def event(self, seconds: float, kind: str, direction: str = "in", **fields: Any) -> None:
        self._count += 1
        content = {"type": kind, "event_id": f"event_{self._count}", **fields}
        event = parse_event(content, live=True) if self._is_live else parse_event(content)
        self.recorder(direction, event, self._began + int(seconds * 1e9))

    def say(self, seconds: float, pcm: bytes) -> None:
        text = base64.b64encode(pcm).decode()
        self.event(seconds, "input_audio_buffer.append", "out", audio=text)

    def answer(self, seconds: float, pcm: bytes, item_id: str = "item_1") -> None:
        place = {"response_id": "resp_1", "output_index": 0, "content_index": 0}
        text = base64.b64encode(pcm).decode()
        self.event(seconds, "response.output_audio.delta", item_id=item_id, delta=text, **place)

    def cut(self, seconds: float, heard_ms: int, item_id: str = "item_1") -> None:
        fields = {"item_id": item_id, "content_index": 0, "audio_end_ms": heard_ms}
        self.event(seconds, "conversation.item.truncated", **fields)

    def close(self) -> tuple[array[int], array[int]]:
        self.recorder.close()
        return sides(self.path)


def test_the_user_is_left_and_the_model_right_each_at_its_time(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.say(1.0, loud(0.5))
    tape.answer(2.0, loud(0.5, 2000))
    left, right = tape.close()
    assert [at(left, t) for t in (0.9, 1.1, 1.4, 1.6)] == [0, 1000, 1000, 0]
    assert [at(right, t) for t in (1.9, 2.1, 2.4)] == [0, 2000, 2000]
    assert len(left) == len(right) == 2.5 * RATE


def test_audio_faster_than_real_time_is_appended(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for number in range(10):
        tape.answer(0.0, loud(1.0, 100 * (number + 1)))
    _, right = tape.close()
    assert [at(right, second + 0.5) for second in range(10)] == [100 * (n + 1) for n in range(10)]


def test_truncated_audio_does_not_count_as_heard(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(4.0))
    tape.answer(0.0, loud(4.0))
    tape.cut(1.5, heard_ms=1400)
    tape.answer(3.0, loud(1.0, 3000), "item_2")
    _, right = tape.close()
    assert [at(right, t) for t in (1.3, 1.5, 2.9, 3.1, 3.9)] == [1000, 0, 0, 3000, 3000]
    assert len(right) == 4 * RATE


def test_an_interruption_within_other_audio_leaves_silence_there(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(2.0))
    tape.answer(0.0, loud(2.0, 3000), "item_2")
    tape.cut(1.0, heard_ms=1000)
    _, right = tape.close()
    assert [at(right, t) for t in (0.9, 1.1, 1.9, 2.1, 3.9)] == [1000, 0, 0, 3000, 3000]


@pytest.mark.slow
def test_a_long_conversation_is_written_as_it_goes(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for second in range(0, 600, 10):
        tape.say(second, loud(1.0))
    assert tape.path.stat().st_size > 500 * RATE * 4
    left, _ = tape.close()
    assert [at(left, t) for t in (0.5, 5, 300.5, 305, 590.5)] == [1000, 0, 1000, 0, 1000]


@pytest.mark.parametrize("form", ["pcmu", "pcma"])
def test_a_telephones_audio_has_its_length_and_level(form: str, tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    audio_of = {
        "input": {"format": {"type": f"audio/{form}"}},
        "output": {"format": {"type": f"audio/{form}"}},
    }
    session = {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "m",
        "audio": audio_of,
    }
    tape.event(0.0, "session.created", session=session)
    pressed = audio.pcm16_to_pcmu if form == "pcmu" else audio.pcm16_to_pcma
    tape.say(0.0, pressed(loud(1.0, 8000, rate=8000)))
    left, _ = tape.close()
    assert len(left) == RATE
    assert abs(left[RATE // 2] - 8000) < 300


def test_audio_outside_the_events_is_recorded_too(tmp_path: Path) -> None:
    with Recorder(tmp_path / "call.wav") as recorder:
        recorder.said(loud(0.2))
        recorder.heard(loud(0.2, 2000))
    recorder.said(loud(0.2))  # closed: no harm
    left, right = sides(tmp_path / "call.wav")
    assert (max(left), max(right)) == (1000, 2000)


def test_a_file_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name a WAV file"):
        Recorder(None)
    with Recorder(None, tmp_path / "words.jsonl"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["words.jsonl"]


@pytest.mark.slow
def test_a_conversation_is_recorded_and_its_transcript_is_the_connections(tmp_path: Path) -> None:
    def book(nights: int) -> str:
        """Book a room.

        Args:
            nights: How many.
        """
        return f"room 7 for {nights} nights"

    session = SessionBuilder("gpt-realtime").transcribe("whisper-1").push_to_talk()
    with Simulator() as simulator, Recorder(tmp_path / "call.wav") as recorder:
        simulator.on_speech(lambda heard: "Two nights, please.")
        simulator.on_response(sequence(call_tool("book", {"nights": 2}), "It is booked."), match="nights")
        client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)
        with client, client.connect(session, tools=[book], observer=recorder) as connection:
            connection.ask("Hello")
            connection.append_audio(audio.read_wav(QUESTION))
            with connection.expect("conversation.item.input_audio_transcription.completed") as heard:
                connection.commit_audio()
            heard.wait()
            connection.ask()
            said = [(line.role, line.text, line.is_interrupted) for line in connection.transcript]
    assert said == [
        ("user", "Hello", False),
        ("assistant", "You said: Hello", False),
        ("user", "Two nights, please.", False),
        ("assistant", "It is booked.", False),
    ]
    lines = [json.loads(line) for line in (tmp_path / "call.jsonl").read_text().splitlines()]
    assert [(line["role"], line["text"]) for line in lines] == [
        *[(role, text) for role, text, _ in said[:3]],
        ("tool", '{"nights": 2}'),
        ("tool", '"room 7 for 2 nights"'),
        ("assistant", "It is booked."),
    ]
    assert lines[3]["name"] == "book"
    assert lines[3]["call_id"] == lines[4]["call_id"]
    left, right = sides(tmp_path / "call.wav")
    assert max(left) > 1000
    assert max(right) > 1000


def test_the_transcript_has_the_heard_duration_of_an_interrupted_answer(tmp_path: Path) -> None:
    with Simulator(pacing=Pacing()) as simulator:
        simulator.on_response("one two three four five six seven eight nine ten")
        client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)
        with client, client.connect("gpt-realtime") as connection:
            turn = connection.ask("Count")
            whole = audio.duration_ms(turn.audio)
            connection.playback.played_ms(whole / 2)
            with connection.expect("conversation.item.truncated") as cut:
                connection.interrupt()
            cut.wait()
            line = connection.transcript[-1]
    assert line.is_interrupted
    assert line.text.startswith("one two")
    assert "ten" not in line.text


def test_a_line_says_how_much_of_an_interrupted_answer_was_heard(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(1.0, loud(2.0))
    tape.cut(1.5, heard_ms=500)
    tape.close()
    (line,) = map(json.loads, (tmp_path / "call.jsonl").read_text("utf-8").splitlines())
    assert line == {"at": 1.5, "role": "assistant", "text": "", "item_id": "item_1", "heard_ms": 500}


def test_half_a_character_is_written_as_json_has_it(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    tape.event(1.0, "response.output_text.done", text="half \ud800 of it", **place)
    tape.close()
    (line,) = (tmp_path / "call.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["text"] == "half \ud800 of it"


def test_a_cut_before_an_answer_began_cuts_nothing_else(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(1.0, 1000), "item_1")
    tape.answer(0.1, loud(1.0, 2000), "item_2")
    tape.cut(0.2, -5000, "item_2")
    _, model = tape.close()
    assert len(model) == RATE and at(model, 0.9) == 1000


def test_half_a_sample_of_the_user_waits_for_its_other_half_across_pauses(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    pcm = loud(1.0, 0x1234)
    for number, start in enumerate(range(0, len(pcm), 961)):
        tape.say(number * 0.1, pcm[start : start + 961])
    left, _ = tape.close()
    assert set(left) == {0, 0x1234}
    assert left.count(0x1234) == RATE


def test_half_a_sample_of_the_model_waits_within_its_item_across_an_interruption(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(0.5, 0x1234)[:-1])
    tape.cut(0.2, heard_ms=200)
    tape.answer(1.0, loud(0.5, 0x2345), "item_2")  # whose first byte begins a sample
    tape.answer(2.0, b"\x12" + loud(0.5, 0x1234)[:-1])
    _, right = tape.close()
    assert set(right) == {0, 0x1234, 0x2345}
    assert (right.count(0x1234), right.count(0x2345)) == (0.7 * RATE, 0.5 * RATE)


def test_halves_of_samples_of_many_items_are_limited(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for number in range(1000):
        tape.answer(0.0, b"\x12", f"item_{number}")
    assert len(tape.recorder._sides["assistant"]._halves) == 64
    tape.close()


@pytest.mark.slow
def test_audio_that_comes_faster_than_it_is_heard_takes_no_memory(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(1.0))
    tracemalloc.start()
    try:
        for _ in range(600):
            tape.answer(0.0, loud(1.0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**24  # of 28 MiB of audio; other threads allocate too
    assert tape.path.stat().st_size == 44 + 601 * RATE * 4
    tape.cut(5.0, heard_ms=3000)
    _, right = tape.close()
    assert (len(right), at(right, 2.9)) == (3 * RATE, 1000)


def test_a_recording_can_be_read_while_it_grows(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(3.0))
    tape.say(1.0, loud(1.0, 500))
    tape.recorder._sound._file.flush()  # type: ignore[union-attr]
    left, right = sides(tape.path)
    assert [at(left, t) for t in (0.5, 1.5, 2.5)] == [0, 500, 0]
    assert [at(right, t) for t in (0.5, 1.5, 2.5)] == [1000, 1000, 1000]
    tape.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_only_the_owner_can_read_the_files_of_a_recording(tmp_path: Path) -> None:
    shared = tmp_path / "shared.jsonl"
    shared.touch(mode=0o644)
    shared.chmod(0o644)
    with Recorder(tmp_path / "a.wav"), Recorder(tmp_path / "b.wav", shared):
        pass
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("a.wav", "a.jsonl", "b.wav", "shared.jsonl"), 0o600)


def test_failures_of_the_recorder_are_logged_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object) -> None:
        raise LookupError("a mistake of this package")

    monkeypatch.setattr("realtime_kit.recorder._line_of", fails)
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(0.1))
    tape.close()
    assert "failed to record response.output_audio.delta; please report this" in caplog.text
    assert "Traceback" in caplog.text


def test_audio_past_the_size_of_a_wav_file_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime_kit.recorder._MAX_FRAMES", RATE)
    tape = Tape(tmp_path)
    tape.answer(0.0, loud(0.9))
    tape.answer(0.0, loud(0.9))
    tape.answer(0.0, loud(0.9))
    assert tape.path.stat().st_size <= 44 + 4 * RATE  # also before it is closed
    _, right = tape.close()
    assert len(right) == RATE and set(right) == {1000}


# Live sessions


def live_session(**form: Any) -> dict[str, Any]:
    sound: dict[str, Any] = {"output": {"voice": "marin"}}
    return {"id": "live_1", "model": "gpt-live-1", "audio": {**sound, **({"format": form} if form else {})}}


def lines_of(tape: Tape) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tape.path.with_suffix(".jsonl").read_text().splitlines()]


@each(
    "form, piece",
    [
        ({"type": "audio/pcm", "rate": 24000}, loud(0.5)),
        ({"type": "audio/pcm", "rate": 16000}, loud(0.5, rate=16000)),
        ({"type": "audio/pcmu", "rate": 8000}, audio.pcm16_to_pcmu(loud(0.5, rate=8000))),
    ],
    ids=["24 kHz", "16 kHz", "G.711"],
)
def test_both_sides_of_a_live_session_are_recorded_in_its_format(
    tmp_path: Path, form: dict[str, Any], piece: bytes
) -> None:
    tape = Tape(tmp_path, is_live=True)
    text = base64.b64encode(piece).decode()
    tape.event(0.5, "session.started", session=live_session(**form))
    tape.event(1.0, "session.input_audio.append", "out", audio=text)
    tape.event(2.0, "session.output_audio.delta", delta=text)
    left, right = tape.close()
    assert [round(at(left, t), -2) for t in (0.9, 1.1, 1.4, 1.6)] == [0, 1000, 1000, 0]
    assert [round(at(right, t), -2) for t in (1.9, 2.1, 2.4)] == [0, 1000, 1000]
    assert len(left) == 2.5 * RATE


def test_a_sideband_gets_copies_in_pcm_whatever_the_format_of_the_session(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)
    text = base64.b64encode(loud(0.2)).decode()
    tape.event(0.5, "session.started", session=live_session(type="audio/pcmu", rate=8000))
    tape.event(1.0, "session.input_audio.append", audio=text)
    tape.event(2.0, "session.output_audio.delta", delta=text, start_ms=1000, end_ms=1200)
    left, right = tape.close()
    assert [at(left, t) for t in (1.1, 1.3)] == [1000, 0]
    assert at(right, 2.1) == 1000


def test_words_of_a_live_session_become_lines_at_pauses(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)

    def says(seconds: float, side: str, start_ms: int, text: str) -> None:
        fields = {"delta": text, "start_ms": start_ms, "end_ms": start_ms + 200}
        tape.event(seconds, f"session.{side}_transcript.delta", **fields)

    says(1.0, "input", 0, "What is")
    says(1.2, "input", 200, " the time?")
    says(1.5, "output", 400, "It is noon.")
    says(4.0, "input", 3000, "Thanks.")
    assert [line["text"] for line in lines_of(tape)] == ["What is the time?", "It is noon."]
    tape.close()
    assert lines_of(tape) == [
        {"at": 1.0, "role": "user", "text": "What is the time?", "start_ms": 0, "end_ms": 400},
        {"at": 1.5, "role": "assistant", "text": "It is noon.", "start_ms": 400, "end_ms": 600},
        {"at": 4.0, "role": "user", "text": "Thanks.", "start_ms": 3000, "end_ms": 3200},
    ]


def test_what_a_sideband_gets_again_after_a_lost_link_is_recorded_once(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)
    for seconds in (1.0, 2.0):
        words = {"delta": "Hello.", "start_ms": 0, "end_ms": 200}
        tape.event(seconds, "session.input_transcript.delta", event_id="event_a", **words)
    tape.event(3.0, "session.input_transcript.delta", delta=" You?", start_ms=200, end_ms=400)
    tape.close()
    assert [line["text"] for line in lines_of(tape)] == ["Hello. You?"]


def test_what_was_repeated_is_known_for_a_limited_number_of_events(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)
    for _ in range(2 * REMEMBERED):
        tape.event(1.0, "session.input_audio.muted", start_ms=0, end_ms=200)
    assert len(tape.recorder._seen) == REMEMBERED
    tape.close()


def test_ids_of_events_do_not_matter_on_the_realtime_api(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for item_id in ("item_1", "item_2"):  # some servers give all events the same
        place = {"item_id": item_id, "content_index": 0, "transcript": "Yes.", "usage": None}
        tape.event(1.0, "conversation.item.input_audio_transcription.completed", event_id="event", **place)
    tape.close()
    assert [line["item_id"] for line in lines_of(tape)] == ["item_1", "item_2"]


def test_items_that_are_replayed_into_a_new_session_are_recorded_once(tmp_path: Path) -> None:
    tape = Tape(tmp_path)

    def begin(session_id: str) -> None:
        tape.event(1.0, "session.created", session={"type": "realtime", "id": session_id})

    def add(text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "id": f"item_{text}", "content": content}
        tape.event(1.0, "conversation.item.added", previous_item_id=None, item=item)

    def output() -> None:
        item = {"type": "function_call_output", "call_id": "call_1", "output": "7:00"}
        tape.event(1.0, "conversation.item.added", previous_item_id=None, item=item)

    begin("sess_1")
    place = {"item_id": "item_1", "content_index": 0, "transcript": "When? ", "usage": None}
    tape.event(1.0, "conversation.item.input_audio_transcription.completed", **place)
    output()
    add("Yes.")
    begin("sess_1")  # a sideband attaches again
    add("Yes.")
    begin("sess_2")
    output()
    for text in ("When?", "Yes.", "Yes.", "No."):
        add(text)
    begin("sess_3")
    add("When?")
    tape.event(1.0, "input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_9")
    add("Yes.")
    tape.close()
    said = [line["text"] for line in lines_of(tape)]
    assert said == ["When?", "7:00", "Yes.", "Yes.", "No.", "Yes."]


def test_a_live_session_that_continues_another_has_utterances_of_its_own(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)
    for seconds, session_id, start_ms in ((1.0, "live_1", 60_000), (2.0, "live_2", 400)):
        tape.event(
            seconds, "session.started", event_id="event_a", session=live_session() | {"id": session_id}
        )
        words = {"delta": f"In {session_id}.", "start_ms": start_ms, "end_ms": start_ms + 200}
        tape.event(seconds, "session.output_transcript.delta", event_id="event_b", **words)
    assert [line["text"] for line in lines_of(tape)] == ["In live_1."]
    tape.close()
    assert [(line["text"], line["start_ms"], line["end_ms"]) for line in lines_of(tape)] == [
        ("In live_1.", 60_000, 60_200),
        ("In live_2.", 400, 600),
    ]


def test_tools_and_texts_of_a_live_session_become_lines(tmp_path: Path) -> None:
    tape = Tape(tmp_path, is_live=True)
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "price", "arguments": "{}"}
    nested = {"type": "response.output_item.done", "item": call, "output_index": 0, "sequence_number": 3}
    tape.event(1.0, "response.event", delegation_id="item_1", event=nested)
    tape.event(1.1, "response.event", delegation_id="item_1", event={"type": "response.new_kind"})
    output: dict[str, Any] = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    tape.event(2.0, "response.item.create", "out", item=output)
    tape.event(
        2.1, "response.item.create", "out", item=output | {"output": [{"type": "input_text", "text": "43"}]}
    )
    tape.event(3.0, "session.commentary.append", "out", content="Almost done.", delegation_id=None)
    tape.close()
    assert lines_of(tape) == [
        {"at": 1.0, "role": "tool", "name": "price", "text": "{}", "call_id": "call_1"},
        {"at": 2.0, "role": "tool", "text": "42", "call_id": "call_1"},
        {"at": 2.1, "role": "tool", "text": "43", "call_id": "call_1"},
        {"at": 3.0, "role": "system", "text": "Almost done."},
    ]


def test_a_live_session_at_the_simulator_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with (
        Simulator(pacing="none", espeak=False) as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
        Recorder(path) as recorder,
        client.live.connect({"model": "gpt-live-1"}, observer=recorder) as connection,
    ):
        connection.say("Good morning.")
    _, right = sides(path)
    assert max(right) > 1000
    lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    assert [line["role"] for line in lines] == ["system", "assistant"]
