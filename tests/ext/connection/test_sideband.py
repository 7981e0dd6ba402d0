"""A sideband comes late to a call, or loses its link amid it: what it asked for and answers still arrives."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
from typing import Any

from realtime_ext.connection import Reconnect, Reconnected
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

BUSY = {
    "type": "invalid_request_error",
    "code": "conversation_already_has_active_response",
    "message": "busy",
}
AGAIN = Reconnect(first_delay=0.0, max_delay=0.0)
CALL = {
    "id": "item_call",
    "type": "function_call",
    "call_id": "call_1",
    "name": "hours",
    "arguments": '{"day":"Monday"}',
}
UNDER_WAY: dict[str, Any] = {
    "id": "resp_other",
    "conversation_id": "conv_1",
    "status": "in_progress",
    "output": [],
}


def hours(day: str) -> str:
    """Opening hours."""
    return f"9 to 18 on {day}"


@async_only
def test_a_response_asked_for_during_one_that_began_earlier_is_asked_for_again(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        create = peer.expect("response.create")
        peer.send("error", error={**BUSY, "event_id": create["event_id"]})
        peer.send("response.done", response={**UNDER_WAY, "status": "completed"})
        Model()(peer)

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        event_id = connection.create_response()
        events = []
        while not events or events[-1].type != "response.created":
            events.append(connection.recv())
    assert [event["event_id"] for event in server.of("response.create")] == [event_id] * 2
    assert [event.type for event in events] == ["response.done", "response.created"]  # and no error


@async_only
def test_a_refused_response_is_asked_for_again_also_if_another_waits(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        create = peer.expect("response.create")
        peer.send("session.updated", session={})  # now the other one waits
        peer.expect("input_audio_buffer.commit")
        peer.send("error", error={**BUSY, "event_id": create["event_id"]})
        peer.send("response.done", response={**UNDER_WAY, "status": "completed"})
        Model()(peer)

    async def both(connection: Any) -> None:
        first = asyncio.ensure_future(connection.create_response(instructions="A"))
        await connection.wait_for("session.updated")
        second = asyncio.ensure_future(connection.create_response(instructions="B"))
        await asyncio.sleep(0)
        await connection.commit_audio()
        for _ in range(2):
            await connection.wait_for("response.done", lambda event: event.response.id != "resp_other")
        await asyncio.gather(first, second)

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        runner.run(both(connection._target))
    made = [event["response"]["instructions"] for event in server.of("response.create")]
    assert sorted(made) == ["A", "A", "B"]


@async_only
def test_a_response_is_asked_for_again_once(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        for _ in range(2):
            create = peer.expect("response.create")
            peer.send("error", error={**BUSY, "event_id": create["event_id"]})
            peer.send("response.done", response={**UNDER_WAY, "status": "completed"})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        with connection.expect("error") as refused:
            event_id = connection.create_response()
            assert refused.wait().error.event_id == event_id
    assert len(server.of("response.create")) == 2


def test_a_function_that_is_called_before_the_tools_are_acknowledged_is_run(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        update = peer.expect("session.update")
        item = {**CALL, "status": "completed"}
        peer.send("response.created", response=UNDER_WAY)
        peer.send("response.output_item.done", response_id="resp_other", output_index=0, item=item)
        peer.send("response.done", response={**UNDER_WAY, "status": "completed", "output": [item]})
        peer.send("session.updated", session=update["session"])
        peer.expect("response.create")
        peer.send("input_audio_buffer.cleared")
        peer.until_closed()

    with ScriptedServer(script) as server:
        with connect(runner, server, call_id="rtc_1", tools=[hours]) as connection:
            connection.wait_for("input_audio_buffer.cleared", timeout=PATIENCE)
        [output] = server.of("conversation.item.create")
        assert output["item"]["output"] == '"9 to 18 on Monday"'


@async_only
def test_a_call_that_ended_while_the_link_was_down_is_retrieved_and_answered(runner: Runner) -> None:
    def first(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response=UNDER_WAY)
        begun = {**CALL, "status": "in_progress", "arguments": ""}
        peer.send("conversation.item.added", previous_item_id=None, item=begun)
        peer.abort()

    def second(peer: Peer) -> None:
        assert peer.expect("conversation.item.retrieve")["item_id"] == "item_call"
        peer.send("conversation.item.retrieved", item={**CALL, "status": "completed"})
        Model()(peer)

    with ScriptedServer(first, second) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=AGAIN) as connection:
            connection.run_tools([hours])
            with connection.expect(Reconnected) as back, connection.expect("response.done") as done:
                connection.create_response()
                assert back.wait().unfinished == ("resp_other",)
                assert done.wait().response.id == "resp_1"
    (output,) = server.of("conversation.item.create")
    assert output["item"] == {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": '"9 to 18 on Monday"',
    }
    assert len(server.of("response.create")) == 2  # the program's, and the one that follows the call


@async_only
def test_a_call_whose_response_ended_unseen_is_followed_by_a_response(runner: Runner) -> None:
    def first(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response=UNDER_WAY)
        done = {**CALL, "status": "completed"}
        peer.send("conversation.item.added", previous_item_id=None, item=done)
        peer.send("response.output_item.done", response_id="resp_other", output_index=0, item=done)
        peer.expect("conversation.item.create")
        peer.abort()

    with ScriptedServer(first, Model()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=AGAIN) as connection:
            connection.run_tools([hours])
            with connection.expect("response.done") as done:
                connection.create_response()
                assert done.wait().response.id == "resp_1"
    assert len(server.of("conversation.item.create")) == 1


@async_only
def test_calls_that_are_answered_are_not_retrieved(runner: Runner) -> None:
    def first(peer: Peer) -> None:
        Model().call(peer, "resp_other", 0, {key: CALL[key] for key in ("call_id", "name", "arguments")})
        output = {"type": "function_call_output", "call_id": "call_1", "output": "9"}
        peer.send("conversation.item.added", previous_item_id="item_1", item={"id": "item_2", **output})
        peer.expect("input_audio_buffer.commit")
        peer.abort()

    with ScriptedServer(first, Model()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=AGAIN) as connection:
            while len(connection.items) < 2:
                connection.recv()
            connection.run_tools([hours])
            with connection.expect(Reconnected) as back:
                connection.commit_audio()
                assert back.wait().unfinished == ()
            connection.clear_audio()
            server.wait_for("input_audio_buffer.clear")
    assert server.of("conversation.item.retrieve") == []
