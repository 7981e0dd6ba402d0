"""Whether a failed attempt is retried, and after how long: one pure decision.

It must not sleep, send or read a clock by itself.

| what happened                                           | idempotent | not idempotent              |
|---------------------------------------------------------|------------|-----------------------------|
| no connection was made; 429; 503                        | retried    | retried                     |
| 408, 409, other 5xx; connection lost or timed out later | retried    | raised: it may have applied |
| not sendable as it is; any other status                 | raised     | raised                      |
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import UTC

import attrs

LONGEST_RETRY_AFTER = 60.0  # seconds; an error is better than a longer wait
_FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0  # seconds, where the API names none
_JITTER = 0.25

_SECONDS = re.compile(r"\d+(?:\.\d+)?")
# All three date forms of RFC 9110 §5.6.7 begin with a weekday; dateutil would read a date into anything.
_LONGEST_DATE = 100  # characters; dateutil takes long over many digits
_DATE = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s", re.IGNORECASE)


class Outcome(enum.Enum):
    """How an attempt ended without success."""

    NOT_CONNECTED = enum.auto()
    """No connection was made, so nothing was sent."""
    LOST = enum.auto()
    """The connection broke or timed out after it was made; what the API did is unknown."""
    ANSWERED = enum.auto()
    """An answer with an error status came back."""
    UNSENDABLE = enum.auto()
    """The request cannot be sent; another attempt would fail in the same way."""


@attrs.frozen
class Failure:
    """An attempt that failed.

    Args:
        outcome: How it ended.
        status: The HTTP status of an answer.
        retry_after: Seconds that the answer asks to wait, if it does.
    """

    outcome: Outcome
    status: int | None = None
    retry_after: float | None = None

    @property
    def may_have_applied(self) -> bool:
        """Whether the API may have carried out the request although it failed."""
        if self.status is not None:
            return self.status in (408, 409) or (self.status >= 500 and self.status != 503)
        return self.outcome is Outcome.LOST

    @property
    def had_no_effect(self) -> bool:
        """Whether the API did nothing, and may do it at the next attempt."""
        return self.outcome is Outcome.NOT_CONNECTED or self.status in (429, 503)


def backoff(retries: int, random: Callable[[], float]) -> float:
    """Return the pause before a retry if the API names none: doubling, capped, with jitter.

    Args:
        retries: Retries made so far, from 0.
        random: Returns numbers in [0, 1).

    Returns:
        Seconds: 0.375–0.5 at first, 6–8 at most.
    """
    pause = min(_FIRST_PAUSE * 2.0 ** min(retries, 16), LONGEST_PAUSE)
    return pause * (1 - _JITTER * random())


def decide(
    failure: Failure, *, idempotent: bool, retries: int, max_retries: int, random: Callable[[], float]
) -> float | None:
    """Decide whether a failed attempt is retried.

    Args:
        failure: What happened.
        idempotent: Whether the operation may be carried out twice.
        retries: Retries made so far, from 0.
        max_retries: How many there may be.
        random: Returns numbers in [0, 1), for the jitter.

    Returns:
        Seconds to wait before the next attempt; None to raise.
    """
    worthwhile = failure.had_no_effect or (failure.may_have_applied and idempotent)
    if not worthwhile or retries >= max_retries:
        return None
    if failure.retry_after is None:
        return backoff(retries, random)
    return failure.retry_after if failure.retry_after <= LONGEST_RETRY_AFTER else None


def parse_retry_after(value: str | None, now: Callable[[], float]) -> float | None:
    """Read a `Retry-After` header.

    Args:
        value: The header: seconds, or an HTTP date.
        now: Returns the time in unix seconds, for dates.

    Returns:
        Seconds from now, 0.0 for a date that has passed; None if there is no header or it is neither.

    Source: RFC 9110 §10.2.3 and §5.6.7.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    if len(text) > _LONGEST_DATE or not _DATE.match(text):
        return None
    from dateutil import parser

    try:
        date = parser.parse(text)
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, stamp - now())
