"""What tests of fleets share: async tests, waiting, workers that can be cut off."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from realtime_kit.fleet import Fleet, FleetError
from realtime_kit.fleet._owned_call import boot_time
from realtime_kit.fleet._store import CallRecord, Store
from realtime_kit.fleet._sweeper import Sweeper, token
from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient, SessionBuilder
from tests.support.waiting import PATIENCE

__all__ = [
    "SESSION",
    "Severed",
    "Sweeping",
    "Working",
    "all_ended",
    "claimed",
    "client_of",
    "ended",
    "registered",
    "ring",
    "run_async",
    "swept",
    "two",
    "until",
]


SESSION = SessionBuilder("gpt-realtime-2.1").instructions("You order taxis.").build()
NOWHERE = "http://127.0.0.1:9/"  # where no webhook arrives: these tests offer the calls themselves


def run_async(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        asyncio.run(test(*arguments, **options))

    return run


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds; return its value."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


async def registered(store: Store, name: str, slots: int = 5, **options: Any) -> int:
    """Register a worker."""
    return await store.register(name, slots, token=token(), **options)


async def claimed(store: Store, worker: int) -> CallRecord:
    """Claim the next call."""
    (record,) = await until(lambda: store.claim(worker, token(), 1))
    assert isinstance(record, CallRecord)
    return record


class Sweeping:
    """A worker that stays alive and sweeps.

    Args:
        store: Where the calls are.
        worker: Its number.
    """

    def __init__(self, store: Store, worker: int) -> None:
        self._store = store
        self._worker = worker
        self._sweeper = Sweeper(store, boot_time)

    async def once(self) -> list[CallRecord]:
        """Renew and sweep; return the calls that were moved, and those to be closed by this worker."""
        assert await self._store.beat(self._worker) is not None
        moved, has_closing = await self._sweeper.sweep(self._worker)
        closing = await self._store.take_closing(self._worker, token()) if has_closing else []
        return [*(call for call in moved if call.state != "closing"), *closing]

    async def until_found(self) -> list[CallRecord]:
        """Sweep until calls are moved or to be closed."""
        found: list[CallRecord] = await until(self.once)
        return found


async def swept(store: Store, worker: int) -> list[CallRecord]:
    """Sweep, with a worker that stays alive, until calls are moved or to be closed."""
    return await Sweeping(store, worker).until_found()


class Severed:
    """A store that can be cut off, as a network is.

    Attributes:
        is_cut: Whether everything raises FleetError.
        failing: The methods that do.
        losing: How many replies to come of a method are lost, once it has done its work.
        done: The methods that did their work, in order.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_cut = False
        self.failing: set[str] = set()
        self.losing: collections.Counter[str] = collections.Counter()
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        if not callable(inner):
            return inner

        async def call(*arguments: Any, **options: Any) -> Any:
            if self.is_cut:
                raise FleetError("the network is cut")
            if name in self.failing:
                raise FleetError(f"{name} failed")
            done = await inner(*arguments, **options)
            self.done.append(name)
            if done and self.losing[name] > 0:
                self.losing[name] -= 1
                raise FleetError("the reply is lost")
            if self.is_cut:
                raise FleetError("the network is cut")
            return done

        return call


@contextlib.asynccontextmanager
async def client_of(simulator: Simulator) -> AsyncIterator[AsyncRealtimeClient]:
    async with AsyncRealtimeClient(base_url=simulator.base_url, api_key=simulator.api_key) as client:
        yield client


def ring(simulator: Simulator) -> Any:
    return simulator.incoming_call(NOWHERE, attempts=1, wait=False)


class Working:
    """A worker as a task, which ends with the block."""

    def __init__(self, fleet: Fleet, client: AsyncRealtimeClient, **options: Any) -> None:
        self.fleet = fleet
        self.severed = Severed(fleet._store)
        fleet._store = self.severed  # type: ignore[assignment]
        self._run: Callable[[], Any] = lambda: fleet.run(client, **{"slots": 5, "drain": 2.0, **options})
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Working:
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.severed.is_cut = False
        await self.stop()
        await self.fleet.aclose()

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])


async def ended(fleet: Fleet, call_id: str) -> Any:
    record = await fleet.find(call_id)
    return record if record is not None and record.ended is not None else None


def two(make_fleet: Callable[..., Fleet], **options: Any) -> tuple[Fleet, Fleet]:
    return make_fleet(**options), make_fleet(**options)


async def all_ended(fleet: Fleet) -> bool:
    return not await fleet.calls()
