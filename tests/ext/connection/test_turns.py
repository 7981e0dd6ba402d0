"""Turns: asking, streaming, waiting for one's turn, tools and approvals."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import base64
import io
import json
import re
import threading
import wave
from typing import Any

import pytest
from realtime_simulator import Simulator

from realtime_ext import (
    APITimeoutError,
    BadRequestError,
    ConnectionClosedError,
    RealtimeError,
    SessionBuilder,
    Turn,
)
from realtime_ext.connection import ToolCall
from realtime_ext.tools import Silent, Toolbox, ToolContext
from tests.ext.connection.clocks import NO_PINGS, TimePasses
from tests.ext.connection.driver import Driven, async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE


def call(number: int, name: str = "add", **arguments: Any) -> dict[str, Any]:
    return {"call_id": f"call_{number}", "name": name, "arguments": json.dumps(arguments)}


def test_ask_gives_the_whole_turn(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        turn = connection.ask("Hi")
        assert (turn.transcript, turn.text, turn.status) == ("answer 1", "answer 1", "completed")
        assert turn.audio == bytes(48 * len("answer 1"))
        assert turn.usage.total_tokens == 30
        assert connection.ask(None).transcript == "answer 2"
        assert connection.usage.entries[0].amount.count == 2
    assert len(server.of("conversation.item.create")) == 1


@async_only
def test_a_written_answer_is_text(runner: Runner) -> None:
    with ScriptedServer(Model(speaks=False)) as server, connect(runner, server) as connection:
        turn = connection.ask("Hi", response={"output_modalities": ["text"]})
    assert (turn.text, turn.transcript, turn.audio) == ("answer 1", "", b"")
    assert server.of("response.create")[0]["response"]["output_modalities"] == ["text"]


def test_stream_gives_the_events_of_one_response(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with connection.stream("Hi") as stream:
            kinds = [event.type for event in stream]
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.done"
        assert all(kind.startswith("response.") for kind in kinds)
        assert stream.turn.transcript == "answer 1"


def test_asking_alone_never_fills_the_queue(runner: Runner) -> None:
    with ScriptedServer(Model(lambda number: "x" * 100)) as server:
        with connect(runner, server, max_queue_bytes=60_000) as connection:
            for _ in range(20):
                assert connection.ask("Hi").status == "completed"


def test_iteration_also_yields_the_events_of_a_stream(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        assert connection.recv().type == "session.created"
        connection.ask("Hi")
        kinds = []
        while "response.done" not in kinds:
            kinds.append(connection.recv().type)
    assert "response.created" in kinds


@async_only
def test_a_server_that_echoes_no_metadata_is_followed_nevertheless(runner: Runner) -> None:
    class Forgetful(Model):
        def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
            super().respond(peer, {})

    with ScriptedServer(Forgetful()) as server, connect(runner, server) as connection:
        assert connection.ask("Hi").transcript == "answer 1"
        assert connection.ask("Hi").transcript == "answer 2"


@async_only
def test_a_response_in_between_does_not_belong_to_the_turn(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        model = Model()
        while True:
            event = peer.recv()
            if event["type"] == "response.create" and model.responses == 0:
                # The server heard the user and answers that, before the request reaches it.
                error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response"}
                peer.send(
                    "response.created",
                    response={"id": "resp_vad", "conversation_id": "conv_1", "metadata": None},
                )
                peer.send("error", error={**error, "message": "busy", "event_id": event["event_id"]})
                output: list[Any] = []
                done = {
                    "id": "resp_vad",
                    "conversation_id": "conv_1",
                    "status": "completed",
                    "output": output,
                }
                peer.send("response.done", response=done)
                model.responses = 1
            else:
                model.handle(peer, event)

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        turn = connection.ask("Hi")
    assert (turn.transcript, turn.response_ids) == ("answer 2", ("resp_2",))
    assert len(server.of("response.create")) == 2


@async_only
def test_a_refusal_by_the_server_is_raised_by_ask(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        event = peer.expect("response.create")
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": "too much"}
        peer.send("error", error={**error, "event_id": event["event_id"]})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(BadRequestError, match="too much"):
            connection.ask("Hi")


def test_a_turn_ends_with_its_connection(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.close(1011, "broken")

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError, match="broken"):
            connection.ask("Hi")


def test_a_turn_that_takes_too_long_is_cancelled(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        peer.until_closed()

    time = TimePasses("response.created")
    with ScriptedServer(script) as server, connect(runner, server, observer=time, **NO_PINGS) as connection:
        with pytest.raises(APITimeoutError, match="turn"):
            connection.ask("Hi", timeout=PATIENCE)
        time.is_over = True
        assert server.wait_for("response.cancel")[0]["response_id"] == "resp_1"


def test_leaving_a_stream_cancels_the_response(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with connection.stream() as stream:
            for _ in stream:
                break
        assert server.wait_for("response.cancel")[0]["response_id"] == "resp_1"
        assert stream.turn.status == "cancelled"


def test_create_response_waits_for_the_one_that_is_active(runner: Runner) -> None:
    second_came_early: list[bool] = []

    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        second_came_early.append(peer.recv()["type"] == "response.create")
        peer.send(
            "response.done", response={"id": "resp_1", "conversation_id": "conv_1", "status": "completed"}
        )
        peer.expect("response.create")
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.create_response()
        assert connection.recv().type == "response.created"
        # Out of band is not in the way, and is not held up.
        connection.create_response(conversation="none")
        connection.create_response()
        list(connection)
    assert second_came_early == [True]
    created = server.of("response.create")
    assert [event.get("response") for event in created] == [None, {"conversation": "none"}, None]


@async_only
def test_an_anonymous_error_does_not_block_the_gate_forever(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("error", error={"type": "server_error", "message": "something went wrong"})
        Model()(peer)

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.create_response()
        assert connection.ask("Hi", timeout=PATIENCE).status == "completed"


def answers(*rounds: Any) -> Any:
    return lambda number: rounds[number - 1]


def test_tools_are_answered_in_order_and_followed_up_once(runner: Runner) -> None:
    ran: list[tuple[int, str]] = []

    def add(a: int, b: int, context: ToolContext) -> int:
        ran.append((a, context.call_id))
        assert context.state == "mine"
        return a + b

    script = Model(answers([call(1, a=1, b=2), call(2, a=3, b=4)], "done"))
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.run_tools(Toolbox([add], state="mine"))
        turn = connection.ask("Add")
    assert turn.transcript == "done"
    assert [(tool.call_id, tool.output) for tool in turn.tool_calls] == [("call_1", "3"), ("call_2", "7")]
    assert turn.usage.total_tokens == 60
    assert ran == [(1, "call_1"), (3, "call_2")]
    outputs = [
        e["item"]
        for e in server.of("conversation.item.create")
        if e["item"]["type"] == "function_call_output"
    ]
    assert [(item["call_id"], item["output"]) for item in outputs] == [("call_1", "3"), ("call_2", "7")]
    assert len(server.of("response.create")) == 2


@async_only
def test_without_tools_a_turn_ends_with_the_call(runner: Runner) -> None:
    with (
        ScriptedServer(Model(answers([call(1, a=1, b=2)]))) as server,
        connect(runner, server) as connection,
    ):
        turn = connection.ask("Add")
    assert [(tool.name, json.loads(tool.arguments)) for tool in turn.tool_calls] == [
        ("add", {"a": 1, "b": 2})
    ]


def test_tools_work_beside_a_program_that_only_iterates(runner: Runner) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    with (
        ScriptedServer(Model(answers([call(1, a=1, b=2)], "done"))) as server,
        connect(runner, server) as connection,
    ):
        connection.run_tools([add])
        connection.create_response()
        for event in connection:
            if event.type == "response.done" and event.response.id == "resp_2":
                break
    assert len(server.of("response.create")) == 2


@async_only
def test_silent_tools_ask_for_nothing(runner: Runner) -> None:
    def note(text: str) -> Silent[str]:
        return Silent("noted")

    with (
        ScriptedServer(Model(answers([call(1, "note", text="x")]))) as server,
        connect(runner, server) as connection,
    ):
        connection.run_tools([note])
        turn = connection.ask("Note")
        assert turn.tool_calls[0].output is not None
    assert len(server.of("response.create")) == 1


@async_only
def test_a_duplicate_function_call_is_run_once(runner: Runner) -> None:
    ran: list[int] = []

    def add(a: int, b: int) -> int:
        ran.append(a)
        return a + b

    class Stutter(Model):
        def call(self, peer: Peer, response_id: str, index: int, call: dict[str, Any]) -> dict[str, Any]:
            super().call(peer, response_id, index, call)
            return super().call(peer, response_id, index, call)

    script = Stutter(answers([call(1, a=1, b=2)], [call(1, a=1, b=2)], "done"))
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.run_tools([add])
        connection.ask("Add")
    assert ran == [1]


def test_a_tool_that_takes_too_long_is_reported_to_the_model(runner: Runner) -> None:
    release = threading.Event()

    def add(a: int, b: int) -> int:
        release.wait()
        return a + b

    with (
        ScriptedServer(Model(answers([call(1, a=1, b=2)], "sorry"))) as server,
        connect(runner, server) as connection,
    ):
        connection.run_tools([add], timeout=0.05)
        turn = connection.ask("Add")
        release.set()
    assert turn.transcript == "sorry"
    assert json.loads(str(turn.tool_calls[0].output))["error"]["type"] == "timeout"


def test_invalid_arguments_and_failing_tools_are_reported_to_the_model(runner: Runner) -> None:
    def add(a: int, b: int) -> int:
        raise RuntimeError("broken tool") if a else SystemExit(3)

    calls = [call(1, a="x", b=2), call(2, "nothing"), call(3, a=1, b=2), call(4, a=0, b=2)]
    with ScriptedServer(Model(answers(calls, "sorry"))) as server, connect(runner, server) as connection:
        connection.run_tools([add])
        turn = connection.ask("Add", timeout=PATIENCE)
    errors = [json.loads(str(tool.output))["error"] for tool in turn.tool_calls]
    kinds = ["invalid_argument", "unknown_tool", "tool_failed", "tool_failed"]
    assert [one["type"] for one in errors] == kinds
    assert errors[3]["message"] == "add failed: SystemExit: 3"


def test_tools_can_use_the_connection(runner: Runner) -> None:
    def whisper(context: ToolContext) -> str:
        assert context.connection is not None
        return "heard"

    with (
        ScriptedServer(Model(answers([call(1, "whisper")], "done"))) as server,
        connect(runner, server) as connection,
    ):
        connection.run_tools([whisper])
        assert connection.ask("x").tool_calls[0].output == '"heard"'


@async_only
def test_registering_tools_twice_is_refused(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection.run_tools([])
        with pytest.raises(RealtimeError, match="already"):
            connection.run_tools([])


@async_only
@each(
    "approve, expected",
    [
        (None, False),
        (lambda request: request.name == "delete", True),
        (lambda request: 1, False),
        (lambda request: 1 / 0, False),
    ],
)
def test_mcp_calls_are_refused_unless_the_application_agrees(
    runner: Runner, approve: Any, expected: bool
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        item = {
            "id": "mcpr_1",
            "type": "mcp_approval_request",
            "server_label": "s",
            "name": "delete",
            "arguments": "{}",
        }
        for kind in ("conversation.item.added", "conversation.item.done"):
            peer.send(kind, previous_item_id=None, item=item)
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.run_tools([], approve=approve)
        connection.commit_audio()
        connection.recv()
        if runner.is_async:
            connection.recv()
        [event] = _until(connection, server)
    assert event["item"]["approval_request_id"] == "mcpr_1"
    assert event["item"]["approve"] is expected


def _until(connection: Any, server: ScriptedServer) -> list[dict[str, Any]]:
    """Keep the connection's loop running until an item was sent."""
    while not server.of("conversation.item.create"):
        try:
            connection.wait_for("nothing.comes", timeout=0.01)
        except APITimeoutError:
            continue
    return server.of("conversation.item.create")


