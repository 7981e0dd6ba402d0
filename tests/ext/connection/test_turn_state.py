"""Turns without a connection: which responses and events belong to a turn, its end, and its result."""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

import pytest

from realtime_ext import APITimeoutError
from realtime_ext.connection._state.client_events import MARK
from realtime_ext.connection._state.event_queue import Budget
from realtime_ext.connection._state.function_calls import ApprovalJob, FollowUpJob
from realtime_ext.connection._state.latency import Stopwatch
from realtime_ext.connection._state.responses import BUSY
from realtime_ext.connection._state.turns import Turns, TurnStream

JSON = dict[str, Any]
CALL = {"type": "function_call", "id": "item_9", "call_id": "call_1", "name": "add", "arguments": "{}"}
REQUEST = {"type": "mcp_approval_request", "id": "mcpr_1"}


def response(response_id: str = "resp_1", mark: str | None = None, **fields: Any) -> JSON:
    metadata = None if mark is None else {MARK: mark}
    return {"id": response_id, "metadata": metadata, "status": "completed", "output": [], **fields}


class Server:
    """What a server sends, for turns without a connection."""

    def __init__(self) -> None:
        self.budget = Budget(10_000)
        self.turns = Turns(self.budget, Stopwatch())
        self.count = 0

    def open(self, mark: str = "a") -> TurnStream:
        stream = self.turns.open(mark)
        stream.sending("response.create", f"create_{mark}")
        return stream

    def put(self, kind: str, **content: Any) -> bool:
        self.count += 1
        return self.turns.put(kind, content, kind, 1, self.count)[0]

    def begin(self, *names: Any, **fields: Any) -> None:
        self.turns.created(response(*names, **fields))

    def end(self, *names: Any, **fields: Any) -> None:
        done = response(*names, **fields)
        self.turns.done(done)
        self.put("response.done", response=done)

    def refuse(self, event_id: str, code: str = "invalid_value") -> None:
        self.turns.refused(event_id, code, lambda: ValueError("refused"))


def test_a_turn_goes_from_its_request_to_its_responses_end() -> None:
    server = Server()
    stream = server.turns.open("a")
    assert (stream.must_ask, stream.has_asked, stream.is_unanswered) == (True, False, False)
    stream.sending("conversation.item.create", "item_1")
    assert (stream.has_asked, stream.must_ask) == (True, True)
    stream.sending("response.create", "create_1")
    assert (stream.must_ask, stream.is_unanswered, stream.is_over) == (False, True, False)
    server.begin("resp_1", "a")
    assert (stream.active_response, stream.is_unanswered) == ("resp_1", True)
    server.end("resp_1", "a")
    assert (stream.active_response, stream.is_unanswered, stream.is_over) == (None, False, True)
    assert stream.turn().response_ids == ("resp_1",)
    stream.raise_error()


def test_responses_belong_to_the_turn_with_their_mark() -> None:
    server = Server()
    first, second = server.open("a"), server.open("b")
    server.begin("resp_1", "b")
    server.begin("resp_2", "other")
    server.begin("resp_3")
    assert (second.active_response, first.active_response) == ("resp_1", None)
    server.begin("resp_4", "a")
    assert first.active_response == "resp_4"


def test_without_echoed_metadata_the_next_response_belongs_to_the_turn() -> None:
    server = Server()
    stream = server.open()
    server.turns.created({"id": "resp_1", "metadata": {"mine": "1"}})
    assert stream.active_response is None
    server.begin("resp_2")
    assert stream.active_response == "resp_2"
    server.begin("resp_3")
    assert stream.active_response == "resp_2", "it waits for no other"


def test_a_turn_that_is_over_claims_nothing() -> None:
    server = Server()
    stream = server.open()
    stream.fail(ValueError("closed"))
    server.begin("resp_1", "a")
    assert stream.turn().response_ids == ()


def test_events_belong_to_a_turn_by_their_response_or_their_item() -> None:
    server = Server()
    server.open()
    server.begin("resp_1", "a")
    item = {"id": "item_1", "type": "message"}
    owned = [
        server.put("response.created", response=response()),
        server.put("response.output_item.added", response_id="resp_1", item=item),
        server.put("response.output_text.delta", response_id="resp_1", delta="Hi"),
        server.put("response.mcp_call.completed", item_id="item_1"),
        server.put("response.mcp_call.completed", item_id="item_2"),
        server.put("response.mcp_call.completed", item_id=["item_1"]),
        server.put("conversation.item.deleted", item_id="item_1"),
        server.put("response.output_text.delta", response_id="resp_2", delta="no"),
        server.put("rate_limits.updated"),
    ]
    assert owned == [True, True, True, True, False, False, False, False, False]


