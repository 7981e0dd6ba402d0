"""A short, seeded attack on every border, each earlier finding again, and that an attack finds faults."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attack.minimizing import minimized
from tests.attack.mutation import copied, mutated, places
from tests.attack.target import Target, attack, kept, plain, try_again
from tests.attack.targets import TARGETS

pytestmark = pytest.mark.slow

CASES = {
    "http": 15,
    "websocket": 15,
    "cancellations": 15,
    "packages": 1,
    "descriptions": 15,
    "datagrams": 5,
    "signals": 15,
    "callbacks": 20,
    "half closed": 15,
    "unread": 3,
    "unconsumed": 5,
    "command output": 40,
    "recordings": 40,
}


@pytest.fixture(autouse=True)
def _warnings_are_no_findings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.weekly
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_border_bears_a_short_attack(target: Target) -> None:
    done = attack(target, seed=1, cases=CASES.get(target.name, 80))
    assert [f"{finding.what}: {str(finding.case)[:2000]}" for finding in done.findings] == []


def test_earlier_findings_stay_fixed() -> None:
    for path in kept():
        try_again(TARGETS, path)


def _write(case: Any) -> None:
    if isinstance(case, dict):
        "".join(value for value in case.values() if isinstance(value, str)).encode()


@pytest.mark.weekly
def test_an_attack_finds_a_fault_makes_it_small_and_can_be_repeated(tmp_path: Path) -> None:
    real = [{"name": "Ann", "notes": ["late", {"room": 7}], "text": "A long text that is of no use. " * 9}]
    target = Target("example", lambda: real, plain(_write))
    done = attack(target, seed=1, cases=500)
    (finding,) = done.findings
    assert finding.what.startswith("UnicodeEncodeError")
    assert len(json.dumps(finding.case)) < 30
    assert attack(target, seed=1, cases=500).findings == done.findings
    path = finding.keep(tmp_path)
    assert kept(tmp_path) == [path]
    with pytest.raises(UnicodeEncodeError):
        try_again([target], path)


@pytest.mark.weekly
def test_a_slow_check_is_a_finding() -> None:
    def hang(case: Any) -> None:
        while True:
            pass

    target = Target("example", lambda: [1], plain(hang), seconds=0.05)
    (finding,) = attack(target, seed=1, cases=2).findings
    assert finding.what.endswith("it took more than 0.05 s")


@pytest.mark.weekly
def test_a_mutation_leaves_the_real_input_as_it_is() -> None:
    real = {"a": [1, {"b": "text"}], "c": None}
    before = copied(real)
    chance = random.Random(1)
    made = [len(list(places(mutated(chance, real)))) for _ in range(100)]
    assert real == before and len(set(made)) > 5


@pytest.mark.weekly
def test_minimizing_keeps_what_it_is_about() -> None:
    case = {"a": [1, 2, {"b": "xxxxneedlexxxx"}], "c": ["needle"] * 50}
    assert minimized(case, lambda one: "needle" in json.dumps(one)) == "needle"
