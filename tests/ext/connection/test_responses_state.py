"""The queue before `response.create`: who may ask next, and which answers count for which request."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_ext.connection._state.responses import Responses
from realtime_ext.connection._state.waiters import Waiter
from tests.support.rows import each

CREATE = {"type": "response.create"}
BESIDE = {"type": "response.create", "response": {"conversation": "none"}}


def response(response_id: str = "resp_1", conversation: str | None = "conv_1") -> dict[str, Any]:
    return {"id": response_id, "conversation_id": conversation}


def test_one_at_a_time_may_create_a_response() -> None:
    responses = Responses()
    first, second = responses.ask(), responses.ask()
    assert (first.done, second.done) == (True, False)
    responses.sent("evt_1", CREATE)
    responses.release(first)
    assert responses.is_busy and not second.done
    responses.created(response())
    assert responses.active == ("resp_1",)
    assert not second.done
    responses.done(response())
    assert second.done and not responses.is_busy


def test_one_that_gives_up_leaves_its_place_to_the_next() -> None:
    responses = Responses()
    granted, waiting, last = (responses.ask() for _ in range(3))
    responses.release(waiting)
    responses.release(granted)
    assert (waiting.done, last.done) == (False, True)


def test_a_response_outside_the_conversation_blocks_none() -> None:
    responses = Responses()
    responses.sent("evt_1", BESIDE)
    assert not responses.is_busy
    responses.created(response(conversation=None))
    assert not responses.is_busy
    assert responses.ask().done
    assert responses.active == ("resp_1",)


def test_the_start_of_a_response_answers_the_oldest_request_of_its_kind() -> None:
    responses = Responses()
    responses.sent("evt_1", BESIDE)
    responses.sent("evt_2", CREATE)
    responses.created(response("resp_1", None))
    assert responses.is_busy, "the request for the conversation has no answer yet"
    responses.created(response("resp_2"))
    responses.done(response("resp_2"))
    assert not responses.is_busy


def test_a_response_without_a_conversation_id_counts_for_it_where_no_other_was_asked_for() -> None:
    responses = Responses()
    responses.sent("evt_1", CREATE)
    responses.created({"id": "resp_1"})
    assert responses.is_busy
    responses.done({"id": "resp_1"})
    assert not responses.is_busy


@each("event_id, is_busy", [("evt_1", False), (None, False), ("evt_9", True)])
def test_a_refusal_frees_the_queue_if_it_may_mean_the_request(event_id: str | None, is_busy: bool) -> None:
    responses = Responses()
    responses.sent("evt_1", CREATE)
    responses.refused(event_id)
    assert responses.is_busy is is_busy
    assert responses.ask().done is not is_busy


def hidden() -> Responses:
    """A request was refused because of a response that began before the connection did."""
    responses = Responses()
    responses.sent("evt_1", CREATE)
    responses.refused("evt_1", is_busy=True)
    assert responses.is_busy
    return responses


def test_an_unknown_active_response_is_waited_for_until_one_ends_or_begins() -> None:
    responses = hidden()
    responses.done(response("resp_0"))
    assert not responses.is_busy
    responses = hidden()
    responses.created(response("resp_2"))
    responses.done(response("resp_2"))
    assert not responses.is_busy
    responses = hidden()
    responses.reset()
    assert not responses.is_busy


def test_a_response_outside_the_conversation_does_not_end_an_unknown_one() -> None:
    responses = hidden()
    responses.sent("evt_2", BESIDE)
    responses.created(response("resp_2", conversation=None))
    assert responses.is_busy


def test_one_that_waits_too_long_for_an_unknown_response_lets_the_next_try() -> None:
    responses = hidden()
    first, second = responses.ask(), responses.ask()
    responses.release(first)
    assert second.done


def test_a_known_active_response_is_not_taken_for_an_unknown_one() -> None:
    responses = Responses()
    responses.created(response())
    responses.sent("evt_1", CREATE)
    responses.refused("evt_1", is_busy=True)
    responses.created(response("resp_2", conversation=None))
    responses.done(response("resp_2", conversation=None))
    assert responses.is_busy
    responses.done(response())
    assert not responses.is_busy


def test_the_end_of_an_unknown_response_answers_the_request_that_crossed_it() -> None:
    responses = Responses()
    responses.sent("evt_1", CREATE)
    responses.done(response("resp_0"))
    assert not responses.is_busy


def test_a_new_link_and_the_end_free_those_who_wait() -> None:
    responses = Responses()
    responses.created(response())
    waiting = responses.ask()
    responses.reset()
    assert waiting.done and responses.active == ()
    last = responses.ask()
    responses.fail(lambda: ValueError("closed"))
    with pytest.raises(ValueError, match="closed"):
        last.result()


def test_a_waiter_keeps_its_first_outcome() -> None:
    waiter, told = Waiter[int](), []
    with pytest.raises(RuntimeError, match="no result yet"):
        waiter.result()
    waiter.when_done(lambda: told.append("then"))
    assert told == []
    waiter.resolve(1)
    waiter.resolve(2)
    waiter.fail(ValueError("late"))
    assert (waiter.result(), told) == (1, ["then"])
    waiter.when_done(lambda: told.append("at once"))
    assert told == ["then", "at once"]
    failed = Waiter[int]()
    failed.fail(ValueError("first"))
    failed.fail(ValueError("second"))
    failed.resolve(1)
    with pytest.raises(ValueError, match="first"):
        failed.result()
