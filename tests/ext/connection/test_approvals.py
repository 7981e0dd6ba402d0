"""Turns with calls of MCP servers' tools that need leave: they are followed to the final message."""

from __future__ import annotations

from typing import Any

import pytest
from realtime_simulator import Simulator, call_mcp, sequence

from realtime_ext import SessionBuilder
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

REQUEST = {
    "id": "mcpr_1",
    "type": "mcp_approval_request",
    "server_label": "shop",
    "name": "buy",
    "arguments": "{}",
}
SESSION = (
    SessionBuilder("gpt-realtime")
    .output("text")
    .mcp("shop", server_url="https://shop.example/mcp", require_approval="always")
)


class Shop(Model):
    """Asks for leave in its first responses; runs the call when it has it, and waits to be asked to go on.

    Args:
        outcome: How the call ends.
        insists: Whether it asks again and again.
        waits: Whether the response ends only after the answer.
    """

    def __init__(self, outcome: str = "completed", *, insists: bool = False, waits: bool = False) -> None:
        super().__init__(speaks=False)
        self._outcome = outcome
        self._insists = insists
        self._waits = waits

    def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
        if self.responses and not self._insists:
            super().respond(peer, asked)
            return
        self.responses += 1
        request = {**REQUEST, "id": f"mcpr_{self.responses}"}
        base = {
            "id": f"resp_{self.responses}",
            "conversation_id": "conv_1",
            "metadata": asked.get("metadata"),
        }
        peer.send("response.created", response={**base, "status": "in_progress", "output": []})
        peer.send("conversation.item.added", previous_item_id=self.last_item, item=request)
        peer.send("conversation.item.done", previous_item_id=self.last_item, item=request)
        answer = self._answer_to(peer) if self._waits else None
        peer.send("response.output_item.done", response_id=base["id"], output_index=0, item=request)
        peer.send("response.done", response={**base, "status": "completed", "output": [request]})
        answer = answer or self._answer_to(peer)
        if self._outcome == "refused by the server":
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no such request"}
            peer.send("error", error={**error, "event_id": answer["event_id"]})
        elif answer["item"]["approve"]:
            peer.send("response.mcp_call.in_progress", item_id="mcp_1", output_index=0)
            peer.send(f"response.mcp_call.{self._outcome}", item_id="mcp_1", output_index=0)

    def _answer_to(self, peer: Peer) -> dict[str, Any]:
        answer = peer.expect("conversation.item.create")
        assert answer["item"]["type"] == "mcp_approval_response"
        return answer


@async_only
@each("waits", [False, True])
@each(
    "outcome, approve, text",
    [
        ("completed", True, "answer 2"),
        ("failed", True, "answer 2"),
        ("completed", False, "answer 2"),  # the model is told, and can say so
        ("refused by the server", True, ""),  # then there is nothing to tell
    ],
)
def test_a_turn_continues_until_the_model_has_spoken(
    runner: Runner, outcome: str, approve: bool, text: str, waits: bool
) -> None:
    with ScriptedServer(Shop(outcome, waits=waits)) as server, connect(runner, server) as connection:
        connection.run_tools([], approve=lambda request: approve)
        turn = connection.ask("Buy it.", timeout=PATIENCE)
        assert turn.text == text
        assert len(server.of("response.create")) == (2 if text else 1)


@async_only
def test_a_model_that_insists_is_refused_and_not_asked_again(runner: Runner) -> None:
    with ScriptedServer(Shop(insists=True)) as server, connect(runner, server) as connection:
        connection.run_tools([])
        assert connection.ask("Buy it.", timeout=PATIENCE).text == ""
    answers = [event["item"].get("approve") for event in server.of("conversation.item.create")]
    assert answers == [None, False, False]
    assert len(server.of("response.create")) == 2


def test_a_program_that_only_iterates_gets_the_answer_too(runner: Runner) -> None:
    with ScriptedServer(Shop()) as server, connect(runner, server) as connection:
        connection.run_tools([], approve=lambda request: True)
        connection.create_response()
        for event in connection:
            if event.type == "response.done" and event.response.id == "resp_2":
                break
    assert len(server.of("response.create")) == 2


@async_only
@pytest.mark.parametrize(
    ("answer", "approve", "text"),
    [
        (sequence(call_mcp("shop", "buy", {}, output="bought"), "Done."), True, "Done."),
        ([call_mcp("shop", "buy", {}, output="bought"), "Done."], True, "Done."),
        (sequence(call_mcp("shop", "buy", {}, output="bought"), "As you like."), False, "As you like."),
    ],
    ids=["asked to go on", "goes on by itself", "refused"],
)
def test_a_turn_is_followed_where_the_server_continues_by_itself(
    runner: Runner, answer: Any, approve: bool, text: str
) -> None:
    with Simulator(pacing="none") as simulator:
        simulator.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}}])
        simulator.on_response(answer, match="Buy")
        client = {"api_key": simulator.api_key}
        with connect(runner, simulator, session=SESSION, client=client) as connection:
            connection.run_tools([], approve=lambda request: approve)
            assert connection.ask("Buy it.", timeout=PATIENCE).text == text
