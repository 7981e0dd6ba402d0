"""The interface of a store of calls, which `postgres_store` and `memory_store` implement.

A call's life, as its `state`:

    offered ── accepting ── accepted ── attached ── ended
        └───────────┴───────────┴───────────┴── closing ──┘

`offered` by a webhook, `accepting` from just before the request until it is recorded, `attached` once an
owner was connected to it; `closing` is to be rejected, hung up or left, which a sweep sees to.

A call that is not over has an owner, or a job that brings it to one, and never both: claiming removes the job
in the transaction that sets the owner, and handing on does the reverse. Each change of hands raises the
epoch, and every write names the epoch that it belongs to.

The reply of any of these may be lost. Repeating a statement with the same token or epoch changes nothing
more; a claim whose reply was lost is found by the next renewal, which returns all that is the worker's.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

import attrs

from realtime_ext.webhooks import Api

from ._errors import FleetError

CallState: TypeAlias = Literal["offered", "accepting", "accepted", "attached", "closing", "ended"]
Outcome: TypeAlias = Literal["done", "gone", "failed", "rejected"]
Phase: TypeAlias = Literal["all", "pre", "post"]


class SetupError(FleetError):
    """The database can't serve this program until it is set up, however long one waits."""


HEALTHY = 60.0  # seconds with one owner after which earlier failures no longer count
SOON = 10.0  # seconds with a call within which a worker's death counts as the call's failure
LONGEST_PAUSE = 30.0  # seconds before a call that failed has its next owner


