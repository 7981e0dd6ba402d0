"""How many examples a test draws, and one test for many cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import settings

Case = TypeVar("Case")
_HYPOTHESIS_DRAWS = 100


def examples(many: int) -> int:
    """Return how many examples to draw: few by default, more in `make test-weekly`, as the profile says.

    Args:
        many: The number where Hypothesis by itself draws 100.
    """
    return max(1, many * settings.default.max_examples // _HYPOTHESIS_DRAWS)


def check_each(
    subtests: pytest.Subtests,
    cases: Iterable[Case],
    check: Callable[[Case], object],
    name: Callable[[Case], str] = str,
) -> None:
    """Check all cases of a large family, and report each that fails as a subtest.

    Cases that pass cost nothing, where a parametrized test takes 2 ms and a subtest 1 ms.

    Args:
        subtests: The fixture.
        cases: The cases; at least one.
        check: Raises for a case that fails.
        name: Returns the name of a case for the report.
    """
    count = 0
    for case in cases:
        count += 1
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as error:
            with subtests.test(name(case)):
                raise error
    assert count > 0, "there are no cases"
