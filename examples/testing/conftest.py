"""No test of this app leaves the machine."""

from __future__ import annotations

import pytest
from hotel import FrontDesk

from realtime_ext import RealtimeClient


@pytest.fixture(autouse=True)
def _only_this_machine(no_network: None) -> None: ...


@pytest.fixture
def desk(realtime_client: RealtimeClient) -> FrontDesk:
    """The app, whose client reaches the simulator."""
    return FrontDesk(realtime_client)