def test_events_are_read_in_order_and_count_until_then() -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    for kind in ("response.one", "response.two", "response.three"):
        server.put(kind, response_id="resp_1")
    assert server.budget.used == 3
    assert stream.take() == ("response.one", 1)
    batch: deque[tuple[Any, int]] = deque()
    stream.fetch(batch, 1)
    assert list(batch) == [("response.two", 2)]
    assert list(stream.unread()) == [(2, "response.two"), (3, "response.three")]
    assert server.budget.used == 1
    server.turns.close(stream)
    server.turns.close(stream)
    assert (server.budget.used, server.turns.streams) == (0, [])


def test_the_limit_that_queues_share_counts_a_turns_events() -> None:
    turns = Turns(Budget(2), Stopwatch())
    stream = turns.open("a")
    stream.add_response("resp_1")
    put = [turns.put("response.x", {"response_id": "resp_1"}, None, 1, number) for number in (1, 2)]
    assert put == [(True, False), (True, True)]


def test_a_reader_is_woken_by_events_the_end_and_the_need_to_ask() -> None:
    server = Server()
    stream = server.open()
    waiter = stream.wait()
    assert (waiter.done, stream.is_waited_for) == (False, True)
    stream.add_response("resp_1")
    server.put("response.x", response_id="resp_1")
    assert (waiter.done, stream.is_waited_for, stream.wait().done) == (True, False, True)
    stream.take()
    waiter = stream.wait()
    stream.stop_waiting(stream.wait())
    assert not stream.is_waited_for
    waiter = stream.wait()
    stream.end()
    assert waiter.done and stream.wait().done
    other = server.turns.open("b")
    assert other.wait().done, "it has to ask first"
    busy = server.open("c")
    waiter = busy.wait()
    server.refuse("create_c", BUSY)
    assert waiter.done


def test_a_reader_that_gave_up_is_not_confused_with_the_next() -> None:
    stream = Server().open()
    before, waiter = stream.wait(), stream.wait()
    stream.stop_waiting(before)
    assert stream.is_waited_for
    stream.end()
    assert waiter.done


def test_a_refusal_ends_its_own_turn() -> None:
    server = Server()
    first, second = server.open("a"), server.open("b")
    first.sending("conversation.item.create", "item_a")
    server.refuse("item_a")
    server.refuse("never sent")
    assert (first.is_over, second.is_over) == (True, False)
    with pytest.raises(ValueError, match="refused"):
        first.raise_error()
    server.refuse("create_b")
    assert second.is_over


def test_a_turn_asks_again_when_another_response_is_active() -> None:
    server = Server()
    stream = server.open()
    server.refuse("create_a", BUSY)
    assert (stream.must_ask, stream.is_unanswered, stream.is_over) == (True, False, False)
    stream.sending("conversation.item.create", "item_a")
    server.refuse("item_a", BUSY)
    assert stream.is_over, "only a request for a response can be too early"


def test_a_response_assigned_without_metadata_is_released() -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_0")
    server.put("response.output_text.done", response_id="resp_0", item_id="i", content_index=0, text="No")
    server.put("response.output_audio.delta", response_id="resp_0", delta="AAAA")
    server.put("response.output_item.added", response_id="resp_0", item={"id": "item_0"})
    server.end("resp_0")
    assert stream.is_over
    server.refuse("create_a", BUSY)
    assert (stream.is_over, stream.must_ask, stream.active_response) == (False, True, None)
    turn = stream.turn()
    assert (turn.text, turn.audio, turn.response_ids, turn.status) == ("", b"", (), None)
    assert not server.put("response.mcp_call.completed", item_id="item_0")


def test_a_response_with_the_turns_mark_is_kept() -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    server.refuse("create_a", BUSY)
    assert (stream.active_response, stream.must_ask) == ("resp_1", True)


