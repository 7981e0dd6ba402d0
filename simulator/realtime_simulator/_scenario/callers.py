"""The acts of a phone call's caller once the call is accepted, and the outcome of a referral."""

from __future__ import annotations

import re

import attrs

_KEYS = re.compile(r"[0-9*#A-D]{1,64}")


def check_keys(keys: object) -> str:
    """Return keys of a telephone.

    Raises:
        ValueError: They are not a text of 1 to 64 keys: 0 to 9, *, #, A to D.
    """
    if not isinstance(keys, str) or not _KEYS.fullmatch(keys):
        raise ValueError(f"keys: allowed are 1 to 64 of 0 to 9, *, #, A to D, got {str(keys)[:80]!r}")
    return keys


@attrs.frozen
class CallerAct:
    """One act of a caller.

    Args:
        delay: Seconds after the previous act, or after the call was accepted.
        keys: The keys to press.
        sound: The sound to play, as a telephone line delivers it, PCM16 mono at 24 kHz.
        hangs_up: Whether the caller hangs up.
    """

    delay: float
    keys: str = ""
    sound: bytes = attrs.field(default=b"", repr=False)
    hangs_up: bool = False


def _final(instance: object, attribute: object, status: int) -> None:
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 699:
        raise ValueError(f"status: allowed is a final SIP status, 200 to 699, got {status!r}")


@attrs.frozen
class Referral:
    """The outcome of referring a caller.

    Args:
        status: The SIP status with which the attempt to reach the target ends. From 200 to 299 the caller is
            transferred and the call ends; with others it continues.
        delay: Seconds until then.
    """

    status: int = attrs.field(validator=_final)
    delay: float = 0.0

    @property
    def succeeds(self) -> bool:
        """Whether the caller is transferred."""
        return self.status < 300
