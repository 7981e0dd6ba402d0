"""Events of another shape than the API's: none ends a connection, or a turn."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from realtime_ext.connection import Reconnect, Reconnected
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.playback import PlaybackState
from realtime_ext.events import UnknownEvent
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow

HUGE = 10**400
RESPONSE = {"id": "resp_1", "object": "realtime.response", "status": "completed"}
ODD: dict[str, dict[str, Any]] = {
    "no type": {"response_id": "resp_1"},
    "a list as type": {"type": [0], "response_id": "resp_1"},
    "a list as content index": {
        "type": "response.output_text.delta",
        "response_id": "resp_1",
        "item_id": "i",
        "content_index": [],
        "delta": "",
    },
    "an object as content index": {
        "type": "response.output_text.done",
        "response_id": "resp_1",
        "item_id": "i",
        "content_index": {},
        "text": "",
    },
    "a list as item id": {"type": "response.mcp_call.in_progress", "item_id": []},
    "a list as an item's id": {
        "type": "response.output_item.done",
        "response_id": "resp_1",
        "item": {"id": [], "type": "function_call"},
    },
    "an end past all time": {"type": "session.updated", "session": {"type": "realtime", "expires_at": HUGE}},
    "an endless session": {
        "type": "session.updated",
        "session": {"type": "realtime", "expires_at": float("inf")},
    },
    "an endless cut": {
        "type": "conversation.item.truncated",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": float("inf"),
    },
    "an error's list of ids": {
        "type": "error",
        "error": {"type": [], "code": {}, "event_id": [], "param": []},
    },
    "an error without an error": {"type": "error", "error": None},
    "another's endless usage": {
        "type": "response.done",
        "response": {**RESPONSE, "id": "resp_x", "usage": {"total_tokens": HUGE, "input_tokens": 1e999}},
    },
}


class Odd(Model):
    """Sends an event within its answer, and one response's usage as given."""

    def __init__(self, event: dict[str, Any] | None = None, usage: Any = None) -> None:
        super().__init__(speaks=False)
        self._event = event
        self._usage = usage

    def say(self, peer: Peer, response_id: str, words: str) -> dict[str, Any]:
        if self._event is not None:
            peer.raw(json.dumps(self._event))
        return super().say(peer, response_id, words)

    def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
        plain = peer.send

        def send(kind: str, **fields: Any) -> None:
            if kind == "response.done" and self._usage is not None:
                fields["response"]["usage"] = self._usage
            plain(kind, **fields)

        peer.send = send  # type: ignore[method-assign]
        super().respond(peer, asked)
        peer.send = plain  # type: ignore[method-assign]


@async_only
@pytest.mark.parametrize("tools", [False, True], ids=["alone", "with tools"])
@pytest.mark.parametrize("event", ODD.values(), ids=ODD.keys())
def test_an_odd_event_in_a_turn_leaves_the_turn_whole(
    runner: Runner, event: dict[str, Any], tools: bool
) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    with ScriptedServer(Odd(event)) as server, connect(runner, server) as connection:
        if tools:
            connection.run_tools([add])
        for number in (1, 2):
            assert connection.ask("Hi", timeout=PATIENCE).text == f"answer {number}"
        assert not connection.is_closed


