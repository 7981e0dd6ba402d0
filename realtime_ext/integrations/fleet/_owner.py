"""One worker: renews its ownership, fetches calls, runs their handlers, hands calls on, sweeps.

A worker stops acting by its own clock: three quarters of the time to live after it began its last renewal
that went through. Only a whole time to live after that renewal may a sweep hand its calls on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from ..._core.callbacks import contained, raise_if_interrupt
from ...errors import BudgetExceeded, FleetError, OwnershipLost, RealtimeError
from ._owned_call import RETRY, Lease, OwnedCall, boot_time, close_call
from ._store import CallRecord, Delivery, Store

if TYPE_CHECKING:
    from ...client import AsyncRealtimeClient

logger: logging.Logger = logging.getLogger("realtime_ext.fleet")

Handler: TypeAlias = Callable[[OwnedCall], Awaitable[object]]
"""An async function that handles a call."""
Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Observer: TypeAlias = Callable[[str, Attributes], object]
"""A function that is called with the name of an event and its attributes."""
ACTS_FOR = 0.75  # of the time to live
TOGETHER = 0.02  # seconds within which calls are handed on in one transaction


@attrs.frozen(kw_only=True)
class Policy:
    """How a worker behaves.

    Args:
        name: The worker's name.
        slots: How many calls it has at most.
        drain: Seconds for handing calls on at the end.
        busy_status: The SIP status of a call that no worker has a slot for.
        after_failures: What to do with a call whose owners failed too often.
        observer: Sees what happens.
    """

    name: str
    slots: int
    drain: float
    busy_status: int
    after_failures: Literal["hangup", "leave"]
    observer: Observer | None


@attrs.define(eq=False)
class _Held:
    """A call that this worker has, and the task of its handler."""

    call: OwnedCall
    task: asyncio.Future[object]
    since: float
    reason: str | None = None  # why it is handed on

    def hand_on(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            self.task.cancel()


class Owner:
    """A worker of a fleet.

    Args:
        store: Where the calls are.
        client: The client that answers calls.
        handler: The handler of each call.
        policy: How it behaves.
    """

    def __init__(self, store: Store, client: AsyncRealtimeClient, handler: Handler, policy: Policy) -> None:
        self._store = store
        self._client = client
        self._handler = handler
        self._policy = policy
        self._ttl = store.limits.time_to_live
        self._number: int | None = None
        self._lease = Lease()
        self._is_unavailable = False  # the database
        self._lapse: asyncio.TimerHandle | None = None
        self._held: dict[str, _Held] = {}
        self._tending: set[asyncio.Task[None]] = set()  # one a slot
        self._closing: set[asyncio.Task[None]] = set()
        self._effects: set[asyncio.Task[Any]] = set()
        self._leaving: dict[str, int] = {}  # the epochs of calls that are handed on together
        self._handing: asyncio.Task[set[str]] | None = None
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Hand all calls on, and end."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped or cancelled; then hand all calls on."""
        loops = [
            asyncio.create_task(work) for work in (self._renew(), self._pump(), self._listen(), self._sweep())
        ]
        stopped = asyncio.create_task(self._stop.wait())
        self.tell("worker.started", slots=self._policy.slots)
        try:
            await asyncio.wait([*loops, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            draining = asyncio.create_task(self._drain([*loops, stopped]))
            try:
                await asyncio.shield(draining)
            except asyncio.CancelledError:
                await draining
                raise
        for loop in loops:
            if loop.done() and not loop.cancelled() and (error := loop.exception()) is not None:
                raise error

    def tell(self, name: str, **attributes: str | int | float | bool) -> None:
        """Log what happened, and pass it to the observer."""
        attributes = {"worker": self._policy.name, **attributes}
        words = " ".join(f"{key}={value}" for key, value in attributes.items())
        level = (
            logging.WARNING if name in ("call.failed", "worker.lapsed", "store.unavailable") else logging.INFO
        )
        logger.log(level, "%s %s", name, words, extra={"fleet_event": name, "fleet": attributes})
        if self._policy.observer is not None:
            try:
                self._policy.observer(name, attributes)
            except BaseException as error:
                raise_if_interrupt(error)
                logger.error("the observer raised %s", type(error).__name__)

    # Ownership

    async def _renew(self) -> None:
        while True:
            began = boot_time()
            is_renewed = await self._beat(began)
            pause = self._ttl / 4 if is_renewed else RETRY
            await asyncio.sleep(max(0.0, began + pause - boot_time()))

    async def _beat(self, began: float) -> bool:
        held: Mapping[str, int] = {}
        try:
            if self._number is None:
                self._number = await self._store.register(self._policy.name, self._policy.slots)
            else:
                beat = await self._store.beat(self._number)
                if beat is None:
                    self._give_up("presumed dead")
                    return False
                held = beat.held
                if beat.is_draining:
                    self.stop()
        except FleetError as error:
            if not self._is_unavailable:
                self.tell("store.unavailable", error=str(error))
            self._is_unavailable = True
            return False
        if self._is_unavailable:
            self.tell("store.back")
        self._is_unavailable = False
        self._lease.until = began + ACTS_FOR * self._ttl
        if self._lapse is not None:
            self._lapse.cancel()
        # A timer, and no task that sleeps: after a pause of the process it is the first to run.
        loop = asyncio.get_running_loop()
        self._lapse = loop.call_later(self._lease.until - boot_time(), self._give_up, "not renewed")
        for one in list(self._held.values()):
            if one.since < began and held.get(one.call.id) != one.call.epoch:
                one.call._lose()
                one.hand_on("lost")
        self._wake.set()
        return True

    def _give_up(self, reason: str) -> None:
        """Stop acting on all calls: they may belong to others from now on."""
        self._lease.until = 0.0
        self._number = None
        if self._held:
            self.tell("worker.lapsed", reason=reason, calls=len(self._held))
        for one in list(self._held.values()):
            one.call._lose()
            one.hand_on(reason)

    # Calls

    async def _pump(self) -> None:
        while True:
            self._wake.clear()
            with contextlib.suppress(FleetError):  # the renewal reports that the database is unavailable
                await self._fetch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ttl / 4):
                    await self._wake.wait()

    async def _fetch(self) -> None:
        while len(self._tending) < self._policy.slots and not self._stop.is_set():
            number = self._number
            delivery = None if number is None else await self._store.fetch(number)
            if delivery is None or number is None:
                return
            task = asyncio.create_task(self._tend(delivery, number), name=f"fleet {delivery.call_id}")
            self._tending.add(task)
            task.add_done_callback(self._tended)

    def _tended(self, task: asyncio.Task[None]) -> None:
        self._tending.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s broke", task.get_name(), exc_info=error)

    async def _tend(self, delivery: Delivery, number: int) -> None:
        since = boot_time()
        record = await self._claim(delivery, number)
        if record is None:
            return
        call = OwnedCall(record, self._store, self._client, self._lease, self._effects)
        self.tell("call.owned", call=call.id, epoch=call.epoch, is_new=call.is_new, failures=record.failures)
        held = _Held(call, asyncio.ensure_future(contained(self._handler(call), "the handler")), since)
        self._held[call.id] = held
        if self._stop.is_set():
            held.hand_on("draining")
        elif number != self._number:
            call._lose()
            held.hand_on("lost")
        try:
            await asyncio.wait({held.task})
        finally:
            del self._held[call.id]
        error = None if held.task.cancelled() else held.task.exception()
        is_over = call._is_gone or call._is_hung_up or held.reason is not None
        if isinstance(error, BudgetExceeded) and not is_over:
            logger.error("the budget is spent: %s is closed", call.id)  # further tries would be refused, too
            await self._close(record)
        else:
            await self._settle(held)

    async def _claim(self, delivery: Delivery, number: int) -> CallRecord | None:
        while number == self._number:
            try:
                return await self._store.claim(delivery, number)
            except FleetError:
                await asyncio.sleep(RETRY)
        return None  # a sweep finds that its job has no owner

    async def _settle(self, held: _Held) -> None:
        call, error = held.call, None if held.task.cancelled() else held.task.exception()
        returned = not held.task.cancelled() and error is None
        facts: dict[str, str | int] = {"call": call.id, "epoch": call.epoch}
        settle: Callable[[], Awaitable[bool]]
        if call._is_gone or call._is_hung_up or (returned and held.reason is None):
            outcome: Literal["gone", "done"] = "gone" if call._is_gone else "done"
            settle, name = lambda: self._store.end(call.id, call.epoch, outcome), "call.ended"
            facts["outcome"] = outcome
        else:
            failed = held.reason is None and not isinstance(error, OwnershipLost)
            settle = partial(self._store.release, call.id, call.epoch, failed=True)
            if not failed:
                settle = partial(self._hand_on, call)
            name = "call.failed" if failed else "call.handed_on"
            facts["reason"] = held.reason or (type(error).__name__ if error else "cancelled")
            if failed:
                logger.error("the handler of %s failed", call.id, exc_info=error)
        while True:
            try:
                was_own = await settle()
            except FleetError:
                await asyncio.sleep(RETRY)
            else:
                break
        self.tell(name if was_own else "call.lost", **facts)

    async def _hand_on(self, call: OwnedCall) -> bool:
        """Hand a call on, together with the others whose handlers end just now."""
        self._leaving[call.id] = call.epoch
        if self._handing is None or self._handing.done():
            self._handing = asyncio.create_task(self._hand_all_on())
        return call.id in await asyncio.shield(self._handing)

    async def _hand_all_on(self) -> set[str]:
        await asyncio.sleep(TOGETHER)
        leaving, self._leaving = self._leaving, {}
        self._handing = None
        return await self._store.release_all(leaving)

    async def _drain(self, loops: list[asyncio.Task[Any]]) -> None:
        """Hand all calls on, and end within the time for that."""
        self.tell("worker.draining", calls=len(self._held))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.drain):
                for one in list(self._held.values()):
                    one.hand_on("draining")
                # Ownership is renewed meanwhile, for the calls that take their time.
                while busy := {*self._tending, *self._closing, *self._effects}:
                    await asyncio.wait(busy)
        if self._lapse is not None:
            self._lapse.cancel()
        self._lease.until = 0.0
        rest = [
            *loops,
            *self._tending,
            *self._closing,
            *self._effects,
            *(h.task for h in self._held.values()),
        ]
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=1.0)
        if self._number is not None and not self._tending:
            with contextlib.suppress(FleetError):
                await self._store.unregister(self._number)
        self.tell("worker.stopped")

    # For the calls of all workers

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(FleetError):
                await self._store.listen(self._wake.set)
            await asyncio.sleep(self._ttl / 4)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 10 * random.uniform(0.75, 1.25))
            if (number := self._number) is None:
                continue
            try:
                moved, closing = await self._store.sweep(number)
            except FleetError:
                continue
            for record in moved:
                self.tell("call.swept", call=record.id, epoch=record.epoch, failures=record.failures)
            for record in closing:
                task = asyncio.create_task(self._close(record), name=f"fleet closing {record.id}")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def _close(self, record: CallRecord) -> None:
        outcome = record.outcome or "failed"
        if outcome == "rejected" or self._policy.after_failures == "hangup":
            try:
                await close_call(self._client, record, self._policy.busy_status)
            except RealtimeError as error:
                logger.error("%s could not be closed: %s", record.id, error)
        while True:
            try:
                await self._store.end(record.id, record.epoch, outcome)
            except FleetError:
                await asyncio.sleep(RETRY)
            else:
                break
        self.tell(
            "call.closed", call=record.id, epoch=record.epoch, outcome=outcome, failures=record.failures
        )
