"""The plain link: connections where the installed websockets lacks an internal that the quick link uses."""

from __future__ import annotations

import logging

import pytest

from realtime_ext import APIConnectionError, ConnectionClosedError, Reconnect
from realtime_ext.connection import _websocket
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.runner import Runner


@pytest.fixture(autouse=True)
def without_an_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_websocket, "_checked", {})
    monkeypatch.setattr(
        _websocket, "INTERNALS", (*_websocket.INTERNALS, "protocol.renamed_in_a_later_version")
    )


@async_only
def test_the_installed_websockets_has_all_internals(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    caplog.set_level(logging.DEBUG, "realtime_ext")
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        assert connection.ask("Hi").transcript == "answer 1"
    assert not [text for text in caplog.messages if "documented interface" in text]


@async_only
def test_the_fallback_is_logged_once(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "realtime_ext")
    with ScriptedServer(Model()) as server:
        for _ in range(2):
            with connect(runner, server) as connection:
                assert connection.ask("Hi").status == "completed"
    [record] = [record for record in caplog.records if "documented interface" in record.getMessage()]
    assert record.levelno == logging.DEBUG


def test_events_audio_and_tools_pass_the_plain_link(runner: Runner) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    calls = [{"name": "add", "call_id": "call_1", "arguments": '{"a": 1, "b": 2}'}]
    model = Model(lambda number: calls if number == 1 else "three")
    with ScriptedServer(model) as server, connect(runner, server) as connection:
        connection.run_tools([add])
        connection.append_audio(bytes(960))
        turn = connection.ask("What is 1 + 2?")
        assert (turn.transcript, turn.tool_calls[0].output) == ("three", "3")
        assert connection.recv().type == "session.created"
    assert len(server.of("input_audio_buffer.append")) == 1


@async_only
def test_a_close_by_the_server_ends_iteration_on_the_plain_link(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("later.event")
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        assert [event.type for event in connection] == ["later.event"]


def test_a_lost_plain_link_raises_for_readers_and_senders(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("later.event")
        peer.abort()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            for _ in connection:
                pass
        assert caught.value.code == 1006
        with pytest.raises(ConnectionClosedError) as unsent:
            connection.send({"type": "input_audio_buffer.commit"})
        assert [event["type"] for event in unsent.value.unsent] == ["input_audio_buffer.commit"]


@async_only
def test_a_plain_link_is_replaced_when_it_is_lost(runner: Runner) -> None:
    def losing(peer: Peer) -> None:
        peer.expect("session.update")
        peer.send("session.updated", session={"type": "realtime"})
        peer.expect("input_audio_buffer.commit")
        peer.abort()

    reconnect = Reconnect(first_delay=0.01)
    session = {"type": "realtime", "instructions": "x"}
    with (
        ScriptedServer(losing, Model()) as server,
        connect(runner, server, call_id="rtc_1", session=session, reconnect=reconnect) as connection,
    ):
        connection.commit_audio()
        assert connection.recv().type == "session.updated"
        assert connection.recv().type == "realtime_ext.reconnected"
        assert connection.ask("Hi").status == "completed"


@async_only
def test_a_refused_handshake_raises_as_on_the_quick_link(runner: Runner) -> None:
    with pytest.raises(APIConnectionError), connect(runner, _Nowhere()):
        pass


class _Nowhere:
    base_url = "http://127.0.0.1:9/v1"
