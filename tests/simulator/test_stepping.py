"""Stepping through sessions that were really recorded, and running on from an event."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.auditor import Auditor
from realtime_simulator import Simulator, call_tool, cli
from realtime_simulator._media.voice import speech
from realtime_simulator._recordings.recording import Writer
from realtime_simulator._records.state import Event, state_after
from realtime_simulator._stepping.change import Change, RerunError
from realtime_simulator._stepping.history import History, load
from realtime_simulator._stepping.rerun import run_on
from realtime_simulator._stepping.walk import Walk, WalkError

from realtime_ext import RealtimeClient, SessionBuilder
from tests.support.rows import each
from tests.support.waiting import PATIENCE

RAIN = "It rains in Paris."


def forecast(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tape of a proxy, the same as a recording, and an auditor's folder."""
    folder = tmp_path_factory.mktemp("recorded")
    with Simulator(espeak=False, pacing="none") as upstream:
        upstream.on_speech(lambda heard: "And in Rome?")
        upstream.on_response("Hello, I am here.", match="hello")
        upstream.on_response(call_tool("forecast", {"city": "Paris"}), match="Paris$")
        upstream.on_response("It is sunny there.", match="Rome")
        for file in ("call.jsonl", "call.yaml"):
            with Simulator(
                record=folder / file, upstream=upstream.base_url, upstream_key=upstream.api_key
            ) as proxy:
                _converse(proxy, folder / f"audit {file}")
    return folder


def _converse(proxy: Simulator, folder: Path) -> None:
    session = SessionBuilder("gpt-realtime-2.1").instructions("Be kind.").transcribe("gpt-realtime-whisper")
    with (
        RealtimeClient(api_key=proxy.api_key, base_url=proxy.base_url) as client,
        Auditor(folder) as auditor,
        client.connect(session, tools=[forecast], observer=auditor) as connection,
    ):
        connection.ask("hello")
        connection.ask("Paris")
        connection.append_audio(speech("And in Rome?") + bytes(48_000))
        connection.wait_for("response.done", timeout=PATIENCE)


@pytest.fixture(scope="module")
def tape(recorded: Path) -> History:
    return load(recorded / "call.jsonl")


def number_of(history: History, kind: str, count: int = 1) -> int:
    return [one.number for one in history.events if one.type == kind][count - 1]


def words(items: list[dict[str, Any]]) -> list[str]:
    return [
        " ".join(str(part.get("transcript") or part.get("text") or "") for part in item.get("content") or ())
        for item in items
        if item["type"] == "message"
    ]


# States


@pytest.mark.slow
def test_a_tape_has_the_session_the_items_the_audio_and_the_tools_of_each_moment(tape: History) -> None:
    begun = state_after(tape.events[: number_of(tape, "session.created")])
    assert begun.session["type"] == "realtime" and not begun.items and begun.response is None
    saying = number_of(tape, "response.output_audio_transcript.delta", 2)
    state = state_after(tape.events[:saying])
    assert words(state.items) == ["hello", "Hello, I"] and state.response is not None
    assert state.items[1]["status"] == "in_progress"
    called = state_after(tape.events[: number_of(tape, "response.done", 2)])
    assert [(one["name"], one["answered"]) for one in called.tools] == [("forecast", None)]
    last = state_after(tape.events)
    assert last.session["instructions"] == "Be kind." and last.response is None
    assert (
        words(last.items)[::4] == ["hello", "And in Rome?"] and words(last.items)[-1] == "It is sunny there."
    )
    [call] = last.tools
    assert json.loads(call["arguments"]) == {"city": "Paris"} and call["output"] == '"sunny in Paris"'
    assert call["called"] < call["answered"]
    kinds = [item["type"] for item in last.items]
    assert kinds.index("function_call") + 1 == kinds.index("function_call_output")


@pytest.mark.slow
def test_audio_is_counted_and_followed(tape: History) -> None:
    speaking = state_after(tape.events[: number_of(tape, "input_audio_buffer.speech_started")]).audio
    assert speaking["user_speaks"] and speaking["heard_seconds"] > 0.5
    committed = state_after(tape.events[: number_of(tape, "input_audio_buffer.committed")]).audio
    assert not committed["user_speaks"] and committed["uncommitted_seconds"] == 0
    end = state_after(tape.events).audio
    expected = len(speech("And in Rome?") + bytes(48_000)) / 48_000
    assert end["heard_seconds"] == pytest.approx(expected, abs=0.01) and end["made_seconds"] > 3