@async_only
@pytest.mark.parametrize(("name", "rate"), [("pcm", 24000), ("pcmu", 8000), ("pcma", 8000)])
def test_a_turn_shows_itself_in_a_notebook(runner: Runner, name: Any, rate: int) -> None:
    session = SessionBuilder("gpt-realtime").output_format(name)
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_response("a < b & sk-0123456789")
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with Driven(client.connect(session), runner) as connection:
            turn = connection.ask("Hi")
    assert (turn.audio_format.name, turn.audio_format.rate) == (name, rate)
    shown = turn._repr_html_()
    assert "a &lt; b &amp;" in shown and "completed, first audio" in shown
    (source,) = re.findall(r'<audio controls src="data:audio/wav;base64,([^"]+)"', shown)
    with wave.open(io.BytesIO(base64.b64decode(source))) as file:
        assert file.getframerate() == rate
        assert file.getnframes() == len(turn.audio) // (2 if name == "pcm" else 1)


def test_a_turn_without_audio_has_no_player() -> None:
    call = ToolCall(call_id="call_1", name="book", arguments='{"note": "<b>"}', output=None)
    shown = Turn(text="", tool_calls=(call,))._repr_html_()
    assert "<audio" not in shown and "&lt;b&gt;" in shown and "<b>" not in shown
