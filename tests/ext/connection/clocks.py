"""Clocks of clients for tests in which time has to pass: one that is quicker, and one that is told to."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from realtime_ext._http.sending import Clock


def hurry(client: Any, times: float = 25) -> Any:
    """Let a client's time pass so many times faster; return the client."""

    async def asleep(seconds: float) -> None:
        await asyncio.sleep(seconds / times)

    client._http.clock = Clock(
        now=time.time, monotonic=lambda: time.monotonic() * times, random=lambda: 0.0, asleep=asleep
    )
    return client


class ToldClock:
    """A clock whose time passes by sleeping alone.

    Args:
        late: By which share of its length each pause is too long.
    """

    def __init__(self, late: float = 0.0) -> None:
        self.time = 1000.0
        self._late = late

    async def asleep(self, seconds: float) -> None:
        self.time += seconds * (1 + self._late)
        await asyncio.sleep(0)

    def on(self, client: Any) -> Any:
        """Give it to a client, which is returned."""
        client._http.clock = Clock(monotonic=lambda: self.time, random=lambda: 0.0, asleep=self.asleep)
        return client
