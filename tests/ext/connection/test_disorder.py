"""Turns beside responses that belong to other turns or connections."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import pytest

from realtime_ext import APITimeoutError
from tests.ext.connection.clocks import NO_PINGS, time_passes_after
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE


@async_only
def test_the_end_of_another_response_does_not_end_the_turn(runner: Runner) -> None:
    """A sideband may attach during a response, whose start it never sees."""
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

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        turn = connection.ask("Hi", timeout=PATIENCE)
    assert (turn.transcript, turn.text, turn.response_ids) == ("answer 1", "answer 1", ("resp_1",))


@async_only
def test_the_end_of_a_response_that_is_marked_for_another_turn_is_left_to_that(
    runner: Runner,
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        metadata = {"realtime_ext_turn": "somebody else's"}
        peer.send("response.done", response={"id": "resp_1", "status": "completed", "metadata": metadata})
        peer.until_closed()

    options = {"observer": time_passes_after("response.done"), **NO_PINGS}
    with ScriptedServer(script) as server, connect(runner, server, **options) as connection:
        with pytest.raises(APITimeoutError):
            connection.ask("Hi", timeout=PATIENCE)


@async_only
def test_out_of_band_responses_do_not_open_the_gate(runner: Runner) -> None:
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
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with connection.expect("response.done") as beside:
            connection.create_response()
            connection.create_response(conversation="none")
        beside.wait()
        connection.commit_audio()
        connection.create_response()
        list(connection)
    assert early == ["input_audio_buffer.commit"]
