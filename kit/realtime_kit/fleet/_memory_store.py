"""Calls and jobs in this process alone: for tests, and for services that one process is enough for.

It behaves as `postgres_store` does, and the same tests hold both. Nothing here awaits halfway through a
change, so that each is a transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from realtime_ext.webhooks import Api

from .._core.json import as_stored
from ._store import (
    HEALTHY,
    SOON,
    Beat,
    CallRecord,
    CallState,
    Effect,
    FunctionRecord,
    Limits,
    Outcome,
    Phase,
    Survey,
    Tenant,
    Tenure,
    WorkerRecord,
)


@attrs.define
class _Worker:
    record: WorkerRecord
    token: str
    beat: int = 0


@attrs.define
class _Effect:
    attempt: str
    is_done: bool = False
    result: Any = None


@attrs.define
class _Call:
    """A call that is not over; `record.state` is kept while it is closing."""

    record: CallRecord
    attempt: str = ""
    beat: int = 0  # of its worker, when it claimed the call
    attempts: int = 0  # owners in a row that raised
    ready: float = 0.0  # when its next owner may claim it, by the monotonic clock
    effects: dict[str, _Effect] = attrs.field(factory=dict)
    functions: dict[str, FunctionRecord] = attrs.field(factory=dict)

    def change(self, **changes: Any) -> None:
        self.record = attrs.evolve(self.record, seen=datetime.now(UTC), **changes)

    def view(self) -> CallRecord:
        if self.record.outcome is None:
            return self.record
        return attrs.evolve(self.record, state="closing")


class MemoryStore:
    """A store in memory.

    Args:
        limits: Its time limits and counts.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits: Limits = limits
        self._calls: dict[str, _Call] = {}
        self._ended: dict[str, tuple[CallRecord, CallState]] = {}  # with the state before
        self._workers: dict[int, _Worker] = {}
        self._waiting: dict[str, None] = {}  # the calls that wait for an owner, in their order
        self._numbers = itertools.count(1)
        self._listeners: set[Callable[[], None]] = set()

    async def migrate(self, phase: Phase) -> None:
        """Do nothing: there are no tables."""

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    async def offer(
        self,
        call_id: str,
        headers: Sequence[Mapping[str, str]],
        *,
        api: Api = "realtime",
        tenant: str | None = None,
    ) -> bool:
        """Record a call and its job; return whether it was new."""
        if call_id in self._calls or call_id in self._ended:
            return False
        now = datetime.now(UTC)
        record = CallRecord(
            id=call_id,
            api=api,
            epoch=0,
            state="offered",
            outcome=None,
            owner=None,
            failures=0,
            error=None,
            tenant=tenant,
            is_held_back=self._is_full(tenant),
            headers=[dict(header) for header in headers],
            data=None,
            offered=now,
            accepted=None,
            seen=now,
            ended=None,
        )
        self._calls[call_id] = _Call(record)
        if not record.is_held_back:
            self._enqueue(call_id)
        return True

    async def admit(self, tenant: str) -> list[str]:
        """Make jobs for calls of a tenant that were held back, as many as its limit allows; return them."""
        calls, held_back = self._of_tenant(tenant)
        most = self.limits.max_per_tenant
        admitted = held_back if most is None else held_back[: max(0, most - len(calls))]
        for call_id in admitted:
            self._calls[call_id].change(is_held_back=False)
            self._enqueue(call_id)
        return admitted

    async def register(self, name: str, slots: int, *, token: str, generation: int = 0) -> int:
        """Record a worker; return its number."""
        for number, known in self._workers.items():
            if known.token == token:
                return number
        number = next(self._numbers)
        record = WorkerRecord(
            id=number,
            name=name,
            slots=slots,
            held=0,
            generation=generation,
            is_draining=False,
            seen=datetime.now(UTC),
        )
        self._workers[number] = _Worker(record, token)
        return number

    async def unregister(self, worker: int) -> None:
        """Remove a worker, and hand on calls that it still has."""
        await self.release({call.record.id: call.record.epoch for call in self._of(worker)})
        self._workers.pop(worker, None)

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead."""
        if (known := self._workers.get(worker)) is None:
            return None
        known.beat += 1
        known.record = attrs.evolve(known.record, seen=datetime.now(UTC))
        held = {call.record.id: Tenure(call.record.epoch, call.attempt) for call in self._of(worker)}
        return Beat(held, known.record.is_draining)

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled."""
        self._listeners.add(on_job)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._listeners.discard(on_job)

    async def claim(self, worker: int, attempt: str, limit: int) -> list[CallRecord]:
        """Become the owner of calls that wait for one, and raise their epochs."""
        me = self._workers.get(worker)
        if me is None or me.record.is_draining or self._has_newer(me.record):
            return []
        now = time.monotonic()
        claimed: list[CallRecord] = []
        for call in [self._calls[call_id] for call_id in self._waiting]:
            if len(claimed) < limit and call.ready <= now and call.record.outcome is None:
                del self._waiting[call.record.id]
                call.attempt, call.beat = attempt, me.beat
                call.change(epoch=call.record.epoch + 1, owner=worker)
                claimed.append(attrs.evolve(call.record, data=as_stored(call.record.data)))
        return claimed

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
            changes["data"] = as_stored(data)
        call.change(**changes)
        return True

    async def release(
        self,
        epochs: Mapping[str, int],
        *,
        error: str | None = None,
        is_healthy: bool = False,
        is_failure: bool = True,
    ) -> set[str]:
        """Hand calls on; return which were one's own."""
        own = set()
        for call_id, epoch in epochs.items():
            if (call := self._own(call_id, epoch)) is not None:
                own.add(call_id)
                failures = 0 if is_healthy else call.record.failures
                call.attempts = (0 if is_healthy else call.attempts) + (error is not None)
                failures += error is not None and is_failure
                pause = 0.0 if error is None else self.limits.pause_after(call.attempts)
                self._hand_on(call, failures, error, pause, is_failure=is_failure)
        return own

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call; only its id, times and outcome are kept."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        del self._calls[call_id]
        self._waiting.pop(call_id, None)
        state = call.record.state
        call.change(state="ended", outcome=outcome, owner=None, ended=datetime.now(UTC))
        if outcome != "failed":
            call.change(tenant=None, headers=[], data=None, error=None)
        self._ended[call_id] = call.record, state
        return True

    async def survey(self) -> Survey:
        """Return what a sweep has to know."""
        ownerless = [call.record for call in self._calls.values() if call.record.owner is None]
        return Survey(
            {number: known.beat for number, known in self._workers.items()},
            [
                call.id
                for call in ownerless
                if call.outcome is None and call.state == "offered" and not call.is_held_back
            ],
            sum(known.record.slots for known in self._workers.values() if not known.record.is_draining)
            - (len(self._calls) - len(ownerless)),
            any(call.outcome is not None for call in ownerless),
            self._full_tenants(),
        )

    async def presume_dead(self, workers: Mapping[int, int]) -> list[CallRecord]:
        """Remove workers and hand their calls on, if they have not renewed their ownership since."""
        moved = []
        for number, beat in workers.items():
            if number not in self._workers or self._workers[number].beat != beat:
                continue
            for call in self._of(number):
                lived = (beat - call.beat) * self.limits.time_to_live / 4
                failures = 0 if lived >= HEALTHY else call.record.failures + (lived < SOON)
                self._hand_on(call, failures, "its worker died", 0.0)
                moved.append(call.view())
            del self._workers[number]
        return moved

    async def reject(self, call_ids: Sequence[str]) -> None:
        """Mark calls to be rejected that still wait for their first owner."""
        for call_id in call_ids:
            call = self._calls.get(call_id)
            if call is not None and call.record.owner is None and call.view().state == "offered":
                call.change(outcome="rejected")

    async def take_closing(self, worker: int, attempt: str) -> list[CallRecord]:
        """Become the owner of all calls that are to be closed."""
        taken = []
        for call in self._calls.values():
            if worker in self._workers and call.record.owner is None and call.record.outcome is not None:
                call.attempt = attempt
                call.change(epoch=call.record.epoch + 1, owner=worker)
                taken.append(call.view())
        return taken

    async def purge(self) -> int:
        """Drop the calls that ended long ago; return how many."""
        now = datetime.now(UTC)
        old = [
            call_id
            for call_id, (call, _) in self._ended.items()
            if call.ended is not None and (now - call.ended).total_seconds() > self.limits.keep
        ]
        for call_id in old:
            del self._ended[call_id]
        return len(old)

    async def begin_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> Effect:
        """Record that an attempt is about to run an effect, unless another one began it before."""
        if (call := self._own(call_id, epoch)) is None:
            return Effect("lost")
        known = call.effects.setdefault(key, _Effect(attempt))
        if known.is_done:
            return Effect("done", as_stored(known.result))
        return Effect("new" if known.attempt == attempt else "unknown")

    async def finish_effect(self, call_id: str, key: str, attempt: str, result: Any) -> None:
        """Record what an effect returned."""
        call = self._calls.get(call_id)
        known = None if call is None else call.effects.get(key)
        if known is not None and known.attempt == attempt:
            known.is_done, known.result = True, as_stored(result)

    async def forget_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> bool:
        """Remove the record of an effect that did not happen; return whether the epoch is over."""
        call = self._calls.get(call_id)
        known = None if call is None else call.effects.get(key)
        if call is not None and known is not None and known.attempt == attempt and not known.is_done:
            del call.effects[key]
        return self._own(call_id, epoch) is None

    async def functions(self, call_id: str) -> list[FunctionRecord]:
        """Return the call's function calls, oldest first."""
        call = self._calls.get(call_id)
        return [] if call is None else list(call.functions.values())

    async def begin_function(self, call_id: str, epoch: int, function: FunctionRecord) -> bool:
        """Record a function call, or its arguments anew while it has no output."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        known = call.functions.setdefault(function.id, function)
        if known.output is None:
            call.functions[function.id] = attrs.evolve(known, arguments=function.arguments)
        return True

    async def finish_function(
        self, call_id: str, epoch: int, function_id: str, output: str, *, is_silent: bool
    ) -> bool:
        """Record a function's output; return whether the call is still that epoch's."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        known = call.functions.get(function_id)
        if known is not None and known.output is None:
            call.functions[function_id] = attrs.evolve(known, output=output, is_silent=is_silent)
        return True

    async def answer_functions(
        self, call_id: str, epoch: int, *, sent: Sequence[str] = (), over: Sequence[str] = ()
    ) -> bool:
        """Record which outputs are in the conversation, and which calls the model went on from."""
        if (call := self._own(call_id, epoch)) is None:
            return False
        for function_id in {*sent, *over} & call.functions.keys():
            known = call.functions[function_id]
            is_over = known.is_over or function_id in over
            call.functions[function_id] = attrs.evolve(known, is_sent=True, is_over=is_over)
        return True

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or all that are kept too, oldest first."""
        living = [call.view() for call in self._calls.values()]
        kept = [call for call, _ in self._ended.values()] if ended else []
        return sorted([*living, *kept], key=lambda call: call.offered)

    async def count(self) -> tuple[int, int, int]:
        """Return how many calls are not over, wait for an owner, and are held back."""
        calls = await self.calls()
        held_back = sum(call.is_held_back for call in calls)
        return len(calls), sum(call.owner is None for call in calls) - held_back, held_back

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        return [
            attrs.evolve(known.record, held=len(self._of(number))) for number, known in self._workers.items()
        ]

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""
        if (call := self._calls.get(call_id)) is not None:
            return call.view()
        return self._ended[call_id][0] if call_id in self._ended else None

    async def failed(self) -> list[CallRecord]:
        """Return the kept calls that failed too often, with headers and data, oldest first."""
        return [call for call, _ in self._ended.values() if call.outcome == "failed"]

    async def retry(self, call_id: str) -> bool:
        """Hand on a call that failed too often, with no failures; return whether there is such a call."""
        record, state = self._ended.get(call_id, (None, None))
        if record is None or record.outcome != "failed":
            return False
        del self._ended[call_id]
        changes: dict[str, Any] = {"state": state, "outcome": None, "ended": None, "failures": 0}
        self._calls[call_id] = _Call(attrs.evolve(record, epoch=record.epoch + 1, error=None, **changes))
        self._enqueue(call_id)
        return True

    async def ask_to_drain(self, worker: int, *, older: bool = False) -> int:
        """Ask a worker, or all that are older, to hand over their calls and end; return how many."""
        count = 0
        for number, known in self._workers.items():
            if (number < worker and not known.record.is_draining) if older else number == worker:
                known.record = attrs.evolve(known.record, is_draining=True)
                count += 1
        return count

    def _of_tenant(self, tenant: str) -> tuple[list[str], list[str]]:
        """Return the calls of a tenant, and those that are held back."""
        own = [call.record for call in self._calls.values() if call.record.tenant == tenant]
        held_back = [call.id for call in own if call.is_held_back and call.outcome is None]
        return [call.id for call in own if not call.is_held_back], held_back

    def _is_full(self, tenant: str | None) -> bool:
        if tenant is None or self.limits.max_per_tenant is None:
            return False
        calls, held_back = self._of_tenant(tenant)
        return len(calls) + len(held_back) >= self.limits.max_per_tenant

    def _full_tenants(self) -> list[Tenant]:
        names = {call.record.tenant: None for call in self._calls.values() if call.record.is_held_back}
        found = [(name, *self._of_tenant(name)) for name in names if name is not None]
        return [Tenant(name, len(calls), held_back) for name, calls, held_back in found if held_back]

    def _own(self, call_id: str, epoch: int) -> _Call | None:
        call = self._calls.get(call_id)
        return call if call is not None and call.record.epoch == epoch else None

    def _of(self, worker: int) -> list[_Call]:
        return [call for call in self._calls.values() if call.record.owner == worker]

    def _has_newer(self, me: WorkerRecord) -> bool:
        """Whether a worker of a newer generation has free slots."""
        return any(
            known.record.generation > me.generation
            and not known.record.is_draining
            and known.record.slots > len(self._of(number))
            for number, known in self._workers.items()
        )

    def _hand_on(
        self, call: _Call, failures: int, error: str | None, pause: float, *, is_failure: bool = True
    ) -> None:
        changes: dict[str, Any] = {} if error is None else {"error": error}
        is_failure = is_failure and error is not None
        if is_failure and failures >= self.limits.max_failures and call.record.outcome is None:
            changes["outcome"] = "failed"
        call.change(epoch=call.record.epoch + 1, owner=None, failures=failures, **changes)
        call.ready = time.monotonic() + pause
        if call.record.outcome is None:
            self._enqueue(call.record.id)

    def _enqueue(self, call_id: str) -> None:
        self._waiting[call_id] = None
        for listener in self._listeners:
            listener()
