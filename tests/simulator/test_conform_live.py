"""The simulator's Live API against recordings, and the comparison against deviations that are planted."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator, delegate, speech
from realtime_simulator._conformance import conform
from realtime_simulator._conformance.comparison import Bindings, Comparison, Expected
from realtime_simulator._conformance.live_comparison import Side, compare
from realtime_simulator._conformance.play import Play
from realtime_simulator._recordings.lines import read
from realtime_simulator._recordings.steps import Message
from realtime_simulator.cli import main

from tests.simulator.live_recordings import RECORDINGS, Lines, Tape, load, write
from tests.simulator.wire import LiveSocket
from tests.support.rows import each

pytestmark = pytest.mark.slow


def report(tmp_path: Path, lines: Lines) -> Any:
    (found,) = conform.conform(write(tmp_path / "live.jsonl", lines))
    return found


def found(tmp_path: Path, lines: Lines) -> list[str]:
    """Return the differences of a recording."""
    return [str(difference) for difference in report(tmp_path, lines).differences]


def kind(line: dict[str, Any]) -> str:
    """Return the type of a line's event; of a nested one, its own."""
    data = line.get("data") or {}
    return str((data.get("event") or data).get("type"))


def place(lines: Lines, type: str, number: int = 0) -> int:
    return [n for n, line in enumerate(lines) if kind(line) == type][number]


