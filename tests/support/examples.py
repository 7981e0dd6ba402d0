"""How many examples a test draws, and one test for many cases."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

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


def each(
    names: str | Sequence[str],
    cases: Iterable[Any],
    *,
    ids: Callable[[Any], object] | Iterable[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the body of a test for every case, as one test: for many cases that take no time and share nothing.

    The arguments are those of `pytest.mark.parametrize`, whose tests cost 3 ms each before they do anything.
    All cases run, whichever fail. They share the test's fixtures.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [tuple(case) if len(wanted) > 1 else (case,) for case in cases]
    labels = [] if ids is None or callable(ids) else list(ids)

    def label(number: int) -> str:
        if labels:
            return labels[number]
        show = ids if callable(ids) else repr
        case = zip(wanted, rows[number], strict=False)
        return ", ".join(f"{name}={show(value)}"[:300] for name, value in case)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def whole(**fixtures: Any) -> None:
            def check(number: int) -> None:
                test(**fixtures, **dict(zip(wanted, rows[number], strict=True)))

            check_each(range(len(rows)), check, label)

        signature = inspect.signature(test)
        left = [own for name, own in signature.parameters.items() if name not in wanted]
        whole.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return whole

    return decorate