def test_other_forms_have_the_same_items(recorded: Path, tape: History) -> None:
    items = state_after(tape.events).items
    assert words(state_after(load(recorded / "call.yaml").events).items) == words(items)
    audit = load(recorded / "audit call.jsonl")
    assert audit.is_transcript
    state = state_after(audit.events)
    assert words(state.items) == words(items)
    assert [one["output"] for one in state.tools] == ['"sunny in Paris"']
    assert load(recorded / "audit call.jsonl" / "transcript.jsonl").events == audit.events


def test_sessions_of_a_recording_are_apart(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "calls.yaml")
    for name in ("Ann", "Bob"):
        session = writer.begin("/v1/realtime", {"model": "gpt-realtime-2.1"})
        item = {"id": name, "type": "message", "role": "user", "content": [{"transcript": f"I am {name}"}]}
        writer.message(session, 0.5, "server", {"type": "session.created", "session": {"type": "realtime"}})
        writer.message(session, 1.5, "server", {"type": "conversation.item.done", "item": item})
        writer.close(session, 2.0, 1000, "", "client")
        writer.exchange({"method": "GET", "uri": "/v1/models"}, {"status": 404})
    for number, name in ((1, "Ann"), (2, "Bob")):
        history = load(tmp_path / "calls.yaml", number)
        assert history.name == f"calls.yaml, session {number}" and history.events[-1].at == 1.0
        assert words(state_after(history.events).items) == [f"I am {name}"]
    with pytest.raises(ValueError, match="session: allowed is 1 to 2, got 3"):
        load(tmp_path / "calls.yaml", 3)


@each("mark", ["\u2028", "\u2029", "\u0085"])
def test_only_a_line_feed_ends_a_line_of_a_recording_or_transcript(tmp_path: Path, mark: str) -> None:
    text = f"one{mark}two"
    session = {"type": "realtime", "instructions": text}
    for line in (
        {"dir": "s2c", "t": 0.0, "data": {"type": "session.created", "session": session}},
        {"at": 0.0, "role": "user", "text": text},
    ):
        (tmp_path / "call.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
        [event] = load(tmp_path / "call.jsonl").events
        assert text in json.dumps(event.data, ensure_ascii=False)


def history_of(*events: dict[str, Any], side: Any = "server") -> History:
    return History.of("made", [(float(place), side, event) for place, event in enumerate(events)])


def test_items_keep_their_order_and_can_be_deleted_and_cut() -> None:
    def added(item_id: str, previous: str | None) -> dict[str, Any]:
        item = {"id": item_id, "type": "message", "role": "user", "content": []}
        return {"type": "conversation.item.added", "item": item, "previous_item_id": previous}

    history = history_of(
        added("a", None),
        added("c", "a"),
        added("b", "a"),
        added("first", "root"),
        {"type": "conversation.item.truncated", "item_id": "c", "audio_end_ms": 300},
        {"type": "conversation.item.deleted", "item_id": "a"},
        {"type": "output_audio_buffer.started", "response_id": "r"},
    )
    state = state_after(history.events)
    assert [item["id"] for item in state.items] == ["first", "b", "c"]
    assert state.audio["cut"] == [{"item_id": "c", "heard_ms": 300, "event": 5}]
    assert state.audio["plays"] == "r"


def test_a_live_session_has_utterances_and_its_backends_calls() -> None:
    def said(side: str, text: str, start: int) -> dict[str, Any]:
        kind = f"session.{side}_transcript.delta"
        return {"type": kind, "delta": text, "start_ms": start, "end_ms": start + 200}

    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "look", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "42"}
    history = History.of(
        "live",
        [
            (0.0, "server", {"type": "session.started", "session": {"model": "gpt-live-1"}}),
            (0.1, "client", {"type": "session.input_audio.append", "audio": {"$audio_ms": 100}}),
            (0.2, "server", said("output", "Good", 0)),
            (0.3, "server", said("input", "Hi", 100)),
            (0.4, "server", said("output", " day", 200)),
            (
                0.5,
                "server",
                {"type": "response.event", "event": {"type": "response.output_item.done", "item": call}},
            ),
            (0.6, "client", {"type": "response.item.create", "item": output}),
            (0.7, "server", said("output", "Fine.", 5000)),
            (0.8, "server", {"type": "session.output_audio.delta", "delta": "<64000 characters>"}),
        ],
    )
    state = state_after(history.events)
    assert words(state.items) == ["Good day", "Hi", "Fine."]
    assert [(one["name"], one["output"], one["answered"]) for one in state.tools] == [("look", "42", 7)]
    assert state.audio["heard_seconds"] == 0.1 and state.audio["made_seconds"] == 1.0


