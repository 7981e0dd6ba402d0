"""The connection's state without a socket: its end, a lost and restored link, senders, and interruptions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.function_calls import FollowUpJob
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.reconnect import CloseInfo, Reconnect
from realtime_ext.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionClosedError,
    NotFoundError,
    RealtimeError,
)
from tests.support.rows import each

JSON = dict[str, Any]
CALL = {"type": "function_call", "id": "item_9", "call_id": "call_1", "name": "add", "arguments": "{}"}


def state(*, role: Role | None = None, reconnect: Reconnect | None = None, **options: Any) -> ConnectionState:
    return ConnectionState(role or Role(), id_prefix="x", reconnect=reconnect, **options)


def replaying(kind: str = "realtime") -> ConnectionState:
    return state(role=Role(kind=kind), reconnect=Reconnect(replay=True))


def sideband() -> ConnectionState:
    return state(role=Role(is_sideband=True, plays=False), reconnect=Reconnect())


def tell(core: ConnectionState, kind: str, **fields: Any) -> bool:
    return core.apply(*read_message(json.dumps({"type": kind, "event_id": "e", **fields})))


def send(core: ConnectionState, kind: str, **fields: Any) -> Any:
    out = core.client_events.write({"type": kind, **fields})
    return out, core.sending(out)


def refuse(core: ConnectionState, event_id: str | None, code: str = "invalid_value") -> None:
    error = {"type": "invalid_request_error", "code": code, "message": "no", "event_id": event_id}
    tell(core, "error", error=error)


def lose(core: ConnectionState, code: int | None = 1006, now: float = 0.0) -> Any:
    return core.lost(CloseInfo.by_peer(code, "lost", expiry=core.session.expiry), now, lambda: 0.0)


def types(core: ConnectionState) -> list[str]:
    """What the program reads."""
    return [event.type or event.event_type for event in iter(core.queue.take, None)]


def say(core: ConnectionState, item_id: str = "item_1", ms: int = 100) -> None:
    """Speak as the model does."""
    audio = base64.b64encode(bytes(48 * ms)).decode()
    place = {"item_id": item_id, "content_index": 0, "response_id": "resp_1", "output_index": 0}
    tell(core, "response.output_audio.delta", **place, delta=audio)


# The end


def test_the_end_fails_all_who_wait_and_only_the_first_counts() -> None:
    core = state()
    _, update = send(core, "session.update", session={"instructions": "a"})
    stream = core.open_turn()
    stream.sending("response.create", "evt_1")
    waiter, turn = core.wait_for("error"), core.wait_turn()
    reader = core.queue.wait()
    core.finish(CloseInfo.by_peer(1011, "broken", expiry=None))
    core.finish(CloseInfo.by_user())
    assert core.close_info is not None and core.close_info.code == 1011
    assert not core.is_linked and reader.done
    for outcome in (update, waiter, core.expect("error"), core.wait_link(), core.wait_turn()):
        with pytest.raises(ConnectionClosedError, match="broken"):
            outcome.result()
    with pytest.raises(ConnectionClosedError, match="broken"):
        stream.raise_error()
    with pytest.raises(ConnectionClosedError, match="broken"):
        core.open_turn().raise_error()
    assert turn.done
    tell(core, "rate_limits.updated", rate_limits=[])
    assert core.queue.take() is None, "events after the end are dropped"


def test_a_connection_of_a_forked_process_ends_here_and_keeps_its_waiters() -> None:
    core = state()
    waiter = core.wait_for("error")
    core.disown()
    assert core.close_info is not None and "forked" in core.close_info.reason
    assert (core.is_linked, waiter.done) == (False, False)
    core.finish(CloseInfo.by_user())
    ended = state()
    ended.finish(CloseInfo.by_user())
    ended.disown()
    assert ended.close_info == CloseInfo.by_user()


@each(
    "code, reason, error, expected",
    [
        (3000, "invalid_request_error.invalid_api_key", None, AuthenticationError),
        (4000, "invalid_request_error.invalid_model", None, NotFoundError),
        (4000, "bye", {"type": "invalid_request_error", "code": "c", "message": "m"}, BadRequestError),
        (4000, "bye", None, None),
        (1006, "invalid_request_error.invalid_model", None, None),
    ],
)
def test_a_refusal_after_the_handshake_is_an_error(
    code: int, reason: str, error: JSON | None, expected: type[Exception] | None
) -> None:
    core = state()
    assert core.rejection() is None
    if error is not None:
        tell(core, "error", error=error)
    core.finish(CloseInfo.by_peer(code, reason, expiry=None))
    assert type(core.rejection()) is (expected or type(None))


def test_a_session_that_was_described_was_not_refused() -> None:
    core = state()
    tell(core, "session.created", session={"type": "realtime"})
    refuse(core, None)
    core.finish(CloseInfo.by_peer(4000, "invalid_request_error.invalid_model", expiry=None))
    assert core.rejection() is None


def test_an_expired_session_says_so() -> None:
    core = state()
    refuse(core, None, "session_expired")
    lose(core, 1001)
    assert core.close_info is not None
    assert (core.close_info.is_expired, core.close_info.reason) == (True, "lost: no")


# Events in


def test_descriptions_set_the_format_of_played_audio() -> None:
    core = state()
    assert tell(core, "session.created", session={"audio": {"output": {"format": {"type": "audio/pcmu"}}}})
    core.playback.received("item_1", 0, 80)
    assert core.playback.pending().unplayed_ms == 10  # type: ignore[union-attr]
    assert not tell(core, "rate_limits.updated", rate_limits=[])


def test_only_an_update_is_acknowledged_by_a_description() -> None:
    core = state()
    _, update = send(core, "session.update", session={"instructions": "a"})
    tell(core, "session.created", session={"type": "realtime"})
    assert not update.done
    tell(core, "session.updated", session={"type": "realtime", "instructions": "a"})
    assert update.done
    assert core.session.is_described is True


def test_a_late_cancellation_is_not_reported_as_an_error() -> None:
    core = state()
    out, _ = send(core, "response.cancel")
    refuse(core, out.event_id, "response_cancel_not_active")
    assert types(core) == []
    refuse(core, out.event_id, "response_cancel_not_active")  # a second one is about something else
    send(core, "response.cancel")
    refuse(core, out.event_id, "invalid_value")
    refuse(core, None, "invalid_value")
    refuse(core, "evt_9", "response_cancel_not_active")
    assert types(core) == ["error"] * 4
    refuse(core, None, "response_cancel_not_active")
    assert types(core) == [], "it names none, and one is on its way"


def test_a_response_that_is_refused_as_busy_is_retried_once() -> None:
    core = sideband()
    out, _ = send(core, "response.create")
    retries: list[str] = []
    core.retry_if_busy(out, lambda: retries.append("again"))
    refuse(core, "evt_9", "conversation_already_has_active_response")
    refuse(core, out.event_id, "invalid_value")
    assert (retries, types(core)) == ([], ["error", "error"])
    refuse(core, out.event_id, "conversation_already_has_active_response")
    assert (retries, types(core)) == (["again"], [])
    refuse(core, out.event_id, "conversation_already_has_active_response")
    assert (retries, types(core)) == (["again"], ["error"])


def test_a_refused_event_is_logged_with_its_type(caplog: pytest.LogCaptureFixture) -> None:
    core = state()
    out, _ = send(core, "input_audio_buffer.commit")
    refuse(core, out.event_id)
    refuse(core, "evt_9")
    (record,) = caplog.records
    assert f"input_audio_buffer.commit (event {out.event_id}) was refused" in record.getMessage()


def test_waiting_counts_unread_events_after_the_programs_place() -> None:
    core = state()
    stream = core.open_turn()
    stream.add_response("resp_1")
    tell(core, "rate_limits.updated", rate_limits=[])
    assert core.wait_for("rate_limits.updated").done
    assert not core.expect("rate_limits.updated").done
    core.queue.mark_sent()
    later = core.wait_for("rate_limits.updated")
    assert not later.done
    tell(core, "rate_limits.updated", rate_limits=[])
    assert later.done
    place = {"item_id": "item_1", "output_index": 0, "content_index": 0}
    tell(core, "response.output_text.delta", response_id="resp_1", **place, delta="a")
    first = core.wait_for("response.output_text.delta", lambda event: event.delta == "a")
    assert first.done and first.number == 3


def test_a_response_is_its_turns_and_updates_the_conversation_when_it_is_done() -> None:
    core = state()
    stream = core.open_turn()
    core.sending(core.client_events.write({"type": "response.create"}), stream)
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    tell(core, "conversation.item.added", item=item, previous_item_id=None)
    tell(core, "response.created", response={"id": "resp_1", "conversation_id": "c"})
    assert stream.active_response == "resp_1"
    tell(core, "response.done", response={"id": "resp_1", "output": [{**item, "status": "completed"}]})
    assert stream.is_over and core.conversation.items[0]["status"] == "completed"


@each("data", ["{", b"{", bytearray(b"{"), "5"])
def test_a_message_other_than_a_json_object_is_an_unknown_event(data: Any) -> None:
    content, event, size = read_message(data)
    raw = 5 if data == "5" else bytes(data) if isinstance(data, bytearray) else data
    assert (content, event.data, size) == ({}, {"raw": raw}, 1)


def test_a_failure_of_our_own_is_logged_with_its_traceback_and_the_event_delivered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = state()
    monkeypatch.setattr(type(core.playback), "speech_started", lambda self: 1 // 0)
    tell(core, "input_audio_buffer.speech_started", audio_start_ms=1, item_id="item_1")
    tell(core, "response.output_audio_transcript.done", item_id=5)
    assert types(core) == ["input_audio_buffer.speech_started", "response.output_audio_transcript.done"]
    ours, theirs = caplog.records
    assert ours.exc_info is not None and "please report this" in ours.getMessage()
    assert theirs.exc_info is None and "has an unexpected shape" in theirs.getMessage()


# Senders


def test_senders_wait_for_the_link() -> None:
    core = sideband()
    assert core.wait_link().done
    lose(core)
    assert not core.is_linked
    waiter, released = core.wait_link(lambda: [{"type": "a"}]), core.wait_link()
    core.release(released)
    core.link_ready(1, 1.0)
    assert (waiter.done, released.done, core.is_linked) == (True, False, True)


def test_an_event_that_could_not_be_sent_frees_the_queue_and_is_reported() -> None:
    core = state()
    out, _ = send(core, "response.create")
    update_out, update = send(core, "session.update", session={})
    cancel_out, _ = send(core, "response.cancel")
    assert core.responses.is_busy
    error = core.not_sent(1006, "reset", [out, update_out, cancel_out])
    unsent = ["response.create", "session.update", "response.cancel"]
    assert [event["type"] for event in error.unsent] == unsent
    assert not core.responses.is_busy
    with pytest.raises(RealtimeError, match="could not be sent"):
        update.result()
    refuse(core, cancel_out.event_id, "response_cancel_not_active")
    assert types(core) == ["error"], "a cancellation that was not sent explains no error"
    core.finish(CloseInfo.by_user())
    assert core.close_info is not None
    assert [event["type"] for event in core.close_info.unsent] == unsent
    later = core.unsent(1000, "", [{"type": "late"}])
    assert later.unsent == ({"type": "late"},)
    assert core.close_info.unsent[-1] == {"type": "late"}  # type: ignore[union-attr]


def test_failed_sending_waits_for_the_links_end_where_it_may_be_replaced() -> None:
    core, alone = sideband(), state()
    core.suspend()
    alone.suspend()
    assert (core.is_linked, alone.is_linked) == (False, True)


def test_types_of_the_latest_events_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    core = state()
    sent = [send(core, "input_audio_buffer.commit")[0].event_id for _ in range(513)]
    refuse(core, sent[0])
    assert not caplog.records
    refuse(core, sent[1])
    assert len(caplog.records) == 1


# The link


def test_a_lost_link_without_a_policy_ends_the_connection() -> None:
    core = state()
    assert lose(core) is None
    assert core.close_info is not None
    core = sideband()
    assert lose(core, 1000) is None
    assert core.close_info is not None and core.close_info.is_normal


def test_a_lost_link_ends_pending_work_but_not_the_connection() -> None:
    core = sideband()
    tell(core, "response.created", response={"id": "resp_1", "conversation_id": "c"})
    _, update = send(core, "session.update", session={})
    cancel, _ = send(core, "response.cancel")
    stream = core.open_turn()
    stream.sending("response.create", "evt_1")
    assert core.responses.is_busy
    attempts = lose(core)
    assert attempts is not None and core.close_info is None
    assert (update.done, stream.is_over, core.responses.is_busy) == (True, True, False)
    assert core.restored() == []
    types(core)
    core.link_ready(2, 7.0)
    reconnected = core.queue.take()
    assert (reconnected.attempts, reconnected.replayed, reconnected.unfinished) == (2, 0, ("resp_1",))
    refuse(core, cancel.event_id, "response_cancel_not_active")
    assert types(core) == ["error"]
    lose(core, now=8.0)
    core.link_ready(1, 9.0)
    assert core.queue.take().unfinished == ()


def test_losses_in_a_row_share_their_attempts() -> None:
    core = sideband()
    first = lose(core, now=0.0)
    assert first.next().number == 1
    core.link_ready(1, 1.0)
    assert lose(core, now=2.0).next().number == 2
    core.link_ready(1, 3.0)
    assert lose(core, now=60.0).next().number == 1


def test_a_sideband_asks_for_calls_that_it_does_not_know() -> None:
    core = sideband()
    jobs: list[str] = []
    calls = core.turns.register_tools(lambda: jobs.append("job"))
    tell(core, "conversation.item.added", item={**CALL, "status": "in_progress"}, previous_item_id=None)
    tell(core, "conversation.item.added", item={**CALL, "id": "item_8", "call_id": "call_0"})
    tell(
        core, "response.output_item.done", item={**CALL, "id": "item_8", "call_id": "call_0"}, response_id="r"
    )
    lose(core)
    (request,) = core.restored()
    assert (request.type, request.content["item_id"]) == ("conversation.item.retrieve", "item_9")
    core.link_ready(1, 1.0)
    tell(core, "conversation.item.retrieved", item={**CALL, "id": "item_7", "call_id": "call_7"})
    tell(core, "conversation.item.retrieved", item=CALL)
    tell(core, "conversation.item.retrieved", item=CALL)
    assert [job.call_id for job in iter(calls.next_job, None)] == ["call_0", "call_1"]  # type: ignore[union-attr]


def test_a_sideband_continues_calls_whose_responses_end_goes_unseen() -> None:
    core = sideband()
    calls = core.turns.register_tools(lambda: None)
    tell(core, "response.output_item.done", item=CALL, response_id="resp_1")
    calls.answered(calls.next_job(), silent=False)  # type: ignore[arg-type]
    assert calls.next_job() is None
    lose(core)
    assert calls.next_job() == FollowUpJob(response_id="resp_1")


def test_without_tools_a_sideband_asks_for_nothing() -> None:
    core = sideband()
    tell(core, "conversation.item.added", item=CALL, previous_item_id=None)
    lose(core)
    assert core.restored() == []


def message(item_id: str, text: str) -> JSON:
    content = [{"type": "input_text", "text": text}]
    return {"id": item_id, "type": "message", "role": "user", "content": content}


def test_a_new_session_gets_the_configuration_and_the_items() -> None:
    core = replaying()
    calls = core.turns.register_tools(lambda: None)
    send(core, "session.update", session={"type": "realtime", "instructions": "a"})
    tell(core, "session.updated", session={"type": "realtime", "instructions": "a"})
    tell(core, "conversation.item.added", item=message("item_1", "Hello"), previous_item_id=None)
    tell(core, "response.output_item.done", item=CALL, response_id="resp_1")
    say(core)
    lose(core)
    outgoing = core.restored()
    assert [out.type for out in outgoing] == ["session.update", "conversation.item.create"]
    assert core.conversation.items == [] and core.playback.position is None and calls.next_job() is None
    for out in outgoing:
        core.sending(out)
    core.link_ready(1, 1.0)
    event = next(event for event in iter(core.queue.take, None) if event.type == "realtime_ext.reconnected")
    assert event.replayed == 1


def test_items_that_the_lost_session_did_not_confirm_are_sent_to_the_new_one() -> None:
    core = replaying()
    for text in ("one", "two"):
        send(core, "conversation.item.create", item={**message("", text), "id": f"own_{text}"})
    output = {"type": "function_call_output", "call_id": "call_1", "output": "7"}
    send(core, "conversation.item.create", item=output)
    spoken = {**message("spoken", ""), "content": [{"type": "input_audio", "transcript": None}]}
    tell(core, "conversation.item.added", item=spoken, previous_item_id=None)
    answer = {"id": "answer", "type": "message", "role": "assistant", "content": []}
    tell(core, "conversation.item.added", item=answer, previous_item_id="spoken")
    tell(core, "conversation.item.added", item=message("own_one", "one"), previous_item_id="answer")
    stream = core.open_turn()
    asked = core.client_events.write({"type": "conversation.item.create", "item": message("ask", "three")})
    core.sending(asked, stream)
    lose(core)
    texts = [out.content["item"]["content"][0]["text"] for out in core.restored()]
    assert texts == ["one", "two"], "neither the output nor the turn, which is lost"


def test_a_response_that_could_not_be_sent_leaves_the_way_free() -> None:
    core = replaying()
    out, _ = send(core, "response.create", response={"instructions": "A" * 100_000})
    assert core.responses.is_busy
    core.withdrawn(out)
    assert not core.responses.is_busy
    item, _ = send(core, "conversation.item.create", item=message("item_1", "A" * 100_000))
    core.withdrawn(item)
    assert core.recovery.items == {}


def test_items_that_no_server_confirms_take_bounded_memory() -> None:
    core = replaying()
    for number in range(1000):
        send(core, "conversation.item.create", item=message(f"item_{number}", str(number)))
    lose(core)
    assert len(core.restored()) == 256


def test_items_that_the_new_session_did_not_confirm_are_sent_again() -> None:
    core = replaying()
    for number in range(3):
        tell(core, "conversation.item.added", item=message(f"item_{number}", str(number)))
    lose(core)
    first, second, third = core.restored()
    tell(core, "conversation.item.added", item=message("new_0", "0"), previous_item_id=None)
    tell(core, "conversation.item.done", item=message("new_0", "0"), previous_item_id=None)
    refuse(core, second.event_id)
    again = core.restored()
    texts = [out.content["item"]["content"][0]["text"] for out in again]
    assert texts == ["0", "2"], "the first was confirmed, the second was refused"
    assert len({out.event_id for out in (first, second, third, *again)}) == 5


def test_a_session_without_items_or_configuration_is_replayed_as_it_is() -> None:
    core = replaying()
    lose(core)
    assert core.restored() == []
    translation = replaying("translation")
    tell(translation, "conversation.item.added", item=message("item_1", "Hello"), previous_item_id=None)
    lose(translation)
    assert translation.restored() == []


def test_an_item_without_json_form_is_left_out_of_the_replay(caplog: pytest.LogCaptureFixture) -> None:
    core = replaying()
    odd = {**CALL, "arguments": float("inf")}
    output = {"type": "function_call_output", "id": "item_2", "call_id": "call_1", "output": "3"}
    core.conversation.put(odd, None)
    core.conversation.put(output, "item_9")
    lose(core)
    assert [out.content["item"]["type"] for out in core.restored()] == ["function_call_output"]
    assert "an item could not be replayed" in caplog.text


def test_a_new_link_that_is_lost_before_it_is_used_fails_its_update_and_frees_the_queue() -> None:
    core = replaying()
    lose(core)
    _, update = send(core, "session.update", session={})
    send(core, "response.create")
    core.not_restored(lambda: ValueError("lost again"))
    assert not core.responses.is_busy
    with pytest.raises(ValueError, match="lost again"):
        update.result()


# Interruptions


def test_an_interruption_truncates_heard_items_and_deletes_unheard_ones() -> None:
    core = state()
    tell(core, "response.created", response={"id": "resp_1", "conversation_id": "c"})
    say(core, "item_1")
    say(core, "item_2")
    core.playback.played_ms(40)
    dropped, events = core.interrupt()
    assert dropped is not None and (dropped.item_id, dropped.unplayed_ms) == ("item_1", 160)
    truncation = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 40}
    assert events == [
        {"type": "response.cancel"},
        {"type": "conversation.item.truncate", **truncation},
        {"type": "conversation.item.delete", "item_id": "item_2"},
    ]
    assert core.playback.position is None
    tell(core, "response.done", response={"id": "resp_1", "conversation_id": "c", "status": "cancelled"})
    assert core.interrupt() == (None, [])


def test_the_buffer_of_the_api_is_cleared_if_it_plays() -> None:
    core = state(role=Role(plays=False))
    say(core)
    assert core.interrupt() == (None, [{"type": "output_audio_buffer.clear"}])
    with pytest.raises(RealtimeError, match="interrupt: a transcription session"):
        state(role=Role(kind="transcription")).interrupt()


def test_speech_of_the_user_records_the_audio_to_flush_and_a_truncation_the_heard_part() -> None:
    core = state()
    tell(
        core,
        "conversation.item.added",
        item={
            "id": "item_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "one two"}],
        },
        previous_item_id=None,
    )
    say(core)
    tell(core, "input_audio_buffer.speech_started", audio_start_ms=1, item_id="item_2")
    assert core.playback.to_flush is not None and core.playback.to_flush.unplayed_ms == 100
    tell(core, "conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=50)
    (line,) = core.conversation.transcript()
    assert (line.text, line.is_interrupted) == ("one", True)
    tell(core, "conversation.item.deleted", item_id="item_1")
    assert core.conversation.items == []


def test_audio_that_was_played_to_its_end_is_over_with_its_part_or_its_response() -> None:
    for kind, fields in (
        ("response.output_audio.done", {"item_id": "item_1", "content_index": 0}),
        ("response.done", {"response": {"id": "resp_1", "output": [{"id": "item_1"}]}}),
        ("response.done", {"response": {"id": "resp_1", "output": []}}),
    ):
        core = state()
        say(core)
        core.playback.played_ms(100)
        assert core.playback.position is not None, "more may come"
        tell(core, kind, **fields)
        assert core.playback.position is None


def test_the_end_of_another_items_response_does_not_end_the_audio() -> None:
    core = state()
    say(core)
    core.playback.played_ms(100)
    tell(core, "response.done", response={"id": "resp_0", "output": [{"id": "item_0"}]})
    assert core.playback.position is not None