def event(lines: Lines, type: str, number: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = lines[place(lines, type, number)]["data"]
    return data


def nested(lines: Lines, type: str, number: int = 0) -> dict[str, Any]:
    inner: dict[str, Any] = event(lines, type, number)["event"]
    return inner


@pytest.mark.parametrize("name", [make.__name__ for make in RECORDINGS])
def test_the_simulator_conforms(tmp_path: Path, name: str) -> None:
    result = report(tmp_path, load(name))
    assert list(map(str, result.differences)) == []
    assert result.compared
    assert not result.unread


@pytest.mark.parametrize("name", ["client_delegation", "tool_round"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_recording_may_end_before_the_session(tmp_path: Path, name: str, share: float) -> None:
    lines = load(name)
    assert found(tmp_path, lines[: int(len(lines) * share)]) == []


def test_a_slow_machine_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Play._settle

    async def late(self: Play[Any]) -> None:
        await asyncio.sleep(0.02)
        await settle(self)

    monkeypatch.setattr(Play, "_settle", late)
    assert found(tmp_path, load("client_delegation")) == []


def test_a_backend_may_have_tools_of_any_kind_with_any_fields(tmp_path: Path) -> None:
    lines = load("tool_round")
    sent, shown = event(lines, "session.start"), event(lines, "session.started")
    crm = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example/mcp"}
    more = [{"type": "web_search", "search_context_size": "low"}, {"type": "telepathy", "range": 3}]
    for one, server in ((sent, {**crm, "authorization": "token"}), (shown, crm)):
        settings = one["session"]["delegation"]["responses"]
        settings["tools"] = [{**tool, "defer_loading": False} for tool in settings["tools"]] + [server, *more]
    for one in lines:
        session = (one.get("data") or {}).get("session") if kind(one) == "session.closed" else None
        if session is not None:
            session["delegation"] = shown["session"]["delegation"]
    assert found(tmp_path, lines) == []


# Planted deviations: what was recorded is changed, so that the simulator, or any session, differs from it


def drop(type: str, number: int = 0) -> Callable[[Lines], None]:
    return lambda lines: lines.pop(place(lines, type, number))  # type: ignore[return-value]


def double(type: str) -> Callable[[Lines], None]:
    return lambda lines: lines.insert(place(lines, type), copy.deepcopy(lines[place(lines, type)]))


def audio(lines: Lines, side: str) -> dict[str, Any]:
    found: dict[str, Any] = next(line for line in lines if line["dir"] == side and "$repeat" in line["data"])
    return found["data"]


WORDS, SPOKEN = "session.input_transcript.delta", "session.output_transcript.delta"
PLANTED: list[tuple[str, str, Callable[[Lines], Any], str]] = [
    ("missing start", "client_delegation", drop("session.started"), "before session.started"),
    (
        "missing acknowledgement",
        "client_delegation",
        drop("session.commentary.appended"),
        "nothing was recorded here, the simulator sends session.commentary.appended",
    ),
    (
        "acknowledgement of nothing",
        "client_delegation",
        drop("session.commentary.append"),
        r"session\.commentary\.appended without its append",
    ),
    ("acknowledgement twice", "client_delegation", double("session.instructions.appended"), "twice"),
    ("words twice", "client_delegation", double(WORDS), "600 ms after one at 600 ms"),
    ("audio twice", "client_delegation", lambda it: audio(it, "s2c").update({"$repeat": 90}), "recorded 91"),
    (
        "audio of another length",
        "client_delegation",
        lambda it: audio(it, "s2c")["of"].update(delta={"$audio_bytes": 2400}),
        "recorded 50 ms of audio, the simulator sends 100 ms",
    ),
    (
        "words that go back",
        "client_delegation",
        lambda it: event(it, SPOKEN, 1).update(start_ms=0),
        "0 ms after",
    ),
    (
        "words between frames",
        "client_delegation",
        lambda it: event(it, WORDS).update(start_ms=550),
        "start_ms 550",
    ),
    ("no words", "client_delegation", lambda it: event(it, WORDS).update(delta=""), "without words"),
    (
        "delegation to someone else",
        "client_delegation",
        lambda it: event(it, "session.delegation.created")["delegation"].update(target="responses"),
        "delegation/target: recorded 'responses', the simulator sends 'client'",
    ),
    ("delegation twice", "client_delegation", double("session.delegation.created"), "twice"),
    (
        "negative usage",
        "client_delegation",
        lambda it: event(it, "session.closed")["usage"].update(seconds=-4.0),
        "invalid recording: a usage of -4 s",
    ),
    (
        "usage of too much",
        "client_delegation",
        lambda it: event(it, "session.closed")["usage"].update(seconds=9.0),
        "recorded a usage of 9 s, the simulator has [34] s",
    ),
    (
        "another end",
        "client_delegation",
        lambda it: event(it, "session.closed").update(reason="expired"),
        "/reason: recorded 'expired', the simulator sends 'close_requested'",
    ),
    (
        "late acknowledgement",
        "client_delegation",
        lambda it: event(it, "session.commentary.appended").update(start_ms=6000, end_ms=6200),
        "recorded at 6000 ms, the simulator sends it at",
    ),
    (
        "nested event missing",
        "tool_round",
        drop("response.completed"),
        "the simulator sends response.completed",
    ),
    (
        "nested events in another order",
        "tool_round",
        lambda it: it.insert(
            place(it, "response.output_item.added"), it.pop(place(it, "response.completed"))
        ),
        "was recorded here, the simulator sends none",
    ),
    (
        "deltas that are not the whole",
        "tool_round",
        lambda it: nested(it, "response.output_text.delta").update(delta="Shut"),
        r"'Open from 8\.' after deltas of 'Shut from 8\.'",
    ),
    (
        "id of another thing",
        "tool_round",
        lambda it: nested(it, "response.output_item.done")["item"].update(call_id="call_" + "y" * 24),
        "for the same thing",
    ),
    (
        "key that the simulator lacks",
        "tool_round",
        lambda it: nested(it, "response.created")["response"].update(mood="good"),
        "response/mood: recorded 'good', the simulator has no such key",
    ),
    ("an error", "refusals", lambda it: event(it, "error")["error"].update(param="text"), "recorded 'text'"),
    ("errors missing", "refusals", drop("error"), "nothing was recorded here, the simulator sends error"),
    (
        "echo of an id",
        "refusals",
        lambda it: event(it, "error", 1)["error"].pop("client_event_id"),
        "no such key",
    ),
]


@each("name, plant, wanted", [one[1:] for one in PLANTED], ids=[one[0] for one in PLANTED])
def test_a_planted_deviation_is_found(
    tmp_path: Path, name: str, plant: Callable[[Lines], Any], wanted: str
) -> None:
    lines = load(name)
    plant(lines)
    differences = found(tmp_path, lines)
    assert any(re.search(wanted, one) for one in differences), differences


# What the simulator might do wrong: its events are changed


def compared(change: Callable[[list[dict[str, Any]]], Any]) -> list[str]:
    """Return the differences of a conversation from its recording, after a change of its events."""
    recording = read("x", "\n".join(json.dumps(line) for line in load("client_delegation")))
    messages = [step for step in recording.steps if isinstance(step, Message)]
    events = [message for message in messages if message.direction == "received"]
    expected = [Expected(pointer=message.pointer, event=message.data) for message in events]
    sent, came = [], 0
    for message in messages:
        came += message.direction == "received"
        if message.direction == "sent" and "audio" not in message.type:
            sent.append((came, message))
    actual = copy.deepcopy([dict(message.data) for message in events])
    change(actual)
    comparison = Comparison(Bindings(), "openai")
    compare(comparison, Side(expected, messages), actual, sent)
    return [str(difference) for difference in comparison.differences]


def of(events: list[dict[str, Any]], type: str, number: int = 0) -> dict[str, Any]:
    return [one for one in events if one["type"] == type][number]


def test_an_equal_conversation_has_no_differences() -> None:
    assert compared(lambda events: None) == []


@each(
    "change, wanted",
    [
        (lambda it: of(it, WORDS).update(delta="Have"), "recorded 'Are you open on Sunday?'"),
        (lambda it: it.remove(of(it, SPOKEN, 2)), "the simulator sends 'Let me look.'"),
        (lambda it: it.remove(of(it, "session.commentary.appended")), "the simulator sends none"),
        (lambda it: it.insert(9, of(it, SPOKEN, 0)), "twice"),
        (lambda it: of(it, "session.closed")["usage"].update(seconds=-1.0), "a usage of -1 s"),
        (lambda it: of(it, SPOKEN, 2).update(start_ms=2000, end_ms=2200), "at 2000 ms after one at 2400 ms"),
        (lambda it: of(it, SPOKEN, 2).update(start_ms=8000, end_ms=8200), "sends it at 8000 ms"),
        (lambda it: it.append(of(it, "session.closed")), "after session.closed"),
        (
            lambda it: it.remove(of(it, "session.delegation.created")),
            "was recorded here, the simulator sends none",
        ),
        (lambda it: it.insert(-1, {"type": "error", "error": {}}), "the simulator sends error"),
        (lambda it: of(it, "session.started")["session"].pop("status"), "has no such key"),
        (lambda it: of(it, WORDS).update(end_ms=1000), "a length of 400 ms"),
    ],
)
def test_a_wrong_conversation_is_found(change: Callable[[list[dict[str, Any]]], Any], wanted: str) -> None:
    differences = compared(change)
    assert any(wanted in one for one in differences), differences


# Form


def test_the_rest_of_a_recording_is_read_where_a_part_is_not_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = load("client_delegation")
    odd = [
        {"dir": "s2c", "t": 1.0, "data": {"$summary": "silence"}},
        {"dir": "sideways", "data": {"type": "x"}},
        {"dir": "s2c", "t": 1.0, "data": 7},
        {"dir": "c2s", "data": {"$repeat": 10**9, "of": {"type": "session.close"}}},
        {"note": "nothing"},
    ]
    path = write(tmp_path / "odd.jsonl", [*lines[:3], *odd, *lines[3:]])
    path.write_text(path.read_text() + '{"dir": "s2c", "t"')
    assert main(["conform", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.count("left out: line ") == 5
    assert "$summary" in said


def test_a_line_that_is_not_json_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "broken.jsonl", load("refused_start"))
    path.write_text("not JSON\n".join(path.read_text().splitlines(keepends=True)))
    assert main(["conform", str(path)]) == 2
    assert "broken.jsonl, line 2: this is not JSON" in capsys.readouterr().err


def test_a_recording_with_a_gap_is_judged_outside_of_it(tmp_path: Path) -> None:
    lines = load("client_delegation")
    cut = place(lines, "session.commentary.appended")
    gap = [{"note": "the next second was not read"}]
    assert found(tmp_path, [*lines[:cut], *gap, *lines[cut + 1 :]]) == []
    del lines[place(lines, "session.instructions.appended")]
    assert found(tmp_path, [*lines[:cut], *gap, *lines[cut:]])


# The model along the timeline


def test_the_scenario_decides_when_the_model_speaks() -> None:
    with Simulator(pacing="none") as sim:
        sim.on_timeline({2.0: ["It is late.", delegate()], 0.4: "Good morning."})
        with LiveSocket(sim) as socket:
            socket.append(speech("Hello?") + bytes(240_000))
            assert socket.until("session.delegation.created")["offset_ms"] >= 2000
            socket.finish()
        first = socket.all("session.output_transcript.delta")[0]
        assert first["start_ms"] in (400, 600)
        assert first["delta"].startswith("Good")
        assert socket.spoken() == "Good morning.It is late."


@each("timeline", [{-1: "a"}, {float("inf"): "a"}])
def test_a_position_outside_of_the_timeline_is_refused(timeline: Any) -> None:
    with pytest.raises(ValueError, match="timeline: a position of at least 0 s is needed"):
        Simulator().on_timeline(timeline)


def test_the_words_of_a_user_who_speaks_come_meanwhile() -> None:
    words = "one two three four five six"
    with Simulator(pacing="none") as sim:
        sim.on_speech(lambda heard: words)
        with LiveSocket(sim) as socket:
            said = speech(words)
            socket.append(said)
            socket.until("session.input_transcript.delta")
            assert len(socket.all("session.output_audio.delta")) * 4800 < len(said)
            socket.append(bytes(48_000))
            while "".join(one["delta"] for one in socket.all("session.input_transcript.delta")) != words:
                socket.until("session.input_transcript.delta")


# Sidebands whose session has no recorded connection of its own


def of_sideband(lines: Lines, *, started: bool, connection: str = "attach") -> Lines:
    """Return what a sideband receives of a session's recording, and what it sends itself."""
    kinds = ["session.start", "session.close", "session.closed", *([] if started else ["session.started"])]
    kept = [line for line in lines if kind(line) not in kinds and "$repeat" not in line["data"]]
    return [{**line, "connection": connection} for line in kept]


HISTORY = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "I am Ann."}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello Ann."}]},
]


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_sideband_may_be_recorded_without_its_session(tmp_path: Path, is_whole: bool) -> None:
    lines = of_sideband(load("client_delegation"), started=is_whole)
    if is_whole:
        event(lines, "session.started")["session"]["input"] = HISTORY
    result = report(tmp_path, lines)
    assert list(map(str, result.differences)) == []
    assert result.compared == len([line for line in lines if line["dir"] == "s2c"])


def test_what_is_said_is_known_from_all_sidebands(tmp_path: Path) -> None:
    lines = load("client_delegation")
    first = [{**lines[place(lines, "session.started")], "connection": "attach 1"}]
    second = of_sideband(lines, started=False, connection="attach 2")
    assert found(tmp_path, first + second) == []


def test_the_audio_of_a_session_ends_where_its_usage_stands_still(tmp_path: Path) -> None:
    lines = of_sideband(load("client_delegation"), started=True)
    for number, at in enumerate((15.3, 30.3)):
        usage = {"usage": {"seconds": 5.0}, "context_window": {"usage_ratio": 0.009}}
        data = {"type": "session.usage.updated", "event_id": f"event_{900 + number:021d}", **usage}
        lines.append({"dir": "s2c", "t": at, "data": data, "connection": "attach"})
    assert found(tmp_path, lines) == []


def test_a_user_may_cut_a_commentary(tmp_path: Path) -> None:
    tape = Tape()
    tape.start(0.0)
    tape.audio("c2s", 0.5, 7.4, 70)
    tape.client(
        1.0, "session.commentary.append", delegation_id=None, content="We are open from eight to six."
    )
    tape.server(1.8, "session.commentary.appended", start_ms=600, end_ms=800)
    said = [
        (1000, "We are"),
        (1600, " open"),
        (2400, " from"),
        (2600, " eight"),
        (4200, "Sorry"),
        (4400, "?"),
    ]
    heard = [(2400, " Wait"), (2600, ", wait")]
    words = [(start, "output", word) for start, word in said] + [(start, "input", w) for start, w in heard]
    for start, side, word in sorted(words):
        tape.words(side, 1.2 + start / 1000, start, word)
    assert found(tmp_path, tape.lines) == []
