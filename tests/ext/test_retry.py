"""The decision whether to repeat, row by row."""

from __future__ import annotations

from realtime_ext._http.retry import Failure, Outcome, backoff, decide
from tests.support.examples import each


def pause(failure: Failure, *, acts_twice: bool, repeats: int = 0, max_retries: int = 2) -> float | None:
    return decide(
        failure, acts_twice=acts_twice, repeats=repeats, max_retries=max_retries, random=lambda: 0.0
    )


@each("acts_twice", [False, True])
@each(
    "failure",
    [Failure(Outcome.NOT_CONNECTED), Failure(Outcome.ANSWERED, 429), Failure(Outcome.ANSWERED, 503)],
    ids=str,
)
def test_what_had_no_effect_is_repeated_for_every_operation(failure: Failure, acts_twice: bool) -> None:
    assert pause(failure, acts_twice=acts_twice) == 0.5
    assert not failure.may_have_applied


@each(
    "failure",
    [
        Failure(Outcome.LOST),
        *(Failure(Outcome.ANSWERED, status) for status in (408, 409, 500, 502, 504, 520)),
    ],
    ids=str,
)
def test_what_may_have_applied_is_repeated_only_where_that_is_harmless(failure: Failure) -> None:
    assert pause(failure, acts_twice=False) == 0.5
    assert pause(failure, acts_twice=True) is None
    assert failure.may_have_applied


@each("acts_twice", [False, True])
@each(
    "failure",
    [
        Failure(Outcome.UNSENDABLE),
        *(Failure(Outcome.ANSWERED, status) for status in (302, 400, 401, 403, 404, 410, 422, 499)),
    ],
    ids=str,
)
def test_refusals_are_not_repeated(failure: Failure, acts_twice: bool) -> None:
    assert pause(failure, acts_twice=acts_twice) is None
    assert not failure.may_have_applied


def test_max_retries_counts_repeats_after_the_first_attempt() -> None:
    failure = Failure(Outcome.NOT_CONNECTED)
    assert pause(failure, acts_twice=True, repeats=1) == 1.0
    assert pause(failure, acts_twice=True, repeats=2) is None
    assert pause(failure, acts_twice=True, max_retries=0) is None


@each(
    ("retry_after", "expected"),
    [(0.0, 0.0), (7.5, 7.5), (60.0, 60.0), (60.1, None), (3600.0, None), (float("inf"), None)],
)
def test_the_api_s_wish_is_followed_up_to_a_minute(retry_after: float, expected: float | None) -> None:
    assert pause(Failure(Outcome.ANSWERED, 429, retry_after), acts_twice=True) == expected


def test_pauses_double_up_to_a_cap_and_are_jittered_downwards() -> None:
    assert [backoff(repeats, lambda: 0.0) for repeats in (0, 1, 2, 3, 4, 5, 5000)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert backoff(0, lambda: 0.5) == 0.4375
    assert 0.375 < backoff(0, lambda: 0.999) < 0.376
