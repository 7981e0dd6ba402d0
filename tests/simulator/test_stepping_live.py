"""Running on from an event of a session of the Live API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from realtime_simulator import Simulator, call_tool, delegate, record_session, speech
from realtime_simulator._records.state import Event, state_after
from realtime_simulator._rehearsal.recorded import write_tape
from realtime_simulator._stepping.change import Change, RerunError, Sent
from realtime_simulator._stepping.history import History, load
from realtime_simulator._stepping.rerun import run_on

from tests.simulator.wire import LiveSocket

WORDS = "When do you open?"
TOOL = {"type": "function", "name": "hours", "description": "", "parameters": {"type": "object"}}
RESPONSES = {"type": "responses", "responses": {"model": "gpt-5.6-sol", "tools": [TOOL]}}
LOOKS, OPENS, MORE = "Let me look.", "We open at eight.", "Until late."


def converse(sim: Simulator) -> None:
    """Ask, give the tool's output, and hear the answer; then let the model say something."""
    sim.on_speech(lambda heard: WORDS if heard.finished else None)
    sim.on_response(OPENS)
    sim.on_response([LOOKS, call_tool("hours")], times=1)
    with LiveSocket(sim, delegation=RESPONSES, instructions="Be kind.") as socket:
        socket.append(speech(WORDS) + bytes(48_000))
        while (event := socket.until("response.event")["event"])["type"] != "response.output_item.done":
            pass
        output = {"type": "function_call_output", "call_id": event["item"]["call_id"], "output": "at 8"}
        socket.send("response.item.create", item=output)
        socket.send("response.create")
        hear(socket, OPENS)
        socket.silence(1.0)
        socket.send("session.commentary.append", content=MORE, delegation_id=None)
        hear(socket, MORE)
        socket.finish()


def hear(socket: LiveSocket, words: str) -> None:
    while not socket.spoken().endswith(words):
        socket.silence(0.1)
        socket.recv()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A session that was recorded as rehearsed calls are."""
    file = tmp_path_factory.mktemp("live") / "call.jsonl"
    with Simulator(pacing="none", espeak=False) as sim:
        converse(sim)
        write_tape(file, sim.sessions[0])
    return load(file)


def place_of(history: History, kind: str, side: str = "client") -> Event:
    return next(one for one in history.events if one.side == side and one.type == kind)


def said(events: Sequence[Event]) -> str:
    """What the model says."""
    return "".join(str(one.data["delta"]) for one in events if one.type == "session.output_transcript.delta")


def heard(events: Sequence[Event]) -> str:
    return "".join(str(one.data["delta"]) for one in events if one.type == "session.input_transcript.delta")


def outputs(history: History) -> list[tuple[str, str | None]]:
    return [(one["name"], one["output"]) for one in state_after(history.events).tools]


def check(ran: History, before: History, number: int) -> None:
    """Check what every run keeps: the events before, the session's id, and an order in time."""
    assert ran.events[: number - 1] == before.events[: number - 1]
    assert heard(ran.events) == WORDS
    assert not [one.data for one in ran.events if one.type == "error"]
    times = [one.at for one in ran.events]
    assert times == sorted(times)
    ids = {
        one.data["session"]["id"] for one in ran.events if one.type in ("session.started", "session.closed")
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    "part", [0.4, *(pytest.param(part, marks=pytest.mark.slow) for part in (0.0, 0.7, 1.0))]
)
def test_without_a_change_a_session_stays_as_it_was(live: History, part: float) -> None:
    number = max(1, int(len(live.events) * part))
    ran = run_on(live, number, Change())
    check(ran, live, number)
    assert said(ran.events) == said(live.events) == f"{LOOKS}{OPENS}{MORE}"
    assert outputs(ran) == outputs(live) == [("hours", "at 8")]
    assert ran.events[-1].type == "session.closed"
    assert ran.name == f"{live.name}, run on from {number}"


@pytest.mark.slow
def test_an_output_and_the_answer_to_it_are_changed(live: History) -> None:
    event = place_of(live, "response.item.create")
    changed = {**event.data, "item": {**event.data["item"], "output": "never"}}
    ran = run_on(live, event.number, Change(event=changed, answer="We are closed."))
    check(ran, live, event.number)
    assert ran.events[event.number - 1].data == changed
    assert outputs(ran) == [("hours", "never")]
    assert said(ran.events) == f"{LOOKS}We are closed.{MORE}"
    written = [one.data["event"]["text"] for one in ran.events if "text" in one.data.get("event", ())]
    assert written == ["We are closed."]
    again = run_on(ran, event.number, Change(answer="We open at nine."))
    assert said(again.events) == f"{LOOKS}We open at nine.{MORE}" and outputs(again) == [("hours", "never")]


