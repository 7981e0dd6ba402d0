"""A simulator for each module of tests, and its HTTP API; a module may have a simulator of its own kind."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from realtime_simulator import Simulator

from tests.support.waiting import be_patient

be_patient()


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


@pytest.fixture
def api(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sim.base_url, headers={"authorization": f"Bearer {sim.api_key}"}) as client:
        yield client
