"""What every test of connections gets: interrupts that work, no long wait for servers that don't greet."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from realtime_ext.connection import opening


@pytest.fixture(autouse=True)
def _interrupts_work() -> Iterator[None]:
    # A shell starts what runs in its background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _greetings_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Most scripts send no session.created, which would be waited for each time. One that comes later is an
    # event like any other.
    monkeypatch.setattr(opening, "GREETING", 0.01)
