"""Many calls on many machines: each call has one owner at a time, and survives it (extra `fleet`).

`fleet` is the application's front, `owner` the worker, `owned_call` what its handlers get; `functions` and
`live_work` see that what the model asks for is done once, by the Realtime and the Live API. `store` is the
interface that `postgres_store` (on procrastinate's queue) and `memory_store` implement.
"""

from __future__ import annotations

from ._errors import EffectUnknown, FleetError, OwnershipLost
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
