"""What every test of connections gets: no long wait for servers that don't greet, and long ones else."""

from __future__ import annotations

import pytest

from realtime_ext.connection import _live_connection as live_connection, _opening as opening
from tests.support.waiting import PATIENCE, be_patient

be_patient()


@pytest.fixture(autouse=True)
def _greetings_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Most scripts send no session.created, which would be waited for each time. One that comes later is an
    # event like any other.
    monkeypatch.setattr(opening, "GREETING", 0.01)


@pytest.fixture(autouse=True)
def _what_has_to_come_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "HANGUP_TIMEOUT", PATIENCE)
    monkeypatch.setattr(live_connection, "_LAST_WORDS", PATIENCE)
