"""A Live connection's state without a socket: a lost link, and the session that continues."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.function_calls import CallJob, FollowUpJob
from realtime_ext.connection._state.live import LiveState
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.reconnect import CloseInfo, Reconnect
from realtime_ext.errors import APIConnectionError, APIStatusError, ConnectionClosedError
from tests.support.rows import each

JSON = dict[str, Any]
_NUMBERS = count()
SESSION: JSON = {"id": "live_1", "model": "gpt-live-1.1", "instructions": "Be brief.", "store": True}


def linked(*, is_sideband: bool = False, **session: Any) -> LiveState:
    role = Role(kind="live", is_sideband=is_sideband, plays=False)
    core = LiveState(role, id_prefix="x", reconnect=Reconnect(replay=not is_sideband))
    core.live.join(f"https://{next(_NUMBERS)}.example", "")  # shared with no other test's connection
    tell(core, "session.started", session={**SESSION, **session})
    return core


def tell(core: LiveState, kind: str, **fields: Any) -> bool:
    return core.apply(*read_message(json.dumps({"type": kind, **fields}), is_live=True))


def hear(core: LiveState, kind: str, start_ms: int, text: str, **fields: Any) -> None:
    at = {"start_ms": start_ms, "end_ms": start_ms + 200}
    tell(core, f"session.{kind}_transcript.delta", delta=text, **at, **fields)


def backend(core: LiveState, kind: str, **fields: Any) -> None:
    event = {"type": f"response.{kind}", **fields}
    tell(core, "response.event", delegation_id="item_1", event=event)


def delegate(core: LiveState) -> None:
    task = {"id": "item_7", "type": "delegation", "target": "client"}
    tell(core, "session.delegation.created", delegation=task)


def lose(core: LiveState) -> Any:
    return core.lost(CloseInfo.by_peer(1006, "lost", expiry=None), 0.0, lambda: 0.0)


def renew(core: LiveState, session_id: str = "live_2") -> list[JSON]:
    """Continue in another session; return what was sent."""
    sent = core.restored()
    for out in sent:
        core.sending(out)
    tell(core, "session.started", session={**SESSION, "id": session_id})
    core.link_ready(2, 1.0)
    return [dict(out.content) for out in sent]


def reconnected(core: LiveState) -> Any:
    return next(event for event in iter(core.queue.take, None) if event.type == "realtime_ext.reconnected")


def test_the_transcript_goes_on_behind_the_session_that_is_continued() -> None:
    core = linked()
    assert core.live.spoken_ms == 0
    hear(core, "input", 1000, "Hello", event_id="evt_1")
    hear(core, "output", 3000, "Yes?", event_id="evt_2")
    assert core.live.spoken_ms == 3200
    lose(core)
    renew(core)
    assert core.live.spoken_ms == 0
    hear(core, "input", 100, "A room.", event_id="evt_1")  # ids are those of another session
    assert [(one.text, one.start_ms) for one in core.live.transcript] == [
        ("Hello", 1000),
        ("Yes?", 3000),
        ("A room.", 3300),
    ]
    closed = [(one.text, one.closed) for one in core.live.segments.found]
    assert closed == [("Hello", "speaker_change"), ("Yes?", "session_closed"), ("A room.", None)]


def test_usage_goes_on_in_the_session_that_continues() -> None:
    core = linked()
    tell(core, "session.usage.updated", usage={"seconds": 10.0, "paused_seconds": 4.0})
    lose(core)
    renew(core)
    tell(core, "session.usage.updated", usage={"seconds": 5.0, "paused_seconds": 1.0})
    assert (core.live.usage.seconds, core.live.usage.paused_seconds) == (15.0, 5.0)


def test_a_stored_session_is_forked_and_another_gets_its_history() -> None:
    core = linked()
    lose(core)
    assert core.continues_by_fork
    assert [one["session"] for one in renew(core)] == [{}]
    core = linked(store=False)
    hear(core, "input", 0, "Hello.")
    lose(core)
    assert not core.continues_by_fork
    (start,) = renew(core)
    assert start["session"]["instructions"] == "Be brief."
    assert [one["content"][0]["text"] for one in start["session"]["input"]] == ["Hello."]
    event = reconnected(core)
    assert (event.replayed, event.session_id) == (1, "live_2")


def test_what_the_lost_session_was_doing_is_named() -> None:
    core = linked()
    delegate(core)
    append = core.live.appending("evt_7", "session.commentary.append")
    backend(core, "created", response={"id": "resp_1"})
    lose(core)
    with pytest.raises(ConnectionClosedError, match="send it again"):
        append.result()
    renew(core)
    event = reconnected(core)
    assert (set(event.lost), event.unfinished) == ({"evt_7", "item_7"}, ("resp_1",))
    assert core.live.responding == ()


def test_a_sideband_goes_on_with_the_same_session() -> None:
    core = linked(is_sideband=True)
    hear(core, "output", 0, "Yes?", event_id="evt_1")
    delegate(core)
    append = core.live.appending("evt_7", "session.commentary.append")
    backend(core, "created", response={"id": "resp_1"})
    lose(core)
    with pytest.raises(ConnectionClosedError):
        append.result()
    assert core.restored() == []
    hear(core, "output", 0, "Yes?", event_id="evt_1")  # the last seconds again
    core.link_ready(2, 1.0)
    assert [one.text for one in core.live.transcript] == ["Yes?"]
    assert core.live.responding == ("resp_1",)
    assert getattr(core.live.tasks.next(), "id", None) == "item_7"
    event = reconnected(core)
    assert event.lost == ("evt_7",)


def test_a_start_is_answered_by_the_session_or_by_its_refusal() -> None:
    core = linked()
    for event_id, refused in ((None, True), ("own", True), ("other", False)):
        out = core.client_events.write({"type": "session.start", "session": {}})
        waiter = core.sending(out)
        assert waiter is not None
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no"}
        named = out.event_id if event_id == "own" else event_id
        tell(core, "error", error={**error, "client_event_id": named})
        if refused:
            with pytest.raises(APIStatusError):
                waiter.result()
        else:
            assert not waiter.done
            tell(core, "session.started", session=SESSION)
            assert waiter.done


def test_a_start_that_is_answered_on_the_first_link_begins_nothing_anew() -> None:
    core = linked()
    hear(core, "input", 1000, "Hello")
    core.sending(core.client_events.write({"type": "session.start", "session": {}}))
    tell(core, "session.started", session={**SESSION, "id": "live_2"})
    hear(core, "input", 1200, " there.")
    assert [one.text for one in core.live.transcript] == ["Hello there."]


def test_a_new_link_that_is_lost_leaves_no_start_to_wait_for() -> None:
    core = linked()
    lose(core)
    (start,) = core.restored()
    waiter = core.sending(start)
    core.not_restored(lambda: ConnectionClosedError(1006, "lost"))
    tell(core, "session.started", session={**SESSION, "id": "live_2"})
    assert waiter is not None and core.live.session_id == "live_2"
    assert core.live.spoken_ms == 0


def test_nothing_is_applied_after_the_end() -> None:
    core = linked()
    core.finish(CloseInfo.by_user())
    hear(core, "input", 0, "Hello")
    assert core.live.transcript == []


def test_an_acknowledgement_of_another_kind_leaves_an_append_waiting() -> None:
    core = linked()
    waiter = core.live.appending("evt_7", "session.commentary.append")
    tell(core, "session.thinking.appended", client_event_id="evt_7")
    tell(core, "session.commentary.appended", client_event_id="evt_8")
    tell(core, "session.thinking.appended")
    assert not waiter.done
    tell(core, "session.commentary.appended", client_event_id="evt_7")
    waiter.result()
    unsent = core.live.appending("evt_9", "session.commentary.append")
    core.live.not_sent("evt_9")
    tell(core, "session.commentary.appended")
    assert not unsent.done


def test_a_refused_update_is_raised() -> None:
    core = linked()
    out = core.client_events.write({"type": "session.update", "session": {"instructions": 7}})
    waiter = core.sending(out)
    error = {"type": "invalid_request_error", "code": "invalid_type", "message": "no"}
    tell(core, "error", error={**error, "client_event_id": out.event_id})
    assert waiter is not None
    with pytest.raises(APIStatusError, match="no"):
        waiter.result()


def test_connections_of_one_session_share_its_work_whichever_learns_its_id_first() -> None:
    def share(one: LiveState, other: LiveState) -> tuple[bool, bool]:
        a, b = one.live, other.live
        return a.tasks.claims is b.tasks.claims, a.backend.claims is b.backend.claims

    server = "https://own.example"
    first, second, elsewhere = (LiveState(Role(kind="live"), id_prefix=prefix) for prefix in "xyz")
    first.live.join(server, "")
    second.live.join(server, "live_1")
    assert share(first, second) == (False, False)
    tell(first, "session.started", session=SESSION)
    assert share(first, second) == (True, True)
    tell(first, "session.updated", session={**SESSION, "id": "live_2"})
    assert share(first, second) == (False, False)
    tell(elsewhere, "session.started", session=SESSION)
    assert elsewhere.live.session_id == "live_1"
    assert share(elsewhere, second) == (False, False)


def test_sound_that_a_sideband_gets_again_is_told_from_new_sound() -> None:
    core = linked(is_sideband=True)
    heard: list[Any] = []
    core.live.on_sound = heard.append
    sound = {"type": "session.output_audio.delta", "delta": "AAAA"}
    assert [core.live.apply(sound) for _ in range(2)] == [True, True]
    assert [core.live.apply({**sound, "event_id": "evt_1"}) for _ in range(2)] == [True, False]


def test_the_end_of_a_session_closes_its_last_words() -> None:
    core = linked()
    hear(core, "output", 0, "Goodbye.")
    tell(core, "session.closed", reason="close_requested", usage={"seconds": 1.0})
    assert [one.closed for one in core.live.segments.found] == ["session_closed"]
    assert core.live.close_reason == "close_requested"


@pytest.mark.parametrize("is_sideband", [True, False])
def test_a_sideband_does_not_wait_for_the_end_of_a_response_that_it_may_have_missed(
    is_sideband: bool,
) -> None:
    core = linked(is_sideband=is_sideband)
    core.live.backend.register_tools(lambda: None)
    backend(core, "created", response={"id": "resp_1"})
    item = {"type": "function_call", "call_id": "call_1", "name": "book", "arguments": "{}"}
    backend(core, "output_item.done", item=item)
    job = core.live.backend.next_job()
    assert isinstance(job, CallJob)
    lose(core)
    core.live.backend.answered(job, silent=False)
    expected = FollowUpJob(response_id="resp_1") if is_sideband else None
    assert core.live.backend.next_job() == expected


def test_a_start_without_an_answer_fails_when_the_connection_ends() -> None:
    core = linked()
    waiter = core.sending(core.client_events.write({"type": "session.start", "session": {}}))
    core.finish(CloseInfo.by_peer(1006, "lost", expiry=None))
    assert waiter is not None
    with pytest.raises(ConnectionClosedError, match="lost"):
        waiter.result()


@each("reason", ["content", "close_requested", "remote_hangup"])
def test_a_session_that_has_ended_is_not_continued(reason: str) -> None:
    core = linked()
    tell(core, "session.closed", reason=reason)
    assert lose(core) is None
    assert core.close_info is not None


def test_a_session_that_was_to_be_closed_is_not_continued() -> None:
    core = linked()
    core.sending(core.client_events.write({"type": "session.close"}))
    assert lose(core) is None
    assert core.close_info is not None


def test_an_expired_session_is_continued() -> None:
    core = linked()
    tell(core, "session.closed", reason="expired")
    assert core.lost(CloseInfo.by_peer(1000, "", expiry=core.session.expiry), 0.0, lambda: 0.0) is not None


def test_a_fork_that_is_refused_at_the_start_is_replaced_by_the_history() -> None:
    core = linked()
    hear(core, "input", 0, "Hello.")
    lose(core)
    assert core.continues_by_fork
    (start,) = core.restored()
    waiter = core.sending(start)
    error = {"type": "invalid_request_error", "code": "session_not_stored", "message": "It is not stored."}
    tell(core, "error", error={**error, "client_event_id": start.event_id})
    assert waiter is not None
    with pytest.raises(APIConnectionError, match=r"can't be forked: .*not stored"):
        waiter.result()
    core.not_restored(lambda: ConnectionClosedError(1006, "lost"))
    assert not core.continues_by_fork
    (start,) = renew(core)
    assert [one["content"][0]["text"] for one in start["session"]["input"]] == ["Hello."]


CRM = {
    "type": "mcp",
    "server_label": "crm",
    "server_url": "https://crm.example/mcp",
    "authorization": "t0ken",
}


@each(
    "shown, sent",
    [
        ({**CRM, "authorization": None, "allowed_tools": ["a"]}, {**CRM, "allowed_tools": ["a"]}),
        ({"type": "mcp", "server_label": "crm", "server_url": "https://other.example"}, None),
        ({"type": "web_search"}, None),
        ("odd", None),
    ],
)
def test_a_history_takes_along_what_the_server_does_not_show(shown: Any, sent: Any) -> None:
    core = LiveState(Role(kind="live", plays=False), id_prefix="x", reconnect=Reconnect(replay="history"))
    delegation = {"type": "responses", "responses": {"model": "m", "tools": [CRM]}}
    asked = {"model": "gpt-live-1", "delegation": delegation, "safety_identifier": "user-7"}
    core.sending(core.client_events.write({"type": "session.start", "session": asked}))
    described = {"type": "responses", "responses": {"model": "m", "tools": [shown]}}
    tell(core, "session.started", session={**SESSION, "delegation": described})
    for number in range(2):
        lose(core)
        (start,) = renew(core, f"live_{number}")
        tell(core, "session.updated", session={**SESSION, "delegation": described})
        assert start["session"]["safety_identifier"] == "user-7"
        assert start["session"]["delegation"]["responses"]["tools"] == [sent or shown]
