"""Scripts of callers, many calls by scripts, their scorecard, and the command that makes it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import httpx
import pytest
from realtime_simulator import ScenarioError, Simulator, cli
from realtime_simulator._media.files import decode_sound
from realtime_simulator._rehearsal import caller as callers, rehearsal as rehearsals
from realtime_simulator._rehearsal.conversation import Latency, Moment, Times
from realtime_simulator._rehearsal.sound import CallSound, peaks
from realtime_simulator.rehearsal import (
    Outcome,
    Rehearsal,
    Scorecard,
    Script,
    Usage,
    load_suite,
    rehearse,
)

from tests.support.paths import ROOT
from tests.support.rows import each
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.real_time

EXAMPLE = ROOT / "examples" / "rehearsal"
NO_TIMES = Latency(first_audio=Times(), barge_in=Times(), talk_over=Times(), dead_air=Times())


@pytest.fixture(scope="module", autouse=True)
def _hurry() -> Iterator[None]:
    """Let time pass faster also while an app is awaited: these answer at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsals, "_REAL", 5.0)
        yield


class App:
    """An app that accepts calls, some times each, and does nothing else."""

    def __init__(self, simulator: Simulator, times: int = 1, *, rejects: bool = False) -> None:
        self._simulator = simulator
        self._times = times
        self._rejects = rejects

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (event := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{event}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        call_id = json.loads((await receive())["body"])["data"]["call_id"]
        headers = {"authorization": f"Bearer {self._simulator.api_key}"}
        session: dict[str, Any] = {"type": "realtime", "model": "gpt-realtime-2.1"}
        async with httpx.AsyncClient(
            base_url=self._simulator.base_url, headers=headers, timeout=PATIENCE
        ) as http:
            for _ in range(self._times):
                await http.post(f"/realtime/calls/{call_id}/accept", json=session)
            if self._rejects:
                await http.post(f"/realtime/calls/{call_id}/reject", json={"status_code": 486})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


@pytest.fixture(scope="module")
def made() -> Iterator[Rehearsal]:
    with Simulator(espeak=False) as simulator, Rehearsal(simulator, speed=50) as rehearsal:
        yield rehearsal


def script(folder: Path, text: str) -> Script:
    file = folder / "says_little.yaml"
    file.write_text(text, encoding="utf-8")
    return Script.load(file)


def run(rehearsal: Rehearsal, scripts: list[Script], app: Any, **options: Any) -> Scorecard:
    return asyncio.run(rehearse(rehearsal, scripts, app, **options))


# Scripts


def test_a_script_is_named_as_its_file(tmp_path: Path) -> None:
    read = script(tmp_path, "steps: [{presses: 12}, {hangs_up: true}]")
    assert read.name == "says little"
    assert [(one.kind, one.value) for one in read.steps] == [("presses", "12"), ("hangs_up", None)]


@each(
    "text, message",
    [
        ("name: x", "'steps' is needed"),
        ("steps: []", "expected at least 1 element"),
        ("steps: [{shouts: x}]", r"one of hears, says, .* is needed, and only one; got shouts"),
        ("steps: [{says: x, after: 1}]", "unknown field; known are says, loudness, pace, sound"),
        ("steps: [{says: ' '}]", "expected a text, got an empty one"),
        ("steps:\n  - says: x\n    loudness: 3", r"line 3: steps\[0\].loudness: allowed is 0 to 2, got 3"),
        ("steps: [{says: x, sound: none.wav}]", "there is no file 'none.wav'"),
        ("steps: [{presses: abc}]", "keys: allowed are"),
        ("steps: [{expects_hangup: false}]", "allowed is true"),
        ("steps: [{hears: x, match: like}]", "allowed is contains, exact or fuzzy, got 'like'"),
        ("steps: [{hears: {pattern: '('}}]", "it is not a regular expression"),
        ("steps: [{meanwhile: [{says: 1}]}]", "expected a text"),
        ("steps: [{says: x}]\nnever: ['[']", "it is not a regular expression"),
        ("steps: [{says: x}]\nexpect: {patience: 1}", "unknown field; known are heard_goodbye, tokens, cost"),
        ("steps: [{says: x}]\ncaller: {mood: 1}", "unknown field; known are voice, loudness, noise, pace"),
    ],
)
def test_an_invalid_script_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        script(tmp_path, text)


def test_scripts_of_a_suite_have_different_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no scripts"):
        load_suite(tmp_path)
    for number in (1, 2):
        (tmp_path / f"{number}.yaml").write_text("name: twin\nsteps: [{says: x}]")
    with pytest.raises(ValueError, match="two scripts are named 'twin'"):
        load_suite(tmp_path)
    assert len(load_suite(EXAMPLE / "calls")) == 10


# Calls by scripts


@pytest.mark.slow
def test_a_script_is_performed_and_judged(made: Rehearsal, tmp_path: Path) -> None:
    made.simulator.on_response("It is open until ten.")
    read = script(
        tmp_path,
        "steps: [{says: 'Hello?'}, {hears: {pattern: ten.$}}, {stays_silent: 1},"
        "{meanwhile: [{says: Good day.}, {hears: open}]}]\n"
        "expect: {tokens: 1, first_audio: 5}",
    )
    app = App(made.simulator)
    card = run(made, [read], app)
    [outcome] = card.outcomes
    assert outcome.status == "failed"
    assert re.match(r"it took \d+ tokens, allowed are 1\n +0\.\d\d  caller  Hello\?", outcome.failure)
    assert made.callers[-1].name == "says little, another caller"
    assert made.callers[-1].heard  # it was not disturbed by the first
    lenient = attrs.evolve(read, expect={"first_audio": 5})
    assert run(made, [lenient], app).has_passed
    for wanted in (True, False):
        goodbye = run(made, [attrs.evolve(read, expect={"heard_goodbye": wanted})], app)
        assert goodbye.has_passed is (made.callers[-2].heard_goodbye is wanted)
    with pytest.raises(
        callers.RehearsalFailure, match=r"first_audio took \d\.\d\d s \(p95\), allowed are 0.01 s"
    ):
        asyncio.run(attrs.evolve(read, expect={"first_audio": 0.01}).perform(made, app))


def test_many_calls_take_turns(made: Rehearsal, tmp_path: Path) -> None:
    one = script(tmp_path, "name: one\nsteps: [{stays_silent: 0.2}]")
    two = attrs.evolve(one, name="two")
    seen: list[str] = []
    card = run(
        made,
        [one, two],
        App(made.simulator),
        calls=7,
        at_once=3,
        on_outcome=lambda one: seen.append(one.name),
    )
    assert [one.name for one in card.outcomes] == ["one", "two"] * 3 + ["one"]
    assert len(seen) == 7 and card.has_passed and card.summary() == "7 of 7 calls passed"
    for wrong in ({"calls": 0}, {"at_once": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: at least 1 is needed, got 0"):
            run(made, [one], App(made.simulator), **wrong)


def test_calls_that_are_answered_twice_are_counted(made: Rehearsal, tmp_path: Path) -> None:
    silent = script(tmp_path, "steps: [{stays_silent: 20}]")  # long enough for both answers
    card = run(made, [silent], App(made.simulator, times=2), calls=2)
    assert card.doubled == 2 and not card.has_passed
    assert card.summary() == "2 of 2 calls passed, 2 answered twice"
    assert card.table().startswith("failed") and "the call was answered 2 times" in card.table()
    suite = ElementTree.fromstring(card.as_junit())
    assert suite.get("failures") == "2" == str(len(list(suite.iter("failure"))))


def test_an_accept_that_was_refused_and_tried_again_is_one_answer(made: Rehearsal, tmp_path: Path) -> None:
    silent = script(tmp_path, "steps: [{stays_silent: 20}]")
    with made.simulator.fault("rate_limit", on="calls.accept", times=1):
        card = run(made, [silent], App(made.simulator, times=2))
    assert (card.doubled, card.has_passed) == (0, True)


def test_calls_that_are_answered_twice_are_counted_also_if_few_requests_are_kept(tmp_path: Path) -> None:
    silent = script(tmp_path, "steps: [{stays_silent: 20}]")
    with Simulator(espeak=False, kept=6) as simulator, Rehearsal(simulator, speed=50) as rehearsal:
        assert run(rehearsal, [silent], App(simulator, times=2), calls=4).doubled == 4


def test_an_app_that_is_not_heard_misses_a_limit_of_its_first_sound(made: Rehearsal, tmp_path: Path) -> None:
    read = script(
        tmp_path, "steps: [{stays_silent: 1}, {expects_tool: book, count: 0}]\nexpect: {first_audio: 5}"
    )
    [outcome] = run(made, [read], App(made.simulator)).outcomes
    assert outcome.failure.startswith("first_audio was not measured, because the app was not heard")
    assert run(made, [attrs.evolve(read, expect={})], App(made.simulator)).has_passed, "it used no tool"


def test_calls_that_are_not_answered_end_the_rehearsal(
    made: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "_ANSWER_SECONDS", 0.2)
    silent = script(tmp_path, "steps: [{stays_silent: 0.1}]")
    card = run(made, [silent], "http://127.0.0.1:9/", calls=50, at_once=2)
    assert 2 <= len(card.outcomes) <= 4 and card.count("lost") == len(card.outcomes)
    assert "the app did not answer the call within" in card.outcomes[0].failure
    rejected = run(made, [silent], App(made.simulator, times=0, rejects=True))
    assert rejected.outcomes[0].status == "failed" and "the app rejected the call" in rejected.table()


# Scorecards


def outcome(name: str = "one", *, first: float = 1.0, **fields: Any) -> Outcome:
    latency = attrs.evolve(NO_TIMES, first_audio=Times([first, first / 2]))
    moments = [Moment("app", "Good <evening>", 0.5, 2.0), Moment("caller", "Hel", 3.0, 3.5, whole=False)]
    return Outcome(name=name, **{"status": "passed", "latency": latency, "moments": moments, **fields})


def used(tokens: int, cost: str | None = None) -> Usage:
    return Usage(input_tokens=tokens, cost=None if cost is None else Decimal(cost))


FAILED = outcome(
    "two", status="failed", failure="no \x07 answer\n  the conversation", seconds=4.0, usage=used(100)
)


def test_a_table_has_scripts_failures_and_percentiles() -> None:
    lines = Scorecard([outcome(), outcome(), FAILED]).table().splitlines()
    assert re.fullmatch(r"passed  one +0\.0 s  2 of 2 calls", lines[0])
    assert lines[2:4] == ["        no \x07 answer", "          the conversation"]
    assert re.fullmatch(r"first_audio +6 +0\.50 +1\.00 +1\.00 +1\.00", lines[5])
    assert lines[-1] == "2 of 3 calls passed"


def test_reports_are_what_their_readers_expect() -> None:
    card = Scorecard([outcome(), FAILED])
    known = json.loads(card.as_json())
    assert (known["passed"], known["failed"], known["latency"]["first_audio"]["p95"]) == (1, 1, 1.0)
    assert known["latency"]["dead_air"] == {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}
    assert known["calls"][1]["moments"][0]["text"] == "Good <evening>"
    suite = ElementTree.fromstring(card.as_junit())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [failure.get("message") for failure in suite.iter("failure")] == ["no � answer"]
    page = card.as_html()
    assert "Good &lt;evening&gt;" in page and "<evening>" not in page and "http://www.w3.org" in page
    assert page.count("<svg") == 2 and "(cut off)" in page and "src=" not in page


def test_a_page_plays_what_both_sides_said() -> None:
    kept = CallSound()
    loud, quiet = struct.pack("<480h", *[16384] * 480), struct.pack("<480h", *[-4096] * 480)
    for _ in range(10):
        kept.add(loud, quiet)  # 0.2 s
    kept.add(b"", b"")
    assert peaks(bytes(kept.pcm)) == [0.5, 0.5, 0.0]
    page = Scorecard([outcome(sound=bytes(kept.pcm)), outcome()]).as_html()
    [data] = re.findall(r'src="data:audio/wav;base64,([^"]*)"', page)
    assert len(decode_sound(base64.b64decode(data))) == pytest.approx(0.22 * 48_000, abs=400)
    assert page.count('stroke="#555"') == 1


def test_a_comparison_reports_what_got_worse() -> None:
    before = Scorecard([outcome(usage=used(100)), outcome("two", usage=used(100))]).as_dict()
    assert not Scorecard([outcome(first=1.05, usage=used(105))]).worse_than(before)
    worse = Scorecard([outcome(first=2.0, usage=used(150)), FAILED, outcome("new", status="lost", answers=2)])
    assert worse.worse_than(before) == [
        "one: 150 tokens a call, 100 before",
        "two: it passed, and fails now: no \x07 answer",
        "first_audio: p95 is 2.00 s, 1.00 s before",
        "calls that are lost: 1, 0 before",
        "calls that are doubled: 1, 0 before",
    ]
    dear, cheap = (Scorecard([outcome(usage=used(100, cost))]) for cost in ("0.05", "0.03"))
    assert dear.worse_than(cheap.as_dict()) == ["one: a call costs 0.0500, 0.0300 before"]
    assert not cheap.worse_than(dear.as_dict())
    with pytest.raises(ValueError, match="baseline: it is not the JSON of a rehearsal's scorecard"):
        worse.worse_than({"calls": 3})


# The command


def command(*words: str) -> int:
    return cli.main(["rehearse", *words])


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["calls", "--to", "here"], 2, "--to: 'here' is not an http or https URL"),
        (["none.yaml", "--to", "http://127.0.0.1:9/"], 2, ": none.yaml: No such file or directory"),
        (["calls", "--to", "http://127.0.0.1:9/"], 2, "no app answers at http://127.0.0.1:9/"),
        (["calls", "--to", "http://127.0.0.1:9/", "--app", "false"], 2, "the app has ended with status 1"),
        (["calls", "--to", "http://127.0.0.1:9/", "--app", "/none"], 2, "--app: "),
        (["{tmp}", "--to", "http://127.0.0.1:9/"], 2, "b: it plays a caller with a goal, which needs a chat"),
        (["calls", "--to", "http://127.0.0.1:9/", "--report", "x.pdf"], 2, "--report: 'x.pdf' is none of"),
        (
            ["calls", "--to", "http://127.0.0.1:9/", "--scenario", "none"],
            2,
            ": none: No such file or directory",
        ),
        (
            ["calls", "--to", "http://127.0.0.1:9/", "--against", "answers.yaml"],
            2,
            "answers.yaml is not the JSON",
        ),
        (["calls", "--to", "http://127.0.0.1:9/", "--speed", "0.5"], 2, "--speed: allowed is 1 to 100"),
    ],
)
def test_the_command_names_what_is_wrong(
    words: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(EXAMPLE)
    (tmp_path / "b.yaml").write_text("steps: [{meanwhile: [{plays: Book a table.}]}]", encoding="utf-8")
    try:
        assert command(*(word.format(tmp=tmp_path) for word in words)) == status
    except SystemExit as left:
        assert left.code == status
    assert message in capsys.readouterr().err


@pytest.mark.programs
def test_the_command_rehearses_an_app(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = f"{sys.executable} {EXAMPLE / 'restaurant.py'} --port {port}"
    script = (EXAMPLE / "calls" / "01_books_a_table.yaml").read_text(encoding="utf-8")
    patient = script.replace(", first_audio: 3, dead_air: 5", "")  # a busy machine may take longer
    assert patient != script
    (tmp_path / "01_books_a_table.yaml").write_text(patient, encoding="utf-8")
    words = [
        *("rehearse", "01_books_a_table.yaml", "--speed", "20"),
        *("--calls", "2", "--at", "2", "--scenario", str(EXAMPLE / "answers.yaml")),
        *("--to", f"http://127.0.0.1:{port}/webhook", "--app", app),
    ]

    def rehearsed(*more: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "realtime_simulator", *words, *more]
        return subprocess.run(program, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120)

    done = rehearsed("--report", "card.json", "--keep", "kept")
    assert done.returncode == 0, done.stderr
    assert [one.kind for one in Script.load(tmp_path / "kept" / "001_books_a_table.yaml").steps][:3] == [
        "hears",
        "says",
        "expects_tool",
    ]
    assert "2 of 2 calls passed" in done.stdout
    card = json.loads((tmp_path / "card.json").read_text())
    for times in card["latency"].values():  # on a busy machine the second run may be slower, and hear more
        times["p95"] = 600.0
    for call in card["calls"]:
        call["tokens"] = 10**6
    (tmp_path / "card.json").write_text(json.dumps(card))
    again = rehearsed("--against", "card.json", "--report", "card.html", "--report", "junit")
    assert again.returncode == 0 and again.stdout.startswith("<?xml"), again.stdout + again.stderr
    page = (tmp_path / "card.html").read_text()
    assert page.count("<svg") == page.count("<audio") == 2


SERVES = """
import http.server, os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.programs
@pytest.mark.parametrize("command", ["rehearse", "record"])
def test_a_command_that_is_terminated_ends_what_it_has_started(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    (tmp_path / "app.py").write_text(SERVES, encoding="utf-8")
    (tmp_path / "call.yaml").write_text("steps: [{stays_silent: 30}]", encoding="utf-8")
    app, pid = [sys.executable, "app.py", "pid", port], tmp_path / "pid"
    words = {
        "rehearse": ["call.yaml", "--to", f"http://127.0.0.1:{port}/", "--app", " ".join(app)],
        "record": ["call_tape.yaml", "--upstream", "http://127.0.0.1:9/v1", "--", *app],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime_simulator", command, *words[command]],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": "sk-own"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        until(lambda: pid.exists() and pid.read_text())
        process.terminate()
        assert process.wait(PATIENCE) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# Recordings

TRANSCRIPT = [
    {"at": 0.4, "role": "assistant", "text": "Good evening. How can I help you?", "item_id": "i1"},
    {"at": 2.0, "role": "user", "text": "My card is 4111 1111 1111 1111, and ann@mail.example my address."},
    {"at": 3.0, "role": "assistant", "text": "So 4111 1111 1111 1111 is your card.", "item_id": "i2"},
    {"at": 3.5, "role": "assistant", "item_id": "i2", "heard_ms": 400},
    {"at": 4.0, "role": "user", "text": "No, wait."},
    {
        "at": 5.0,
        "role": "tool",
        "name": "pay",
        "text": '{"card": "4111111111111111", "sum": 3}',
        "call_id": "c",
    },
    {"at": 5.1, "role": "tool", "text": "paid", "call_id": "c"},
    {"at": 6.0, "role": "assistant", "text": "Paid with sk-abcdefghijklmnop."},
]


def recorded(folder: Path, lines: list[dict[str, Any]]) -> Path:
    file = folder / "call_7.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_a_transcript_becomes_a_script_without_personal_data(tmp_path: Path) -> None:
    file = recorded(tmp_path, TRANSCRIPT)
    assert cli.main(["rehearse", "record", str(file), *("--out", str(tmp_path / "script.yaml"))]) == 0
    made = Script.load(tmp_path / "script.yaml")
    assert made.name == "from call 7"
    assert [(one.kind, one.value) for one in made.steps] == [
        ("hears", "Good evening. How can I help you?"),
        ("says", "My card is 0000 0000 0000 0000, and someone@example.com my address."),
        ("hears", "is your card."),
        ("interrupts", "No, wait."),
        ("expects_tool", "pay"),
        ("hears", "Paid with"),
    ]
    assert made.steps[4].options == {"arguments": {"sum": 3}}


def test_a_tape_becomes_a_script_and_its_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"type": "function_call", "name": "book", "arguments": '{"time": "21:00"}', "call_id": "c"}
    events = [
        {"type": "response.output_audio_transcript.done", "transcript": "Hello."},
        {"type": "input_audio_buffer.dtmf_event_received", "event": "1"},
        {"type": "input_audio_buffer.dtmf_event_received", "event": "#"},
        {"type": "conversation.item.input_audio_transcription.completed", "transcript": "Book at nine."},
        {"type": "response.event", "event": {"type": "response.output_item.done", "item": item}},
        {"type": "session.output_transcript.delta", "delta": "It is"},
        {"type": "session.output_transcript.delta", "delta": " booked."},
    ]
    lines: list[dict[str, Any]] = [
        {"tape": 1, "upstream": "wss://x"},
        {"session": 1, "at": 0.0, "open": "/v1/realtime", "query": {}},
    ]
    lines += [{"session": 1, "at": number / 2, "server": event} for number, event in enumerate(events)]
    file = recorded(tmp_path, lines)
    answers = tmp_path / "answers.yaml"
    assert cli.main(["rehearse", "record", str(file), "--answers", str(answers)]) == 0
    shown = script(tmp_path, capsys.readouterr().out)
    assert [(one.kind, one.value) for one in shown.steps] == [
        ("hears", "Hello."),
        ("presses", "1#"),
        ("says", "Book at nine."),
        ("expects_tool", "book"),
        ("hears", "It is booked."),
    ]
    with Simulator() as simulator:
        simulator.load_scenario(answers)
    assert "call_tool: book" in answers.read_text()


@each(
    "lines, message",
    [
        ([{"at": 0, "role": "user"}, {"at": 1}], "line 2: this is not a line of a transcript"),
        ([{"at": 0, "role": "system", "text": "x"}], "the user says nothing in it"),
        ([{"tape": 1, "upstream": "x"}, {"session": 2, "open": "/", "at": 0}], "it has no events"),
    ],
)
def test_a_file_that_is_not_a_recording_is_refused(
    tmp_path: Path, lines: list[dict[str, Any]], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recorded(tmp_path, lines)
    assert cli.main(["rehearse", "record", str(file)]) == 2
    assert message in capsys.readouterr().err
    file.write_text("no JSON")
    assert cli.main(["rehearse", "record", str(file)]) == 2
    assert "a recording is an object with a list of 'interactions'" in capsys.readouterr().err
