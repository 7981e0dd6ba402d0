"""Sessions of the Live API over WebSockets: what a client sends, hears and is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator, call_mcp, call_tool, delegate, speech
from realtime_simulator._engine.turn import REAL, Fail
from websockets.exceptions import InvalidStatus

from tests.simulator.checking import rms
from tests.simulator.wire import LiveSocket
from tests.support.rows import each

WORDS = "What will the weather be in Amsterdam?"
ASKED = speech(WORDS) + bytes(48_000)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORECAST = {"type": "function", "name": "forecast", "description": "Weather.", "parameters": CITY}
RESPONSES = {"type": "responses", "responses": {"model": "gpt-5.6-sol", "tools": [FORECAST]}}


@pytest.fixture
def sim() -> Any:
    with Simulator(pacing="none") as simulator:
        simulator.on_speech(lambda heard: WORDS if heard.finished else None)
        yield simulator


def nested(socket: LiveSocket) -> list[str]:
    return [event["event"]["type"].removeprefix("response.") for event in socket.all("response.event")]


def until_nested(socket: LiveSocket, type: str) -> dict[str, Any]:
    while (event := socket.until("response.event")["event"])["type"] != type:
        pass
    return event


def error(socket: LiveSocket) -> dict[str, Any]:
    found: dict[str, Any] = socket.until("error")["error"]
    return found


@each("answer", [{}, {"approval_request_id": ["x"], "approve": True}, {"approval_request_id": "mcpr_1"}])
def test_an_approval_that_nobody_asked_for_is_refused(sim: Simulator, answer: dict[str, Any]) -> None:
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.send("response.item.create", item={"type": "mcp_approval_response", **answer})
        assert error(socket)["param"] == "item.approval_request_id"


def test_the_same_tool_of_an_mcp_server_is_called_twice(sim: Simulator) -> None:
    server = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example/mcp"}
    responses = {"model": "gpt-5.6-sol", "tools": [{**server, "require_approval": "never"}]}
    once = call_mcp("shop", "buy", output="bought")
    sim.on_response("Done.")
    sim.on_response([once, once], times=1)
    with LiveSocket(sim, delegation={"type": "responses", "responses": responses}) as socket:
        socket.send("response.create")
        until_nested(socket, "response.completed")
        assert nested(socket).count("mcp_call.completed") == 2


# Start


def test_a_started_session_is_shown_with_its_defaults(sim: Simulator) -> None:
    with LiveSocket(sim, instructions="Be brief.", delegation=RESPONSES) as socket:
        session = socket.session
        assert session["id"].startswith("live_u")
        assert session["audio"] == {
            "output": {"voice": "marin"},
            "format": {"type": "audio/pcm", "rate": 24_000},
        }
        assert session["delegation"]["responses"] == {
            "model": "gpt-5.6-sol",
            "tools": [FORECAST],
            "tool_choice": "auto",
        }
        assert (session["input"], session["status"]) == ([], "active")
        assert socket.types() == ["session.started"]
        assert sim.session(session["id"]).config == session


def test_nothing_is_sent_before_the_start_and_a_second_start_is_refused(sim: Simulator) -> None:
    with LiveSocket(sim, start=False) as socket:
        socket.silence(0.1)
        assert error(socket)["code"] == "invalid_value"
        socket.send("session.start", session={"model": "gpt-live-1"}, event_id="mine")
        assert socket.until("session.started")["client_event_id"] == "mine"
        socket.send("session.start", session={"model": "gpt-live-1"}, event_id="again")
        assert error(socket)["client_event_id"] == "again"


@each(
    "session, param",
    [
        ({"voice": "marin"}, "session.voice"),
        ({"model": 7}, "session.model"),
        ({"audio": {"format": {"type": "audio/pcm", "rate": 8_000}}}, "session.audio.format.rate"),
        ({"instructions": "word " * 17_000}, "session.instructions"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}] * 129},
            "session.input",
        ),
    ],
)
def test_a_refused_start_can_be_repeated(sim: Simulator, session: dict[str, Any], param: str) -> None:
    with LiveSocket(sim, start=False) as socket:
        socket.send("session.start", session={"model": "gpt-live-1", **session})
        assert error(socket)["param"] == param
        socket.send("session.start", session={"model": "gpt-live-1"})
        socket.until("session.started")


def test_a_wrong_key_is_refused_at_the_handshake(sim: Simulator) -> None:
    with pytest.raises(InvalidStatus) as refused:
        LiveSocket(sim, key="sk-wrong")
    assert refused.value.response.status_code == 401


# A turn


def test_the_user_is_transcribed_and_answered(sim: Simulator) -> None:
    sim.on_response("It will rain.")
    with LiveSocket(sim) as socket:
        socket.append(ASKED)
        heard = ""
        while heard != WORDS:
            event = socket.until("session.input_transcript.delta")
            heard += event["delta"]
            assert event["end_ms"] - event["start_ms"] == 200
            assert event["start_ms"] % 200 == 0
        while socket.spoken() != "It will rain.":
            socket.until("session.output_transcript.delta")
        socket.silence(3)
        closed = socket.finish()
        assert closed["reason"] == "close_requested"
        assert closed["session"] == socket.session
        assert closed["usage"]["seconds"] == len(socket.audio()) // 48_000
        asked = len(speech(WORDS))
        assert rms(socket.audio()[:asked]) == 0
        assert rms(socket.audio()[asked:]) > 100
        assert socket.closed() == (1000, "close_requested")
    roles = [item["role"] for item in sim.session(socket.session["id"]).items]
    assert roles == ["user", "assistant"]


@each("type, rate, size", [("audio/pcm", 16_000, 3_200), ("audio/pcmu", 8_000, 800)])
def test_both_directions_have_the_format_of_the_start(
    sim: Simulator, type: str, rate: int, size: int
) -> None:
    with LiveSocket(sim, audio={"format": {"type": type, "rate": rate}}) as socket:
        socket.append(bytes(size * 20), chunk=size)
        for _ in range(3):
            socket.until("session.output_audio.delta")
        assert len(socket.audio()) == pytest.approx(3 * size, abs=size // 5)


@pytest.mark.slow
def test_the_user_stops_the_model(sim: Simulator) -> None:
    sim.on_response(
        "This answer goes on and on and on, much longer than anybody wants to listen to it today."
    )
    with LiveSocket(sim) as socket:
        socket.append(ASKED)
        socket.until("session.output_transcript.delta")
        socket.append(ASKED)
        while socket.types().count("session.input_transcript.delta") < 2 * len(WORDS.split()):
            socket.until("session.input_transcript.delta")
        socket.finish()
        said = [item for item in sim.session(socket.session["id"]).items if item["role"] == "assistant"]
        assert "today." not in said[0]["content"][0]["transcript"]


# The timeline


def test_the_timeline_stops_2700_ms_after_the_audio_and_resumes_with_it() -> None:
    with Simulator(pacing=REAL, clock=1_800_000_000) as sim, LiveSocket(sim) as socket:
        socket.silence(1)
        sim.wait_for(lambda: sim.session(socket.session["id"]).received_audio_seconds >= 1)
        sim.advance(16)
        socket.send("session.input_audio.mute")
        socket.until("session.input_audio.muted")
        assert len(socket.audio()) == 37 * 4_800
        socket.silence(0.5)
        sim.wait_for(lambda: sim.session(socket.session["id"]).received_audio_seconds >= 1.5)
        sim.advance(5)
        socket.send("session.input_audio.unmute")
        socket.until("session.input_audio.unmuted")
        assert len(socket.audio()) == 69 * 4_800
        assert socket.all("session.usage.updated")[0]["usage"] == {"seconds": 3.0}


@pytest.mark.slow
def test_a_session_of_the_simulated_clock_is_the_same_each_time() -> None:
    def session() -> list[dict[str, Any]]:
        with Simulator(pacing="none", clock=1_800_000_000, seed=7) as sim, LiveSocket(sim) as socket:
            sim.on_speech(lambda heard: WORDS if heard.finished else None)
            socket.append(ASKED + bytes(480_000))
            socket.finish()
            return socket.events

    assert session() == session()


def test_a_muted_user_is_not_heard(sim: Simulator) -> None:
    with LiveSocket(sim) as socket:
        socket.send("session.input_audio.mute", event_id="quiet")
        assert socket.until("session.input_audio.muted")["client_event_id"] == "quiet"
        socket.append(ASKED)
        socket.finish()
        assert "session.input_transcript.delta" not in socket.types()


@pytest.mark.parametrize(("audio", "seconds"), [(False, 32.0), (True, 7_201.0)])
def test_a_session_expires(audio: bool, seconds: float) -> None:
    with Simulator(pacing=REAL, clock=1_800_000_000) as sim, LiveSocket(sim) as socket:
        if audio:
            socket.silence(0.1)
            sim.wait_for(lambda: sim.session(socket.session["id"]).received_audio_seconds > 0)
        sim.advance(seconds)
        assert socket.until("session.closed")["reason"] == "expired"


def test_a_lost_connection_ends_the_session(sim: Simulator) -> None:
    with LiveSocket(sim) as socket, LiveSocket(sim, attach=socket.session["id"]) as sideband:
        socket.close()
        assert sideband.until("session.closed")["reason"] == "connection_lost"


# Context


def test_appends_are_acknowledged_along_the_timeline_and_commentary_is_spoken(sim: Simulator) -> None:
    with LiveSocket(sim) as socket:
        for kind in ("instructions", "thinking", "commentary"):
            socket.send(
                f"session.{kind}.append", delegation_id=None, content="Your parcel is here.", event_id=kind
            )
        socket.silence(3)
        for kind in ("instructions", "thinking", "commentary"):
            done = socket.until(f"session.{kind}.appended")
            assert (done["start_ms"], done["end_ms"], done["client_event_id"]) == (600, 800, kind)
        socket.finish()
        assert socket.spoken() == "Your parcel is here."


def test_appends_without_audio_fail_at_the_close(sim: Simulator) -> None:
    with LiveSocket(sim) as socket:
        socket.send("session.thinking.append", delegation_id=None, content="Hm.", event_id="thought")
        socket.send("session.close")
        failed = error(socket)
        assert (failed["type"], failed["code"]) == ("server_error", "context_injection_incomplete")
        assert failed["client_event_id"] == "thought"


@each(
    "fields, param, code",
    [
        ({"delegation_id": None, "content": "word " * 501}, "content", "invalid_value"),
        ({"delegation_id": "item_unknown", "content": "a"}, "delegation_id", "invalid_value"),
        ({"content": "a"}, "delegation_id", "missing_required_parameter"),
    ],
)
def test_an_append_is_refused(sim: Simulator, fields: dict[str, Any], param: str, code: str) -> None:
    with LiveSocket(sim) as socket:
        socket.send("session.commentary.append", **fields)
        refused = error(socket)
        assert (refused["param"], refused["code"]) == (param, code)


# Delegation


def test_a_client_works_on_what_is_delegated(sim: Simulator) -> None:
    sim.on_response(["Okay, checking.", delegate()])
    with LiveSocket(sim) as socket:
        socket.append(ASKED)
        delegation = socket.until("session.delegation.created")["delegation"]
        assert (delegation["type"], delegation["target"]) == ("delegation", "client")
        socket.send("session.thinking.append", delegation_id=delegation["id"], content="14 degrees.")
        socket.send("session.commentary.append", delegation_id=delegation["id"], content="It is mild.")
        socket.silence(6)
        socket.finish()
        assert socket.spoken() == "Okay, checking.It is mild."


def test_a_tool_round_has_the_recorded_order(sim: Simulator) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Amsterdam"})], times=1)
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.append(ASKED)
        delegation = socket.until("session.delegation.created")["delegation"]
        call = until_nested(socket, "response.output_item.done")["item"]
        assert json.loads(call["arguments"]) == {"city": "Amsterdam"}
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "14 degrees"}
        socket.send("response.item.create", item=output)
        socket.send("response.create")
        first = until_nested(socket, "response.completed")["response"]
        assert first["id"] == delegation["response_id"]
        second = until_nested(socket, "response.completed")["response"]
        assert second["previous_response_id"] == first["id"]
        socket.silence(6)
        socket.finish()
        assert nested(socket) == [
            *("created", "in_progress", "output_item.added"),
            *("function_call_arguments.delta",) * 2,
            *("function_call_arguments.done", "output_item.done", "completed"),
            *("created", "in_progress", "output_item.added", "content_part.added"),
            *("output_text.delta",) * 4,
            *("output_text.done", "content_part.done", "output_item.done", "completed"),
        ]
        assert {event["delegation_id"] for event in socket.all("response.event")} == {delegation["id"]}
        assert socket.spoken() == "Let me see.forecast answered: 14 degrees"


@pytest.mark.slow
def test_a_tool_of_an_earlier_turn_does_not_answer_a_later_one(sim: Simulator, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "responses:\n"
        "  - {after_tool: forecast, say: It is mild.}\n"
        "  - {match: '', times: 1, call_tool: forecast, arguments: {city: A}}\n"
        "  - {match: '', say: Good bye.}\n"
    )
    sim.load_scenario(rules)
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.append(ASKED)
        call = until_nested(socket, "response.output_item.done")["item"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "14 degrees"}
        socket.send("response.item.create", item=output)
        socket.send("response.create")
        socket.until("session.output_transcript.delta")
        socket.silence(4)
        socket.append(ASKED)
        socket.silence(4)
        socket.finish()
        assert socket.spoken() == "One moment, please.It is mild.Good bye."


def test_the_outputs_of_all_calls_are_needed(sim: Simulator) -> None:
    sim.on_response([call_tool("forecast", {"city": "A"}), call_tool("forecast", {"city": "B"})], times=1)
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.append(ASKED)
        calls = [until_nested(socket, "response.output_item.done")["item"]["call_id"] for _ in range(2)]
        socket.send(
            "response.item.create", item={"type": "function_call_output", "call_id": "call_x", "output": ""}
        )
        assert error(socket)["param"] == "item.call_id"
        for call_id in calls:
            socket.send("response.create")
            assert call_id in error(socket)["message"]
            item = {"type": "function_call_output", "call_id": call_id, "output": "mild"}
            socket.send("response.item.create", item=item)
        socket.send("response.create")
        until_nested(socket, "response.output_text.done")


def test_a_client_asks_the_backend_in_writing(sim: Simulator) -> None:
    sim.on_response("A cat.")
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
        content = [{"type": "input_text", "text": "What is this?"}, image]
        socket.send("response.item.create", item={"type": "message", "role": "user", "content": content})
        socket.send("response.create")
        assert socket.until("session.delegation.created")["delegation"]["target"] == "responses"
        assert until_nested(socket, "response.output_text.done")["text"] == "A cat."
        socket.silence(6)
        socket.finish()
        assert socket.spoken() == "One moment, please.A cat."


def test_a_client_without_a_backend_cannot_ask_it(sim: Simulator) -> None:
    with LiveSocket(sim) as socket:
        socket.send("response.create")
        assert error(socket)["message"] == "response.create requires Responses delegation."


def test_only_the_backend_can_be_changed(sim: Simulator) -> None:
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        settings = {"type": "responses", "responses": {"model": "gpt-5.6-sol", "instructions": "In Dutch."}}
        socket.send("session.update", session={"delegation": settings})
        updated = socket.until("session.updated")["session"]["delegation"]["responses"]
        assert (updated["instructions"], updated["tools"]) == ("In Dutch.", [FORECAST])
        socket.send("session.update", session={"delegation": {"type": "client"}})
        assert error(socket)["code"] == "immutable_field_update"
        socket.send("session.update", session={"instructions": "Be long."})
        assert error(socket)["code"] == "unknown_parameter"
        socket.send("session.update", session={})
        assert socket.until("session.updated")["session"]["delegation"]["responses"] == updated


# Sidebands and forks


def test_a_sideband_hears_both_sides_and_acts(sim: Simulator) -> None:
    with LiveSocket(sim) as socket, LiveSocket(sim, attach=socket.session["id"]) as sideband:
        assert sideband.until("session.started") == socket.events[0]
        socket.append(speech("Hello?")[: 48_000 // 5 * 3])
        copies = [sideband.until("session.input_audio.append") for _ in range(2)]
        assert all(set(copy) == {"type", "audio"} for copy in copies)
        said = sideband.until("session.output_audio.delta")
        assert said["end_ms"] - said["start_ms"] == 200
        assert "start_ms" not in socket.until("session.output_audio.delta")
        sideband.silence(0.1)
        assert error(sideband)["param"] == "type"
        sideband.send("session.close")
        assert sideband.until("session.closed")["event_id"] == socket.until("session.closed")["event_id"]


def test_a_stored_session_is_continued(sim: Simulator) -> None:
    with LiveSocket(sim, store=True, instructions="Be brief.") as source:
        source.append(ASKED)
        source.until("session.output_transcript.delta")
        source.finish()
    with LiveSocket(sim, fork=source.session["id"]) as fork:
        assert fork.session["id"] != source.session["id"]
        assert (fork.session["instructions"], fork.session["store"]) == ("Be brief.", True)
        before = sim.session(source.session["id"]).items
        assert sim.session(fork.session["id"]).items[: len(before)] == before


@each("kind", ["attach", "fork"])
def test_an_unknown_session_is_not_found(sim: Simulator, kind: Any) -> None:
    with LiveSocket(sim) as unstored:
        unstored.finish()
    for session_id in ("live_unknown", unstored.session["id"]):
        with pytest.raises(InvalidStatus) as refused:
            LiveSocket(sim, **{kind: session_id})
        assert refused.value.response.status_code == 404


# Tools and voices of later versions


def test_a_tool_that_the_description_does_not_know_is_taken_as_it_comes(sim: Simulator) -> None:
    crm = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example/mcp", "newest": [1]}
    tools = [
        {**crm, "authorization": "token", "require_approval": {"never": {"tool_names": ["find"]}}},
        {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.example"]}},
        {"type": "telepathy", "range": 7},
        {**FORECAST, "defer_loading": True},
    ]
    backend = {"model": "gpt-5.6-sol", "tools": tools}
    with LiveSocket(sim, delegation={"type": "responses", "responses": backend}) as socket:
        shown = socket.session["delegation"]["responses"]["tools"]
        assert shown == [{key: tools[0][key] for key in tools[0] if key != "authorization"}, *tools[1:]]


@each(
    "tool, param, code",
    [
        ({"type": "mcp", "server_label": 7}, "server_label", "invalid_type"),
        ({"type": "mcp", "server_label": 7, "defer_loading": "no"}, "server_label", "invalid_type"),
        ({"type": "web_search", "search_context_size": "huge"}, "search_context_size", "invalid_value"),
        ({"name": "forecast"}, "type", "missing_required_parameter"),
    ],
)
def test_a_known_tool_with_a_wrong_value_is_refused(
    sim: Simulator, tool: dict[str, Any], param: str, code: str
) -> None:
    with LiveSocket(sim, start=False) as socket:
        backend = {"model": "gpt-5.6-sol", "tools": [tool]}
        delegation = {"type": "responses", "responses": backend}
        socket.send("session.start", session={"model": "gpt-live-1", "delegation": delegation})
        refused = error(socket)
        assert (refused["code"], refused["param"]) == (
            code,
            f"session.delegation.responses.tools[0].{param}",
        )


def test_a_voice_of_another_api_is_forbidden(sim: Simulator) -> None:
    with LiveSocket(sim, start=False) as socket:
        for voice in ("fable", "nova", "onyx"):
            socket.send(
                "session.start", session={"model": "gpt-live-1", "audio": {"output": {"voice": voice}}}
            )
            assert error(socket)["code"] == "forbidden"
        socket.send(
            "session.start", session={"model": "gpt-live-1", "audio": {"output": {"voice": "newest"}}}
        )
        socket.until("session.started")


# Calls of the backend that wait for their outputs


def output_for(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "mild"}


@pytest.mark.slow
def test_a_question_waits_for_the_continuation_while_outputs_are_missing(sim: Simulator) -> None:
    answers = iter(
        [[call_tool("forecast", {"city": "A"})], [call_tool("forecast", {"city": "B"})], ["It is mild."]]
    )
    sim.on_response(lambda turn: next(answers))
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.append(ASKED)
        call = until_nested(socket, "response.output_item.done")["item"]
        until_nested(socket, "response.completed")
        socket.append(ASKED)
        heard = [socket.until("session.input_transcript.delta")["delta"]]
        while "".join(heard) != WORDS:
            heard.append(socket.until("session.input_transcript.delta")["delta"])
        socket.silence(3)
        socket.send("response.create")
        for _ in ("the question", "the request"):
            refused = error(socket)
            assert refused["code"] == "function_call_outputs_required"
            assert call["call_id"] in refused["message"]
        assert len(socket.all("session.delegation.created")) == 1
        socket.send("response.item.create", item=output_for(call["call_id"]))
        socket.send("response.create")
        assert until_nested(socket, "response.completed")["response"]["previous_response_id"]
        second = until_nested(socket, "response.output_item.done")["item"]
        assert json.loads(second["arguments"]) == {"city": "B"}
        assert len(socket.all("session.delegation.created")) == 2


def test_a_failed_response_discards_its_calls(sim: Simulator) -> None:
    failing = [call_tool("forecast", {"city": "A"}), Fail("server_error", "It broke.")]
    answers = iter([failing, ["Once more."]])
    sim.on_response(lambda turn: next(answers))
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.send("response.create")
        call = until_nested(socket, "response.output_item.done")["item"]
        until_nested(socket, "response.failed")
        socket.send("response.item.create", item=output_for(call["call_id"]))
        assert error(socket)["param"] == "item.call_id"
        socket.send("response.create")
        until_nested(socket, "response.completed")


def test_each_delegation_is_answered_although_another_has_begun_meanwhile(sim: Simulator) -> None:
    answers = iter([[delegate(), delegate()], ["It is mild."], ["It is wet."]])
    sim.on_response(lambda turn: next(answers))
    with LiveSocket(sim, delegation=RESPONSES) as socket:
        socket.append(ASKED)
        completed = [until_nested(socket, "response.completed")["response"]["id"] for _ in range(2)]
        begun = [event["delegation"]["response_id"] for event in socket.all("session.delegation.created")]
        assert completed == begun
        socket.silence(6)
        socket.finish()
        assert socket.spoken().endswith("It is mild.It is wet.")
