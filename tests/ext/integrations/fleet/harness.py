"""What tests of fleets share: async tests, waiting, workers that can be cut off."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from realtime_ext.errors import FleetError
from realtime_ext.integrations.fleet._store import CallRecord, Store

__all__ = ["Severed", "claimed", "run_async", "swept", "until"]


_LIMIT = 10.0  # seconds that a step of a store may take


def run_async(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test, with a time limit."""

    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **options), 60))

    return run


async def until(condition: Callable[[], Any], limit: float = 45.0) -> Any:
    """Wait until a condition holds; return its value."""
    async with asyncio.timeout(limit):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


async def claimed(store: Store, worker: int) -> CallRecord:
    """Fetch and claim the next call."""
    delivery = await until(lambda: store.fetch(worker), _LIMIT)
    record = await store.claim(delivery, worker)
    assert record is not None
    return record


async def swept(store: Store, worker: int) -> tuple[list[CallRecord], list[CallRecord]]:
    """Sweep, with a worker that stays alive, until a call is moved or closed."""
    async with asyncio.timeout(_LIMIT):
        while True:
            assert await store.beat(worker) is not None
            moved, closing = await store.sweep(worker)
            if moved or closing:
                return moved, closing
            await asyncio.sleep(0.01)


class Severed:
    """A store that can be cut off, as a network is.

    Attributes:
        is_cut: Whether everything raises FleetError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        if not callable(inner):
            return inner

        async def call(*arguments: Any, **options: Any) -> Any:
            if self.is_cut:
                raise FleetError("the network is cut")
            done = await inner(*arguments, **options)
            if self.is_cut:
                raise FleetError("the network is cut")
            return done

        return call
