"""Cycles in a graph of references."""

from __future__ import annotations

import pytest
from specpipe import cycles

pytestmark = pytest.mark.slow


def test_find_cycles() -> None:
    a, c = frozenset("AB"), frozenset("C")
    targets = {"A": ["B"], "B": ["A", "C"], "C": ["C", "D"], "D": [], "E": ["A"]}
    assert cycles.find_cycles(targets) == {"A": a, "B": a, "C": c}
    assert cycles.find_cycles({}) == {}
    long = {str(n): [str((n + 1) % 5000)] for n in range(5000)}
    assert cycles.find_cycles(long)["7"] == frozenset(long)


def test_cycles_that_share_a_node_are_one() -> None:
    targets = {"A": ["B"], "B": ["C", "A"], "C": ["B"], "X": ["Y", "A"], "Y": ["X"]}
    assert cycles.find_cycles(targets)["A"] == frozenset("ABC")
    assert cycles.find_cycles(targets)["X"] == frozenset("XY")
