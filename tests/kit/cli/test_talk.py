"""`realtime talk`: typed, spoken, answered with tools, interrupted; in pipes and on a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from realtime_kit.cli import _conversation as conversation
from realtime_simulator import Simulator, call_tool, sequence
from realtime_simulator._engine.turn import Pacing

from realtime_ext import audio
from tests.support.command import COMMAND, environment, of, realtime, realtime_here, terminal
from tests.support.paths import QUESTION
from tests.support.waiting import PATIENCE, until

LONG = " ".join(["and so on"] * 200)
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        running.on_response(LONG, match="story")
        yield running


@pytest.mark.programs
def test_lines_are_answered_one_after_the_other(simulator: Simulator) -> None:
    done = realtime("talk", simulator=simulator, stdin="Hello\n\nIs it late?")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "you: Hello",
        "model: You said: Hello",
        "you: Is it late?",
        "model: You said: Is it late?",
    ]
    assert simulator.sessions[-1].config["output_modalities"] == ["text"]


@pytest.mark.programs
def test_words_that_the_output_cannot_encode_are_written_out(simulator: Simulator) -> None:
    done = realtime("talk", simulator=simulator, stdin="Say ✓ twice", PYTHONIOENCODING="cp1252")
    assert done.out.splitlines() == ["you: Say \\u2713 twice", "model: You said: Say \\u2713 twice"]


@pytest.mark.programs
def test_input_that_another_program_left_without_blocking_is_read(simulator: Simulator) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    command = [*COMMAND, "talk"]
    with (
        open(reader) as stdin,
        subprocess.Popen(
            command, env=environment(simulator), stdin=stdin, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        simulator.wait_for(lambda: bool(simulator.sessions) and simulator.sessions[-1].ended is None)
        os.write(writer, b"Hello")
        os.close(writer)
        assert process.communicate(timeout=PATIENCE)[0].splitlines()[-1] == "model: You said: Hello"


@pytest.mark.programs
def test_input_that_cannot_be_read_is_an_error(simulator: Simulator) -> None:
    with open(os.devnull, "wb") as unreadable:
        process = subprocess.run(
            [*COMMAND, "talk"],
            env=environment(simulator),
            stdin=unreadable,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == "realtime: standard input can't be read: Bad file descriptor\n"


def test_messages_can_be_arguments() -> None:
    done = realtime_here("talk", "--simulator", "--json", "Hello")
    assert done.lines == [
        {"role": "user", "text": "Hello"},
        {"role": "assistant", "text": "You said: Hello", "status": "completed"},
    ]


@pytest.mark.programs
def test_files_work_without_devices(simulator: Simulator, tmp_path: Path) -> None:
    simulator.on_speech(lambda heard: "When is breakfast?")
    reply = tmp_path / "reply.wav"
    done = realtime(
        "talk",
        *("--audio-in", QUESTION, "--audio-out", reply, "--record", tmp_path / "both.wav"),
        *("--voice=cedar", "--json"),
        simulator=simulator,
    )
    assert done.status == 0, done.err
    assert of(done.lines, role="user")["text"] == "When is breakfast?"
    assert of(done.lines, role="assistant")["text"] == "You said: When is breakfast?"
    with wave.open(str(reply)) as file:
        assert file.getframerate() == 24000
        assert file.getnframes() > 12000
    with wave.open(str(tmp_path / "both.wav")) as file:
        assert file.getnchannels() == 2
    assert len((tmp_path / "both.jsonl").read_text().splitlines()) == 2
    config = simulator.sessions[-1].config
    assert config["output_modalities"] == ["audio"]
    assert config["audio"]["output"]["voice"] == "cedar"


def test_the_user_s_words_come_before_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The API writes it down while the model answers already."""
    view = conversation.View(as_json=False)
    words = "conversation.item.input_audio_transcription"
    for shown in (
        {"type": "input_audio_buffer.committed", "item_id": "item_1"},
        {"type": "response.output_text.delta", "delta": "At"},
        {"type": f"{words}.completed", "item_id": "item_1", "transcript": "When?"},
        {"type": "response.output_text.delta", "delta": " seven."},
        {"type": "response.done", "response": {"status": "completed"}},
        {"type": "input_audio_buffer.committed", "item_id": "item_2"},
        {"type": "response.output_text.delta", "delta": "You are welcome."},
        {"type": "response.done", "response": {"status": "completed"}},
        {"type": f"{words}.completed", "item_id": "item_2", "transcript": "Thanks."},
        {"type": "input_audio_buffer.committed", "item_id": "item_3"},
        {"type": "response.output_text.delta", "delta": "Pardon?"},
        {"type": f"{words}.failed", "item_id": "item_3", "error": {}},
        {"type": "response.done", "response": {"status": "completed"}},
    ):
        event = json.loads(json.dumps(shown), object_hook=lambda fields: SimpleNamespace(**fields))
        view.observe("in", event, 0)
    assert capsys.readouterr().out.splitlines() == [
        "you: When?",
        "model: At seven.",
        "model: You are welcome.",  # it ended before anything was transcribed
        "you: Thanks.",
        "model: Pardon?",
    ]


