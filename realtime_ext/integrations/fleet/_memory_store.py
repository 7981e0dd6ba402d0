"""Calls and jobs in this process alone: for tests, and for services that one process is enough for.

It behaves as `postgres_store` does, and the same tests hold both. Nothing here awaits halfway through a
change, so that each is a transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from ..._core import json as _json
from ._store import Beat, CallRecord, CallState, Delivery, Effect, Limits, Outcome, WorkerRecord


@attrs.define
class _Worker:
    record: WorkerRecord
    beat: float  # by the monotonic clock


class MemoryStore:
    """A store in memory.

    Args:
        limits: Its time limits and counts.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits: Limits = limits
        self._calls: OrderedDict[str, CallRecord] = OrderedDict()
        self._workers: dict[int, _Worker] = {}
        self._jobs: dict[str, int] = {}  # the job of each call that has one
        self._todo: OrderedDict[int, str] = OrderedDict()
        self._doing: dict[int, int] = {}  # the worker that fetched a job
        self._effects: dict[tuple[str, str], tuple[int, Effect]] = {}
        self._numbers = itertools.count(1)
        self._listeners: set[Callable[[], None]] = set()

    async def migrate(self) -> None:
        """Do nothing: there are no tables."""

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    async def offer(self, call_id: str, headers: Sequence[Mapping[str, str]]) -> bool:
        """Record a call and its job; return whether it was new."""
        if call_id in self._calls:
            return False
        now = datetime.now(UTC)
        self._calls[call_id] = CallRecord(
            id=call_id,
            epoch=0,
            state="offered",
            outcome=None,
            owner=None,
            failures=0,
            headers=[dict(header) for header in headers],
            data=None,
            offered=now,
            accepted=None,
            seen=now,
            ended=None,
        )
        self._enqueue(call_id)
        return True

    async def register(self, name: str, slots: int) -> int:
        """Record a worker; return its number."""
        number = next(self._numbers)
        record = WorkerRecord(
            id=number, name=name, slots=slots, held=0, is_draining=False, seen=datetime.now(UTC)
        )
        self._workers[number] = _Worker(record, time.monotonic())
        return number

    async def unregister(self, worker: int) -> None:
        """Remove a worker."""
        self._workers.pop(worker, None)

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead."""
        if (known := self._workers.get(worker)) is None:
            return None
        known.beat = time.monotonic()
        known.record = attrs.evolve(known.record, seen=datetime.now(UTC))
        held = {call.id: call.epoch for call in self._calls.values() if call.owner == worker}
        return Beat(held, known.record.is_draining)

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled."""
        self._listeners.add(on_job)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._listeners.discard(on_job)

    async def fetch(self, worker: int) -> Delivery | None:
        """Fetch a job; None if there is none."""
        if not self._todo or worker not in self._workers:
            return None
        job, call_id = self._todo.popitem(last=False)
        self._doing[job] = worker
        return Delivery(job, call_id)

    async def claim(self, delivery: Delivery, worker: int) -> CallRecord | None:
        """Become a call's owner and raise its epoch, while the job is this worker's."""
        call = self._calls.get(delivery.call_id)
        if (
            call is None
            or call.owner is not None
            or call.state in ("closing", "ended")
            or self._jobs.get(call.id) != delivery.job
            or self._doing.get(delivery.job) != worker
            or worker not in self._workers
        ):
            return None
        return self._change(call, epoch=call.epoch + 1, owner=worker)

    async def write(
        self, call_id: str, epoch: int, *, state: CallState | None = None, data: Any = None
    ) -> bool:
        """Write to a call; return whether it was still that epoch's."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        changes: dict[str, Any] = {} if state is None else {"state": state}
        if state == "accepted":
            changes["accepted"] = datetime.now(UTC)
        if data is not None:
            changes["data"] = _json.decode(_json.encode(data))
        self._change(call, **changes)
        return True

    async def release(self, call_id: str, epoch: int, *, failed: bool) -> bool:
        """Hand a call on at once, or have it closed if it failed too often."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        self._hand_on(call, failed=failed)
        return True

    async def release_all(self, epochs: Mapping[str, int]) -> set[str]:
        """Hand calls on, without a failure; return which were one's own."""
        return {
            call_id for call_id, epoch in epochs.items() if await self.release(call_id, epoch, failed=False)
        }

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call and remove its job."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        self._drop_job(call_id)
        self._change(call, state="ended", outcome=outcome, owner=None, ended=datetime.now(UTC))
        return True

    async def sweep(self, worker: int) -> tuple[list[CallRecord], list[CallRecord]]:
        """Hand on the calls of dead workers and those without a job, and drop calls that ended long ago."""
        now, today = time.monotonic(), datetime.now(UTC)
        dead = [
            number for number, known in self._workers.items() if now - known.beat > self.limits.time_to_live
        ]
        if worker in dead or worker not in self._workers:  # presumed dead itself
            return [], []
        for number in dead:
            del self._workers[number]
        moved, closing = [], []
        for call in list(self._calls.values()):
            age = (today - call.offered).total_seconds()
            if call.ended is not None:
                if (today - call.ended).total_seconds() > self.limits.keep:
                    self._forget(call.id)
                continue
            is_dead = call.owner is not None and call.owner not in self._workers
            if call.owner is None and call.state == "offered" and age > self.limits.max_wait:
                self._drop_job(call.id)
                call = self._change(call, state="closing", outcome="rejected")
            elif is_dead and call.state != "closing":
                call = self._hand_on(call, failed=True)
                if call.state != "closing":
                    moved.append(call)
            elif call.owner is None and call.state != "closing" and self._is_orphan(call.id):
                moved.append(self._hand_on(call, failed=False))
            if call.state == "closing" and (call.owner is None or is_dead):
                closing.append(self._change(call, epoch=call.epoch + 1, owner=worker))
        return moved, closing

    async def begin_effect(self, call_id: str, epoch: int, key: str) -> Effect:
        """Record that an effect is about to happen, unless it was begun before."""
        if self._own(call_id, epoch) is None:
            return Effect("lost")
        known = self._effects.get((call_id, key))
        if known is not None:
            return known[1]
        self._effects[call_id, key] = epoch, Effect("unknown")
        return Effect("new")

    async def finish_effect(self, call_id: str, epoch: int, key: str, result: Any) -> None:
        """Record what an effect returned."""
        if self._effects.get((call_id, key), (None,))[0] == epoch:
            self._effects[call_id, key] = epoch, Effect("done", _json.decode(_json.encode(result)))

    async def forget_effect(self, call_id: str, epoch: int, key: str) -> None:
        """Remove the record of an effect that did not happen."""
        if self._effects.get((call_id, key), (None,))[0] == epoch:
            del self._effects[call_id, key]

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or all that are kept, oldest first."""
        return [call for call in self._calls.values() if ended or call.ended is None]

    async def count(self) -> tuple[int, int]:
        """Return how many calls are not over, and how many of them have no owner."""
        calls = await self.calls()
        return len(calls), sum(call.owner is None for call in calls)

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        owners = [call.owner for call in self._calls.values()]
        return [
            attrs.evolve(known.record, held=owners.count(number)) for number, known in self._workers.items()
        ]

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""
        return self._calls.get(call_id)

    async def ask_to_drain(self, worker: int) -> bool:
        """Ask a worker to hand its calls on and end."""
        if (known := self._workers.get(worker)) is None:
            return False
        known.record = attrs.evolve(known.record, is_draining=True)
        return True

    def _own(self, call_id: str, epoch: int) -> CallRecord | None:
        call = self._calls.get(call_id)
        return call if call is not None and call.epoch == epoch and call.ended is None else None

    def _change(self, call: CallRecord, **changes: Any) -> CallRecord:
        changed = self._calls[call.id] = attrs.evolve(call, seen=datetime.now(UTC), **changes)
        return changed

    def _hand_on(self, call: CallRecord, *, failed: bool) -> CallRecord:
        self._drop_job(call.id)
        failures = call.failures + failed
        if failed and failures >= self.limits.max_failures:
            return self._change(
                call, epoch=call.epoch + 1, owner=None, failures=failures, state="closing", outcome="failed"
            )
        call = self._change(call, epoch=call.epoch + 1, owner=None, failures=failures)
        self._enqueue(call.id)
        return call

    def _enqueue(self, call_id: str) -> None:
        job = next(self._numbers)
        self._jobs[call_id] = job
        self._todo[job] = call_id
        for listener in self._listeners:
            listener()

    def _drop_job(self, call_id: str) -> None:
        job = self._jobs.pop(call_id, None)
        if job is not None:
            self._todo.pop(job, None)
            self._doing.pop(job, None)

    def _is_orphan(self, call_id: str) -> bool:
        job = self._jobs.get(call_id)
        return job not in self._todo and self._doing.get(job or 0) not in self._workers

    def _forget(self, call_id: str) -> None:
        del self._calls[call_id]
        for key in [key for key in self._effects if key[0] == call_id]:
            del self._effects[key]
