"""A Live session without its I/O: transcript, usage, acknowledgements, and the parts of long texts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies

from realtime_ext._core.utterances import Utterance
from realtime_ext.connection._state.function_calls import CallJob
from realtime_ext.connection._state.live import (
    LiveSession,
    LiveUsage,
    count_tokens,
    split_text,
)
from realtime_ext.connection._state.waiters import Waiter
from realtime_ext.errors import APIStatusError, ConnectionClosedError
from realtime_ext.usage import UsageMeter
from tests.support.rows import each

COMMENTARY, THINKING = "session.commentary.append", "session.thinking.append"


def said(kind: str, start_ms: int, text: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": f"session.{kind}_transcript.delta",
        "start_ms": start_ms,
        "end_ms": start_ms + 200,
        "delta": text,
        **fields,
    }


def after(*events: dict[str, Any]) -> LiveSession:
    session = LiveSession()
    for event in events:
        session.apply(event)
    return session


def outcome(waiter: Waiter[None]) -> str:
    if not waiter.done:
        return "pending"
    try:
        waiter.result()
    except APIStatusError as error:
        return str(error.code)
    except ConnectionClosedError:
        return "closed"
    return "acknowledged"


def test_words_become_utterances_that_pauses_part() -> None:
    session = after(
        said("input", 0, "Hello"),
        said("input", 200, ". This is"),
        said("input", 600, " Ann."),
        said("input", 1800, "Are you there?"),
    )
    assert session.transcript == [
        Utterance(speaker="user", text="Hello. This is Ann.", start_ms=0, end_ms=800),
        Utterance(speaker="user", text="Are you there?", start_ms=1800, end_ms=2000),
    ]


def test_both_sides_speak_at_once_without_splitting_utterances() -> None:
    session = after(
        said("input", 0, "What time"),
        said("output", 200, "Let me"),
        said("input", 200, " is it?"),
        said("output", 400, " look."),
    )
    assert [(one.speaker, one.text) for one in session.transcript] == [
        ("user", "What time is it?"),
        ("assistant", "Let me look."),
    ]


def test_the_transcript_is_in_the_order_in_which_words_began() -> None:
    session = after(said("output", 1000, "Yes."), said("input", 400, "Hello?"))
    assert [one.text for one in session.transcript] == ["Hello?", "Yes."]


def test_an_event_that_is_repeated_counts_once() -> None:
    session, event = LiveSession(), said("input", 0, "Hello", event_id="event_1")
    assert (session.apply(event), session.apply(event)) == (True, False)
    assert [one.text for one in session.transcript] == ["Hello"]
    for number in range(2000):
        assert session.apply({"type": "info", "event_id": f"event_n{number}"})


def test_usage_is_the_latest_time_and_the_sum_of_the_backends_tokens() -> None:
    def done(kind: str, read: int, written: int, model: str = "gpt-5.6-sol") -> dict[str, Any]:
        details = {"cached_tokens": 10}
        usage = {"input_tokens": read, "output_tokens": written, "input_tokens_details": details}
        response = {"model": model, "usage": usage}
        return {"type": "response.event", "event": {"type": kind, "response": response}}

    session = after(
        {"type": "session.started", "session": {"model": "gpt-live-1"}},
        {"type": "session.usage.updated", "usage": {"seconds": 14.0}},
        done("response.created", 7, 7),
        done("response.completed", 100, 20),
        done("response.incomplete", 50, 5),
        done("response.completed", 30, 3, "gpt-5.6-mini"),
    )
    usage = session.usage
    assert (usage.seconds, usage.input_tokens, usage.output_tokens) == (14.0, 180, 28)
    assert [(one.kind, one.model) for one in usage.total.entries] == [
        ("session", "gpt-live-1"),
        ("response", "gpt-5.6-sol"),
        ("response", "gpt-5.6-mini"),
    ]
    assert session.close_reason is None
    session.apply({"type": "session.closed", "reason": "expired", "usage": {"seconds": 16.0}})
    assert (session.usage.seconds, session.close_reason) == (16.0, "expired")


def test_tokens_of_decisions_are_counted_once_for_each() -> None:
    used = {"input_tokens": 117, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 0}}
    decision = {"answers": [], "model": "gpt-5.6-luna", "usage": used}
    event = {
        "type": "decision.event",
        "event_id": "event_1",
        "event": {"type": "decision.completed", "decision": decision},
    }
    meter = UsageMeter()
    for one in (event, event, {**event, "event_id": "event_2"}):
        meter.observe(one)
    session = after(event, event, {**event, "event_id": "event_2"}, {**event, "event": {"type": "new"}})
    assert (session.usage.input_tokens, session.usage.output_tokens) == (234, 2)
    assert meter.usage == session.usage.backend
    assert [one.model for one in meter.usage.entries] == ["gpt-5.6-luna"]


def test_seconds_in_standby_are_counted_apart() -> None:
    session = LiveSession()
    session.apply({"type": "session.started", "session": {"id": "live_1", "model": "gpt-live-1.1"}})
    used = {"seconds": 90.0, "active_seconds": 30, "paused_seconds": 60}
    session.apply({"type": "session.usage.updated", "usage": used})
    assert (session.usage.active_seconds, session.usage.paused_seconds) == (30, 60)
    for odd in (-1, float("nan"), 1000, "60", None):
        session.apply({"type": "session.usage.updated", "usage": {"seconds": 91, "paused_seconds": odd}})
        assert session.usage.paused_seconds == 60


def test_a_response_of_the_backend_goes_on_until_it_ends() -> None:
    def response(kind: str, response_id: str | None = "resp_1") -> dict[str, Any]:
        event = {"type": f"response.{kind}", "response": {"id": response_id}}
        return {"type": "response.event", "delegation_id": "item_1", "event": event}

    session = after(response("in_progress"), response("created", None))
    assert session.responding == ()
    session.apply(response("created"))
    session.apply(response("in_progress"))
    session.apply(response("completed", "resp_2"))
    assert session.responding == ("resp_1",)
    session.apply(response("completed"))
    assert session.responding == ()


def test_a_session_that_continues_another_has_none_of_its_calls() -> None:
    item = {"type": "function_call", "call_id": "call_1", "name": "book_room", "arguments": "{}"}
    session = LiveSession()
    session.backend.is_registered = True
    for event in (
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.done", "item": item},
    ):
        session.apply({"type": "response.event", "delegation_id": "item_1", "event": event})
    session.lose(is_sideband=True)
    job = session.backend.next_job()
    assert isinstance(job, CallJob)
    session.lose(is_sideband=False)
    assert session.backend.next_job() is None
    assert session.backend.output(job, "Booked.") is None, "its session was lost"
    session.restart()
    assert session.responding == ()


def test_an_append_is_acknowledged_by_its_id() -> None:
    session = LiveSession()
    first, second = (session.appending(name, COMMENTARY) for name in ("a", "b"))
    session.apply({"type": "session.commentary.appended", "client_event_id": "b"})
    assert (outcome(first), outcome(second)) == ("pending", "acknowledged")


def test_without_an_id_the_oldest_append_of_a_kind_is_acknowledged() -> None:
    session = LiveSession()
    thought, first, second = (
        session.appending(*one) for one in (("t", THINKING), ("a", COMMENTARY), ("b", COMMENTARY))
    )
    session.apply({"type": "session.commentary.appended", "start_ms": 600, "end_ms": 800})
    assert [outcome(one) for one in (thought, first, second)] == ["pending", "acknowledged", "pending"]


def test_a_refused_append_fails_with_the_refusal() -> None:
    session = LiveSession()
    first, second = (session.appending(name, COMMENTARY) for name in ("a", "b"))
    too_long = {"type": "invalid_request_error", "code": "invalid_value", "param": "content"}
    session.apply({"type": "error", "error": {**too_long, "message": "Too long.", "client_event_id": "b"}})
    assert (outcome(first), outcome(second)) == ("pending", "invalid_value")


def test_a_session_that_closes_fails_the_appends_that_are_left_one_by_one() -> None:
    session = LiveSession()
    first, second = (session.appending(name, COMMENTARY) for name in ("a", "b"))
    error = {"type": "server_error", "code": "context_injection_incomplete", "message": "Closed."}
    session.apply({"type": "error", "error": error})
    assert (outcome(first), outcome(second)) == ("context_injection_incomplete", "pending")
    session.apply({"type": "error", "error": {**error, "param": None}})
    assert outcome(second) == "context_injection_incomplete"


def test_other_errors_leave_appends_alone() -> None:
    session = LiveSession()
    waiter = session.appending("a", COMMENTARY)
    session.apply({"type": "error", "error": {"code": "invalid_audio", "message": "Odd."}})
    assert outcome(waiter) == "pending"
    session.fail(lambda: ConnectionClosedError(1011, "lost"))
    assert outcome(waiter) == "closed"


@each(
    "event",
    [
        {},
        {"type": 7, "event_id": []},
        {"type": "error", "error": None},
        {"type": "error", "error": {"client_event_id": ["a"]}},
        {"type": "response.event", "event": {"type": "response.completed", "response": {"usage": None}}},
        {"type": "response.event", "event": {"type": ["x"], "response": {"usage": {"input_tokens": "7"}}}},
        {"type": "session.usage.updated", "usage": {"seconds": "many"}},
        {"type": "session.input_transcript.delta", "delta": 7},
        {"type": "session.commentary.appended", "client_event_id": {}},
        {"type": "session.closed"},
    ],
)
def test_an_odd_event_changes_nothing(event: dict[str, Any]) -> None:
    session = LiveSession()
    waiter = session.appending("a", THINKING)
    assert session.apply(event)
    assert (session.transcript, session.usage, outcome(waiter)) == ([], LiveUsage(), "pending")


def test_a_short_text_is_one_part() -> None:
    assert split_text("Good morning. How are you?") == ["Good morning. How are you?"]
    assert split_text("") == [""]


def test_a_long_text_is_split_at_the_ends_of_sentences() -> None:
    text = "The room is free on Monday. " * 200
    parts = split_text(text)
    assert len(parts) > 1 and "".join(parts) == text
    assert all(part.rstrip().endswith("Monday.") for part in parts)


def test_a_long_sentence_is_split_between_words() -> None:
    parts = split_text("lamb " * 600 + "end.")
    assert len(parts) == 2 and all(part.split()[0] == "lamb" for part in parts)


@given(strategies.text(max_size=200), strategies.integers(4, 20))
def test_parts_make_up_the_text_within_the_limit(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert "".join(parts) == text
    assert all(count_tokens(part) <= limit for part in parts)
    assert text.strip() == "" or all(parts)


def delegated(number: int, **fields: Any) -> dict[str, Any]:
    own = {"id": f"item_{number}", "type": "delegation", "target": "client", **fields}
    return {"type": "session.delegation.created", "offset_ms": 0, "delegation": own}


@each(
    "said_before, words",
    [
        ([said("input", 0, "Check"), said("input", 200, " the door.")], "Check the door."),
        ([], ""),
        (  # a pause without speech
            [said("input", 0, "Check"), said("input", 3000, "the door.")],
            "Check the door.",
        ),
        (  # a question that was answered is not part of it
            [said("input", 0, "Hi."), said("output", 1000, "Hello!"), said("input", 3000, "Check.")],
            "Check.",
        ),
        (  # the model agrees while the user speaks
            [said("input", 0, "Check"), said("output", 300, "Sure,"), said("input", 600, " it.")],
            "Check it.",
        ),
    ],
)
def test_a_task_has_what_the_user_said_last(said_before: list[dict[str, Any]], words: str) -> None:
    task = after(*said_before, delegated(1)).tasks.next()
    assert task is not None and (task.id, task.words) == ("item_1", words)


def test_a_task_that_was_handed_over_is_not_begun_twice() -> None:
    session = after(said("input", 0, "Check"), delegated(1), delegated(2), delegated(3))
    session.tasks.take_over({"item_1": "Check the door."}, done=["item_2"])
    first, second = session.tasks.next(), session.tasks.next()
    assert first is not None and (first.id, first.words) == ("item_1", "Check the door.")
    assert second is not None and second.id == "item_3"
    assert session.tasks.next() is None


def test_a_task_is_lost_with_its_session_also_when_its_handler_has_ended() -> None:
    session = after(delegated(1))
    task = session.tasks.next()
    assert task is not None
    session.tasks.done(task)
    assert not task.is_lost
    assert session.tasks.lose() == []
    assert task.is_lost
    session.apply(delegated(2))
    again = session.tasks.next()
    assert again is not None and not again.is_lost


def test_a_lost_session_leaves_neither_tasks_nor_words() -> None:
    session = after(said("input", 0, "Check"))
    session.tasks.take_over({"item_9": "Order a taxi."}, done=[])
    assert session.tasks.lose() == ["item_9"]
    assert session.tasks.next() is None
    session.apply(delegated(1))
    task = session.tasks.next()
    assert task is not None and task.words == ""


def test_words_that_follow_belong_to_the_latest_task() -> None:
    session = after(said("input", 0, "Check"), delegated(1), said("input", 200, " the door."), delegated(2))
    session.apply(said("input", 2000, "And lock it."))
    first, second, none = (session.tasks.next() for _ in range(3))
    assert first is not None and second is not None and none is None
    assert (first.words, second.words) == ("Check the door.", "And lock it.")


@each(
    "between, first_words",
    [
        ([said("output", 300, "Shall I lock it?"), said("input", 3000, "Yes.")], "Check."),
        (
            [
                said("output", 300, "Sure,"),
                said("input", 600, " please."),
                said("output", 900, "Shall I lock it?"),
                said("input", 4000, "Yes."),
            ],
            "Check. please.",
        ),
    ],
)
def test_words_after_the_models_answer_belong_to_the_next_task(
    between: list[dict[str, Any]], first_words: str
) -> None:
    session = after(said("input", 0, "Check."), delegated(1), *between, delegated(2))
    first, second = (session.tasks.next() for _ in range(2))
    assert first is not None and second is not None
    assert (first.words, second.words) == (first_words, "Yes.")


def test_words_after_a_task_is_done_belong_to_the_next_one() -> None:
    session = after(said("input", 0, "Check."), delegated(1))
    first = session.tasks.next()
    assert first is not None
    session.tasks.done(first)
    session.apply(said("input", 2000, "And lock it."))
    session.apply(delegated(2))
    second = session.tasks.next()
    assert second is not None and (first.words, second.words) == ("Check.", "And lock it.")


def test_only_the_clients_tasks_count_and_each_once() -> None:
    other, mine = LiveSession(), LiveSession()
    other.tasks.claims = mine.tasks.claims
    for session in (other, mine):
        for number, target in enumerate(["responses", "decisions", "client"]):
            session.apply(delegated(number, target=target))
        session.apply({"type": "session.delegation.created", "delegation": {"id": 7}})
        session.apply({"type": "session.delegation.created"})
    found = other.tasks.next()
    assert found is not None and found.id == "item_2"
    assert (other.tasks.next(), mine.tasks.next()) == (None, None)