def test_all_of_an_answer_is_kept_however_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = conversation._keep

    async def slowly(*arguments: Any) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        keep(*arguments)

    monkeypatch.setattr(conversation, "_keep", slowly)
    with Simulator(pacing="none", keep_audio=True, espeak=False) as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", made.api_key)
        made.on_response("Breakfast is served from seven until half past ten in the garden.")
        talk = conversation.Conversation(
            session={"type": "realtime", "model": "gpt-realtime"},
            dialect=None,
            messages=["When is breakfast?"],
            files=[],
            has_microphone=False,
            audio_out=str(tmp_path / "reply.wav"),
            record=None,
            tools=None,
            simulated=False,
            as_json=True,
        )
        talk.load()
        asyncio.run(talk.run())
        assert audio.read_wav(tmp_path / "reply.wav") == made.sessions[-1].sent_audio


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_transcript_is_shown_before_the_answer(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "late.yaml").write_text("heard: [{text: 'A room, please.', delay: 0.5}]")
    with Simulator(pacing="none") as simulator:
        simulator.load_scenario(tmp_path / "late.yaml")
        done = realtime_here("talk", *options, f"--audio-in={QUESTION}", simulator=simulator)
    said, answer = done.out.splitlines()
    assert "A room, please." in said
    assert "You said: A room, please." in answer


@pytest.mark.programs
def test_tools_of_a_module_in_the_folder_are_run(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "hotel.py").write_text(
        "def book(nights: int) -> str:\n"
        '    """Book a room.\n\n    Args:\n        nights: How many.\n    """\n'
        '    return f"room 7 for {nights} nights"\n\n\ntoolbox = [book]\n'
    )
    simulator.on_response(sequence(call_tool("book", {"nights": 2}), "It is booked."), match="two nights")
    arguments = ("talk", "--tools", "hotel:toolbox", "Book two nights")
    done = realtime(*arguments, simulator=simulator, cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.out.splitlines()[1:] == [
        'tool: book({"nights": 2})',
        'output: "room 7 for 2 nights"',
        "model: It is booked.",
    ]
    for wrong in ("hotel", "motel:toolbox", "hotel:tools"):
        done = realtime_here("talk", "--tools", wrong, "Hello", simulator=simulator, cwd=tmp_path)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("realtime: --tools: ")


@pytest.mark.programs
def test_ctrl_c_interrupts_an_answer_and_then_ends(simulator: Simulator, tmp_path: Path) -> None:
    simulator.pace(Pacing(speed=1.0))
    reply = tmp_path / "reply.wav"
    with terminal("talk", "--audio-out", reply, simulator=simulator) as shown:
        shown.wait_for("you: ")
        shown.type("Tell me a story\r")
        shown.wait_for("model: ")
        shown.wait_for("and so on")
        until(lambda: reply.stat().st_size)  # an answer of which nothing was heard is deleted, not truncated
        shown.type(CTRL_C)
        shown.wait_for("interrupted")
        shown.wait_for("you: ")
        shown.type("Thanks\r")
        shown.wait_for("You said:")
        shown.wait_for("you: ")
        shown.type(CTRL_C)
        assert shown.wait() == 0
    simulator.pace(Pacing())
    assert "Traceback" not in shown.shown
    received = simulator.sessions[-1].received
    assert [event["type"] for event in received].count("response.cancel") == 1
    assert [event for event in received if event["type"] == "conversation.item.truncate"]


@pytest.mark.programs
def test_ctrl_d_ends(simulator: Simulator) -> None:
    with terminal("talk", simulator=simulator) as shown:
        shown.wait_for("you: ")
        shown.type("Hello\r")
        shown.wait_for("You said: Hello")
        shown.wait_for("you: ")
        shown.type(CTRL_D)
        assert shown.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--audio-in=gone.wav"], 1, "gone.wav"),
        (["--audio-in=mic"], 2, "realtime-kit[devices]"),
        (["--audio-in=mic", "--audio-in=a.wav"], 2, "either"),
        (["--session=-", "Hello"], 1, "invalid JSON"),
        (["--session=-"], 2, "no messages to send"),
        (["--session=heard.json", "Hello"], 1, "realtime transcribe"),
        (["--model=no-such-model", "Hello"], 1, "no-such-model"),
        (["--tools=json:dumps", "Hello"], 2, "--tools: tool dumps"),
        (["--tools=broken:book", "Hello"], 2, "ZeroDivisionError"),
        (["--audio-out=gone/reply.wav", "Hello"], 1, "gone/reply.wav: No such file"),
        (["--record=gone/both.wav", "Hello"], 1, "gone/both"),
    ],
)
def test_a_failure_is_one_line(
    arguments: list[str],
    status: int,
    message: str,
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "heard.json").write_text('{"type": "transcription"}')
    done = realtime_here("talk", *arguments, simulator=simulator, cwd=tmp_path)
    assert (done.status, done.out) == (status, ""), done.err
    assert message in done.err
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


@pytest.mark.programs
def test_a_refused_session_is_said_once() -> None:
    with Simulator(profile="beta") as older:
        done = realtime("talk", "Hello", simulator=older)
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert line.startswith("realtime: Unknown parameter: 'session.type'")


@pytest.mark.programs
def test_a_lost_server_ends_the_talk() -> None:
    with Simulator() as brief, terminal("talk", simulator=brief) as shown:
        shown.wait_for("you: ")
        shown.type("Hello\r")
        shown.wait_for("You said: Hello")
        brief.close()
        assert shown.wait() == 1
    assert "realtime: the connection closed" in shown.shown
