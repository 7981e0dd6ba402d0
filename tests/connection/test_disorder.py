"""Turns on a server whose events come in another order, come twice, or don't come."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from realtime_ext import APITimeoutError
from tests.connection.driver import connect
from tests.connection.scripted import Model, Peer, ScriptedServer, session
from tests.runner import Flavour

Sent = list[tuple[str, dict[str, Any]]]
Change = Callable[[Sent], Sent]


class Disordered(Model):
    """Sends the events of each response as a function has changed them.

    Args:
        change: Takes the events in their order and gives them as they are to be sent.
        echoes: Whether the server gives back the metadata that it was given.
        answer: As `Model` has it.
    """

    def __init__(self, change: Change, *, echoes: bool = True, answer: Any = None) -> None:
        super().__init__(answer)
        self._change = change
        self._echoes = echoes

    def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
        sent: Sent = []
        peer.send = lambda kind, **fields: sent.append((kind, fields))  # type: ignore[method-assign]
        super().respond(peer, asked if self._echoes else {})
        del peer.send  # type: ignore[method-assign]
        for kind, fields in self._change(sent):
            if not self._echoes and "response" in fields:
                fields["response"].pop("metadata", None)
            peer.send(kind, **fields)


def moved(kind: str, before: str) -> Change:
    """Have the event of a type come right before the first of another."""

    def change(sent: Sent) -> Sent:
        [event] = [entry for entry in sent if entry[0] == kind]
        rest = [entry for entry in sent if entry is not event]
        at = next(number for number, entry in enumerate(rest) if entry[0] == before)
        return [*rest[:at], event, *rest[at:]]

    return change


def without(*kinds: str) -> Change:
    return lambda sent: [entry for entry in sent if entry[0] not in kinds]


def only(*kinds: str) -> Change:
    return lambda sent: [entry for entry in sent if entry[0] in kinds]


def last_first(sent: Sent) -> Sent:
    return list(reversed(sent))


CHANGES = {
    "end before start": moved("response.done", "response.created"),
    "start after all": moved("response.created", "rate_limits.updated"),
    "no start": without("response.created"),
    "end alone": only("response.done"),
    "end, then start alone": lambda sent: last_first(only("response.done", "response.created")(sent)),
    "backwards": last_first,
}


@pytest.mark.parametrize("echoes", [True, False], ids=["echoes", "forgets"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_turn_ends_with_its_response_in_whatever_order_that_comes(
    flavour: Flavour, change: Change, echoes: bool
) -> None:
    with ScriptedServer(Disordered(change, echoes=echoes)) as server:
        with connect(flavour, server) as connection:
            for number in (1, 2, 3):
                turn = connection.ask("Hi", timeout=10)
                assert (turn.transcript, turn.status) == (f"answer {number}", "completed")
                assert turn.response_ids == (f"resp_{number}",)
                assert turn.usage.total_tokens == 30
            # And the gate is open for whoever doesn't stream.
            connection.create_response()
            server.wait_for("response.create", 4)
        assert server.of("response.cancel") == []


@pytest.mark.parametrize("change", [CHANGES["start after all"], CHANGES["no start"]])
def test_what_came_before_the_start_is_part_of_the_turn(flavour: Flavour, change: Change) -> None:
    with ScriptedServer(Disordered(change)) as server, connect(flavour, server) as connection:
        with connection.stream("Hi") as stream:
            kinds = [event.type for event in stream]
        assert stream.turn.audio == bytes(48 * len("answer 1"))
    assert kinds.count("response.output_audio.delta") == 1
    assert kinds.index("response.output_audio.delta") < kinds.index("response.done")


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
    assert (turn.transcript, turn.text, turn.response_ids) == ("answer 1", "", ("resp_1",))


def test_the_end_of_a_response_that_is_marked_for_another_turn_is_left_to_that(flavour: Flavour) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        metadata = {"realtime_ext_turn": "somebody else's"}
        peer.send("response.done", response={"id": "resp_1", "status": "completed", "metadata": metadata})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        with pytest.raises(APITimeoutError):
            connection.ask("Hi", timeout=0.2)


def test_a_call_whose_response_ends_first_is_answered_once(flavour: Flavour) -> None:
    call = {"call_id": "call_1", "name": "add", "arguments": '{"a": 1, "b": 2}'}

    def add(a: int, b: int) -> int:
        ran.append((a, b))
        return a + b

    ran: list[tuple[int, int]] = []
    answer = [[call], "done"]
    script = Disordered(last_first, answer=lambda number: answer[number - 1])
    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        connection.run_tools([add])
        turn = connection.ask("Add", timeout=10)
    assert (turn.transcript, ran) == ("done", [(1, 2)])
    assert len(server.of("response.create")) == 2


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
