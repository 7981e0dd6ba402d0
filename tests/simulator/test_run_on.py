"""Running a session of a simulator on, by its control endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator, call_tool
from realtime_simulator._records.session import SessionRecord
from realtime_simulator._simulator.console import run_on

from tests.simulator.wire import LiveSocket, Socket
from tests.support.rows import each
from tests.support.waiting import PATIENCE

TOOL = {"type": "function", "name": "forecast", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A simulator with a session in which a tool was called."""
    with Simulator(pacing="none", espeak=False) as sim:
        sim.on_response("It is sunny.", times=2)
        sim.on_response(call_tool("forecast"), times=1)
        with Socket(sim) as socket:
            socket.update(output_modalities=["text"], tools=[TOOL])
            socket.user_says("Paris?")
            socket.send("response.create")
            call_id = socket.until("response.function_call_arguments.done")["call_id"]
            socket.until("response.done")
            item = {"type": "function_call_output", "call_id": call_id, "output": "sun"}
            socket.send("conversation.item.create", item=item)
            socket.send("response.create")
            socket.until("response.done")
        session = sim.sessions[0]
        sim.wait_for(lambda: session.ended is not None)
        session.name = "weather"
        yield sim


def ask(sim: Simulator, body: Any, session: str | None = None) -> httpx.Response:
    path = f"/simulator/sessions/{session or sim.sessions[0].id}/run_on"
    headers = {"authorization": f"Bearer {sim.api_key}", "content-type": "application/json"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{sim.base_url.removesuffix('/v1')}{path}", headers=headers, content=content)


def output_of(session: SessionRecord) -> tuple[int, dict[str, Any]]:
    return next((one.number, one.event) for one in session.events if "function_call_output" in str(one.event))


def words(session: SessionRecord) -> list[str]:
    return [event["text"] for event in session.sent if event["type"] == "response.output_text.done"]


def test_a_session_runs_on_as_another_one(sim: Simulator) -> None:
    number, event = output_of(sim.sessions[0])
    changed = {**event, "item": {**event["item"], "output": "rain"}}
    answer = ask(sim, {"at": number, "event": changed, "answer": "It rains."})
    assert answer.status_code == 200
    first, new = sim.sessions[0], sim.session(answer.json()["session"])
    assert new.name == f"run on from {number} of weather" and new.ended == "run on"
    assert new.id.startswith("sess_") and new.id != first.id and new.transport == "websocket"
    before = [one.event for one in first.events[: number - 1]]
    assert [one.event for one in new.events[: number - 1]] == before
    assert new.events[number - 1].event["item"]["output"] == "rain"
    assert words(new) == ["It rains."] and words(first) == ["It is sunny."]
    assert [item["type"] for item in new.items][-1] == "message" and new.config["tools"] == [TOOL]
    assert (new.replay_of, sim.replaying) == (None, None)
    # The running simulator answers as before: its second answer was not used up.
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.user_says("Rome?")
        socket.send("response.create")
        assert socket.until("response.output_text.done")["text"] == "It is sunny."
    again = ask(sim, {"at": number, "answer": "It snows."}, new.id).json()["session"]
    assert words(sim.session(again)) == ["It snows."]


def test_a_live_session_runs_on(sim: Simulator) -> None:
    sim.on_timeline({0.2: "Good morning."})
    with LiveSocket(sim) as socket:
        socket.silence(2)
        while not socket.spoken().endswith("morning."):
            socket.recv()
        socket.finish()
    sim.on_timeline(None)
    answer = ask(sim, {"at": 1, "answer": "Good evening."}, socket.session["id"])
    new = sim.session(answer.json()["session"])
    said = [event["delta"] for event in new.sent if event["type"] == "session.output_transcript.delta"]
    assert new.id.startswith("live_") and "".join(said) == "Good evening."
    assert new.received_audio_seconds >= 2 and new.sent_audio_seconds >= 1


@each(
    "body, message",
    [
        ({}, "at: the number of an event is needed, got nothing"),
        ({"at": True}, "at: the number of an event is needed, got true or false"),
        ({"at": 1.5}, "at: the number of an event is needed, got a number"),
        ({"at": 0}, "at: allowed is an event from 1 to "),
        ({"at": 9_999}, "at: allowed is an event from 1 to "),
        ({"at": 1}, "at: the session has not begun yet at this event"),
        ({"at": 3, "evnt": {}}, "evnt: unknown field; known are at, event, answer; did you mean 'event'?"),
        ({"at": 3, "event": "x"}, "event: expected an object, got a text"),
        ({"at": 3, "event": {"type": []}}, "event.type: expected a text, got a list"),
        ({"at": 3, "answer": 3}, "answer: expected a text, got a number"),
        ({"at": 3, "answer": " "}, "answer: expected words, got an empty text"),
        ({"at": 3, "answer": "x" * 2_001}, "answer: allowed are up to 2000 characters, got 2001"),
        (b"[1]", "The request body must be a JSON object."),
        (b'{"at": 1' + b"[" * 9_000, "not valid JSON"),
    ],
)
def test_a_wrong_body_is_refused(sim: Simulator, body: Any, message: str) -> None:
    count = len(sim.sessions)
    answer = ask(sim, body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert len(sim.sessions) == count


def test_unknown_or_forgotten_ids_are_reported(sim: Simulator) -> None:
    assert ask(sim, {"at": 1}, "sess_x").status_code == 404
    number, event = output_of(sim.sessions[0])
    sent = next(one.number for one in sim.sessions[0].events if one.direction == "sent")
    refused = ask(sim, {"at": sent, "event": event})
    assert refused.json()["error"]["message"].startswith("event: the service sends session.created")
    last = len(sim.sessions[0].events)
    assert (
        ask(sim, {"at": last, "answer": "More."}).json()["error"]["message"].startswith("answer: the model")
    )
    sound = {"type": "input_audio_buffer.append", "audio": ""}
    message = ask(sim, {"at": number, "event": sound}).json()["error"]["message"]
    assert message.startswith("event: input_audio_buffer.append: the user's sound can't be changed")


def test_a_few_run_at_once_and_the_simulator_continues(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(PATIENCE)
        return real(*arguments)

    real = run_on.run_on
    monkeypatch.setattr(run_on, "run_on", slow)
    answers: list[int] = []
    number, _ = output_of(sim.sessions[0])
    threads = [
        threading.Thread(target=lambda: answers.append(ask(sim, {"at": number}).status_code))
        for _ in range(run_on.MOST_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=PATIENCE)
    refused = ask(sim, {"at": number})
    assert refused.status_code == 409 and "try again when one is done" in refused.json()["error"]["message"]
    with Socket(sim) as socket:
        assert socket.recv()["type"] == "session.created"
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [200] * run_on.MOST_AT_ONCE
    assert ask(sim, {"at": number}).status_code == 200


def test_a_session_whose_beginning_is_forgotten_is_refused(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        log = sim._records.logs[-1]
        del log.events[0]
        message = ask(sim, {"at": 1}, log.id).json()["error"]["message"]
    assert message == f"at: the first events of the session {log.id!r} are no longer kept"
