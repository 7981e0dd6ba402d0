"""Scenarios of OpenAI's Cookbook: how they are read and judged, the metrics, and the folder of results."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.web import RunningCalls, router
from realtime_simulator import ScenarioError, Simulator, Turn, call_tool, cli
from realtime_simulator._rehearsal import rehearsal as rehearsals
from realtime_simulator._rehearsal.conversation import Conversation, Moment, Stretch, ToolCall
from realtime_simulator._rehearsal.expected import Expected, ExpectedTool, audio_metrics, is_included
from realtime_simulator.rehearsal import Rehearsal, load_scenarios, load_suite, rehearse, write_results
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from realtime_ext import SessionBuilder
from tests.support.rows import each

LOOKUP = ExpectedTool(name="lookup", arguments={"id": "R-100"})


def called(name: str = "lookup", answers: Sequence[str] = ("ok",), **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments, "call", 0.0, Moment("tool", name, 1.0, 1.5), list(answers))


# What is expected


@each(
    "wanted, found, is_there",
    [
        ({"guest": {"name": "Maya Smith"}}, {"guest": {"name": "maya smith", "age": 3}, "more": 1}, True),
        ({"at": [{"seat": "Window-seat"}]}, {"at": [{"seat": "window seat", "priority": 1}]}, True),
        ({"confirmed": True}, {"confirmed": 1}, False),
        ({"name": "Maya"}, {"name": "Amaya"}, False),
        ({"people": 2}, {"people": 2.0}, True),
        ({"people": 2}, {"people": "2"}, False),
        ({"at": [1]}, {"at": [1, 2]}, False),
        ({"note": None}, {}, False),
        ({"note": "?"}, {"note": "!"}, False),
    ],
)
def test_arguments_are_compared_by_their_words(wanted: Any, found: Any, is_there: bool) -> None:
    assert is_included(wanted, found) is is_there


@each(
    "required, prohibited, calls, accuracy",
    [
        ([LOOKUP], [], [called(id="R-100")], 1.0),
        ([LOOKUP], [], [], 0.0),
        ([LOOKUP, LOOKUP], [], [called(id="R-100"), called(id="R-200")], 0.5),
        ([LOOKUP], [], [called(id="R-100"), called("other")], 0.5),
        ([], [], [], 1.0),
        ([], [], [called()], 0.0),
        ([LOOKUP], [ExpectedTool(name="cancel")], [called(id="R-100"), called("cancel")], 0.0),
        ([LOOKUP], [], [called(answers=(), id="R-100")], 0.0),
        ([], [LOOKUP], [called(answers=(), id="R-100")], 0.0),
        # The first call could be either; each has one of its own all the same.
        ([ExpectedTool(name="lookup"), LOOKUP], [], [called(id="R-100"), called(id="R-1")], 1.0),
    ],
)
def test_a_call_counts_for_one_expectation(
    required: list[ExpectedTool], prohibited: list[ExpectedTool], calls: list[ToolCall], accuracy: float
) -> None:
    expected = Expected(required=required, prohibited=prohibited)
    assert expected.metrics(calls, None, 0)["tool_accuracy"] == accuracy


def test_what_was_not_as_expected_is_named() -> None:
    expected = Expected(
        required=[LOOKUP],
        prohibited=[ExpectedTool(name="cancel")],
        delegation="forbidden",
        state={"booked": True, "time": "21:00"},
    )
    assert expected.problems([called("cancel")], 1, {"booked": False, "time": "21:00", "more": 1}) == [
        "lookup(id='R-100') was not called",
        "cancel() must not be called",
        "delegation is forbidden, and there were 1",
        "the state has booked=False, expected True",
    ]
    assert expected.problems([called(id="R-100")], 0, None) == []


@each("policy, number, accuracy", [("required", 2, 1.0), ("required", 0, 0.0), ("optional", 3, 1.0)])
def test_delegation_is_judged_by_its_policy(policy: Any, number: int, accuracy: float) -> None:
    assert Expected(delegation=policy).metrics([], number, 0)["delegation_accuracy"] == accuracy
    assert Expected(delegation=policy).metrics([], None, 0)["delegation_accuracy"] is None


# Metrics


def talk(caller: list[Stretch], app: list[Stretch], tools: Sequence[ToolCall] = ()) -> Conversation:
    course = Conversation()
    course.caller_spoke, course.app_spoke, course.tools = caller, app, list(tools)
    return course


def test_a_request_is_answered_missed_late_censored_or_excluded() -> None:
    requests = [Stretch(0, 1), Stretch(10, 11), Stretch(30, 31), Stretch(40, 41)]
    found = audio_metrics(talk(requests, [Stretch(1.5, 2), Stretch(17, 18)]), now=43)
    assert found["response_rate"] == pytest.approx(1 / 3)
    assert found["response_latency_ms"] == 500
    counts = found["response_opportunities"]
    assert counts == {
        "caller_turn_count": 4,
        "response_eligible_count": 4,
        "response_excluded_count": 0,
        "response_count": 1,
        "no_response_count": 2,
        "response_late_count": 1,
        "response_censored_count": 1,
        "response_total": 3,
    }


def test_a_reply_after_the_next_request_is_that_ones() -> None:
    found = audio_metrics(talk([Stretch(0, 1), Stretch(2, 3)], [Stretch(3.2, 4)]), now=20)
    assert found["response_opportunities"]["no_response_count"] == 1
    assert found["response_latency_ms"] == 200


def test_asides_goodbyes_and_what_is_said_while_the_app_speaks_are_no_requests() -> None:
    course = talk([Stretch(1, 2), Stretch(3, 3.2, aside=True), Stretch(9, 10)], [Stretch(0.5, 5)])
    course.is_closed_by_caller = True
    found = audio_metrics(course, now=20)
    assert found["response_rate"] is found["response_latency_ms"] is None
    assert found["response_exclusion_reasons"] == {
        "assistant_active_at_request_end": 1,
        "caller_closing": 1,
        "backchannel": 1,
    }


def test_an_app_interrupts_that_begins_while_the_caller_speaks() -> None:
    found = audio_metrics(talk([Stretch(0, 2)], [Stretch(1, 1.5), Stretch(2.5, 3)]), now=9)
    assert found["interruption_rate"] == 1.0
    assert found["speaking_duration_ms"] == {"cumulative": 1000, "maximum": 500}


def test_the_floor_is_held_while_a_tool_works_and_nobody_speaks() -> None:
    tools = [called(), called()]
    tools[0].moment.start, tools[0].moment.end = 1.0, 4.0
    tools[1].moment.start, tools[1].moment.end = 3.0, 5.0
    found = audio_metrics(talk([Stretch(0, 1)], [Stretch(2, 2.5), Stretch(5, 6)], tools), now=9)
    assert found["floor_hold_silence_ms"] == {"cumulative": 3500, "maximum": 2500}


# Files


def scenario(**changed: Any) -> dict[str, Any]:
    return {
        "id": "books",
        "title": "Books a table",
        "interaction": "single_turn",
        "input": {"text": "A table at nine, please."},
        "expected": {"answer": "It is booked."},
        **changed,
    }


def objective(**changed: Any) -> dict[str, Any]:
    needed = {"trigger_condition": "Always.", "completion_condition": "It was said."}
    return {"id": "say", "commitment": "Say it.", "action": "answer", **needed, **changed}


def several(**parameters: Any) -> dict[str, Any]:
    return scenario(interaction="multi_turn", simulation_parameters=parameters)


def write(folder: Path, *scenarios: Any, version: Any = "1.0") -> Path:
    file = folder / "scenarios.json"
    file.write_text(json.dumps({"schema_version": version, "scenarios": scenarios}, indent=1), "utf-8")
    return file


@each(
    "found, message",
    [
        ([], "scenarios: expected at least 1 element"),
        ([scenario(), scenario(id="Books")], "two scenarios have the id 'Books'"),
        ([scenario(id="../up")], "id: expected letters, digits"),
        ([scenario(interaction="chat")], "interaction: allowed is single_turn, multi_turn, got 'chat'"),
        ([scenario(interaction="multi_turn")], "simulation_parameters: needed for multi_turn, and for noth"),
        ([scenario(simulation_parameters={})], "simulation_parameters: needed for multi_turn, and for noth"),
        ([scenario(inputs={})], r"unknown field; known are id, title, .* 'input'\?"),
        ([scenario(input={"text": " "})], "input.text: expected a text, got an empty one"),
        ([scenario(expected={"state": {}})], "'answer' is needed"),
        (
            [scenario(expected={"answer": "x", "delegation": "never"})],
            "delegation: allowed is required",
        ),
        (
            [scenario(input={"text": "x", "recordings": [{"id": "a", "path": "none.wav"}]})],
            "path: there is no file 'none.wav'",
        ),
        ([several(agenda=[objective(action="shout")])], r"agenda\[0\].action: allowed is answer, correct"),
        ([several(agenda=[objective(facts=["name"])])], "facts: 'name' is none of known_facts: there are"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_line_and_field(
    tmp_path: Path, found: list[Any], message: str
) -> None:
    with pytest.raises(ScenarioError, match=rf"scenarios.json, line \d+: .*{message}"):
        load_scenarios(write(tmp_path, *found))


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"schema_version: allowed is '1.0', got '2.0'"):
        load_scenarios(write(tmp_path, scenario(), version="2.0"))


PIPECAT = """
name: greeting
judge: {eval: {service: openai}}
turns:
  - expect: [{event: response, text_contains: Good day, within_ms: 3000}]
  - user: And the weather?
    expect:
      - event: function_call
        calls: [get_weather, {name: find, args: {city: Paris}}]
      - {event: llm_response, eval: says that it rains}
  - {user: Stop, send_after: {event: bot_started_speaking, delay_ms: 500}}
