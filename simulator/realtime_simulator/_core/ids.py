"""Identifiers that look like the API's: `event_…`, `item_…`, `resp_…`, `sess_…`, `rtc_u1_…`, `ek_…`."""

from __future__ import annotations

import random
import string

_ALPHABET = string.ascii_letters + string.digits


class Ids:
    """A source of identifiers.

    Args:
        seed: Makes the identifiers repeatable; None draws them from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

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
