"""How many examples a test draws, and a test for each of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import settings

Case = TypeVar("Case")
_HYPOTHESIS_DRAWS = 100


def examples(thorough: int) -> int:
    """Return how many examples to draw: all in `make test-all`, few in `make test`, as the profile says.

    Args:
        thorough: The number for a thorough run, where Hypothesis by itself draws 100.
    """
    return max(1, thorough * settings.default.max_examples // _HYPOTHESIS_DRAWS)


def check_each(
    cases: Iterable[Case], check: Callable[[Case], object], name: Callable[[Case], str] = str
) -> None:
    """Check every case, and raise what failed, each with the name of its case.

    One test for a large family of alike cases costs a fraction of a test for each.

    Args:
        cases: The cases; there must be one at least.
        check: Raises for a case that fails.
        name: What a failure calls its case.

    Raises:
        BaseExceptionGroup: At least one failed.
    """
    failures: list[BaseException] = []
    count = 0
    for case in cases:
        count += 1
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as error:
            error.add_note(f"with {name(case)}")
            failures.append(error)
    assert count > 0, "there are no cases"
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {count} failed", failures)