def test_a_lost_link_ends_the_turns_that_have_begun() -> None:
    server = Server()
    begun, waiting = server.open("a"), server.turns.open("b")
    server.turns.reset(lambda has_begun: ValueError("lost"))
    assert (begun.is_over, waiting.is_over) == (True, False)
    begun.fail(KeyError("later"))
    with pytest.raises(ValueError, match="lost"):
        begun.raise_error()


def test_an_exceeded_time_limit_says_whether_anything_was_sent() -> None:
    server = Server()
    nothing = server.turns.open("a").too_late(2.0)
    assert isinstance(nothing, APITimeoutError) and not nothing.may_have_applied
    assert str(nothing).startswith("ask: nothing was sent within 2 s: ")
    sent = server.open("b").too_late(None)
    assert (sent.may_have_applied, str(sent)) == (True, "ask: the turn was not done in time")


# Tools


def with_tools() -> Server:
    server = Server()
    server.turns.register_tools(lambda: None)
    return server


def job(server: Server) -> Any:
    assert server.turns.calls is not None
    return server.turns.calls.next_job()


def test_a_turn_continues_while_tools_answer_its_calls() -> None:
    server = with_tools()
    stream = server.open()
    server.begin("resp_1", "a")
    server.end("resp_1", "a", output=[CALL])
    assert not stream.is_over
    call = job(server)
    assert server.turns.calls is not None
    server.turns.output(call, "3")
    server.turns.calls.answered(call, silent=False)
    follow_up = job(server)
    content = server.turns.follow_up(follow_up, "evt_1")
    assert content == {
        "type": "response.create",
        "event_id": "evt_1",
        "response": {"metadata": {MARK: "a"}},
    }
    assert stream.is_unanswered
    server.begin("resp_2", "a")
    server.end("resp_2", "a", output=[{"type": "message", "content": [{"text": "Three."}]}])
    assert stream.is_over
    turn = stream.turn()
    assert (turn.text, turn.response_ids) == ("Three.", ("resp_1", "resp_2"))
    assert [(call.call_id, call.name, call.output) for call in turn.tool_calls] == [("call_1", "add", "3")]


def test_a_turn_whose_tools_are_silent_ends_with_their_answers() -> None:
    server = with_tools()
    stream, other = server.open(), server.open("b")
    server.begin("resp_1", "a")
    server.end("resp_1", "a", output=[CALL])
    assert server.turns.calls is not None
    server.turns.calls.answered(job(server), silent=True)
    assert (stream.is_over, other.is_over) == (True, False)


@pytest.mark.parametrize("is_answered", [True, False])
def test_nothing_follows_the_tools_of_a_turn_that_was_given_up(is_answered: bool) -> None:
    server = with_tools()
    stream = server.open()
    server.begin("resp_1", "a")
    server.end("resp_1", "a", output=[CALL])
    assert server.turns.calls is not None
    call = job(server)
    if is_answered:
        server.turns.calls.answered(call, silent=False)
    server.turns.close(stream)
    assert server.turns.output(call, "3")["item"]["output"] == "3", "the model may need it later"
    server.turns.calls.answered(call, silent=False)
    assert job(server) is None


def test_a_follow_up_of_a_response_without_a_turn_has_no_mark() -> None:
    content = with_tools().turns.follow_up(FollowUpJob(response_id="resp_1"), "evt_1")
    assert content == {"type": "response.create", "event_id": "evt_1"}


def test_a_follow_up_that_is_refused_for_an_active_response_is_asked_for_again() -> None:
    server = with_tools()
    stream = server.open()
    server.begin("resp_1", "a")
    follow_up = FollowUpJob(response_id="resp_1")
    server.turns.follow_up(follow_up, "evt_1")
    server.turns.reset(lambda has_begun: ValueError("lost"))  # it is forgotten with its link
    server.refuse("evt_1", BUSY)
    assert job(server) is None
    other = with_tools()
    other.turns.follow_up(follow_up, "evt_1")
    other.refuse("evt_2", BUSY)
    assert job(other) is None
    other.refuse("evt_1", BUSY)
    assert job(other) == follow_up
    other.turns.follow_up(follow_up, "evt_3")
    other.refuse("evt_3")
    assert job(other) is None
    assert stream.is_over


