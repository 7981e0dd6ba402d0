"""One worker: renews its ownership, claims calls, runs their handlers, hands calls on, sweeps.

A worker stops acting by its own clock: three quarters of the time to live after it began its last renewal
that went through. Only a whole time to live after they saw that renewal do others hand its calls on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from realtime_ext.errors import (
    APIConnectionError,
    ConnectionClosedError,
    InternalServerError,
    RateLimitError,
    RealtimeError,
    mask,
)
from realtime_ext.tasks import Countdown, contained_call, raise_if_interrupt

from ..budget import BudgetExceeded
from ._errors import FleetError
from ._owned_call import RETRY, Lease, OwnedCall, boot_time, close_call
from ._probes import Metrics, serving
from ._store import HEALTHY, CallRecord, SetupError, Store, Tenure
from ._sweeper import Sweeper, token

if TYPE_CHECKING:
    from realtime_ext.client import AsyncRealtimeClient

logger: logging.Logger = logging.getLogger("realtime_kit.fleet")

Handler: TypeAlias = Callable[[OwnedCall], Awaitable[object]]
"""An async function that handles a call."""
Attributes: TypeAlias = Mapping[str, str | int | float | bool]
Observer: TypeAlias = Callable[[str, Attributes], object]
"""A function that is called with the name of an event and its attributes."""
ACTS_FOR = 0.75  # of the time to live
TOGETHER = 0.02  # seconds within which calls are handed on in one transaction
SWEEPS = 12  # in a time to live
AT_ONCE = 20  # calls that are claimed in one transaction at most
LIVE = 10.0  # times to live for which the event loop may be blocked before it counts as hanging
LONGEST_ERROR = 300  # characters that are stored
WARNINGS = (
    "call.failed",
    "call.interrupted",
    "claim.failed",
    "worker.lapsed",
    "store.unavailable",
    "sweep.failed",
)


@attrs.frozen(kw_only=True)
class Policy:
    """How a worker behaves.

    Args:
        name: The worker's name.
        slots: How many calls it has at most.
        drain: Seconds for handing calls on at the end.
        generation: Its deploy; calls go to the newest one that has free slots.
        busy_status: The SIP status of a call that no worker has a slot for.
        after_failures: What to do with a call whose owners failed too often.
        observer: Sees what happens.
        probes: Where to answer probes, as host and port; None for nowhere.
    """

    name: str
    slots: int
    drain: float
    generation: int
    busy_status: int
    after_failures: Literal["hangup", "leave"]
    observer: Observer | None
    probes: tuple[str, int] | None = None


@attrs.define(eq=False)
class _Held:
    """A call that this worker has, and the task of its handler."""

    call: OwnedCall
    task: asyncio.Future[object]
    since: float
    reason: str | None = None  # why it is handed on

    @property
    def is_healthy(self) -> bool:
        """Whether it was held for so long that earlier failures no longer count."""
        return boot_time() - self.since >= HEALTHY

    def hand_on(self, reason: str) -> None:
        """Have the handler end; the call stays this worker's until it has."""
        if self.reason is None:
            self.reason = reason
            self.task.cancel()

    def lose(self, reason: str) -> None:
        """Stop acting at once, and have the handler end."""
        self.call._lose()
        self.hand_on(reason)


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
        self._token = token()  # of the registration
        self._sweeper = Sweeper(store, boot_time)
        self._lease = Lease()
        self._is_unavailable = False  # the database
        self._trouble = "the database was not reached yet"
        self._claims_fail: tuple[float, str] | None = None  # since when, and why
        self._ticked = boot_time()
        self._metrics = None if policy.probes is None else Metrics(self)
        self._lapse: Countdown | None = None
        self._held: dict[str, _Held] = {}
        self._tending: set[asyncio.Task[None]] = set()  # one a slot
        self._closing: dict[asyncio.Task[None], CallRecord] = {}
        self._strays: set[asyncio.Task[object]] = set()  # that hand on calls which only the database knows
        self._attempts: set[str] = set()  # claims whose replies are to come
        self._effects: set[asyncio.Task[Any]] = set()
        # The epochs of calls that are handed on together, by whether this worker had them for long.
        self._leaving: dict[bool, dict[str, int]] = {}
        self._handing: asyncio.Task[set[str]] | None = None
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Hand all calls on, and end."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped or cancelled; then hand all calls on."""
        with contextlib.ExitStack() as stack:
            if self._metrics is not None and self._policy.probes is not None:
                stack.enter_context(serving(self, self._metrics, *self._policy.probes))
            await self._run()

    async def _run(self) -> None:
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
        if self._metrics is not None:
            self._metrics.count(name)
        words = " ".join(f"{key}={value}" for key, value in attributes.items())
        level = logging.WARNING if name in WARNINGS else logging.INFO
        logger.log(level, "%s %s", name, words, extra={"fleet_event": name, "fleet": attributes})
        if self._policy.observer is not None:
            try:
                self._policy.observer(name, attributes)
            except BaseException as error:
                raise_if_interrupt(error)
                logger.error("the observer raised %s", type(error).__name__)

    # Probes, which come in another thread

    def is_live(self) -> tuple[bool, str]:
        """Return whether the event loop runs, and what is wrong."""
        silent = boot_time() - self._ticked
        if silent > LIVE * self._ttl:
            return False, f"the event loop has been blocked for {silent:.0f} s"
        return True, "live"

    def is_ready(self) -> tuple[bool, str]:
        """Return whether it owns calls and gets more, and what is wrong."""
        if self._stop.is_set():
            return False, "draining"
        if not self._lease.is_valid:
            return False, self._trouble
        if (failing := self._claims_fail) is not None and boot_time() - failing[0] > self._ttl:
            return False, failing[1]
        return True, "ready"

    @property
    def figures(self) -> Mapping[str, float]:
        """The calls, the slots, and the seconds for which it may act."""
        left = max(0.0, self._lease.until - boot_time())
        return {"calls": len(self._held), "slots": self._policy.slots, "lease_seconds": left}

    @property
    def tenants(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """How many calls of each tenant it has, and how many the fleet holds back, as of its last sweep."""
        held = Counter(tenant for one in list(self._held.values()) if (tenant := one.call.tenant) is not None)
        return held, {tenant.name: len(tenant.held_back) for tenant in self._sweeper.tenants}

    # Ownership

    async def _renew(self) -> None:
        while True:
            began = self._ticked = boot_time()
            is_renewed = await self._beat(began)
            pause = self._ttl / 4 if is_renewed else RETRY
            await asyncio.sleep(max(0.0, began + pause - boot_time()))

    async def _beat(self, began: float) -> bool:
        held: Mapping[str, Tenure] = {}
        attempts = set(self._attempts)
        try:
            if self._number is None:
                self._number = await self._store.register(
                    self._policy.name,
                    self._policy.slots,
                    token=self._token,
                    generation=self._policy.generation,
                )
            beat = await self._store.beat(self._number)
        except FleetError as error:
            if self._number is None and isinstance(error, SetupError):
                raise
            self._trouble = str(error)
            if not self._is_unavailable:
                self.tell("store.unavailable", error=self._trouble)
            self._is_unavailable = True
            self._sweeper.reset()
            return False
        if beat is None:
            self._give_up("presumed dead")
            self._number, self._token = None, token()
            return False
        held = beat.held
        if self._is_unavailable:
            self.tell("store.back")
        self._is_unavailable = False
        if self._metrics is not None:
            self._metrics.renewed(boot_time() - began)
        until = began + ACTS_FOR * self._ttl
        self._lease.renew(until)
        if self._lapse is not None:
            self._lapse.cancel()
        # It is over by the clock if the process was stopped: the next renewal tells whose the calls are.
        left = max(until - boot_time(), self._ttl / 4)
        self._lapse = Countdown(left, partial(self._give_up, "not renewed"))
        for one in list(self._held.values()):
            tenure = held.get(one.call.id)
            if one.since < began and (tenure is None or tenure.epoch != one.call.epoch):
                one.lose("lost")
        self._release_strays(held, attempts | self._attempts)
        if beat.is_draining:
            self.stop()
        self._wake.set()
        return True

    def _release_strays(self, held: Mapping[str, Tenure], attempts: set[str]) -> None:
        """Hand on the calls that the database says are this worker's and that it knows nothing of.

        The reply to their claim was lost. What is being claimed just now is none of them.
        """
        known = {(one.call.id, one.call.epoch) for one in self._held.values()}
        known |= {(record.id, record.epoch) for record in self._closing.values()}
        strays = {
            call_id: tenure.epoch
            for call_id, tenure in held.items()
            if (call_id, tenure.epoch) not in known and tenure.attempt not in attempts
        }
        if strays and not self._strays:
            self.tell("call.stray", calls=len(strays))
            task: asyncio.Task[object] = asyncio.create_task(self._release(strays), name="fleet strays")
            self._strays.add(task)
            task.add_done_callback(self._strays.discard)

    async def _release(self, epochs: Mapping[str, int]) -> None:
        with contextlib.suppress(FleetError):  # else the next renewal finds them again
            await self._store.release(epochs)

    def _give_up(self, reason: str) -> None:
        """Stop acting on all calls: they may belong to others from now on."""
        self._lease.end()
        self._sweeper.reset()
        if self._held:
            self.tell("worker.lapsed", reason=reason, calls=len(self._held))
        for one in list(self._held.values()):
            one.lose(reason)

    # Calls

    async def _pump(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._fetch()
                self._claims_fail = None
            except FleetError as error:
                if self._claims_fail is None:
                    self._claims_fail = boot_time(), str(error)
                    self.tell("claim.failed", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ttl / 4):
                    await self._wake.wait()

    async def _fetch(self) -> None:
        while (free := self._policy.slots - len(self._tending)) > 0 and not self._stop.is_set():
            number = self._number
            if number is None or not self._lease.is_valid:
                return
            since, attempt = boot_time(), token()
            self._attempts.add(attempt)
            try:
                records = await self._store.claim(number, attempt, min(free, AT_ONCE))
            finally:
                self._attempts.discard(attempt)
            if self._stop.is_set() or number != self._number or not self._lease.is_valid:
                await self._store.release({record.id: record.epoch for record in records})
                return
            for record in records:
                self._own(record, since)
            if not records:
                return

    def _own(self, record: CallRecord, since: float) -> None:
        call = OwnedCall(record, self._store, self._client, self._lease, self._effects)
        self.tell("call.owned", call=call.id, epoch=call.epoch, is_new=call.is_new, failures=record.failures)
        running = asyncio.create_task(contained_call("the handler", self._handler, call))
        held = self._held[call.id] = _Held(call, running, since)
        task = asyncio.create_task(self._tend(held, record), name=f"fleet {call.id}")
        self._tending.add(task)
        task.add_done_callback(self._tended)

    def _tended(self, task: asyncio.Task[None]) -> None:
        self._tending.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s broke", task.get_name(), exc_info=error)

    async def _tend(self, held: _Held, record: CallRecord) -> None:
        call = held.call
        lost: asyncio.Future[Any] = asyncio.create_task(call._lost.wait())
        try:
            await asyncio.wait({held.task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if was_lost := not held.task.done():  # it no longer acts, so the handler need not be awaited
                held.hand_on("lost")
            error = None if was_lost or held.task.cancelled() else held.task.exception()
            is_over = call._is_gone or call._is_hung_up or held.reason is not None
            if _is_spent(error) and not is_over:
                logger.error("the budget is spent: %s is closed", call.id)  # others would be refused, too
                await self._close(record)
            else:
                await self._settle(held)
        finally:  # until then a renewal must find it
            lost.cancel()
            if self._held.get(call.id) is held:
                del self._held[call.id]
        await asyncio.wait({held.task})

    async def _settle(self, held: _Held) -> None:
        call, task = held.call, held.task
        error = None if not task.done() or task.cancelled() else task.exception()
        returned = task.done() and not task.cancelled() and error is None
        facts: dict[str, str | int] = {"call": call.id, "epoch": call.epoch}
        settle: Callable[[], Awaitable[bool]]
        if (
            call._is_gone
            or call._is_hung_up
            or (returned and held.reason is None and not call._lost.is_set())
        ):
            outcome: Literal["gone", "done"] = "gone" if call._is_gone else "done"
            settle, name = lambda: self._store.end(call.id, call.epoch, outcome), "call.ended"
            facts["outcome"] = outcome
        elif held.reason is None and not call._lost.is_set():
            what = mask(f"{type(error).__name__}: {error}" if error else "cancelled")[:LONGEST_ERROR]
            is_failure = not _is_unanswered(error)
            settle = lambda: self._fail(held, what, is_failure=is_failure)  # noqa: E731
            name = "call.failed" if is_failure else "call.interrupted"
            facts["reason"] = type(error).__name__ if error else "cancelled"
            if is_failure:
                logger.error("the handler of %s failed", call.id, exc_info=error)
        else:
            settle, name = lambda: self._hand_on(held), "call.handed_on"
            facts["reason"] = held.reason or "lost"
        while True:
            try:
                was_own = await settle()
            except FleetError:
                await asyncio.sleep(RETRY)
            else:
                break
        self.tell(name if was_own else "call.lost", **facts)

    async def _fail(self, held: _Held, what: str, *, is_failure: bool) -> bool:
        epochs = {held.call.id: held.call.epoch}
        return bool(
            await self._store.release(epochs, error=what, is_healthy=held.is_healthy, is_failure=is_failure)
        )

    async def _hand_on(self, held: _Held) -> bool:
        """Hand a call on, together with the others whose handlers end just now."""
        call = held.call
        self._leaving.setdefault(held.is_healthy, {})[call.id] = call.epoch
        if self._handing is None or self._handing.done():
            self._handing = asyncio.create_task(self._hand_all_on())
        return call.id in await asyncio.shield(self._handing)

    async def _hand_all_on(self) -> set[str]:
        await asyncio.sleep(TOGETHER)
        leaving, self._leaving = self._leaving, {}
        self._handing = None
        released: set[str] = set()
        for is_healthy, epochs in leaving.items():
            released |= await self._store.release(epochs, is_healthy=is_healthy)
        return released

    async def _drain(self, loops: list[asyncio.Task[Any]]) -> None:
        """Hand all calls on, and end within the time for that."""
        self.tell("worker.draining", calls=len(self._held))
        announcing = asyncio.create_task(self._announce_draining())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.drain):
                for one in list(self._held.values()):
                    one.hand_on("draining")
                # Ownership is renewed meanwhile, for the calls that take their time.
                while busy := {*self._tending, *self._closing, *self._effects}:
                    await asyncio.wait(busy)
        if self._lapse is not None:
            self._lapse.cancel()
        self._lease.end()
        rest: list[asyncio.Future[Any]] = [
            announcing,
            *loops,
            *self._tending,
            *self._closing,
            *self._effects,
        ]
        for one in self._held.values():
            one.call._lose()
            rest.append(one.task)
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=1.0)
        if self._number is not None:
            with contextlib.suppress(FleetError):
                await self._store.unregister(self._number)
        self.tell("worker.stopped")

    async def _announce_draining(self) -> None:
        """Tell the store, so that workers of older generations get calls."""
        if self._number is not None:
            with contextlib.suppress(FleetError):
                await self._store.ask_to_drain(self._number)

    # For the calls of all workers

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(FleetError):
                await self._store.listen(self._wake.set)
            await asyncio.sleep(self._ttl / 4)

    async def _sweep(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._ttl / SWEEPS * random.uniform(0.75, 1.25))
            if (number := self._number) is None or not self._lease.is_valid:
                continue
            try:
                await self._sweep_once(number)
                is_failing = False
            except FleetError as error:
                self._sweeper.reset()
                if not is_failing:
                    self.tell("sweep.failed", error=str(error))
                is_failing = True

    async def _sweep_once(self, number: int) -> None:
        moved, has_closing = await self._sweeper.sweep(number)
        for record in moved:
            self.tell("call.swept", call=record.id, epoch=record.epoch, failures=record.failures)
        if not has_closing:
            return
        attempt = token()
        self._attempts.add(attempt)
        try:
            closing = await self._store.take_closing(number, attempt)
        finally:
            self._attempts.discard(attempt)
        for record in closing:
            task = asyncio.create_task(self._close(record), name=f"fleet closing {record.id}")
            self._closing[task] = record
            task.add_done_callback(self._closing.pop)

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


def _is_spent(error: BaseException | None) -> bool:
    """Return whether a handler ended because its budget is spent."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_spent, error.exceptions))
    return isinstance(error, BudgetExceeded)


def _is_unanswered(error: BaseException | None) -> bool:
    """Return whether a handler ended because the API, or the way to it, failed, or this machine was too slow.

    The handler is not to blame, and the next owner may succeed.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_unanswered, error.exceptions))
    return isinstance(
        error, APIConnectionError | ConnectionClosedError | InternalServerError | RateLimitError
    )
