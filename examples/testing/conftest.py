"""Fixtures: tests of this app use no network."""

from __future__ import annotations

import pytest
from hotel import FrontDesk

from realtime_ext import RealtimeClient


@pytest.fixture(autouse=True)
def _only_this_machine(no_network: None) -> None: ...


@pytest.fixture
def desk(realtime_client: RealtimeClient) -> FrontDesk:
    """The app, with a client of the simulator."""
    return FrontDesk(realtime_client)
