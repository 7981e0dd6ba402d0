"""One test for many cases: every case runs, and each that fails is named."""

from __future__ import annotations

import inspect

import pytest

from tests.support.examples import check_each, each

RAN: list[tuple[int, str]] = []


@each(("number", "word"), [(1, "one"), (2, "two"), (3, "three")])
def count(number: int, word: str, given: str) -> None:
    """Count."""
    RAN.append((number, given))
    assert len(word) == 3


def test_all_cases_run_and_those_that_fail_are_named() -> None:
    RAN.clear()
    with pytest.raises(BaseExceptionGroup, match="1 of 3 failed") as caught:
        count(given="x")
    assert RAN == [(1, "x"), (2, "x"), (3, "x")]
    (failure,) = caught.value.exceptions
    assert failure.__notes__ == ["with number=3, word='three'"]


def test_only_fixtures_are_left_as_arguments() -> None:
    assert [*inspect.signature(count).parameters] == ["given"]
    assert count.__doc__ == "Count."


@pytest.mark.parametrize(
    ("ids", "name"),
    [(str.upper, "with word=FOUR"), (["first", "second"], "with second")],
    ids=["call", "list"],
)
def test_cases_have_the_names_that_are_given_to_them(ids: object, name: str) -> None:
    @each("word", ["one", "four"], ids=ids)  # type: ignore[arg-type]
    def check(word: str) -> None:
        assert len(word) == 3

    with pytest.raises(BaseExceptionGroup) as caught:
        check()
    assert caught.value.exceptions[0].__notes__ == [name]


def test_no_cases_and_cases_of_another_length_are_mistakes() -> None:
    with pytest.raises(AssertionError, match="there are no cases"):
        check_each([], print)
    with pytest.raises(BaseExceptionGroup, match="1 of 1 failed"):
        each(("number", "word"), [(1, "one", "more")])(count)(given="x")