@pytest.mark.parametrize("event", ODD.values(), ids=ODD.keys())
def test_an_odd_event_is_logged_as_the_servers(
    event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = ConnectionState(Role(), id_prefix="x")
    state.apply(*read_message(json.dumps(event)))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_failure_of_an_effect_is_logged_with_its_traceback_and_blamed_on_this_package(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(state: PlaybackState) -> None:
        raise AttributeError("a mistake of our own")

    monkeypatch.setattr(PlaybackState, "speech_started", fails)
    state = ConnectionState(Role(), id_prefix="x")
    event = {
        "type": "input_audio_buffer.speech_started",
        "event_id": "e",
        "audio_start_ms": 0,
        "item_id": "i",
    }
    state.apply(*read_message(json.dumps(event)))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "realtime_ext failed to process input_audio_buffer.speech_started; please report" in record.message
    assert record.exc_info is not None and record.exc_info[0] is AttributeError
    assert state.queue.take().item_id == "i"  # the event is delivered all the same


@async_only
@pytest.mark.parametrize("event", ODD.values(), ids=ODD.keys())
def test_an_odd_event_is_handed_over(runner: Runner, event: dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        peer.raw(json.dumps(event))
        peer.send("last.event")
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        first, last = connection.recv(), connection.recv()
    assert last.type == "last.event"
    kind = first.event_type if isinstance(first, UnknownEvent) else first.type
    assert kind == (event["type"] if isinstance(event.get("type"), str) else "")
    assert isinstance(event.get("type"), str) or isinstance(first, UnknownEvent)


@async_only
@pytest.mark.parametrize(
    "usage",
    [
        {"total_tokens": HUGE, "input_tokens": HUGE, "output_tokens": 0},
        {"total_tokens": 1e999, "input_tokens": -1e999, "output_tokens": []},
        {"total_tokens": "many", "input_token_details": [1]},
    ],
)
def test_numbers_that_no_usage_has_cost_no_answer(runner: Runner, usage: dict[str, Any]) -> None:
    with ScriptedServer(Odd(usage=usage)) as server, connect(runner, server) as connection:
        for number in (1, 2):
            assert connection.ask("Hi", timeout=PATIENCE).text == f"answer {number}"
        assert connection.usage is not None


@async_only
def test_an_update_is_acknowledged_by_a_session_that_holds_no_json_number(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("session.update")
        described = {"type": "realtime", "instructions": "x", "expires_at": float("inf")}
        peer.send("session.updated", session=described)
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.update_session({"instructions": "x"}, timeout=PATIENCE)


@async_only
def test_an_item_that_json_can_not_hold_is_left_out_of_a_replay(runner: Runner) -> None:
    part = {"type": "input_text", "text": "Hi"}
    image = {"type": "input_image", "image_url": float("inf")}

    def script(peer: Peer) -> None:
        model = Model()
        model.add(peer, {"type": "message", "role": "user", "content": [image]})
        model.add(peer, {"type": "message", "role": "user", "content": [part]})
        peer.expect("input_audio_buffer.commit")
        peer.abort()

    policy = Reconnect(replay=True, first_delay=0.0, max_delay=0.0)
    with ScriptedServer(script, Model()) as server:
        with connect(runner, server, reconnect=policy) as connection:
            while len(connection.items) < 2:
                connection.recv()
            assert len(connection.replay_items()) == 2
            connection.commit_audio()
            assert connection.wait_for(Reconnected).replayed == 1
            replayed = server.wait_for("conversation.item.create")
        assert [event["item"]["content"] for event in replayed] == [[part]]


@async_only
def test_messages_in_fragments_and_as_bytes_come_whole(runner: Runner) -> None:
    """RFC 6455 §5.4: of any number, also empty ones, with control frames between them."""
    padding = "ä" * 40_000

    def script(peer: Peer) -> None:
        peer.socket.send(iter(['{"type":"first",', "", '"padding":"', padding, '"}']))
        # A text frame that goes on, a ping, the rest: `{"type":"second"}`.
        peer.bytes_on_the_wire(b'\x01\x07{"type"' + b"\x89\x00" + b"\x00\x00" + b'\x80\x0a:"second"}')
        peer.raw(b'{"type":"third"}')
        peer.raw("no JSON")
        peer.socket.send(iter(["no JSON ", "either"]))
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        first, *others = [connection.recv() for _ in range(5)]
        assert (first.type, first.padding) == ("first", padding)
        assert [event.event_type for event in others] == ["second", "third", "", ""]
        assert [event.data["raw"] for event in others[2:]] == [b"no JSON", b"no JSON either"]
