"""Decisions and audio fixtures of Live sessions, which only the official package's types describe."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, delegate, speech
from realtime_simulator._live import timeline

from tests.simulator.wire import LiveSocket
from tests.support.rows import each

WORDS = "I want my money back."
ASKED = speech(WORDS) + bytes(48_000)
URGENT = {"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"}
TEAM = {
    "type": "choice",
    "name": "team",
    "instructions": "Who helps?",
    "choices": [{"value": "sales"}, {"value": "billing"}],
}
MOOD = {
    "type": "score",
    "name": "mood",
    "instructions": "How is the caller?",
    "levels": [{"label": "calm"}, {"label": "angry"}],
}
DECISIONS = {"type": "decisions", "decisions": {"model": "gpt-5.6-luna", "questions": [URGENT, TEAM, MOOD]}}
NOTE = {"role": "developer", "content": "The caller is a member."}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none") as simulator:
        simulator.on_speech(lambda heard: WORDS if heard.finished else None)
        yield simulator


def decided(socket: LiveSocket) -> dict[str, Any]:
    found: dict[str, Any] = socket.until("decision.event")
    return found


def refusal(socket: LiveSocket) -> dict[str, Any]:
    found: dict[str, Any] = socket.until("error")["error"]
    return found


def test_the_scenario_answers_the_questions_of_a_delegation(sim: Simulator) -> None:
    sim.on_response(["One moment.", delegate({"urgent": 0.25, "team": "billing", "mood": "angry"})])
    with LiveSocket(sim, delegation=DECISIONS) as socket:
        socket.append(ASKED)
        delegation = socket.until("session.delegation.created")["delegation"]
        event = decided(socket)
    assert delegation["target"] == "decisions"
    assert (event["delegation_id"], event["trigger_id"]) == (delegation["id"], None)
    decision = event["event"]["decision"]
    assert decision["model"] == "gpt-5.6-luna"
    urgent, team, mood = decision["answers"]
    assert urgent == {"type": "predicate", "name": "urgent", "probability": 0.25}
    assert (team["choice"], [each["probability"] for each in team["probabilities"]]) == (
        "billing",
        [0.0, 1.0],
    )
    assert (mood["score"], mood["probabilities"][1]["label"]) == (1.0, "angry")
    usage = decision["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_questions_without_an_answer_get_their_first_option_and_none_refuses(sim: Simulator) -> None:
    sim.on_response(delegate({"urgent": None}))
    with LiveSocket(sim, delegation=DECISIONS) as socket:
        socket.append(ASKED)
        refused, team, mood = decided(socket)["event"]["decision"]["answers"]
    assert refused == {"type": "refusal", "name": "urgent"}
    assert (team["choice"], mood["score"]) == ("sales", 0.0)


def test_an_answer_that_a_question_does_not_allow_is_an_error_of_the_scenario(sim: Simulator) -> None:
    sim.on_response(delegate({"team": "kitchen"}))
    with LiveSocket(sim, delegation=DECISIONS) as socket:
        socket.append(ASKED)
        error = refusal(socket)
    assert error["code"] == "scenario_error"
    assert "'kitchen'" in error["message"] and "'team'" in error["message"]


def test_a_client_requests_a_decision_once_for_each_event_id(sim: Simulator) -> None:
    with LiveSocket(sim, delegation=DECISIONS) as socket:
        socket.send("decision.create", event_id="first")
        assert socket.until("session.delegation.created")["client_event_id"] == "first"
        decided(socket)
        socket.send("decision.create", event_id="first")
        assert refusal(socket)["param"] == "event_id"


def test_items_for_decisions_are_created_and_deleted_once(sim: Simulator) -> None:
    with LiveSocket(sim, delegation=DECISIONS) as socket:
        socket.send("decision.item.create", item=NOTE, event_id="note")
        created = socket.until("decision.item.created")
        assert created["client_event_id"] == "note"
        assert created["item"] == {"type": "message", **NOTE, "id": created["item"]["id"]}
        socket.send("decision.item.create", item=created["item"])
        assert refusal(socket)["param"] == "item.id"
        socket.send("decision.item.delete", item_id=created["item"]["id"])
        assert socket.until("decision.item.deleted")["item_id"] == created["item"]["id"]
        socket.send("decision.item.delete", item_id=created["item"]["id"])
        assert refusal(socket)["param"] == "item_id"


@each("kind", ["decision.create", "decision.item.create"])
def test_decisions_need_a_session_that_has_them(sim: Simulator, kind: str) -> None:
    with LiveSocket(sim) as socket:
        socket.send(kind, event_id="early", **({} if kind == "decision.create" else {"item": NOTE}))
        error = refusal(socket)
    assert (error["param"], error["client_event_id"]) == ("type", "early")


def test_a_delta_of_a_transcript_triggers_its_questions(sim: Simulator) -> None:
    kind = "session.input_transcript.delta"
    trigger = {"type": "decisions", "event_type": kind, "decisions": {"questions": [URGENT]}}
    with LiveSocket(sim, triggers=[trigger]) as socket:
        socket.append(ASKED)
        event = decided(socket)
        delta = socket.all(kind)[0]
    assert (event["source_event_id"], event["source_event_type"]) == (delta["event_id"], kind)
    assert event["trigger_id"] and event["delegation_id"] is None


@pytest.mark.slow
def test_an_acknowledgement_is_late_and_is_cancelled_by_an_append() -> None:
    with Simulator(pacing="none", clock=1_800_000_000) as sim:
        sim.on_speech(lambda heard: WORDS if heard.finished else None)
        sim.on_response(delegate())
        for appended, said in ((False, "One moment, please."), (True, "")):
            with LiveSocket(sim, delegation={**DECISIONS, "acknowledgement_delay_ms": 700}) as socket:
                socket.append(ASKED)
                decided(socket)
                if appended:
                    socket.send("session.thinking.append", content="A member.", delegation_id=None)
                    socket.silence(2)
                    socket.until("session.thinking.appended")
                assert socket.spoken() == ""
                sim.advance(0.8)
                socket.silence(3)
                socket.finish()
                assert socket.spoken() == said


# Fixtures


def test_a_fixture_is_played_while_the_user_is_not_heard(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need a moment to send the user's speech, before which the fixture must not be over.
    monkeypatch.setattr(timeline, "_QUIET_SECONDS", 1.0)
    sound = speech("Your call may be recorded.")
    with LiveSocket(sim) as socket:
        socket.silence(1)
        for _ in range(10):
            socket.until("session.output_audio.delta")
        audio = base64.b64encode(sound).decode()
        socket.send("session.output_audio.fixture.play", audio=audio, event_id="notice")
        socket.send("session.output_audio.fixture.play", audio=audio)
        socket.append(speech("Hello?"))
        assert socket.until("session.output_audio.fixture.playing")["client_event_id"] == "notice"
        assert refusal(socket)["param"] == "type"
        assert socket.until("session.output_audio.fixture.played")["client_event_id"] == "notice"
        socket.silence(1)
        socket.finish()
        assert sound in socket.audio()
        assert not socket.all("session.input_transcript.delta")


@each("sound", [b"", bytes(3), bytes(30 * 48_000 + 2)], ids=["empty", "odd", "long"])
def test_a_fixture_that_cannot_be_played_is_refused(sim: Simulator, sound: bytes) -> None:
    with LiveSocket(sim) as socket:
        socket.send("session.output_audio.fixture.play", audio=base64.b64encode(sound).decode())
        error = refusal(socket)
        assert error["param"] == "audio"
