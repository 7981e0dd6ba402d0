"""One test for many cases: every case runs, and each that fails is reported by its name."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CODE = """
from tests.support.examples import check_each

def test_cases(subtests):
    def check(case):
        print("checked", case)
        assert case != "two"
        assert case != "four"

    check_each(subtests, ["one", "two", "three", "four"], check)

def test_names(subtests):
    check_each(subtests, [1, 2], lambda case: 1 / (case - 1), lambda case: f"case {case}")

def test_no_cases(subtests):
    check_each(subtests, [], print)
"""


def test_all_cases_run_and_those_that_fail_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_app=CODE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "test_cases")
    result.stdout.fnmatch_lines(["checked three", "SUBFAILED?two? test_app.py::test_cases*"])
    result.stdout.fnmatch_lines(["SUBFAILED?four? test_app.py::test_cases*"])


def test_cases_have_the_names_that_are_given_to_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_app=CODE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "test_names")
    result.stdout.fnmatch_lines(["SUBFAILED?case 1? test_app.py::test_names - ZeroDivisionError*"])


def test_no_cases_are_a_mistake(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_app=CODE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "test_no_cases")
    result.stdout.fnmatch_lines(["*AssertionError: there are no cases*"])
