"""One test for all rows of a table, written as a parametrized one."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CODE = """
import pytest
from tests.support.rows import each

checked = []

@pytest.fixture
def made():
    checked.append("made")
    return "a fixture"

@each("text, length", [("one", 3), ("two", 4), ("three", 0)])
@each("more", [0, 1], ids=["plain", "longer"])
def test_table(made, text, length, more):
    assert made == "a fixture"
    checked.append(text)
    assert len(text) + more == length

def test_that_each_row_was_checked():
    assert checked == ["made", "one", "one", "two", "two", "three", "three"]
"""


def test_all_rows_are_checked_and_those_that_fail_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_app=CODE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    failed = [line.partition(" - ")[0] for line in result.outlines if line.startswith("SUBFAILED")]
    assert failed == [
        f"SUBFAILED[{row}] test_app.py::test_table"
        for row in ("('one', 3) longer", "('two', 4) plain", "('three', 0) plain", "('three', 0) longer")
    ]
    assert result.parseoutcomes() == {"failed": 5, "passed": 1}
