"""Whether a lost link is made anew, how often and after how long.

It must not connect or sleep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from ...errors import APIConnectionError, APITimeoutError, InternalServerError, RateLimitError, RealtimeError
from ._closing import Ending, is_worth_reconnecting

__all__ = ["Attempt", "Reconnect", "Reconnecting", "unconfirmed", "wants_reconnect"]

logger = logging.getLogger("realtime_ext")

_JITTER = 0.25


@attrs.frozen(kw_only=True)
class Attempt:
    """One attempt at making a link anew, about to be made.

    Args:
        number: From 1.
        delay: Seconds that are waited before it.
        reason: Why it is needed: how the link, or the attempt before, ended.
    """

    number: int
    delay: float
    reason: str


def _positive(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{attribute.name}: expected 0 or more seconds, got {value!r}")


def _count(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{attribute.name}: expected an int, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{attribute.name}: expected 1 or more, got {value}")


@attrs.frozen(kw_only=True)
class Reconnect:
    """What to do when the link is lost.

    A sideband does this without being told, for its session goes on at the server. A model's session ends
    with its link, so a new one needs `replay=True`: it gets the configuration, and the conversation's items
    as text.

    Args:
        replay: Whether a new session is begun, configured and given the items of the old one.
        attempts: How many there are before it is given up; 1 or more.
        first_delay: Seconds before the first attempt, less up to a quarter; doubled for each further one.
        max_delay: Seconds that a delay is at most.
        on_attempt: Called with each `Attempt` before its delay, in the reader; it must not block.
    """

    replay: bool = False
    attempts: int = attrs.field(default=8, validator=_count)
    first_delay: float = attrs.field(default=0.5, validator=_positive)
    max_delay: float = attrs.field(default=10.0, validator=_positive)
    on_attempt: Callable[[Attempt], object] | None = None


class Reconnecting:
    """One loss of the link, and the attempts at mending it.

    Args:
        policy: What the user asked for.
        ending: How the connection ends if none of them succeeds.
        random: Returns numbers in [0, 1), for the jitter.

    Attributes:
        ending: The same.
        made: How many attempts there were.
        reason: How the link, or the attempt before, ended.
    """

    def __init__(self, policy: Reconnect, ending: Ending, random: Callable[[], float]) -> None:
        self.ending = ending
        self._policy = policy
        self._random = random
        self._cause = ending.cause
        self._is_hopeless = False
        self.made = 0
        self.reason = ending.reason

    def next(self) -> Attempt | None:
        """Give the next attempt, or None when there were enough, or none can succeed."""
        if self._is_hopeless or self.made >= self._policy.attempts:
            return None
        delay = min(self._policy.first_delay * 2.0 ** min(self.made, 30), self._policy.max_delay)
        self.made += 1
        attempt = Attempt(number=self.made, delay=delay * (1 - _JITTER * self._random()), reason=self.reason)
        if self._policy.on_attempt is not None:
            try:
                self._policy.on_attempt(attempt)
            except Exception as fault:
                logger.warning("on_attempt raised %s", type(fault).__name__)
        return attempt

    def lost(self, reason: str, cause: BaseException | None) -> None:
        """Note that an attempt's link was lost before the session could go on.

        Args:
            reason: In words.
            cause: The exception behind it.
        """
        self.reason, self._cause = reason, cause

    def failed(self, error: RealtimeError, *, is_linked: bool) -> None:
        """Note that an attempt failed; what the API refuses once it would refuse again.

        Args:
            error: With what.
            is_linked: Whether there was a link, and its new session was not to be had.
        """
        is_passing = isinstance(error, APIConnectionError | InternalServerError | RateLimitError)
        self._is_hopeless = not is_passing
        refused = "the new session was refused its configuration: " if is_linked and not is_passing else ""
        self.reason, self._cause = f"{refused}{error}", error

    def given_up(self) -> Ending:
        """Give the connection's ending, now that it isn't tried any more."""
        attempts = "1 attempt" if self.made == 1 else f"{self.made} attempts"
        words = f"{self.ending.reason}; reconnecting failed after {attempts}: {self.reason}"
        return attrs.evolve(self.ending, reason=words, is_normal=False, cause=self._cause)


def unconfirmed(seconds: float | None) -> APITimeoutError:
    """Give the error for a new session whose configuration was not confirmed in time."""
    return APITimeoutError(f"the new session was not confirmed within {seconds:g} s")


def wants_reconnect(policy: Reconnect | None, code: int | None, *, is_expired: bool) -> bool:
    """Whether a link that ended like this is to be made anew.

    Args:
        policy: What the user asked for; None for never.
        code: The close code, or None.
        is_expired: Whether the session's time was up: then only a new session helps.
    """
    if policy is None:
        return False
    return policy.replay if is_expired else is_worth_reconnecting(code)