"""


def test_a_file_of_pipecats_evals_is_a_script(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PIPECAT, "utf-8")
    [script] = load_suite(tmp_path)
    assert script.name == "greeting"
    assert [(one.kind, one.value, dict(one.options)) for one in script.steps] == [
        ("hears", "Good day", {"within": 3.0}),
        ("says", "And the weather?", {}),
        ("expects_tool", "get_weather", {"arguments": {}, "within": 10.0}),
        ("expects_tool", "find", {"arguments": {"city": "Paris"}, "within": 10.0}),
        ("listens", 10.0, {}),
        ("interrupts", "Stop", {"after": 0.5}),
    ]


@each(
    "turns, message",
    [
        ("[]", "turns: expected at least 1 element"),
        ("[{users: x}]", "unknown field; known are user, expect, send_after; did you mean 'user'"),
        ("[{expect: [{name: x}]}]", "'event' is needed"),
        ("[{expect: [{event: vad}]}]", "event: known are function_call, response, .*, got 'vad'"),
        ("[{expect: [{event: function_call}]}]", "'name' or 'calls' is needed"),
        ("[{expect: [{event: response, absent: true}]}]", "unknown field; known are event, name, args"),
    ],
)
def test_what_a_caller_cannot_do_of_pipecats_evals_is_refused(
    tmp_path: Path, turns: str, message: str
) -> None:
    (tmp_path / "one.yaml").write_text(f"turns: {turns}", "utf-8")
    with pytest.raises(ScenarioError, match=message):
        load_suite(tmp_path)


# Calls


class Table:
    """An app that books tables, and shows its state."""

    def __init__(self, books: bool = True) -> None:
        self.state: dict[str, Any] = {}
        self._books = books
        self._calls = RunningCalls()

    async def book(self, time: str) -> str:
        """Book a table."""
        if self._books:
            self.state["time"] = time
        return "booked"

    async def answer(self, call: Any) -> None:
        session = SessionBuilder("gpt-realtime-2.1").instructions("You book tables.")
        async with self._calls.client.answer(call.id, session, tools=[self.book]) as connection:
            await connection.run()

    def app(self) -> Starlette:
        async def state(request: Request) -> Response:
            if request.method == "PUT":
                self.state = await request.json()
            return JSONResponse(self.state)

        routes = [
            Route("/state", state, methods=["GET", "PUT"]),
            Mount("/", router(self._calls, on_incoming=self.answer)),
        ]
        return Starlette(routes=routes, lifespan=self._calls.lifespan)


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    monkeypatch.setattr(rehearsals, "_REAL", 5.0)
    with Simulator(espeak=False) as simulator:
        simulator.on_response("What else?")
        book = call_tool("book", {"time": "21:00"})

        def booking(turn: Turn) -> Any:
            return "It is booked." if turn.items[-1]["type"] == "function_call_output" else book

        simulator.on_response(booking, match="nine")
        for name, value in (("OPENAI_API_KEY", simulator.api_key), ("OPENAI_BASE_URL", simulator.base_url)):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        with Rehearsal(simulator, speed=50, keep_sound=True) as made:
            yield made


BOOKED = {
    "answer": "It is booked.",
    "tools": {"required": [{"name": "book", "arguments": {"time": "21:00"}}]},
    "state": {"time": "21:00"},
}
AGENDA = [
    objective(id="time", facts=["time"], response_hint="At nine, please."),
    objective(id="end", action="finish", required=False),
]


def play(rehearsal: Rehearsal, file: Path, table: Table) -> Any:
    return asyncio.run(rehearse(rehearsal, load_scenarios(file), table.app(), state="/state"))


@pytest.mark.real_time
def test_a_scenario_sets_the_state_plays_its_agenda_and_judges_the_end(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    file = write(
        tmp_path,
        several(goal="Book.", known_facts={"time": "nine"}, agenda=AGENDA)
        | {"expected": BOOKED, "input": {"text": "Have you a table?"}},
        scenario(id="again", expected=BOOKED, application={"initial_state": {"time": "19:00"}}),
    )
    card = play(rehearsal, file, Table())
    assert card.has_passed, card.table()
    said = [one.text for one in card.outcomes[0].moments if one.who == "caller"]
    assert said == ["Have you a table?", "At nine, please.", "Thank you, good bye."]
    assert card.outcomes[0].metrics["audio"]["response_exclusion_reasons"] == {"caller_closing": 1}

    write_results(tmp_path / "results", card, {"suite": "scenarios.json"})
    found = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    assert (found["summary"]["passed"], found["summary"]["total"]) == (2, 2)
    assert found["summary"]["metrics"]["response_latency_ms"]["p90"] > 0
    assert [one["scenario_id"] for one in found["results"]] == ["books", "again"]
    task = found["results"][0]["metrics"]["task"]
    assert task["task_completed"] and task["tool_calls"] == {"actual": 1, "expected": 1}
    for one in found["results"]:
        for path in one["artifacts"].values():
            assert (tmp_path / "results" / path).stat().st_size > 100
    with wave.open(str(tmp_path / "results" / "audio" / "books" / "conversation.wav")) as sound:
        assert sound.getnchannels() == 2
    assert "At nine, please." in (tmp_path / "results" / "audio" / "books" / "transcript.txt").read_text()


@pytest.mark.real_time
def test_a_state_that_is_not_as_expected_fails(rehearsal: Rehearsal, tmp_path: Path) -> None:
    card = play(rehearsal, write(tmp_path, scenario(expected=BOOKED)), Table(books=False))
    assert card.outcomes[0].status == "failed"
    assert card.outcomes[0].failure.startswith("the state has time=None, expected '21:00'")


@pytest.mark.real_time
def test_a_caller_who_does_not_do_what_it_should_makes_the_call_invalid(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    rehearsal._brain = lambda turn: "I only ask for a table."
    parameters = several(goal="Book for Maya.", known_facts={"name": "Maya"}, agenda=AGENDA[1:])
    card = play(rehearsal, write(tmp_path, parameters), Table())
    assert card.outcomes[0].status == "invalid"
    assert "the caller did not come to an end within 12 turns" in card.outcomes[0].failure
    write_results(tmp_path / "results", card, {})
    found = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))["results"][0]
    assert (found["status"], found["error"]) == ("infrastructure_error", {"stage": "caller_simulation"})
    assert found["validity"]["status"] == "invalid"


def test_calls_that_share_a_state_are_made_one_by_one(tmp_path: Path, capsys: Any) -> None:
    file = str(write(tmp_path, scenario()))
    words = ["rehearse", file, "--to", "http://127.0.0.1:1/webhook", "--state", "http://127.0.0.1:1/"]
    assert cli.main([*words, "--at", "2"]) == 2
    assert "--at: calls share the app's state" in capsys.readouterr().err
    assert cli.main([*words, "--calls", "2", "--repeat", "2"]) == 2
    assert "--repeat, --calls: only one of them" in capsys.readouterr().err