@pytest.mark.slow
def test_an_utterance_alone_is_changed(live: History) -> None:
    ran = run_on(live, 1, Change(answer="One moment, please."))
    check(ran, live, 1)
    assert said(ran.events) == f"One moment, please.{OPENS}{MORE}" and outputs(ran) == [("hours", "at 8")]
    commentary = place_of(live, "session.commentary.append")
    changed = {**commentary.data, "content": "Now."}
    last = run_on(live, commentary.number, Change(event=changed, answer="Until nine."))
    assert said(last.events) == f"{LOOKS}{OPENS}Until nine."
    assert last.events[commentary.number - 1].data == changed


@pytest.mark.slow
def test_an_utterance_is_changed_in_the_middle(live: History) -> None:
    word = next(one for one in live.events if one.data.get("delta") == " open")
    ran = run_on(live, word.number, Change(answer=" are closed."))
    assert said(ran.events) == f"{LOOKS}We are closed.{MORE}"


def test_the_output_of_a_call_that_is_not_made_is_not_sent(live: History) -> None:
    begun = place_of(live, "session.delegation.created", "server")
    ran = run_on(live, begun.number, Change(answer="We are closed."))
    check(ran, live, begun.number)
    assert said(ran.events) == f"{LOOKS}We are closed.{MORE}" and not outputs(ran)
    sent = [one.type for one in ran.events[begun.number - 1 :] if one.side == "client"]
    assert {one for one in sent if "audio" not in one} == {"session.commentary.append", "session.close"}


@pytest.mark.slow
def test_a_scenario_answers_from_there_on(live: History, tmp_path: Path) -> None:
    scenario = tmp_path / "answers.yaml"
    scenario.write_text(
        "responses:\n  - {after_tool: hours, say: I am someone else.}\n"
        "  - {call_tool: hours, arguments: {day: today}}\n"
    )
    output = place_of(live, "response.item.create")
    ran = run_on(live, output.number, Change(scenario=str(scenario)))
    check(ran, live, output.number)
    assert said(ran.events) == f"{LOOKS}I am someone else.{MORE}"
    ran = run_on(live, 3, Change(scenario=str(scenario)))
    check(ran, live, 3)
    assert said(ran.events) == f"One moment, please.I am someone else.{MORE}"
    [call] = state_after(ran.events).tools
    assert json.loads(call["arguments"]) == {"day": "today"} and call["output"] == "at 8"
    scenario.write_text("timeline:\n  - {at: 0.0, say: Long ago.}\n  - {at: 4.0, say: On time.}\n")
    ran = run_on(live, 30, Change(scenario=str(scenario)))
    assert said(ran.events) == "On time."


@pytest.mark.slow
def test_the_start_of_a_session_is_changed(live: History) -> None:
    start = place_of(live, "session.start")
    session = {**start.data["session"], "instructions": "Be short."}
    ran = run_on(live, start.number, Change(event={**start.data, "session": session}))
    assert place_of(ran, "session.started", "server").data["session"]["instructions"] == "Be short."
    with pytest.raises(RerunError, match=r"refused the session: .*'session\.mood'"):
        run_on(live, 1, Change(event={**start.data, "session": {**session, "mood": 1}}))


@pytest.mark.slow
def test_a_session_is_run_on_of_which_a_sideband_alone_was_recorded(live: History) -> None:
    own = ("session.start", "session.input_audio.append", "session.close")
    rest = [one for one in live.events if one.side == "server" or one.type not in own]
    copy: dict[str, Any] = {"type": "session.input_audio.append", "audio": "<6400 characters>"}
    last: list[Sent] = [(live.events[-1].at, "server", copy)]
    seen = History.of("call", [*((one.at, one.side, one.data) for one in rest), *last])
    output = place_of(seen, "response.item.create")
    ran = run_on(seen, output.number, Change(answer="We are closed."))
    check(ran, seen, output.number)
    assert said(ran.events) == f"{LOOKS}We are closed.{MORE}" and outputs(ran) == [("hours", "at 8")]
    assert place_of(ran, "session.closed", "server").data["session"]["instructions"] == "Be kind."
    assert not [one for one in ran.events[output.number :] if one.type == copy["type"]]
    assert run_on(seen, len(seen.events), Change()).events == seen.events[:-1]


@pytest.mark.slow
def test_a_client_works_on_what_is_delegated_to_it(tmp_path: Path) -> None:
    with Simulator(pacing="none", espeak=False) as sim:
        sim.on_timeline({0.2: "Hello.", 0.4: delegate()})
        with LiveSocket(sim) as socket:
            socket.silence(2)
            delegation = socket.until("session.delegation.created")["delegation"]["id"]
            socket.send("session.thinking.append", content="Done.", delegation_id=delegation)
            socket.silence(1)
            socket.until("session.thinking.appended")
            socket.finish()
        write_tape(tmp_path / "call.jsonl", sim.sessions[0])
    history = load(tmp_path / "call.jsonl")
    thinking = place_of(history, "session.thinking.append")
    for number in (1, thinking.number):
        ran = run_on(history, number, Change())
        begun = place_of(ran, "session.delegation.created", "server")
        assert (
            place_of(ran, "session.thinking.append").data["delegation_id"] == begun.data["delegation"]["id"]
        )
        assert "session.thinking.appended" in [one.type for one in ran.events]


