"""A simulator for each module of tests, and its HTTP API; a module may have a simulator of its own kind."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from realtime_simulator import Simulator, _links
from realtime_simulator._conformance import play

from tests.support.waiting import PATIENCE, be_patient

be_patient()


@pytest.fixture(autouse=True)
def _what_has_to_come_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recordings be compared in peace; a test of what never comes has a limit of its own."""
    monkeypatch.setattr(_links, "_SETTLE_SECONDS", PATIENCE)
    monkeypatch.setattr(play, "PATIENCE", PATIENCE)


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


@pytest.fixture
def api(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=sim.base_url, headers={"authorization": f"Bearer {sim.api_key}"}, timeout=PATIENCE
    ) as client:
        yield client