def test_hostile_events_change_nothing() -> None:
    bad: list[Any] = [None, 3, "x", [], {}, {"$audio_bytes": {}}, {"$audio_ms": "x"}, 10**400, float("nan")]
    for kind in (
        "conversation.item.added",
        "conversation.item.truncated",
        "response.created",
        "response.output_audio.delta",
        "response.output_text.delta",
        "session.updated",
        "response.event",
        "session.output_audio.delta",
        "session.input_transcript.delta",
    ):
        for value in bad:
            fields = dict.fromkeys(
                ("item", "response", "session", "delta", "event", "item_id", "content_index", "start_ms"),
                value,
            )
            for side in ("client", "server"):
                state_after(history_of({"type": kind, **fields}, side=side).events)


# Running on


def test_a_changed_output_and_answer_run_on(tape: History) -> None:
    number = next(
        one.number
        for one in tape.events
        if one.side == "client" and "function_call_output" in json.dumps(one.data)
    )
    walk = Walk(tape)
    walk.goto(str(number))
    walk.set("item.output", RAIN)
    walk.answer("Take an umbrella.")
    walk.run()
    assert walk.history.events[: number - 1] == tape.events[: number - 1] and walk.event.number == number
    assert walk.event.data["item"]["output"] == RAIN
    state = state_after(walk.history.events)
    assert state.tools[0]["output"] == RAIN
    said = words(state.items)
    assert said[-3:] == ["Take an umbrella.", "And in Rome?", "It is sunny there."]
    assert [one.type for one in walk.history.events].count("session.created") == 1