def test_an_unrequested_response_continues_the_turn_whose_call_was_approved() -> None:
    server = with_tools()
    stream = server.open()
    server.begin("resp_1", "a")
    server.end("resp_1", "a", output=[REQUEST])
    approval = job(server)
    assert isinstance(approval, ApprovalJob)
    event = server.turns.approval(approval, "evt_1", approve=True)
    assert (event["event_id"], event["item"]["approve"]) == ("evt_1", True)
    server.turns.created({"id": "resp_8", "metadata": {"mine": "1"}})
    assert stream.active_response is None
    server.begin("resp_2")
    assert stream.active_response == "resp_2"


def test_an_approval_that_the_server_refuses_ends_its_turn() -> None:
    server = with_tools()
    stream = server.open()
    server.begin("resp_1", "a")
    server.end("resp_1", "a", output=[REQUEST])
    server.turns.approval(job(server), "evt_1", approve=True)
    server.refuse("evt_1")
    assert stream.is_over


# What a turn amounts to


def spoken(*deltas: str, whole: str | None = None, kind: str = "text") -> TurnStream:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    name = {"text": "response.output_text", "transcript": "response.output_audio_transcript"}[kind]
    place = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    for delta in deltas:
        server.put(f"{name}.delta", delta=delta, **place)
    if whole is not None:
        server.put(f"{name}.done", **{kind: whole}, **place)
        server.put(f"{name}.delta", delta=" late", **place)
    server.put(f"{name}.delta", delta=None, **place)
    server.put(f"{name}.done", **{kind: 5}, **place)
    return stream


def test_words_are_the_deltas_until_the_whole_text_has_come() -> None:
    assert (spoken("Hel", "lo").turn().text, spoken("Hel", "lo").turn().transcript) == ("Hello", "")
    assert spoken("Hel", whole="Hello.").turn().text == "Hello."
    assert spoken("Hel", "lo", kind="transcript").turn().transcript == "Hello"
    assert spoken("Hel", whole="Hello.", kind="transcript").turn().text == "Hello."


def test_words_of_the_finished_response_count_where_deltas_are_missing() -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    parts = [{"type": "output_text", "text": "One "}, {"transcript": "two."}, "odd", {"text": None}]
    tool = {"type": "function_call", "content": [{"text": "no"}]}
    server.end("resp_1", "a", output=[{"type": "message", "content": parts}, tool, "odd"])
    assert (stream.turn().text, stream.turn().transcript) == ("One two.", "two.")


def test_audio_is_decoded_and_invalid_base64_is_dropped() -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    for delta in (base64.b64encode(b"ab").decode(), "!", None, base64.b64encode(b"cd").decode()):
        server.put("response.output_audio.delta", response_id="resp_1", delta=delta)
    assert stream.turn().audio == b"abcd"


def test_a_turn_that_is_left_early_is_cancelled() -> None:
    server = Server()
    early, ended = server.open("a"), server.open("b")
    server.begin("resp_1", "b")
    server.end("resp_1", "b")
    server.turns.close(early)
    server.turns.close(ended)
    assert (early.turn().status, ended.turn().status) == ("cancelled", "completed")


def test_the_last_response_gives_the_status_and_all_give_the_usage(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    stream = server.open()
    server.begin("resp_1", "a")
    usage = {"total_tokens": 3, "input_tokens": 2, "input_token_details": {"text_tokens": 2}}
    server.end("resp_1", "a", usage=usage)
    stream.add_response("resp_2")
    more = {"total_tokens": 4, "output_tokens": 1, "input_token_details": {"audio_tokens": 1}}
    details = {"type": "incomplete", "reason": "content_filter"}
    server.end("resp_2", "a", usage=more, status="incomplete", status_details=details)
    turn = stream.turn()
    assert (turn.status, turn.response_ids) == ("incomplete", ("resp_1", "resp_2"))
    assert turn.status_details is not None and turn.status_details.reason == "content_filter"
    assert turn.usage is not None and turn.usage.input_token_details is not None
    assert (turn.usage.total_tokens, turn.usage.input_tokens, turn.usage.output_tokens) == (7, 2, 1)
    assert turn.usage.input_token_details.to_dict() == {"text_tokens": 2, "audio_tokens": 1}
    stream.add_response("resp_3")
    server.end("resp_3", "a", status_details="odd", usage=None)
    assert stream.turn().status_details is None
    assert not caplog.records
