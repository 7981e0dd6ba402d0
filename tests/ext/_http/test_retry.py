"""The decision whether to retry, row by row."""

from __future__ import annotations

import time

import pytest

from realtime_ext._http.retry import Failure, Outcome, backoff, decide, parse_retry_after
from tests.support.rows import each


def pause(failure: Failure, *, idempotent: bool, retries: int = 0, max_retries: int = 2) -> float | None:
    return decide(
        failure, idempotent=idempotent, retries=retries, max_retries=max_retries, random=lambda: 0.0
    )


@each("idempotent", [False, True])
@each(
    "failure",
    [Failure(Outcome.NOT_CONNECTED), Failure(Outcome.ANSWERED, 429), Failure(Outcome.ANSWERED, 503)],
)
def test_a_failure_without_effect_is_retried_for_every_operation(failure: Failure, idempotent: bool) -> None:
    assert pause(failure, idempotent=idempotent) == 0.5
    assert not failure.may_have_applied


@each(
    "failure",
    [
        Failure(Outcome.LOST),
        *(Failure(Outcome.ANSWERED, status) for status in (408, 409, 500, 502, 504, 520)),
    ],
)
def test_a_failure_that_may_have_applied_is_retried_only_if_idempotent(failure: Failure) -> None:
    assert pause(failure, idempotent=True) == 0.5
    assert pause(failure, idempotent=False) is None
    assert failure.may_have_applied


@each("idempotent", [False, True])
@each(
    "failure",
    [
        Failure(Outcome.UNSENDABLE),
        *(Failure(Outcome.ANSWERED, status) for status in (302, 400, 401, 403, 404, 410, 422, 499)),
    ],
)
def test_refusals_are_not_retried(failure: Failure, idempotent: bool) -> None:
    assert pause(failure, idempotent=idempotent) is None
    assert not failure.may_have_applied


def test_max_retries_counts_from_the_second_attempt() -> None:
    failure = Failure(Outcome.NOT_CONNECTED)
    assert pause(failure, idempotent=False, retries=1) == 1.0
    assert pause(failure, idempotent=False, retries=2) is None
    assert pause(failure, idempotent=False, max_retries=0) is None


@each(
    "retry_after, expected",
    [(0.0, 0.0), (7.5, 7.5), (60.0, 60.0), (60.1, None), (3600.0, None), (float("inf"), None)],
)
def test_the_api_s_wish_is_followed_up_to_a_minute(retry_after: float, expected: float | None) -> None:
    assert pause(Failure(Outcome.ANSWERED, 429, retry_after), idempotent=False) == expected


def test_pauses_double_up_to_a_cap_and_are_jittered_downwards() -> None:
    assert [backoff(retries, lambda: 0.0) for retries in (0, 1, 2, 3, 4, 5, 5000)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert backoff(0, lambda: 0.5) == 0.4375
    assert 0.375 < backoff(0, lambda: 0.999) < 0.376


@each(
    "header, seconds",
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-1", None),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),  # the clock shows 08:00:00 of that day
        ("Friday, 15-Jan-27 08:00:30 GMT", 30.0),
        ("Fri Jan 15 08:00:30 2027", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 25:00:00 GMT", None),
        ("2027-01-15 08:00:30", None),
        ("tomorrow", None),
        ("Fri, 15 Jan 2027 08:00:30." + "0" * 100 + " GMT", None),
    ],
)
def test_retry_after_is_seconds_or_an_http_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, lambda: 1_800_000_000.0) == seconds


def test_a_date_without_a_zone_is_utc_wherever_the_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            assert parse_retry_after("Fri Jan 15 08:00:30 2027", lambda: 1_800_000_000.0) == 30.0
        finally:
            patch.undo()
            time.tzset()
