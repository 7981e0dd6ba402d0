"""Handlers and kinds of events without a connection: which are called, in which order, and how often."""

from __future__ import annotations

import re
from typing import Any, Union

import pytest
from realtime_api.models import RealtimeServerEventError, RealtimeServerEventResponseDone

from realtime_ext.connection._state.event_kinds import EventWaiter, keys_of, name_of
from realtime_ext.connection._state.handlers import Handlers
from realtime_ext.events import Reconnected, SessionExpiring, UnknownEvent
from tests.support.rows import each

EXPIRING, RECONNECTED = SessionExpiring(seconds_left=300.0), Reconnected(attempts=1, replayed=0)


def one(event: Any) -> None: ...


def two(event: Any) -> None: ...


def test_handlers_by_type_come_first_then_those_by_class() -> None:
    handlers = Handlers()
    handlers.add(SessionExpiring, one)
    handlers.add(EXPIRING.type, two)
    assert tuple(handlers.pop(EXPIRING)) == (two, one)
    assert tuple(handlers.pop(EXPIRING)) == (two, one)
    assert tuple(handlers.pop(RECONNECTED)) == ()


def test_a_handler_registered_once_is_called_for_the_first_of_its_kinds_alone() -> None:
    handlers = Handlers()
    handlers.add((SessionExpiring, Reconnected), one, once=True)
    handlers.add(Reconnected, two, once=True)
    assert tuple(handlers.pop(EXPIRING)) == (one,)
    assert tuple(handlers.pop(EXPIRING)) == ()
    assert tuple(handlers.pop(RECONNECTED)) == (two,)
    assert tuple(handlers.pop(RECONNECTED)) == ()


def test_a_function_registered_once_for_two_kinds_apart_is_called_for_each() -> None:
    handlers = Handlers()
    handlers.add(SessionExpiring, one, once=True)
    handlers.add(Reconnected, one, once=True)
    assert tuple(handlers.pop(EXPIRING)) == (one,)
    assert tuple(handlers.pop(RECONNECTED)) == (one,)
    assert tuple(handlers.pop(RECONNECTED)) == ()


def test_handlers_after_one_that_raised_are_called_with_the_next_event() -> None:
    handlers = Handlers()
    for handler in (one, two):
        handlers.add(Reconnected, handler, once=True)
    assert next(iter(handlers.pop(RECONNECTED))) is one
    assert tuple(handlers.pop(RECONNECTED)) == (two,)
    assert tuple(handlers.pop(RECONNECTED)) == ()


def test_a_function_that_is_also_registered_for_good_stays() -> None:
    handlers = Handlers()
    handlers.add(Reconnected, one)
    handlers.add(SessionExpiring, one, once=True)
    assert tuple(handlers.pop(EXPIRING)) == (one,)
    assert tuple(handlers.pop(RECONNECTED)) == (one,)


def test_one_function_or_all_of_a_kind_are_removed() -> None:
    handlers = Handlers()
    for kind in (SessionExpiring, Reconnected):
        handlers.add(kind, one)
        handlers.add(kind, two)
    handlers.remove(SessionExpiring, one)
    handlers.remove(Reconnected)
    handlers.remove("error", one)  # there is none
    assert tuple(handlers.pop(EXPIRING)) == (two,)
    assert tuple(handlers.pop(RECONNECTED)) == ()


def test_a_handler_is_a_function() -> None:
    with pytest.raises(TypeError, match="handler: expected a function, got int"):
        Handlers().add("error", 5)  # type: ignore[arg-type]


DONE, ERROR = RealtimeServerEventResponseDone, RealtimeServerEventError


@each(
    "kind, keys, name",
    [
        ("error", ("error",), "error"),
        (DONE, (DONE,), "RealtimeServerEventResponseDone"),
        (DONE | ERROR, (DONE, ERROR), "RealtimeServerEventResponseDone | RealtimeServerEventError"),
        (
            Union.__getitem__((DONE, ERROR)),
            (DONE, ERROR),
            "RealtimeServerEventResponseDone | RealtimeServerEventError",
        ),
        (("error", (DONE,)), ("error", DONE), "error | RealtimeServerEventResponseDone"),
    ],
)
def test_kinds_are_types_classes_and_several_of_them(kind: Any, keys: tuple[Any, ...], name: str) -> None:
    assert keys_of(kind) == keys
    assert name_of(kind) == name


@each(
    "kind, error",
    [("", ValueError), ((), ValueError), (5, TypeError), (int, TypeError), (None, TypeError)],
)
def test_other_kinds_are_refused(kind: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="event: expected"):
        keys_of(kind)


@each(
    "kind, message",
    [
        ("response.dne", "'response.dne' is not known; did you mean 'response.done'?"),
        ("response.dnoe", "'response.dnoe' is not known; did you mean 'response.done'?"),
        ("response.donee", "'response.donee' is not known; did you mean 'response.done'?"),
        ("response_done", "'response_done' is not known; did you mean 'response.done'?"),
        (
            "session.update",
            "'session.update' is sent by clients and is never received; did you mean 'session.updated'?",
        ),
        (
            "realtime_ext.reconected",
            "expected one of realtime_ext.reconnected, realtime_ext.session_expiring, ",
        ),
        (("response.done", "eror"), "'eror' is not known; did you mean 'error'?"),
    ],
)
def test_a_misspelled_event_type_is_refused(kind: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"event: {message}")):
        keys_of(kind)
    with pytest.raises(ValueError, match="event: "):
        Handlers().add(kind, print)


@pytest.mark.parametrize(
    ("kind", "warning"),
    [
        ("response.finished", "unknown event type 'response.finished'; did you mean 'response.done'?"),
        (
            "response.text.delta",
            "unknown event type 'response.text.delta'; did you mean 'response.output_text.delta'?",
        ),
        ("zzz", "unknown event type 'zzz'"),
        ("response.done", None),
        ("session.output_transcript.delta", None),
        ("realtime_ext.reconnected", None),
    ],
)
def test_an_unknown_event_type_is_logged(
    caplog: pytest.LogCaptureFixture, kind: str, warning: str | None
) -> None:
    keys_of(kind)
    assert [record.getMessage() for record in caplog.records] == ([warning] if warning else [])


def test_a_waiter_matches_types_and_classes_under_its_condition() -> None:
    waiter = EventWaiter(("test.event", SessionExpiring), lambda event: event.type != "test.event")
    waiter.offer(RECONNECTED, 1)
    waiter.offer(UnknownEvent("test.event", {}), 2)
    assert not waiter.done
    waiter.offer(EXPIRING, 3)
    assert (waiter.result(), waiter.number) == (EXPIRING, 3)


def test_an_exception_of_the_condition_fills_the_waiter() -> None:
    waiter = EventWaiter("error", lambda event: 1 // 0)
    waiter.offer(UnknownEvent("error", {}), 1)
    with pytest.raises(ZeroDivisionError):
        waiter.result()


async def asynchronous(event: Any) -> bool:
    return True


@each("where, got", [(5, "int"), (asynchronous, "an async one")])
def test_a_condition_is_a_plain_function(where: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"where: expected a function of an event, or None, got {got}"):
        EventWaiter("error", where)
