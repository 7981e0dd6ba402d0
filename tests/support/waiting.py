"""How long tests wait for what must happen.

A machine may stand still for half a minute. So there is one limit, above that and below the limit of a whole
test: it is there for mistakes, and no test is about it. What must not happen is not waited for: something is
sent after it and comes first, or a simulated clock passes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import httpx
import websockets.asyncio.client
import websockets.sync.client
from realtime_simulator import Simulator

PATIENCE = 120.0  # seconds
_LOOK = 0.005  # seconds between two looks at a condition


def be_patient() -> None:
    """Make this limit the default of what tests use to wait, which is 5 or 10 seconds for programs."""
    for function in (httpx.request, httpx.stream.__wrapped__, httpx.get, httpx.post, httpx.put, httpx.delete):
        assert function.__kwdefaults__ is not None
        function.__kwdefaults__["timeout"] = httpx.Timeout(PATIENCE)
    for function in (websockets.sync.client.connect, websockets.asyncio.client.connect.__init__):
        assert function.__kwdefaults__ is not None
        function.__kwdefaults__["open_timeout"] = PATIENCE
        function.__kwdefaults__["ping_timeout"] = PATIENCE
    Simulator.wait_for.__defaults__ = (PATIENCE,)


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(_LOOK)


async def auntil(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, while the event loop goes on."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(_LOOK)


def joined(*threads: threading.Thread) -> None:
    """Wait for the end of threads."""
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread.name} goes on"
