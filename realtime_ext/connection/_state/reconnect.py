"""Losing the link: what a close means, whether the link is made anew, and what could not be sent.

It must not connect, send, close or sleep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ...errors import (
    APIConnectionError,
    APITimeoutError,
    ConnectionClosedError,
    InternalServerError,
    RateLimitError,
    RealtimeError,
    SessionExpired,
)
from .waiters import Waiter

__all__ = [
    "READING",
    "Attempt",
    "Ending",
    "Pending",
    "Reconnect",
    "Reconnecting",
    "Unsent",
    "unconfirmed",
    "wants_reconnect",
]

logger: logging.Logger = logging.getLogger("realtime_ext")

TOO_SLOW = "consumer too slow"
OF_PARENT = "the connection belongs to the process that this one was forked from; open one here"
READING = "iterate, call run(), or connect with a larger max_queue_bytes"
Unsent = Callable[[], list[dict[str, Any]]]  # returns the events that somebody is waiting to send

_NORMAL = 1000
_NO_STATUS = 1005
_POLICY = 1008
# RFC 6455 §7.4.1 and the IANA registry: abnormal, internal error, restart, try again later, bad gateway.
_TRANSIENT = frozenset({None, 1006, 1011, 1012, 1013, 1014})
_JITTER = 0.25


@attrs.frozen(kw_only=True)
class Ending:
    """The end of a connection.

    Args:
        code: The close code; None if there was none.
        reason: In words.
        is_normal: Whether iteration just ends.
        is_expired: Whether the session's time was up.
        unsent: What was to be sent and could not be.
        cause: The exception behind it.
    """

    code: int | None
    reason: str
    is_normal: bool = False
    is_expired: bool = False
    unsent: tuple[Any, ...] = ()
    cause: BaseException | None = None

    @classmethod
    def by_peer(
        cls, code: int | None, reason: str, *, expiry: str | None, cause: BaseException | None = None
    ) -> Ending:
        """Return the ending of a link that the other side, or the network, closed.

        Args:
            code: The close code; None if there was none.
            reason: In words.
            expiry: The server's words on the session's time being up; None if it is not.
            cause: The exception behind it.
        """
        is_expired = expiry is not None
        reason = ": ".join(words for words in (reason, expiry) if words)
        is_normal = code in (_NORMAL, _NO_STATUS) and not is_expired
        return cls(code=code, reason=reason, is_normal=is_normal, is_expired=is_expired, cause=cause)

    @classmethod
    def by_user(cls) -> Ending:
        """Return the ending that `close()` brings about."""
        return cls(code=_NORMAL, reason="closed by this side", is_normal=True)

    @classmethod
    def by_slow_consumer(cls, limit: int, *, is_read: bool = True) -> Ending:
        """Return the ending of a connection whose events were not read in time.

        Args:
            limit: The bytes that might wait.
            is_read: Whether any were read.
        """
        nobody = "" if is_read else f", and nobody took any ({READING})"
        return cls(code=_POLICY, reason=f"{TOO_SLOW}: more than {limit} bytes of events were waiting{nobody}")

    @property
    def own_code(self) -> int:
        """The code that this side closes the link with; the peer's own is not sent back."""
        return _POLICY if self.reason.startswith(TOO_SLOW) else _NORMAL

    def error(self, unsent: tuple[Any, ...] = ()) -> ConnectionClosedError:
        """Return the exception that stands for it; a new one each time.

        Args:
            unsent: What the caller in question could not send; all of it, if empty.
        """
        kind = SessionExpired if self.is_expired else ConnectionClosedError
        error = kind(self.code, self.reason, unsent or self.unsent)
        error.__cause__ = self.cause
        return error


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

    A sideband does this by default, for its session goes on at the server. A model's session ends
    with its link, so a new one needs `replay=True`: it is sent the configuration, and the conversation's
    items as text.

    Args:
        replay: Whether a new session is begun, configured, and sent the items of the old one.
        attempts: How many there are before it is given up; 1 or more. A link that is lost again within 5 s
            was one of them.
        first_delay: Seconds before the first attempt, less up to a quarter; doubled for each further one.
        max_delay: Seconds that a delay is at most.
        on_attempt: Called with each `Attempt` before its delay; it must not block.
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
        self.made: int = 0
        self.reason: str = ending.reason

    def next(self) -> Attempt | None:
        """Return the next attempt, or None when there were enough, or none can succeed."""
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
        """Record that an attempt's link was lost before the session could go on.

        Args:
            reason: In words.
            cause: The exception behind it.
        """
        self.reason, self._cause = reason, cause

    def failed(self, error: RealtimeError, *, is_linked: bool) -> None:
        """Record that an attempt failed; what the API refuses once it would refuse again.

        Args:
            error: With what.
            is_linked: Whether there was a link, and its new session was not to be had.
        """
        is_passing = isinstance(error, APIConnectionError | InternalServerError | RateLimitError)
        self._is_hopeless = not is_passing
        refused = "the new session was refused its configuration: " if is_linked and not is_passing else ""
        self.reason, self._cause = f"{refused}{error}", error

    def given_up(self) -> Ending:
        """Return the connection's ending, now that it isn't tried any more."""
        attempts = "1 attempt" if self.made == 1 else f"{self.made} attempts"
        words = f"{self.ending.reason}; reconnecting failed after {attempts}: {self.reason}"
        return attrs.evolve(self.ending, reason=words, is_normal=False, cause=self._cause)