@attrs.frozen(kw_only=True)
class CallRecord:
    """A call as it is stored.

    Args:
        id: The call's id; with the Live API the session's.
        api: The API that it is answered by, `realtime` or `live`.
        epoch: How often it changed hands.
        state: How far it is.
        outcome: How it ended, or why it is being closed: `done` (its handler returned), `gone` (there is no
            such call any more), `failed` (handlers raised or died too often), `rejected` (no worker
            had a free slot).
        owner: The worker that has it; None while it waits for one.
        failures: How many owners in a row raised within a minute or died within ten seconds, without those
            that the API did not answer in time.
        error: What the last of them raised.
        tenant: The tenant it counts for, by the fleet's `tenant`; None for no tenant, and once it has ended.
        is_held_back: Whether it waits until its tenant has fewer calls.
        headers: The SIP headers of its webhook; none once it has ended.
        data: What `save` stored last; None once it has ended.
        offered, accepted, seen, ended: When it came, was accepted, was last written to, and ended.
    """

    id: str
    api: Api
    epoch: int
    state: CallState
    outcome: Outcome | None
    owner: int | None
    failures: int
    error: str | None = attrs.field(repr=False)
    tenant: str | None = attrs.field(repr=False)
    is_held_back: bool
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
        generation: Its deploy; calls go to the newest one that has free slots.
        is_draining: Whether it hands its calls on and ends.
        seen: When it last gave a sign of life.
    """

    id: int
    name: str
    slots: int
    held: int
    generation: int
    is_draining: bool
    seen: datetime


@attrs.frozen
class Tenure:
    """A worker's ownership of a call.

    Args:
        epoch: The call's epoch.
        attempt: The token of the claim that made it the owner.
    """

    epoch: int
    attempt: str


@attrs.frozen
class Beat:
    """The result of a renewal of ownership.

    Args:
        held: All calls that are the worker's, by their ids.
        is_draining: Whether it was asked to drain.
    """

    held: Mapping[str, Tenure]
    is_draining: bool


@attrs.frozen
class Tenant:
    """A tenant that has reached its limit.

    Args:
        name: The tenant.
        calls: How many calls it has that are not held back.
        held_back: Those that are, oldest first.
    """

    name: str
    calls: int
    held_back: Sequence[str]


@attrs.frozen
class Survey:
    """What a sweep looks at.

    Args:
        beats: How often each worker renewed its ownership, by its number.
        unanswered: The calls that wait for their first owner and are not held back, oldest first.
        free: How many more calls the workers accept; below 0 if they have more than their slots.
        is_closing: Whether there are calls to be closed that no worker has.
        tenants: Those that have calls which are held back.
    """

    beats: Mapping[int, int]
    unanswered: Sequence[str]
    free: int
    is_closing: bool
    tenants: Sequence[Tenant] = ()


@attrs.frozen
class Effect:
    """The record of an effect that must happen once.

    Args:
        state: `new`: this attempt may run it now; `done`: it was run; `unknown`: another attempt began it,
            and how it went is not recorded; `lost`: the call has another owner.
        result: Its return value, once it is done.
    """

    state: Literal["new", "done", "unknown", "lost"]
    result: Any = None


@attrs.frozen(kw_only=True)
class FunctionRecord:
    """A function call of the model.

    Args:
        id: Its id.
        key: The id under which its effects are recorded: its own, or that of the one that it repeats.
        name: The function; empty for a task that a Live model delegates to the program.
        arguments: JSON, as the model wrote it; of a task the user's words.
        response_id: The response that it came in; empty if that isn't known.
        output: The output; None until it was run.
        is_silent: Whether the model is not asked to go on.
        is_repeat: Whether the model called it because a note asked it to repeat calls.
        is_sent: Whether the output is in the conversation.
        is_over: Whether the model has gone on from it.
    """

    id: str
    key: str
    name: str
    arguments: str = attrs.field(repr=False)
    response_id: str = ""
    output: str | None = attrs.field(default=None, repr=False)
    is_silent: bool = False
    is_repeat: bool = False
    is_sent: bool = False
    is_over: bool = False


@attrs.frozen(kw_only=True)
class Limits:
    """Time limits and counts of a store.

    Args:
        time_to_live: Seconds without a sign of life after which a worker's calls are handed on.
        max_wait: Seconds that a call may wait for its first owner.
        max_waiting: How many calls may wait for their first owner while no slot is free; None for no limit.
        max_per_tenant: How many calls a tenant may have at a time; None for no limit.
        max_failures: How many owners in a row may raise or die before a call is closed.
        keep: Seconds for which ended calls are kept.
        pause: Seconds, about, before a call whose handler raised has its next owner; doubled each time.
    """

    time_to_live: float
    max_wait: float
    max_failures: int
    keep: float
    max_waiting: int | None = None
    max_per_tenant: int | None = None
    pause: float = 1.0

    def room(self, calls: int) -> int:
        """Return how many more calls a tenant may have that has so many."""
        return sys.maxsize if self.max_per_tenant is None else max(0, self.max_per_tenant - calls)

    def pause_after(self, attempts: int) -> float:
        """Return the seconds before the next owner, by the number of owners that raised; 0 for none."""
        if attempts < 1:
            return 0.0
        longest = min(self.pause * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE)
        return longest * random.uniform(0.5, 1.0)


class Store(Protocol):
    """Calls, their jobs and workers. What fails for want of the database raises `FleetError`."""

    limits: Limits

    async def migrate(self, phase: Phase) -> None:
        """Make the tables, or bring them up to date."""

    async def aclose(self) -> None:
        """Close connections; may be called again."""

    async def offer(
        self,
        call_id: str,
        headers: Sequence[Mapping[str, str]],
        *,
        api: Api = "realtime",
        tenant: str | None = None,
    ) -> bool:
        """Record a call and its job in one transaction; return whether it was new.

        A call of a tenant that has reached its limit is held back: it gets no job.
        """

    async def admit(self, tenant: str) -> list[str]:
        """Make jobs for calls of a tenant that were held back, as many as its limit allows; return them."""

    async def register(self, name: str, slots: int, *, token: str, generation: int = 0) -> int:
        """Record a worker; return its number, which is the same for the same token."""

    async def unregister(self, worker: int) -> None:
        """Remove a worker, and hand on calls that it still has."""

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead, and has lost them."""

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled or the database is gone."""

    async def claim(self, worker: int, attempt: str, limit: int) -> list[CallRecord]:
        """Become the owner of calls that wait for one, and raise their epochs.

        A worker that drains gets none; nor does one while a newer generation has free slots.

        Args:
            worker: The worker.
            attempt: A token, by which a renewal tells these calls apart.
            limit: How many at most.

        Returns:
            The calls as they were, with the new epochs.
        """

    async def write(
        self, call_id: str, epoch: int, *, state: CallState | None = None, data: Any = None
    ) -> bool:
        """Write to a call; return whether it was still that epoch's."""

    async def release(
        self,
        epochs: Mapping[str, int],
        *,
        error: str | None = None,
        is_healthy: bool = False,
        is_failure: bool = True,
    ) -> set[str]:
        """Hand calls on in one transaction; return which were one's own.

        Args:
            epochs: Their epochs, by their ids.
            error: What the handler raised; None unless it did. The call then waits before its next owner,
                longer each time.
            is_healthy: Whether what happened before no longer counts.
            is_failure: Whether it counts as a failure, of which too many close the call: not if the API did
                not answer.
        """

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call; return whether it was one's own. Only its id, times and outcome are kept."""

    async def survey(self) -> Survey:
        """Return what a sweep has to know."""

    async def presume_dead(self, workers: Mapping[int, int]) -> list[CallRecord]:
        """Remove workers and hand their calls on, if they have not renewed their ownership since.

        Args:
            workers: How often each had renewed it.

        Returns:
            The calls, as they are now.
        """

    async def reject(self, call_ids: Sequence[str]) -> None:
        """Mark calls to be rejected that still wait for their first owner."""

    async def take_closing(self, worker: int, attempt: str) -> list[CallRecord]:
        """Become the owner of all calls that are to be closed."""

    async def purge(self) -> int:
        """Drop some of the calls that ended long ago; return how many."""

    async def begin_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> Effect:
        """Record that an attempt is about to run an effect, unless another one began it before."""

    async def finish_effect(self, call_id: str, key: str, attempt: str, result: Any) -> None:
        """Record what an effect returned; also if the call has another owner by now."""

    async def forget_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> bool:
        """Remove the record of an effect that did not happen; return whether the epoch is over."""

    async def functions(self, call_id: str) -> list[FunctionRecord]:
        """Return the call's function calls, oldest first."""

    async def begin_function(self, call_id: str, epoch: int, function: FunctionRecord) -> bool:
        """Record a function call, or its arguments anew while it has no output.

        Returns:
            Whether the call is still that epoch's.
        """

    async def finish_function(
        self, call_id: str, epoch: int, function_id: str, output: str, *, is_silent: bool
    ) -> bool:
        """Record a function's output; return whether the call is still that epoch's."""

    async def answer_functions(
        self, call_id: str, epoch: int, *, sent: Sequence[str] = (), over: Sequence[str] = ()
    ) -> bool:
        """Record which outputs are in the conversation, and which calls the model went on from."""

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or the newest that are kept too, oldest first."""

    async def count(self) -> tuple[int, int, int]:
        """Return how many calls are not over, wait for an owner, and are held back."""

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""

    async def failed(self) -> list[CallRecord]:
        """Return the kept calls that failed too often, with headers and data, oldest first."""

    async def retry(self, call_id: str) -> bool:
        """Hand on a call that failed too often, with no failures; return whether there is such a call."""

    async def ask_to_drain(self, worker: int, *, older: bool = False) -> int:
        """Ask a worker, or all that are older, to hand over their calls and end; return how many."""
