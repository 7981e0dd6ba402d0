"""The interface of a store of calls, which `postgres_store` and `memory_store` implement.

A call's life, as its `state`:

    offered ── accepting ── accepted ── attached ── ended
        └───────────┴───────────┴───────────┴── closing ──┘

`offered` by a webhook, `accepting` from just before the request until it is recorded, `attached` once an
owner was connected to it; `closing` is to be rejected, hung up or left, which a sweep sees to. A call that is
not over has an owner, or a job that brings it to one.

A job is delivered once and never put back: who hands a call on replaces its job in the same transaction, so
that nothing a former worker does to its own job can concern the new owner. Each change of hands raises the
epoch, and every write names the epoch that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

import attrs

CallState: TypeAlias = Literal["offered", "accepting", "accepted", "attached", "closing", "ended"]
Outcome: TypeAlias = Literal["done", "gone", "failed", "rejected"]


@attrs.frozen(kw_only=True)
class CallRecord:
    """A call as it is stored.

    Args:
        id: The call's id.
        epoch: How often it changed hands.
        state: How far it is.
        outcome: How it ended, or why it is being closed: `done` (its handler returned), `gone` (there is no
            such call any more), `failed` (handlers raised or died too often), `rejected` (no worker
            had a free slot).
        owner: The worker that has it; None while it waits for one.
        failures: How many owners raised or died.
        headers: The SIP headers of its webhook.
        data: What `save` stored last.
        offered, accepted, seen, ended: When it came, was accepted, was last written to, and ended.
    """

    id: str
    epoch: int
    state: CallState
    outcome: Outcome | None
    owner: int | None
    failures: int
    headers: Sequence[Mapping[str, str]] = attrs.field(repr=False)
    data: Any = attrs.field(repr=False)
    offered: datetime
    accepted: datetime | None
    seen: datetime
    ended: datetime | None


@attrs.frozen(kw_only=True)
class WorkerRecord:
    """A worker as it is stored.

    Args:
        id: Its number.
        name: Its name, such as the host's and the process id.
        slots: How many calls it accepts at most.
        held: How many it has.
        is_draining: Whether it hands its calls on and ends.
        seen: When it last gave a sign of life.
    """

    id: int
    name: str
    slots: int
    held: int
    is_draining: bool
    seen: datetime


@attrs.frozen
class Delivery:
    """A job that was fetched: a call to be claimed.

    Args:
        job: The job's number.
        call_id: The call.
    """

    job: int
    call_id: str


@attrs.frozen
class Beat:
    """The result of a renewal of ownership.

    Args:
        held: The epochs of the calls that are still its own, by their ids.
        is_draining: Whether it was asked to drain.
    """

    held: Mapping[str, int]
    is_draining: bool


@attrs.frozen
class Effect:
    """The record of an effect that must happen once.

    Args:
        state: `new`: it may be run now; `done`: it was; `unknown`: it was begun, and how it went is not
            recorded; `lost`: the call has another owner.
        result: Its return value, once it is done.
    """

    state: Literal["new", "done", "unknown", "lost"]
    result: Any = None


@attrs.frozen(kw_only=True)
class Limits:
    """Time limits and counts of a store.

    Args:
        time_to_live: Seconds without a sign of life after which a worker's calls are handed on.
        max_wait: Seconds that a call may wait for its first owner.
        max_failures: How many owners may raise or die before a call is closed.
        keep: Seconds for which ended calls are kept.
    """

    time_to_live: float
    max_wait: float
    max_failures: int
    keep: float


class Store(Protocol):
    """Calls, their jobs and workers. What fails for want of the database raises `FleetError`."""

    limits: Limits

    async def migrate(self) -> None:
        """Make the tables, or bring them up to date."""

    async def aclose(self) -> None:
        """Close connections; may be called again."""

    async def offer(self, call_id: str, headers: Sequence[Mapping[str, str]]) -> bool:
        """Record a call and its job in one transaction; return whether it was new."""

    async def register(self, name: str, slots: int) -> int:
        """Record a worker; return its number."""

    async def unregister(self, worker: int) -> None:
        """Remove a worker that has no calls any more."""

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead, and has lost them."""

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled or the database is gone."""

    async def fetch(self, worker: int) -> Delivery | None:
        """Fetch a job; None if there is none."""

    async def claim(self, delivery: Delivery, worker: int) -> CallRecord | None:
        """Become a call's owner and raise its epoch, while the job is this worker's.

        Returns:
            The call as it was, with the new epoch; None if it is another worker's, or over.
        """

    async def write(
        self, call_id: str, epoch: int, *, state: CallState | None = None, data: Any = None
    ) -> bool:
        """Write to a call; return whether it was still that epoch's."""

    async def release(self, call_id: str, epoch: int, *, failed: bool) -> bool:
        """Hand a call on, or have it closed if it failed too often; return whether it was one's own."""

    async def release_all(self, epochs: Mapping[str, int]) -> set[str]:
        """Hand calls on in one transaction, without a failure; return which were one's own.

        Args:
            epochs: Their epochs, by their ids.
        """

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call and remove its job; return whether it was one's own."""

    async def sweep(self, worker: int) -> tuple[list[CallRecord], list[CallRecord]]:
        """Hand on the calls of dead workers and those without a job, and drop calls that ended long ago.

        Only one sweep runs at a time, and none right after the database came back.

        Returns:
            The calls that were handed on, as they are now; and those to be closed, which are this worker's
            from now on.
        """

    async def begin_effect(self, call_id: str, epoch: int, key: str) -> Effect:
        """Record that an effect is about to happen, unless it was begun before."""

    async def finish_effect(self, call_id: str, epoch: int, key: str, result: Any) -> None:
        """Record what an effect returned; also if the call has another owner by now."""

    async def forget_effect(self, call_id: str, epoch: int, key: str) -> None:
        """Remove the record of an effect that did not happen."""

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or all that are kept, oldest first."""

    async def count(self) -> tuple[int, int]:
        """Return how many calls are not over, and how many of them have no owner."""

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""

    async def ask_to_drain(self, worker: int) -> bool:
        """Ask a worker to hand its calls on and end; return whether there is such a worker."""
