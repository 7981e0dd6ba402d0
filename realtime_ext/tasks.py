"""Tasks of a program that serves calls: limits on how long others may take, and what its own functions raise.

For packages and apps that run handlers beside connections. The limits count time in which this process ran: a
laptop that slept, or a container that was throttled, ends no call.
"""

from __future__ import annotations

from ._core.callbacks import contained, contained_call, raise_if_interrupt
from ._core.threads import run_in_thread
from ._core.time_limit import Countdown, TimeLimit, wait

__all__ = [
    "Countdown",
    "TimeLimit",
    "contained",
    "contained_call",
    "raise_if_interrupt",
    "run_in_thread",
    "wait",
]


def __dir__() -> list[str]:
    return __all__
