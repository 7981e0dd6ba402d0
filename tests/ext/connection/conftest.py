"""What every test of connections gets: no long wait for servers that don't greet."""

from __future__ import annotations

import pytest

from realtime_ext.connection import _opening as opening
from tests.support.waiting import be_patient

be_patient()


@pytest.fixture(autouse=True)
def _greetings_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Most scripts send no session.created, which would be waited for each time. One that comes later is an
    # event like any other.
    monkeypatch.setattr(opening, "GREETING", 0.01)
