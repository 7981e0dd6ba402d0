"""Finds workers that are gone, and calls that wait too long, by this process's own clock.

Each worker counts its renewals in its row. A count that does not change for a whole time to live, watched
without a gap and while this process's own renewals went through, means that the worker has stopped acting.
No clock is compared with another one, so a step of any machine's time changes nothing.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence

from ._store import CallRecord, Store, Tenant

GAP = 0.5  # of the time to live, without a look, after which everything is watched from the start
PURGES = 50  # sweeps between two purges, about


class Sweeper:
    """What one worker has watched.

    Args:
        store: Where the calls are.
        clock: Seconds of a clock that never stops nor jumps.

    Attributes:
        tenants: Those that had calls which were held back.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._looked = clock()
        self._beats: dict[tuple[int, int], float] = {}  # since when a worker's count is what it is
        self._waits: dict[str, float] = {}  # since when a call waits for its first owner
        self.tenants: Sequence[Tenant] = ()  # that had reached their limit

    def reset(self) -> None:
        """Watch workers and waiting calls from the start: the database was unavailable to this one."""
        self._beats.clear()
        self._waits.clear()

    async def sweep(self, worker: int) -> tuple[list[CallRecord], bool]:
        """Hand on the calls of dead workers, admit those held back, and mark those to be rejected.

        Args:
            worker: This worker, whose ownership is renewed.

        Returns:
            The calls that were handed on or are to be closed, as they are now; and whether there are calls to
            be closed that no worker has.

        Raises:
            FleetError: The database is unavailable.
        """
        limits = self._store.limits
        survey = await self._store.survey()
        now = self._clock()
        if now - self._looked > GAP * limits.time_to_live:
            self.reset()
        self._looked = now
        others = [one for one in survey.beats.items() if one[0] != worker]
        self._beats = {one: self._beats.get(one, now) for one in others}
        self.tenants = survey.tenants
        held_back = [call_id for tenant in survey.tenants for call_id in tenant.held_back]
        self._waits = {one: self._waits.get(one, now) for one in (*survey.unanswered, *held_back)}
        dead = dict(one for one, since in self._beats.items() if now - since >= limits.time_to_live)
        late = [call_id for call_id, since in self._waits.items() if now - since >= limits.max_wait]
        if limits.max_waiting is not None:
            late += survey.unanswered[max(0, survey.free) + limits.max_waiting :]
            for tenant in survey.tenants:
                late += tenant.held_back[limits.room(tenant.calls) + limits.max_waiting :]
        moved = await self._store.presume_dead(dead) if dead else []
        if late:
            await self._store.reject(late)
        for tenant in survey.tenants:
            if limits.room(tenant.calls):
                await self._store.admit(tenant.name)
        if random.random() < 1 / PURGES:
            await self._store.purge()
        return moved, bool(survey.is_closing or late or any(call.outcome for call in moved))


def token() -> str:
    """Return a token, by which a statement is known when it is repeated."""
    return uuid.uuid4().hex