@pytest.mark.slow
def test_a_fork_is_run_on_by_itself(live: History) -> None:
    times = live.events[-1].at + 1.0
    fork = [attrs.evolve(one, data={**one.data, **_forked(one)}) for one in live.events]
    both = [(one.at, one.side, one.data) for one in live.events]
    both += [(one.at + times, one.side, one.data) for one in fork]
    history = History.of("both", both)
    number = len(live.events) + place_of(live, "response.item.create").number
    ran = run_on(history, number, Change(answer="We are closed."))
    assert ran.events[: number - 1] == history.events[: number - 1]
    assert said(ran.events[len(live.events) :]) == f"{LOOKS}We are closed.{MORE}"
    first = run_on(history, 1, Change())
    assert said(first.events) == said(live.events) and first.events[-1].at < times + 5


def _forked(event: Event) -> dict[str, Any]:
    """Return what differs in a fork's event: its start names nothing, and its id is another."""
    if event.type == "session.start":
        return {"session": {}}
    session = event.data.get("session")
    return {"session": {**session, "id": "live_u1_fork"}} if isinstance(session, dict) else {}


def test_what_can_not_be_run_on_is_refused(live: History) -> None:
    append = place_of(live, "session.input_audio.append")
    with pytest.raises(RerunError, match=r"session\.input_audio\.append: the user's sound can't be changed"):
        run_on(live, append.number, Change(event={**append.data, "audio": ""}))
    begun = place_of(live, "session.started", "server")
    with pytest.raises(
        RerunError, match=r"the service sends session\.started; events of the client can be changed"
    ):
        run_on(live, begun.number, Change(event={"type": "session.close"}))
    with pytest.raises(RerunError, match="the model says nothing after this event"):
        run_on(live, len(live.events), Change(answer="Too late."))
    with pytest.raises(RerunError, match=f"allowed is an event from 1 to {len(live.events)}, got 0"):
        run_on(live, 0, Change())
    start = live.events[0]
    refused = History.of(
        "refused", [(0.0, "client", start.data), (0.1, "server", {"type": "error", "error": {}})]
    )
    with pytest.raises(RerunError, match="the service did not start this session"):
        run_on(refused, 1, Change())
    keys = [(0.0, "server", begun.data), (0.1, "client", {"type": "transport.dtmf.send", "event": "1"})]
    with pytest.raises(RerunError, match=r"transport\.dtmf\.send is for telephone calls"):
        run_on(History.of("keys", keys), 2, Change())
    odd = [attrs.evolve(one, data={**one.data, "delegation": 3}) for one in live.events]
    with pytest.raises(RerunError, match="an event of the session has an unexpected shape"):
        run_on(History("odd", odd), 3, Change())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tape.jsonl", "recording.yaml"])
def test_what_a_proxy_has_recorded_is_run_on(tmp_path: Path, name: str) -> None:
    with Simulator(espeak=False) as upstream:
        upstream.on_timeline({0.2: "Good morning.", 2.0: "Still there?"})
        to = {"upstream": upstream.base_url, "api_key": upstream.api_key}
        with record_session(tmp_path / name, **to) as proxy, LiveSocket(proxy) as socket:
            hear_in_time(socket, "Still there?")
            socket.finish()
    history = load(tmp_path / name)
    number = next(one.number for one in history.events if one.data.get("delta") == " morning.")
    ran = run_on(history, number + 1, Change(answer="Hello?"))
    assert said(ran.events) == "Good morning.Hello?"


def hear_in_time(socket: LiveSocket, words: str) -> None:
    while not socket.spoken().endswith(words):
        socket.silence(0.1)
        socket.until("session.output_audio.delta")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("session.output_transcript.delta", {"end_ms": 1e200}),
        ("session.input_audio.append", {"audio": {"$audio_ms": 1e200}}),
        ("session.input_audio.append", {"audio": f"<{10**40} characters>"}),
        ("response.event", {"delegation_id": [], "event": {"type": "response.created"}}),
    ],
)
def test_a_broken_event_does_no_harm(live: History, kind: str, fields: dict[str, Any]) -> None:
    broken = next(one.number for one in live.events if one.type == kind)
    events = [
        attrs.evolve(one, data={**one.data, **fields}) if one.number == broken else one for one in live.events
    ]
    assert said(run_on(History("broken", events), broken + 1, Change()).events)
