"""Identifiers that look like the API's: `event_…`, `item_…`, `resp_…`, `sess_…`, `rtc_u1_…`, `ek_…`."""

from __future__ import annotations

import os
import random
import string
import struct

_ALPHABET = string.ascii_letters + string.digits
_READ = struct.Struct("256Q")


class _SystemRandom(random.SystemRandom):
    """Numbers of the operating system, read many at a time: each reading takes long, and an id needs 21."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: list[int] = []

    def random(self) -> float:
        if not self._numbers:
            self._numbers += _READ.unpack(os.urandom(_READ.size))
        return (self._numbers.pop() >> 11) / (1 << 53)


class Ids:
    """A source of identifiers.

    Args:
        seed: Makes the identifiers repeatable; None draws them from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = _SystemRandom() if seed is None else random.Random(seed)

    def reseed(self, seed: int) -> None:
        """Make the identifiers to come repeatable."""
        self._random = random.Random(seed)

    def new(self, prefix: str, length: int = 21) -> str:
        """Return `prefix_` and `length` letters and digits.

        Args:
            prefix: The part before the underscore, such as `event`.
            length: The number of characters after it.
        """
        return f"{prefix}_{''.join(self._random.choices(_ALPHABET, k=length))}"

    def obfuscation(self, delta: str) -> str:
        """Return letters that pad a delta to a multiple of 16, so that its length reveals nothing."""
        return "".join(self._random.choices(_ALPHABET, k=-len(delta) % 16))