def test_a_scenario_answers_in_place_of_the_recorded_model(tape: History, tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("responses:\n  - say: I am someone else.\n")
    asked = number_of(tape, "conversation.item.create")
    ran = run_on(tape, asked, Change(scenario=str(tmp_path / "answers.yaml")))
    state = state_after(ran.events)
    said = words(state.items)
    assert said == [
        "hello",
        "I am someone else.",
        "Paris",
        "I am someone else.",
        "And in Rome?",
        "I am someone else.",
    ]
    assert not state.tools  # the output of a call that was not made is not sent
    assert not [one for one in ran.events if one.type == "error"]


def test_a_run_calls_tools_anew_and_answers_those_calls(tape: History) -> None:
    ran = run_on(tape, number_of(tape, "conversation.item.create"), Change())
    assert words(state_after(ran.events).items) == words(state_after(tape.events).items)
    [call], [before] = state_after(ran.events).tools, state_after(tape.events).tools
    assert call["output"] == before["output"] and call["call_id"] != before["call_id"]


def turn(question: str, answer: str, *meanwhile: tuple[Any, dict[str, Any]]) -> list[tuple[Any, Any]]:
    """The six events of a turn, and what is sent during the response."""
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": question}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]}
    return [
        ("client", {"type": "conversation.item.create", "item": asked}),
        ("client", {"type": "response.create"}),
        ("server", {"type": "conversation.item.added", "item": {"id": question, **asked}}),
        ("server", {"type": "response.created", "response": {"id": answer}}),
        *meanwhile,
        ("server", {"type": "conversation.item.added", "item": {"id": answer, **said}}),
        ("server", {"type": "response.done", "response": {"id": answer, "output": [said]}}),
    ]


def three_turns(*meanwhile: tuple[Any, dict[str, Any]]) -> History:
    """A session whose turns begin with the events 2, 8 and 14; the last ones later, if more is sent."""
    session = {"type": "realtime", "model": "gpt-realtime-2.1", "output_modalities": ["text"]}
    events = [("server", {"type": "session.created", "session": session})]
    events += [*turn("one", "First."), *turn("two", "Second.", *meanwhile), *turn("three", "Third.")]
    return History.of("made", [(place / 10, side, data) for place, (side, data) in enumerate(events)])


SAID = ["one", "First.", "two", "Second.", "three", "Third."]


@each("number", [8, 9, 10, 11])
def test_what_the_client_had_just_sent_is_part_of_the_run(number: int) -> None:
    ran = run_on(three_turns(), number, Change())
    assert words(state_after(ran.events).items) == SAID
    kinds = [one.type for one in ran.events if one.side == "client"]
    assert kinds == ["conversation.item.create", "response.create"] * 3


@each(
    "number, change, said",
    [
        (11, Change(answer="New."), ["New.", "three", "Third."]),
        (12, Change(), ["three", "Third."]),
        (12, Change(answer="New."), ["three", "New."]),
        (13, Change(), ["Second.", "three", "Third."]),
    ],
)
def test_the_answers_are_those_of_the_responses_that_begin_in_the_run(
    number: int, change: Change, said: list[str]
) -> None:
    ran = run_on(three_turns(), number, change)
    assert words(state_after(ran.events).items) == [*SAID[:3], *said]


@each(
    "fields, error",
    [
        ({}, {"code": "conversation_already_has_active_response"}),
        ({"event_id": "event_mine"}, {"code": "other", "event_id": "event_mine"}),
    ],
)
def test_a_request_that_was_refused_is_not_made_again(fields: dict[str, Any], error: dict[str, Any]) -> None:
    request = {"type": "response.create", **fields}
    history = three_turns(("client", request), ("server", {"type": "error", "error": error}))
    for number in (2, 8):
        assert words(state_after(run_on(history, number, Change()).events).items) == SAID
    ran = run_on(history, 12, Change(event={"type": "response.create", "response": {"metadata": {}}}))
    assert ran.events[11].data["response"] == {"metadata": {}}


def test_an_answer_is_changed_after_a_call_that_is_not_made(tape: History) -> None:
    number = number_of(tape, "response.output_item.done", 2)
    said = words(state_after(run_on(tape, number, Change(answer="It is open.")).events).items)
    assert said[-2:] == ["And in Rome?", "It is open."]


def test_what_cannot_be_run_on_is_refused(recorded: Path, tape: History) -> None:
    with pytest.raises(RerunError, match="the session has not begun yet at this event"):
        run_on(tape, 1, Change())
    with pytest.raises(RerunError, match="a transcript has no events to run on from"):
        run_on(load(recorded / "audit call.jsonl"), 2, Change())
    translated = history_of(
        {"type": "session.created", "session": {"id": "sess_1"}}, {"type": "session.updated"}
    )
    with pytest.raises(RerunError, match="a translation session can be stepped through, but not run on"):
        run_on(translated, 2, Change())
    broken = attrs_event(tape, number_of(tape, "response.create"), {"type": "response.create", "response": 3})
    with pytest.raises(RerunError, match="the simulator refused an event"):
        run_on(broken, number_of(tape, "response.create"), Change())


def attrs_event(history: History, number: int, data: dict[str, Any]) -> History:
    events = list(history.events)
    events[number - 1] = Event(number=number, at=events[number - 1].at, side="client", data=data)
    return History(history.name, events)


# Walking


def test_commands_walk_and_say_what_is_wrong(tape: History) -> None:
    walk = Walk(tape)
    assert walk.do("back 3") is not None and walk.event.number == 1
    assert walk.do("next 2") is not None and walk.event.number == 3
    assert walk.do("") is not None and walk.event.number == 4
    walk.do("goto 0.0s")
    assert walk.event.at == 0.0
    assert "hello" in str(walk.do("find hello")) and walk.event.side == "client"
    assert len(str(walk.do("list 5")).splitlines()) == 5
    assert "user" in str(walk.do("show items")) or walk.do("show items") == "(no items)"
    assert json.loads(str(walk.do("show session")))["type"] == "realtime"
    assert "goto N" in str(walk.do("help")) and walk.do("quit") is None
    assert "Howdy" in str(walk.do("set item.content.0.text Howdy"))
    last = tape.events[-1]
    for line, message in (
        ("goto x", "expected a number such as 12, or a time such as 2.5s, got 'x'"),
        ("goto 0", f"allowed is 1 to {last.number}, up to {last.at:g}s; got 0"),
        ("find nowhere at all", "no later event has 'nowhere at all'"),
        ("show mood", "show: allowed is session, items, audio, tools or event, got 'mood'"),
        ("set item.mood 1", "item.mood: there is no 'mood'; there is type"),
        ("set item.content.7 1", "there is no '7'; there is 0"),
        ("next x", "expected a number of at least 1, got 'x'"),
        ("jump", "unknown command 'jump'; `help` lists them"),
    ):
        with pytest.raises(WalkError) as wrong:
            walk.do(line)
        assert message in str(wrong.value)
    walk.goto(str(number_of(tape, "session.created")))
    with pytest.raises(
        WalkError, match=r"the service sends session\.created; events of the client can be changed"
    ):
        walk.set("session", "1")


# The command


def output_of(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(["step", *args]) == 0
    return capsys.readouterr().out


def test_the_command_prints_a_state(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape_file, number = str(recorded / "call.jsonl"), len(load(recorded / "call.jsonl").events)
    shown = json.loads(
        output_of(capsys, tape_file, "--at", str(number), "--show", "items", "--show", "tools", "--json")
    )
    assert shown["number"] == number and words(shown["items"])[-1] == "It is sunny there."
    assert shown["tools"][0]["name"] == "forecast"
    assert "forecast({" in output_of(
        capsys, tape_file, "--at", "99s" if number == 0 else str(number), "--show", "tools"
    )
    asked = number_of(load(recorded / "call.jsonl"), "conversation.item.create")
    changes = ("--set", "item.content.0.text=hello you", "--answer", "Who?", "--run")
    words_of_run = output_of(capsys, tape_file, "--at", str(asked), *changes, "--show", "items")
    assert "user                 hello you" in words_of_run and "assistant            Who?" in words_of_run


def test_the_command_reads_commands(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("next\nnonsense\nshow items\nquit\nnext\n"))
    lines = output_of(capsys, str(recorded / "call.jsonl")).splitlines()
    assert "events" in lines[0] and lines[1].startswith("    1") and lines[2].startswith("    2")
    assert lines[3:] == ["unknown command 'nonsense'; `help` lists them", "(no items)"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.jsonl"], "missing.jsonl: No such file or directory"),
        (["notes.txt"], "notes.txt: a recording is an object with a list of 'interactions'"),
        (["empty.jsonl"], "empty.jsonl: it has no session"),
        (["broken.jsonl"], "broken.jsonl, line 2: this is not a line of a transcript"),
        (["call.jsonl", "--session", "2"], "session: allowed is 1 to 1, got 2"),
        (["call.jsonl", "--at", "1", "--run", "--set", "x"], "--set: expected FIELD=VALUE, got 'x'"),
        (["call.jsonl", "--at", "x"], "expected a number such as 12"),
    ],
)
def test_the_command_names_what_is_wrong(
    recorded: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(recorded)
    (recorded / "notes.txt").write_text("hello")
    (recorded / "empty.jsonl").write_text('{"tape": 1, "upstream": "x"}\n')
    (recorded / "broken.jsonl").write_text('{"at": 0, "role": "user", "text": "x"}\n{"at": "soon"}\n')
    assert cli.main(["step", *words]) == 2
    assert message in capsys.readouterr().err


@each("words", [["x", "--run"], ["x", "--at", "1", "--answer", "y"]])
def test_options_that_need_others_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["step", *words])
    assert left.value.code == 2 and "need" in capsys.readouterr().err


@pytest.mark.slow
def test_a_rehearsed_call_is_stepped_through(tmp_path: Path) -> None:
    import asyncio

    from realtime_simulator.rehearsal import Rehearsal

    from tests.simulator.test_rehearsal_suite import App

    async def call(rehearsal: Rehearsal) -> None:
        async with rehearsal.call(App(rehearsal.simulator)) as caller:
            await caller.says("Is it open?")
            await caller.hears("until ten")
        caller.save(tmp_path / "call.jsonl")

    with Simulator(espeak=False) as simulator, Rehearsal(simulator, speed=50) as rehearsal:
        simulator.on_response("It is open until ten.")
        asyncio.run(call(rehearsal))
    history = load(tmp_path / "call.jsonl")
    assert words(state_after(history.events).items)[-1] == "It is open until ten."
    state = state_after(history.events[: number_of(history, "output_audio_buffer.started")])
    assert state.audio["plays"]
