"""Turns among events that come twice, and beside responses that are not theirs."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import json

import pytest

from realtime_ext import APITimeoutError
from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.runner import Flavour


def test_an_end_that_comes_twice_counts_once(flavour: Flavour) -> None:
    def script(peer: Peer) -> None:
        create = peer.expect("response.create")
        response = {"id": "resp_1", "conversation_id": "conv_1", "metadata": create["response"]["metadata"]}
        usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
        end = {"type": "response.done", "response": {**response, "usage": usage}}
        peer.send("response.created", response=response)
        for _ in range(3):
            peer.raw(json.dumps({**end, "event_id": "event_end"}))
        peer.send("last.event")
        peer.until_closed()

    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        with connection.expect("last.event") as last, connection.stream("Hi") as stream:
            last.wait()
            assert [event.type for event in stream] == ["response.created", *["response.done"] * 3]
            assert stream.turn.usage.total_tokens == 30


def test_an_end_that_comes_twice_does_not_end_a_turn_whose_tools_go_on(flavour: Flavour) -> None:
    """The second end comes when the tools are done and the follow-up is being asked for."""

    def script(peer: Peer) -> None:
        model = Model(lambda number: "done")
        create = peer.expect("response.create")
        call = {"id": "item_c", "type": "function_call", "status": "completed", "call_id": "call_1"}
        output = [{**call, "name": "add", "arguments": '{"a": 1, "b": 2}'}]
        response = {"id": "resp_0", "conversation_id": "conv_1", "status": "completed", "output": output}
        response["metadata"] = create["response"]["metadata"]
        peer.send("response.created", response={**response, "output": []})
        peer.send("response.done", response=response)
        create = peer.expect("response.create")
        peer.send("response.done", response=response)
        model.handle(peer, create)
        peer.until_closed()

    def add(a: int, b: int) -> int:
        return a + b

    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        connection.run_tools([add])
        turn = connection.ask("Add", timeout=10)
    assert turn.transcript == "done"
    assert turn.response_ids == ("resp_0", "resp_1")
    assert [tool.output for tool in turn.tool_calls] == ["3"]


def test_the_end_of_somebody_elses_response_is_not_taken_for_ones_own(flavour: Flavour) -> None:
    """Whoever attaches to a call may find a response under way, whose start it never sees."""
    busy = {"type": "invalid_request_error", "code": "conversation_already_has_active_response"}

    def script(peer: Peer) -> None:
        create = peer.expect("response.create")
        other = {"id": "resp_other", "conversation_id": "conv_1", "status": "completed", "metadata": None}
        part = {"type": "output_text", "text": "not for you"}
        item = {"id": "item_other", "type": "message", "role": "assistant", "content": [part]}
        peer.send(
            "response.output_text.delta", response_id="resp_other", item_id="item_other", delta="not for you"
        )
        peer.send("response.done", response={**other, "output": [item]})
        peer.send("error", error={**busy, "message": "busy", "event_id": create["event_id"]})
        Model()(peer)

    with ScriptedServer(script) as server, connect(flavour, server, call_id="rtc_1") as connection:
        turn = connection.ask("Hi", timeout=10)
    assert (turn.transcript, turn.text, turn.response_ids) == ("answer 1", "answer 1", ("resp_1",))


def test_the_end_of_a_response_that_is_marked_for_another_turn_is_left_to_that(
    flavour: Flavour,
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        metadata = {"realtime_ext_turn": "somebody else's"}
        peer.send("response.done", response={"id": "resp_1", "status": "completed", "metadata": metadata})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        with pytest.raises(APITimeoutError):
            connection.ask("Hi", timeout=0.2)


def test_out_of_band_responses_do_not_open_the_gate(flavour: Flavour) -> None:
    """The end of one, without its start, does not count as the answer to what the conversation was asked."""

    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        for _ in range(2):
            peer.expect("response.create")
        peer.send("response.done", response={"id": "resp_b", "conversation_id": None, "status": "completed"})
        early.append(peer.recv()["type"])
        peer.send("response.done", response={"id": "resp_1", "conversation_id": "conv_1"})
        peer.expect("response.create")
        peer.close()

    early: list[str] = []
    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        with connection.expect("response.done") as beside:
            connection.create_response()
            connection.create_response(conversation="none")
        beside.wait()
        connection.commit_audio()
        connection.create_response()
        list(connection)
    assert early == ["input_audio_buffer.commit"]
