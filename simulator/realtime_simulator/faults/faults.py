"""Which faults are asked for: each for certain requests, at a rate, a number of times.

Any thread may add and remove faults; the simulator's thread draws them. Drawing decides only whether a fault
happens, not what happens then.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import attrs

from realtime_simulator.faults.catalog import check_settings, parse

HEADER = "x-simulator-fault"
"""A request with this header asks for a fault of its own."""
OPERATIONS = (
    "calls.create",
    "calls.accept",
    "calls.reject",
    "calls.refer",
    "calls.hangup",
    "client_secrets.create",
    "sessions.create",
    "transcription_sessions.create",
    "translation_client_secrets.create",
    "connect",
    "sideband",
    "webrtc",
    "webhook",
)
"""What a fault can be limited to, besides a call's id."""


@attrs.define(eq=False)
class Fault:
    """A fault that was asked for; as a context manager it is over with its block.

    Args:
        name: Its name in the catalog.
        on: The operation or the call's id that it is for; None for all.
        rate: How often it happens, 0 to 1.
        times: How often it may still happen; None for ever.
        settings: All its settings.
        hits: How often it has happened.
    """

    name: str
    on: str | None
    rate: float
    times: int | None
    settings: Mapping[str, Any]
    _owner: Faults = attrs.field(repr=False)
    hits: int = 0

    def remove(self) -> None:
        """Let it happen no more; doing it twice is fine."""
        self._owner.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


class Faults:
    """The faults of one simulator.

    Args:
        seed: Makes rates repeatable; None for chance.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._active: tuple[Fault, ...] = ()

    @property
    def active(self) -> Sequence[Fault]:
        """Those that may happen, oldest first."""
        return self._active

    def add(
        self,
        name: str,
        *,
        on: str | None = None,
        rate: float = 1.0,
        times: int | None = None,
        settings: Mapping[str, Any],
    ) -> Fault:
        """Ask for a fault.

        Args:
            name: Its name in the catalog.
            on: An operation such as `calls.create`, or a call's id; None for all.
            rate: How often it happens, 0 to 1.
            times: How often it may happen; None for ever.
            settings: Its settings.

        Raises:
            ValueError: One of them is not allowed; the message names it.
        """
        checked = check_settings(name, settings)
        if on is not None and on not in OPERATIONS and not on.startswith("rtc_"):
            raise ValueError(f"on: allowed is a call's id or one of {', '.join(OPERATIONS)}; got {on!r}")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"rate: allowed is a number from 0 to 1, got {rate!r}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError(f"times: allowed is a whole number from 1, or None, got {times!r}")
        fault = Fault(name, on, rate, times, checked, self)
        with self._lock:
            self._active = (*self._active, fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Let a fault happen no more."""
        with self._lock:
            self._active = tuple(one for one in self._active if one is not fault)

    def clear(self) -> None:
        """Let none of them happen any more."""
        with self._lock:
            self._active = ()

    def draw(
        self, name: str, labels: Iterable[str], when: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> Mapping[str, Any] | None:
        """Decide whether a fault happens now.

        Args:
            name: Its name.
            labels: The operation at hand and the call's id.
            when: Whether its settings are for this moment; every moment will do if None.

        Returns:
            Its settings, or None if it doesn't happen.
        """
        if not self._active:
            return None
        for fault in self._active:
            if fault.name != name or (fault.on is not None and fault.on not in labels):
                continue
            if when is not None and not when(fault.settings):
                continue
            with self._lock:
                if fault.times == 0 or self._random.random() >= fault.rate:
                    continue
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
            if fault.times == 0:
                self.remove(fault)
            return fault.settings
        return None


@attrs.frozen
class Drawing:
    """The faults of one request, one connection or one call.

    Args:
        faults: Those that were asked for from outside.
        labels: The operation, and the call's id where there is one.
        own: What the request itself asked for, by name.
    """

    faults: Faults
    labels: Sequence[str]
    own: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    def draw(
        self, name: str, when: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> Mapping[str, Any] | None:
        """Decide whether a fault happens now.

        Args:
            name: Its name.
            when: Whether its settings are for this moment; every moment will do if None.

        Returns:
            Its settings, or None if it doesn't happen.
        """
        settings = self.own.get(name)
        if settings is not None and (when is None or when(settings)):
            return settings
        return self.faults.draw(name, self.labels, when)


def parse_header(value: str) -> dict[str, dict[str, Any]]:
    """Read a request's own faults.

    Args:
        value: As for `parse`; several are separated by commas.

    Raises:
        ValueError: As for `parse`.
    """
    return dict(parse(part) for part in value.split(",") if part.strip())
