"""One test for all rows of a table."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.examples import check_each


def each(names: str, rows: Iterable[Any], ids: Iterable[Any] | None = None) -> Callable[[Any], Any]:
    """Decorate a test to check all rows of a table, and to report each row that fails.

    It is written as `pytest.mark.parametrize` is, and tables above each other are combined as there. But it
    stays one test, so that rows cost no time, and share the fixtures.

    Args:
        names: The parameters that a row has values for, with commas between.
        rows: The rows; with one parameter, its values.
        ids: The rows' names in a report, in place of their values.
    """
    wanted = re.split(", *", names)
    listed = list(rows)
    shown = listed if ids is None else [_Name(name) for name in ids]
    cases = [
        ([name], dict(zip(wanted, row if len(wanted) > 1 else [row], strict=True)))
        for name, row in zip(shown, listed, strict=True)
    ]

    def decorate(test: Any) -> Any:
        inner: list[tuple[list[Any], dict[str, Any]]] = getattr(test, "cases", [([], {})])
        test = inspect.unwrap(test)
        combined = [(a + b, one | other) for a, one in cases for b, other in inner]
        fixtures = [
            parameter
            for name, parameter in inspect.signature(test).parameters.items()
            if not any(name in values for _, values in combined[:1])
        ]

        @functools.wraps(test)
        def check_rows(subtests: pytest.Subtests, **given: Any) -> None:
            check_each(
                subtests,
                combined,
                lambda case: test(**given, **case[1]),
                lambda case: " ".join(map(_show, case[0])),
            )

        of_rows = inspect.Parameter("subtests", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        check_rows.__signature__ = inspect.Signature([of_rows, *fixtures])  # type: ignore[attr-defined]
        check_rows.cases = combined  # type: ignore[attr-defined]
        return check_rows

    return decorate


class _Name(str):
    __repr__ = str.__str__


def _show(row: Any) -> str:
    shown = repr(row)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
