"""The reconnect policy without a connection: which losses reconnect, the pauses, and the final error."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_ext import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConnectionClosedError,
    InternalServerError,
    RateLimitError,
    SessionExpired,
)
from realtime_ext.connection import Attempt, Reconnect
from realtime_ext.connection._state.reconnect import (
    STEADY,
    CloseInfo,
    Pending,
    Reconnecting,
    policy_for,
    should_reconnect,
    unconfirmed,
)
from realtime_ext.connection._state.waiters import Waiter
from tests.support.rows import each


def lost(code: int | None = 1006, expiry: str | None = None) -> CloseInfo:
    return CloseInfo.by_peer(code, "lost", expiry=expiry)


def reconnecting(policy: Reconnect, now: float = 0.0, **options: Any) -> Reconnecting:
    return Reconnecting(policy, lost(), now, options.pop("random", lambda: 0.0), **options)


@each(
    "code, expiry, is_normal, is_expired, reason",
    [
        (1000, None, True, False, "lost"),
        (1005, None, True, False, "lost"),
        (1006, None, False, False, "lost"),
        (None, None, False, False, "lost"),
        (1000, "60 minutes", False, True, "lost: 60 minutes"),
        (1001, "", False, True, "lost"),
    ],
)
def test_how_the_peer_ends_a_link(
    code: int | None, expiry: str | None, is_normal: bool, is_expired: bool, reason: str
) -> None:
    closed = CloseInfo.by_peer(code, "lost", expiry=expiry)
    assert (closed.is_normal, closed.is_expired, closed.reason) == (is_normal, is_expired, reason)
    assert type(closed.error()) is (SessionExpired if is_expired else ConnectionClosedError)
    assert closed.own_code == 1000


def test_a_slow_consumer_is_told_the_limit_and_what_to_do() -> None:
    closed = CloseInfo.by_slow_consumer(100)
    assert "more than 100 bytes" in closed.reason and "none was consumed" not in closed.reason
    assert closed.own_code == 1008
    assert "none was consumed (iterate" in CloseInfo.by_slow_consumer(100, is_read=False).reason


def test_an_error_has_the_callers_unsent_events_or_all() -> None:
    cause = OSError("reset")
    closed = CloseInfo(code=1006, reason="lost", unsent=("a", "b"), cause=cause)
    assert closed.error().unsent == ("a", "b")
    assert closed.error(("b",)).unsent == ("b",)
    assert closed.error().__cause__ is cause


@each(
    "replay, code, expiry, expected",
    [
        (False, 1006, None, True),
        (False, None, None, True),
        (False, 1000, None, False),
        (False, 4000, None, False),
        (False, 1006, "expired", False),
        (True, 1000, "expired", True),
    ],
)
def test_transient_losses_reconnect_and_an_expired_session_needs_a_replay(
    replay: bool, code: int | None, expiry: str | None, expected: bool
) -> None:
    assert should_reconnect(Reconnect(replay=replay), lost(code, expiry)) is expected


def test_the_default_is_to_reconnect_a_sideband() -> None:
    own = Reconnect(attempts=2)
    assert policy_for(None, is_sideband=True) == Reconnect()
    assert policy_for(None, is_sideband=False) is None
    assert policy_for(False, is_sideband=True) is None
    assert policy_for(own, is_sideband=True) is own
    assert policy_for(Reconnect(replay=True), is_sideband=False) == Reconnect(replay=True)
    with pytest.raises(ValueError, match=r"Reconnect\(replay=True\) continues in a new one"):
        policy_for(own, is_sideband=False)
    with pytest.raises(TypeError, match="expected a Reconnect, False or None, got bool"):
        policy_for(True, is_sideband=True)


def test_pauses_double_up_to_the_longest_and_end_with_the_attempts() -> None:
    attempts: list[Attempt] = []
    policy = Reconnect(attempts=4, first_delay=1.0, max_delay=3.0, on_attempt=attempts.append)
    task = reconnecting(policy)
    made = [task.next() for _ in range(5)]
    assert [(attempt.number, attempt.delay) for attempt in attempts] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.0),
        (4, 3.0),
    ]
    assert made == [*attempts, None]
    assert all(attempt.reason == "lost" for attempt in attempts)


def test_a_pause_is_shorter_by_up_to_a_quarter() -> None:
    attempt = reconnecting(Reconnect(first_delay=1.0), random=lambda: 1.0).next()
    assert attempt is not None and attempt.delay == 0.75


def test_a_failing_callback_is_logged_and_an_interrupt_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    def fails(attempt: Attempt) -> None:
        raise OSError("no")

    def interrupts(attempt: Attempt) -> None:
        raise KeyboardInterrupt

    assert reconnecting(Reconnect(on_attempt=fails)).next() is not None
    assert [record.getMessage() for record in caplog.records] == ["on_attempt raised OSError"]
    with pytest.raises(KeyboardInterrupt):
        reconnecting(Reconnect(on_attempt=interrupts)).next()


@each(
    "restored_at, now, number",
    [(10.0, 10.0 + STEADY - 1, 2), (10.0, 10.0 + STEADY, 1), (None, 10.0, 1)],
)
def test_a_link_that_did_not_last_counts_as_an_attempt(
    restored_at: float | None, now: float, number: int
) -> None:
    policy = Reconnect()
    before = reconnecting(policy)
    before.next()
    before.restored_at = restored_at
    attempt = reconnecting(policy, now, previous=before).next()
    assert attempt is not None and attempt.number == number


def status(kind: type[Any], code: int) -> Any:
    return kind("no", status_code=code)


@each(
    "error, is_linked, is_tried_again, reason",
    [
        (APIConnectionError("no"), False, True, "no"),
        (status(InternalServerError, 500), True, True, "no"),
        (status(RateLimitError, 429), False, True, "no"),
        (status(AuthenticationError, 401), False, False, "no"),
        (status(AuthenticationError, 401), True, False, "the new session's configuration was refused: "),
    ],
)
def test_a_refusal_is_not_tried_again(error: Any, is_linked: bool, is_tried_again: bool, reason: str) -> None:
    task = reconnecting(Reconnect(attempts=2))
    task.next()
    task.failed(error, is_linked=is_linked)
    assert task.reason.startswith(reason) and "no" in task.reason
    closed = task.given_up()
    assert closed.cause is error
    assert closed.reason.startswith("lost; reconnecting failed after 1 attempt: ")
    assert ("configuration" in closed.reason) is (is_linked and not is_tried_again)
    assert (task.next() is not None) is is_tried_again


def test_the_reason_of_the_last_failed_attempt_is_reported() -> None:
    task, cause = reconnecting(Reconnect()), OSError("reset")
    task.next()
    task.next()
    task.link_lost("again", cause)
    closed = task.given_up()
    assert closed.reason == "lost; reconnecting failed after 2 attempts: again"
    assert (closed.cause, closed.is_normal) == (cause, False)


def test_a_session_that_is_not_confirmed_is_a_timeout() -> None:
    error = unconfirmed(2.0)
    assert isinstance(error, APITimeoutError) and "within 2 s" in str(error)


# Senders that wait


def test_senders_are_woken_by_a_new_link() -> None:
    pending, first, second = Pending(), Waiter[None](), Waiter[None]()
    pending.hold(first, None, for_link=True)
    pending.hold(second, lambda: [{"type": "a"}])  # it waits for its turn
    pending.link_ready()
    assert (first.done, second.done) == (True, False)


def test_the_end_of_a_connection_tells_each_sender_its_unsent_events() -> None:
    pending = Pending()
    sender, silent, released, woken = (Waiter[None]() for _ in range(4))
    woken.resolve(None)
    for number, waiter in enumerate((sender, released, woken)):
        pending.hold(waiter, lambda number=number: [{"number": number}], for_link=True)
    pending.hold(silent, None, for_link=True)
    pending.release(released)
    pending.failed([{"number": 9}])
    closed = pending.closed(lost())
    assert closed.unsent == ({"number": 9}, {"number": 0})
    for waiter, unsent in ((sender, ({"number": 0},)), (silent, closed.unsent)):
        with pytest.raises(ConnectionClosedError) as caught:
            waiter.result()
        assert caught.value.unsent == unsent
    assert not released.done
    assert pending.closed(lost()).unsent == ({"number": 9},), "those who waited were told once"


def test_a_new_link_forgets_earlier_reports() -> None:
    pending = Pending()
    pending.failed([{"number": 9}])
    pending.link_ready()
    assert pending.closed(lost()).unsent == ()
