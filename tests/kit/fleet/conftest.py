"""Stores of both kinds, a server for one of them, and a simulator with telephone calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from realtime_kit.fleet import Fleet
from realtime_simulator import Simulator

from tests.kit.fleet.cluster import Cluster, running_cluster

_NUMBERS = itertools.count(1)
ON_POSTGRES = pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.postgres])
MakeFleet = Callable[..., Fleet]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server that all tests of a run share; each has its own databases."""
    with running_cluster() as cluster:
        yield cluster


def hurried(fleet: Fleet) -> Fleet:
    """A fleet whose calls wait only a moment after a failure."""
    fleet._store.limits = attrs.evolve(fleet._store.limits, pause=0.05)
    return fleet


@pytest.fixture(params=["memory", ON_POSTGRES])
def make_fleet(request: pytest.FixtureRequest) -> MakeFleet:
    """Makes fleets that share their calls: on the first use a store, then further fronts of the same."""
    options: dict[str, Any] = {"time_to_live": 2.0}
    if request.param == "postgres":
        dsn = request.getfixturevalue("cluster").database(f"fleet_{next(_NUMBERS)}")
        return lambda **given: hurried(Fleet(dsn, **{**options, **given}))
    first: list[Fleet] = []

    def make(**given: Any) -> Fleet:
        fleet = hurried(Fleet.in_memory(**{**options, **given}))
        if first:
            fleet._store = first[0]._store
        first.append(fleet)
        return fleet

    return make


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The API, with telephone calls."""
    with Simulator() as simulator:
        yield simulator
