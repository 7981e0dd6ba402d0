"""Many calls on many machines: each call has one owner at a time, and survives it (extra `fleet`).

`fleet` is the application's front, `owner` the worker, `owned_call` what its handlers get, `missed_calls`
what the model asked for while nobody was attached; `store` says what a store does, and `postgres_store` (on
procrastinate's queue) and `memory_store` do it.
"""

from __future__ import annotations

from ...errors import EffectUnknown, FleetError, OwnershipLost
from ._fleet import Fleet
from ._owned_call import OwnedCall
from ._owner import Handler, Observer
from ._store import CallRecord, WorkerRecord

__all__ = [
    "CallRecord",
    "EffectUnknown",
    "Fleet",
    "FleetError",
    "Handler",
    "Observer",
    "OwnedCall",
    "OwnershipLost",
    "WorkerRecord",
]


def __dir__() -> list[str]:
    return __all__
