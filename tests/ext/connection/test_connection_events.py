"""Events in and out: iterating, handlers, waiting, sending, and what an error is tied to."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any, Union

import pytest
from realtime_api import models

from realtime_ext import APITimeoutError, BadRequestError, ConnectionClosedError, RealtimeError, types
from realtime_ext.events import UnknownEvent
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE


def sends(*events: tuple[str, dict[str, Any]], code: int = 1000, reason: str = "") -> Any:
    """Make a script that sends events and closes."""

    def script(peer: Peer) -> None:
        for kind, fields in events:
            peer.send(kind, **fields)
        peer.close(code, reason)

    return script


WORD = (
    "response.output_text.delta",
    {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "a"},
)


def test_iterating_gives_all_events_and_ends_with_a_normal_close(runner: Runner) -> None:
    with ScriptedServer(sends(WORD, WORD, WORD)) as server, connect(runner, server) as connection:
        assert [type(event) for event in connection] == [types.ResponseTextDeltaEvent] * 3
        assert list(connection) == []
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv()
    assert caught.value.code == 1000


@each("code", [1001, 1011, 4000])
def test_another_close_is_raised_after_the_events_and_again(runner: Runner, code: int) -> None:
    with (
        ScriptedServer(sends(WORD, code=code, reason="why")) as server,
        connect(runner, server) as connection,
    ):
        seen = []
        for _ in range(2):
            with pytest.raises(ConnectionClosedError, match="why") as caught:
                seen += list(connection)
            assert (caught.value.code, caught.value.reason) == (code, "why")


@async_only
def test_data_that_matches_no_class_is_kept(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("response.tomorrow", news=1)
        peer.send("response.done", response="not an object")
        peer.raw("garbage{")
        peer.raw(b"\x00\xff binary")
        peer.raw("[1]")
        peer.send("conversation.item.added")
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        events = list(connection)
    assert [event.type for event in events] == [
        "response.tomorrow",
        "response.done",
        "",
        "",
        "",
        "",
    ]
    assert events[0].data["news"] == 1
    assert events[-1].event_type == "conversation.item.added"
    assert all(isinstance(event, UnknownEvent) for event in (events[0], *events[2:]))


def test_handlers_are_called_by_type_and_by_class(runner: Runner) -> None:
    seen: list[str] = []
    with (
        ScriptedServer(sends(WORD, ("later.event", {}), WORD)) as server,
        connect(runner, server) as connection,
    ):

        @connection.on("response.output_text.delta")
        def by_type(event: Any) -> None:
            seen.append("type")

        connection.on(types.ResponseTextDeltaEvent, lambda event: seen.append("class"))
        connection.once(UnknownEvent | types.ResponseTextDeltaEvent, lambda event: seen.append("once"))

        def removed(event: Any) -> None:
            seen.append("removed")

        connection.on("later.event", removed)
        connection.off("later.event", removed)
        connection.run()
    assert sorted(seen) == ["class", "class", "once", "type", "type"]


def test_exceptions_of_handlers_propagate_from_run(runner: Runner) -> None:
    with ScriptedServer(sends(WORD)) as server, connect(runner, server) as connection:
        connection.on("response.output_text.delta", lambda event: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            connection.run()


KINDS: list[Any] = [
    types.ResponseDoneEvent | types.ResponseTextDeltaEvent,
    Union[types.ResponseDoneEvent, types.ResponseTextDeltaEvent],  # noqa: UP007
    (types.ResponseDoneEvent, types.ResponseTextDeltaEvent),
    (types.ResponseDoneEvent, ("response.output_text.delta", types.SessionCreatedEvent | UnknownEvent)),
]


@async_only
@each("kind", KINDS)
def test_several_kinds_are_named_as_a_union_or_a_tuple(runner: Runner, kind: Any) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.send("input_audio_buffer.cleared")
        peer.send(WORD[0], **WORD[1])
        peer.close()

    seen: list[str] = []
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.on(kind, lambda event: seen.append(event.type))
        with connection.expect(kind) as expected:
            connection.commit_audio()
        assert expected.wait().type == "response.output_text.delta"
        connection.run()
    assert seen == ["response.output_text.delta"]


@each(
    "kind, name",
    [
        ("response.done", "response.done"),
        (types.ResponseDoneEvent, types.ResponseDoneEvent.__name__),
        (types.ResponseDoneEvent | UnknownEvent, f"{types.ResponseDoneEvent.__name__} | UnknownEvent"),
        ((UnknownEvent, "response.done"), "UnknownEvent | response.done"),
    ],
)
def test_a_missing_event_is_named_in_the_timeout(runner: Runner, kind: Any, name: str) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        with pytest.raises(APITimeoutError, match=rf"^{re.escape(name)} did not arrive within 0.01 s$"):
            connection.wait_for(kind, timeout=0.01)


def arrived(runner: Runner, expected: Any) -> None:
    """Wait until an expected event has arrived, without being given it."""

    async def poll() -> None:
        async with asyncio.timeout(PATIENCE):
            while not expected.is_done:
                await asyncio.sleep(0.001)

    runner.run(poll()) if runner.is_async else asyncio.run(poll())


def commit_answered_twice(peer: Peer) -> None:
    while True:
        peer.expect("input_audio_buffer.commit")
        peer.send("input_audio_buffer.cleared")
        peer.send("input_audio_buffer.committed", item_id="item_1")


def test_wait_for_finds_an_answer_that_arrived_after_the_program_sent(runner: Runner) -> None:
    with ScriptedServer(commit_answered_twice) as server, connect(runner, server) as connection:
        with connection.expect("input_audio_buffer.committed") as last:
            connection.commit_audio()
            arrived(runner, last)
        assert (
            connection.wait_for("input_audio_buffer.cleared", timeout=PATIENCE).type
            == "input_audio_buffer.cleared"
        )
        assert last.wait().type == "input_audio_buffer.committed"
        assert connection.recv().type == "input_audio_buffer.cleared"  # it stays in the queue


def test_wait_for_skips_events_that_arrived_before_the_program_last_sent(runner: Runner) -> None:
    with ScriptedServer(commit_answered_twice) as server, connect(runner, server) as connection:
        for _ in range(2):
            with connection.expect("input_audio_buffer.committed") as last:
                connection.commit_audio()
                arrived(runner, last)
        first, second = connection.recv(), connection.recv()
        assert [first.type, second.type] == ["input_audio_buffer.cleared", "input_audio_buffer.committed"]
        found = connection.wait_for("input_audio_buffer.cleared", timeout=PATIENCE)
        third = connection.recv()
        assert found.event_id == third.event_id != first.event_id


@each("reading", ["recv", "wait_for", "expect"])
def test_wait_for_counts_from_the_latest_event_that_the_program_was_given(
    runner: Runner, reading: str
) -> None:
    with ScriptedServer(commit_answered_twice) as server, connect(runner, server) as connection:
        with connection.expect("input_audio_buffer.committed") as last:
            connection.commit_audio()
            arrived(runner, last)
        if reading == "recv":
            assert connection.recv().type == "input_audio_buffer.cleared"
        elif reading == "wait_for":
            connection.wait_for("input_audio_buffer.committed", timeout=PATIENCE)
        else:
            last.wait()
        with pytest.raises(
            APITimeoutError, match=r"^input_audio_buffer.cleared did not arrive within 0.01 s"
        ):
            connection.wait_for("input_audio_buffer.cleared", timeout=0.01)


def test_audio_does_not_move_the_place_that_wait_for_counts_from(runner: Runner) -> None:
    with ScriptedServer(commit_answered_twice) as server, connect(runner, server) as connection:
        with connection.expect("input_audio_buffer.committed") as last:
            connection.commit_audio()
            arrived(runner, last)
        connection.append_audio(bytes(960))
        server.wait_for("input_audio_buffer.append")
        assert (
            connection.wait_for("input_audio_buffer.cleared", timeout=PATIENCE).type
            == "input_audio_buffer.cleared"
        )


@async_only
def test_the_end_of_an_earlier_turn_is_not_waited_for_again(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        first = connection.ask("first")
        with pytest.raises(APITimeoutError):
            connection.wait_for("response.done", timeout=0.05)
        connection.send_text("second")
        connection.create_response()
        done = connection.wait_for("response.done", timeout=PATIENCE)
        assert (done.response.id,) != first.response_ids


@async_only
def test_wait_for_finds_an_event_of_the_turn_that_is_being_followed(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with connection.expect("response.done") as done, connection.stream("Hi") as stream:
            arrived(runner, done)
            assert next(iter(stream)).type == "response.created"
            found = connection.wait_for("response.done", timeout=PATIENCE)
            assert found.event_id == [event.event_id for event in stream][-1]


@async_only
def test_a_condition_that_raises_on_a_queued_event_raises_in_wait_for(runner: Runner) -> None:
    with ScriptedServer(commit_answered_twice) as server, connect(runner, server) as connection:
        with connection.expect("input_audio_buffer.committed") as last:
            connection.commit_audio()
            arrived(runner, last)
        with pytest.raises(ZeroDivisionError):
            connection.wait_for("input_audio_buffer.cleared", lambda event: 1 / 0, timeout=PATIENCE)


@async_only
def test_an_unknown_type_is_sent_with_a_hint(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        connection.send({"type": "response.creat"})
        connection.send({"type": "input_audio_buffer.commit"})
        server.wait_for("response.creat")
    [warning] = [text for text in caplog.messages if "unknown event type" in text]
    assert "did you mean 'response.create'?" in warning


@async_only
@each("kind", ["", 3, int, None, (), (int,), (types.ResponseDoneEvent, "")])
def test_an_invalid_kind_of_event_is_refused(runner: Runner, kind: Any) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with pytest.raises((TypeError, ValueError), match="event"):
            connection.on(kind, print)
        with pytest.raises((TypeError, ValueError), match="event"):
            connection.expect(kind)


def test_expect_registers_before_sending(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with connection.expect("response.done") as expected:
            connection.send_text("Hi")
            connection.create_response()
        assert expected.wait().response.output[0].content[0].transcript == "answer 1"
        assert expected.result().type == "response.done"


@async_only
def test_wait_for_takes_a_condition(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with connection.expect(
            types.ConversationItemDone, where=lambda e: e.item.role == "assistant"
        ) as expected:
            connection.send_text("Hi")
            connection.create_response()
        assert expected.wait().item.role == "assistant"
        with connection.expect("response.done", where=lambda event: event.nonsense) as expected:
            connection.create_response()
        with pytest.raises(AttributeError, match="nonsense"):
            expected.wait()


def test_waiting_has_a_limit_and_an_end(runner: Runner) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        with pytest.raises(APITimeoutError, match=r"response\.done"):
            connection.wait_for("response.done", timeout=0.01)
        expected = connection.expect("response.done")
        server.peers[0].close(1011, "broken")
        with pytest.raises(ConnectionClosedError, match="broken"):
            expected.wait()
        with pytest.raises(ConnectionClosedError, match="broken"):
            connection.wait_for("response.done")


@async_only
def test_events_go_out_as_dicts_and_as_classes(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        first = connection.send({"type": "input_audio_buffer.clear"})
        event = models.RealtimeClientEventInputAudioBufferCommit(event_id="mine")
        assert connection.send(event) == "mine"
        connection.send({"type": "a.future.event", "field": 1})
        server.wait_for("a.future.event")
    assert [event.get("event_id") for event in server.received][:2] == [first, "mine"]
    assert len({event["event_id"] for event in server.received}) == 3


@async_only
@each(
    "event, message",
    [
        ({}, "type"),
        ({"type": "response.done"}, "sent by the server"),
        ({"type": "conversation.item.delete"}, "item_id"),
        ({"type": "conversation.item.delete", "item_id": 5}, "item_id"),
        ({"type": "input_audio_buffer.clear", "event_id": "x" * 513}, "512"),
        ({"type": "input_audio_buffer.clear", "note": object()}, "JSON"),
        (5, "dict"),
        ({"type": "input_audio_buffer.append", "audio": "A" * (15 * 2**20)}, "append_audio"),
    ],
)
def test_bad_events_are_refused_before_sending(runner: Runner, event: Any, message: str) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with pytest.raises((TypeError, ValueError), match=message):
            connection.send(event)
        connection.commit_audio()
        server.wait_for("input_audio_buffer.commit")
    assert len(server.received) == 1


@async_only
def test_without_validation_events_go_as_given(runner: Runner) -> None:
    with ScriptedServer() as server, connect(runner, server, client={"validate": False}) as connection:
        connection.send({"type": "conversation.item.delete", "odd": 1})
        server.wait_for("conversation.item.delete")


def test_shortcuts_return_the_id_of_the_sent_event(runner: Runner) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        ids = [
            connection.commit_audio(),
            connection.clear_audio(),
            connection.create_item(
                {"type": "message", "role": "user", "content": []}, previous_item_id="root"
            ),
            connection.send_text("words"),
            connection.delete_item("i"),
            connection.retrieve_item("i"),
            connection.create_response(instructions="x", output_modalities=["text"], metadata={"k": "v"}),
            connection.cancel_response("resp_1"),
            connection.clear_output_audio(),
        ]
        server.wait_for("output_audio_buffer.clear")
    assert [event["event_id"] for event in server.received] == ids
    bodies = {
        event["type"]: {k: v for k, v in event.items() if k not in ("type", "event_id")}
        for event in server.received
    }
    assert bodies["response.create"] == {
        "response": {"instructions": "x", "output_modalities": ["text"], "metadata": {"k": "v"}}
    }
    assert bodies["response.cancel"] == {"response_id": "resp_1"}
    assert bodies["input_audio_buffer.commit"] == {}


@each("data", [b"\x01\x02\x03", bytearray(b"\x01\x02\x03"), memoryview(b"\x01\x02\x03"), "AQID"])
def test_audio_goes_out_as_base64(runner: Runner, data: Any) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        event_id = connection.append_audio(data)
        sent = server.wait_for("input_audio_buffer.append")[0]
    assert sent == {"type": "input_audio_buffer.append", "event_id": event_id, "audio": "AQID"}


@async_only
@pytest.mark.slow
def test_long_audio_is_split_within_the_limit(runner: Runner) -> None:
    data = bytes(range(256)) * 50_000  # 17 MB of base64
    for given in (data, base64.b64encode(data).decode()):
        with ScriptedServer() as server, connect(runner, server) as connection:
            last = connection.append_audio(given)
            # The async runner goes on writing only while its loop runs.
            while len(server.received) < 2:
                with pytest.raises(APITimeoutError):
                    connection.wait_for("nothing.comes", timeout=0.01)
        assert b"".join(base64.b64decode(event["audio"]) for event in server.received) == data
        assert all(len(json.dumps(event)) <= 15 * 2**20 for event in server.received)
        assert server.received[-1]["event_id"] == last


WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(28)


@async_only
@each(
    "data, told",
    [
        (5, "expected bytes or base64 text, got int"),
        (None, "got NoneType"),
        ('quote"', "expected base64 text"),
        ("not base64!", "expected base64 text"),
        ("ümlaut", "expected base64 text"),
        (WAV, r"got a whole WAV file; convert it by realtime_ext\.audio\.read_wav"),
        (base64.b64encode(WAV).decode(), "got a whole WAV file"),
        (memoryview(bytes(8)).cast("h", (2, 2)), r"the shape \(2, 2\); pass one channel"),
        (memoryview(bytes(8)).cast("f"), r"'f' \(floats from -1 to 1: \(data \* 32767\)"),
    ],
)
def test_invalid_audio_is_refused(runner: Runner, data: Any, told: str) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        with pytest.raises((TypeError, ValueError), match=f"append_audio: .*{told}"):
            connection.append_audio(data)


def test_updates_wait_for_their_own_acknowledgement(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        for number in range(3):
            update = peer.expect("session.update")
            if number == 1:
                error = {"type": "invalid_request_error", "code": "cannot_update_voice", "message": "no"}
                peer.send("error", error={**error, "event_id": update["event_id"]})
            else:
                peer.send("session.updated", session=session(**update["session"]))
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.update_session({"instructions": "one"})
        assert connection.session.instructions == "one"
        with pytest.raises(BadRequestError) as caught:
            connection.update_session({"instructions": "two"})
        assert caught.value.code == "cannot_update_voice"
        connection.update_session({"instructions": "three"})
        assert connection.session.instructions == "three"
    assert server.received[0]["session"] == {"type": "realtime", "instructions": "one"}


def test_an_update_need_not_be_waited_for_and_waiting_has_a_limit(runner: Runner) -> None:
    with ScriptedServer() as server, connect(runner, server) as connection:
        connection.update_session({"instructions": "one"}, wait=False)
        with pytest.raises(APITimeoutError, match=r"session\.updated"):
            connection.update_session({"instructions": "two"}, timeout=0.01)


@async_only
def test_cancelling_without_an_active_response_is_not_an_error(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection.cancel_response()
        connection.send_text("after")
        expected = [connection.recv().type for _ in range(2)]
    assert expected == ["session.created", "conversation.item.added"]


@async_only
def test_other_errors_reach_the_application_with_the_id_of_their_cause(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        event = peer.expect("conversation.item.delete")
        peer.send("error", error={"type": "t", "message": "m", "code": "c", "event_id": event["event_id"]})
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        event_id = connection.delete_item("nope")
        [event] = list(connection)
    assert isinstance(event, types.RealtimeErrorEvent)
    assert event.error.event_id == event_id


def test_the_observer_sees_everything_both_ways(runner: Runner) -> None:
    seen: list[tuple[str, str, int]] = []

    def observer(direction: str, event: Any, now: int) -> None:
        seen.append((direction, event.type, now))
        raise RuntimeError("is not the connection's problem")

    with ScriptedServer(Model()) as server, connect(runner, server, observer=observer) as connection:
        connection.append_audio(b"12")
        connection.ask("Hi")
    directions = [(direction, kind) for direction, kind, _ in seen]
    assert ("out", "input_audio_buffer.append") in directions
    assert directions.index(("out", "response.create")) < directions.index(("in", "response.done"))
    assert [now for *_, now in seen] == sorted(now for *_, now in seen)


def test_every_method_works_from_a_handler_though_the_queue_is_full(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        for _ in range(200):
            peer.send(*WORD[:1], **WORD[1])
        model = Model()
        while True:
            model.handle(peer, peer.recv())

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.commit_audio()
        event = connection.recv()
        assert event.type == "response.output_text.delta"
        connection.update_session({"instructions": "within"})
        assert connection.ask("within").transcript == "answer 1"
        assert connection.recv().type == "response.output_text.delta"


@async_only
def test_a_translation_session_has_no_conversation(runner: Runner) -> None:
    built = {
        "type": "translation",
        "model": "gpt-realtime-translate",
        "audio": {"output": {"language": "es"}},
    }
    with ScriptedServer(Model()) as server, connect(runner, server, session=built) as connection:
        for call in (connection.commit_audio, connection.create_response, lambda: connection.send_text("x")):
            with pytest.raises(RealtimeError, match="translation"):
                call()


def test_an_async_handler_is_refused_by_a_sync_connection() -> None:
    async def handler(event: Any) -> None: ...

    runner = Runner("sync")
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        for register in (connection.on, connection.once):
            with pytest.raises(TypeError, match="async function"):
                register("response.done", handler)
    runner.close()