def unconfirmed(seconds: float | None) -> APITimeoutError:
    """Return the error for a new session whose configuration was not confirmed in time."""
    return APITimeoutError(f"the new session was not confirmed within {seconds:g} s")


def wants_reconnect(policy: Reconnect | None, code: int | None, *, is_expired: bool) -> bool:
    """Return whether a link that ended like this is to be made anew.

    Args:
        policy: What the user asked for; None for never.
        code: The close code, or None.
        is_expired: Whether the session's time was up: then only a new session helps.
    """
    if policy is None:
        return False
    return policy.replay if is_expired else code in _TRANSIENT


class Pending:
    """The events of one connection that wait to be sent: for the link, or for the response before."""

    __slots__ = ("_failed", "_for_link", "_held")

    def __init__(self) -> None:
        self._for_link: list[Waiter[None]] = []
        self._held: dict[Waiter[None], Unsent] = {}
        self._failed: list[Any] = []

    def hold(self, waiter: Waiter[None], unsent: Unsent | None, *, for_link: bool = False) -> None:
        """Record that somebody waits before they send.

        Args:
            waiter: What they wait for.
            unsent: Returns what they are to send; None for nothing that is to be reported.
            for_link: Whether they wait for the link.
        """
        if for_link:
            self._for_link.append(waiter)
        if unsent is not None and not waiter.done:
            self._held[waiter] = unsent

    def release(self, waiter: Waiter[None]) -> None:
        """Record that somebody waits no more."""
        self._held.pop(waiter, None)
        if waiter in self._for_link:
            self._for_link.remove(waiter)

    def failed(self, events: Iterable[Any]) -> None:
        """Record what could not be sent on a link that was there."""
        self._failed += events

    def link_ready(self) -> None:
        """Wake those who wait for the link; what failed on the last one was reported to its senders."""
        self._failed.clear()
        waiters, self._for_link = self._for_link, []
        for waiter in waiters:
            waiter.resolve(None)

    def ended(self, ending: Ending) -> Ending:
        """Report all of it: to those who wait, and in the ending, which is returned."""
        held = {waiter: unsent() for waiter, unsent in self._held.items() if not waiter.done}
        unsent = (*ending.unsent, *self._failed, *(event for events in held.values() for event in events))
        ending = attrs.evolve(ending, unsent=unsent)
        for waiter, events in held.items():
            waiter.fail(ending.error(tuple(events)))
        for waiter in self._for_link:
            waiter.fail(ending.error())
        self._held.clear()
        self._for_link.clear()
        return ending
