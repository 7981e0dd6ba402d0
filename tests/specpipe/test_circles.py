"""Circles in who refers to whom."""

from __future__ import annotations

from specpipe import circles


def test_knots() -> None:
    a, c = frozenset("AB"), frozenset("C")
    targets = {"A": ["B"], "B": ["A", "C"], "C": ["C", "D"], "D": [], "E": ["A"]}
    assert circles.knots(targets) == {"A": a, "B": a, "C": c}
    assert circles.knots({}) == {}
    long = {str(n): [str((n + 1) % 5000)] for n in range(5000)}
    assert circles.knots(long)["7"] == frozenset(long)


def test_two_circles_that_touch_are_one() -> None:
    targets = {"A": ["B"], "B": ["C", "A"], "C": ["B"], "X": ["Y", "A"], "Y": ["X"]}
    assert circles.knots(targets)["A"] == frozenset("ABC")
    assert circles.knots(targets)["X"] == frozenset("XY")
