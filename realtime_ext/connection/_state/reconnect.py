"""How a connection ends, and whether and when it reconnects: the only place with that policy.

It must not connect, send, close or sleep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

from ..._core.callbacks import raise_if_interrupt
from ...errors import (
    APIConnectionError,
    APITimeoutError,
    ConnectionClosedError,
    InternalServerError,
    RateLimitError,
    RealtimeError,
    SessionExpired,
    TurnLost,
)
from ...events import Reconnected
from .client_events import Outgoing
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

TOO_SLOW = "consumer too slow"
OF_PARENT = "the connection belongs to the parent of this forked process; open one here"
CONSUME = "iterate, call run(), or connect with a larger max_queue_bytes"
Unsent = Callable[[], list[dict[str, Any]]]  # returns the events that a sender is waiting to send

Write = Callable[[Mapping[str, Any]], Outgoing]  # writes an event to be sent

STEADY = 5.0  # seconds that a new link has to last before the next loss counts as another one
_NORMAL = 1000
_NO_STATUS = 1005
_POLICY = 1008
# RFC 6455 §7.4.1 and the IANA registry: abnormal, internal error, restart, try again later, bad gateway.
_TRANSIENT = frozenset({None, 1006, 1011, 1012, 1013, 1014})
_JITTER = 0.25


@attrs.frozen(kw_only=True)
class CloseInfo:
    """How a connection, or its link, ended.

    Args:
        code: The close code; None if there was none.
        reason: The reason for a message.
        is_normal: Whether iteration just ends.
        is_expired: Whether the session reached its time limit.
        unsent: Events that could not be sent.
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
    ) -> CloseInfo:
        """Return the information on a link that the server, or the network, closed.

        Args:
            code: The close code; None if there was none.
            reason: The reason for a message.
            expiry: The server's message that the session expired; None if it has not.
            cause: The exception behind it.
        """
        is_expired = expiry is not None
        reason = ": ".join(words for words in (reason, expiry) if words)
        is_normal = code in (_NORMAL, _NO_STATUS) and not is_expired
        return cls(code=code, reason=reason, is_normal=is_normal, is_expired=is_expired, cause=cause)

    @classmethod
    def by_user(cls) -> CloseInfo:
        """Return the information on a connection that `close()` ends."""
        return cls(code=_NORMAL, reason="closed by this side", is_normal=True)

    @classmethod
    def by_slow_consumer(cls, limit: int, *, is_read: bool = True) -> CloseInfo:
        """Return the information on a connection whose events were not consumed in time.

        Args:
            limit: The queue's limit in bytes.
            is_read: Whether any events were consumed.
        """
        hint = "" if is_read else f", and none was consumed ({CONSUME})"
        return cls(code=_POLICY, reason=f"{TOO_SLOW}: more than {limit} bytes of events were queued{hint}")

    @property
    def own_code(self) -> int:
        """The code that this side closes the link with; the peer's code is not sent back."""
        return _POLICY if self.reason.startswith(TOO_SLOW) else _NORMAL

    def error(self, unsent: tuple[Any, ...] = ()) -> ConnectionClosedError:
        """Return a new exception for it.

        Args:
            unsent: The events that the caller could not send; if empty, all unsent events.
        """
        kind: type[ConnectionClosedError] = SessionExpired if self.is_expired else ConnectionClosedError
        error = kind(self.code, self.reason, unsent or self.unsent)
        error.__cause__ = self.cause
        return error

    def request_lost(self) -> ConnectionClosedError:
        """Return a new exception for a request that was pending when the link was lost, which is replaced."""
        advice = "the request was lost with its link; the connection reconnects: send it again"
        reason = f"{self.reason}; {advice}" if self.reason else advice
        error = ConnectionClosedError(self.code, reason)
        error.__cause__ = self.cause
        return error

    def turn_lost(self, has_begun: bool) -> TurnLost:
        """Return a new exception for a turn that was going on when the link was lost, which is replaced."""
        error = TurnLost(self.code, self.reason, has_begun=has_begun)
        error.__cause__ = self.cause
        return error


@attrs.frozen(kw_only=True)
class Attempt:
    """An attempt to reconnect that is about to be made.

    Args:
        number: From 1.
        delay: Seconds before it.
        reason: How the link, or the attempt before, ended.
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


def _replay(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool) and value not in ("fork", "history"):
        raise ValueError(f"replay: expected a bool, 'fork' or 'history', got {value!r}")


@attrs.frozen(kw_only=True)
class Reconnect:
    """What to do when the link is lost.

    A sideband reconnects by default, since its session continues at the server. A model's session ends with
    its link, so that a new one needs `replay=True`: it is sent the configuration, and the conversation's
    items as text. A Live session that is stored is forked in place of that, unless `replay="history"`.

    Args:
        replay: Whether to begin a new session with the configuration and the items of the old one.
            `"history"` is True for a Live session that must not be forked, and `"fork"` the same as True.
        attempts: Attempts before giving up; 1 or more. A link that is lost again within 5 s counts as one.
        first_delay: Seconds before the first attempt, less up to a quarter; doubled for each further one.
        max_delay: The longest delay in seconds.
        on_attempt: Called with each `Attempt` before its delay; it must not block.
    """

    replay: bool | Literal["fork", "history"] = attrs.field(default=False, validator=_replay)
    attempts: int = attrs.field(default=8, validator=_count)
    first_delay: float = attrs.field(default=0.5, validator=_positive)
    max_delay: float = attrs.field(default=10.0, validator=_positive)
    on_attempt: Callable[[Attempt], object] | None = None


def policy_for(reconnect: Any, *, is_sideband: bool) -> Reconnect | None:
    """Return the policy that an argument stands for.

    Args:
        reconnect: A `Reconnect`, None for the default, or False for none.
        is_sideband: Whether the session outlives the link.

    Raises:
        TypeError: It is something else.
        ValueError: The session ends with the link, and the policy doesn't replay it.
    """
    if reconnect is None or reconnect is False:
        return Reconnect() if is_sideband and reconnect is None else None
    if not isinstance(reconnect, Reconnect):
        raise TypeError(f"reconnect: expected a Reconnect, False or None, got {type(reconnect).__name__}")
    if not is_sideband and not reconnect.replay:
        raise ValueError(
            "reconnect: a model's session ends with its link; Reconnect(replay=True) continues in a new one"
        )
    return reconnect


def continuing(way: Any) -> Reconnect:
    """Return the policy by which a Live session continues: `fork` or `history`.

    Raises:
        ValueError: It is neither.
    """
    if way not in ("fork", "history"):
        raise ValueError(f"reconnect: expected 'fork', 'history', a Reconnect or None, got {way!r}")
    return Reconnect(replay=way)


def should_reconnect(policy: Reconnect, closed: CloseInfo) -> bool:
    """Return whether a lost link is replaced; after an expired session, only a new session helps."""
    return bool(policy.replay) if closed.is_expired else closed.code in _TRANSIENT


class Reconnecting:
    """One loss of the link, and the attempts to reconnect.

    Args:
        policy: The reconnect policy.
        closed: How the link ended.
        now: The time in seconds, of any clock.
        random: Returns numbers in [0, 1), for the jitter.
        previous: The loss before. If its new link did not last, its attempts count here: a server that
            accepts and drops connections at once is not tried forever.

    Attributes:
        closed: How the link ended.
        reason: How the link, or the latest attempt, ended.
        restored_at: When the new link came into use; None before that.
    """

    def __init__(
        self,
        policy: Reconnect,
        closed: CloseInfo,
        now: float,
        random: Callable[[], float],
        previous: Reconnecting | None = None,
    ) -> None:
        self.closed: CloseInfo = closed
        self.reason: str = closed.reason
        self.restored_at: float | None = None
        self._policy = policy
        self._random = random
        self._cause = closed.cause
        self._is_hopeless = False
        restored_at = None if previous is None else previous.restored_at
        self._made = 0
        if previous is not None and restored_at is not None and now - restored_at < STEADY:
            self._made = previous._made

    def next(self) -> Attempt | None:
        """Return the next attempt; None if there were enough, or none can succeed."""
        if self._is_hopeless or self._made >= self._policy.attempts:
            return None
        delay = min(self._policy.first_delay * 2.0 ** min(self._made, 30), self._policy.max_delay)
        self._made += 1
        attempt = Attempt(number=self._made, delay=delay * (1 - _JITTER * self._random()), reason=self.reason)
        if self._policy.on_attempt is not None:
            try:
                self._policy.on_attempt(attempt)
            except BaseException as error:
                raise_if_interrupt(error)
                logger.warning("on_attempt raised %s", type(error).__name__)
        return attempt

    def link_lost(self, reason: str, cause: BaseException | None) -> None:
        """Record that an attempt's link was lost before the session could continue.

        Args:
            reason: The reason for a message.
            cause: The exception behind it.
        """
        self.reason, self._cause = reason, cause

    def failed(self, error: RealtimeError, *, is_linked: bool) -> None:
        """Record that an attempt failed; a refusal by the API would only be repeated.

        Args:
            error: The error.
            is_linked: Whether there was a link, and the new session failed.
        """
        is_temporary = isinstance(error, APIConnectionError | InternalServerError | RateLimitError)
        self._is_hopeless = not is_temporary
        refused = "the new session's configuration was refused: " if is_linked and not is_temporary else ""
        self.reason, self._cause = f"{refused}{error}", error

    def given_up(self) -> CloseInfo:
        """Return how the connection ends after the last attempt."""
        attempts = "1 attempt" if self._made == 1 else f"{self._made} attempts"
        reason = f"{self.closed.reason}; reconnecting failed after {attempts}: {self.reason}"
        return attrs.evolve(self.closed, reason=reason, is_normal=False, cause=self._cause)


_MOST_ITEMS = 256


class Recovery:
    """What continues after the loss of the link: the attempts, and what the new link has to be sent.

    Args:
        policy: The reconnect policy; None if a lost link is not replaced.

    Attributes:
        policy: The same.
        items: The items sent to the session that are not in it yet, by event id.
        replayed: How many items were sent on the latest link.
    """

    __slots__ = ("_loss", "_retrieved", "_unfinished", "items", "policy", "replayed")

    def __init__(self, policy: Reconnect | None) -> None:
        self.policy: Reconnect | None = policy
        self.items: dict[str, Any] = {}
        self.replayed: int = 0
        self._loss: Reconnecting | None = None  # the latest one
        self._unfinished: dict[str, None] = {}  # ids of the responses that it cut off
        self._retrieved: set[str] = set()  # ids of the items that are retrieved after it

    def begin(
        self, closed: CloseInfo, now: float, random: Callable[[], float], active: Iterable[str]
    ) -> Reconnecting | None:
        """Record the loss of the link.

        Args:
            closed, now, random: As for `Reconnecting`.
            active: Ids of the responses that it cuts off.

        Returns:
            The attempts to reconnect; None if there are to be none.
        """
        if self.policy is None or not should_reconnect(self.policy, closed):
            return None
        self.cut_off(active)
        self._loss = Reconnecting(self.policy, closed, now, random, previous=self._loss)
        return self._loss

    def cut_off(self, responses: Iterable[str]) -> None:
        """Record responses that are not finished."""
        self._unfinished.update(dict.fromkeys(responses))

    def replays(self, items: Iterable[Mapping[str, Any]], write: Write) -> list[Outgoing]:
        """Return the events that add a conversation's items, and those not added yet, to a new session."""
        creates = []
        for item in (*items, *self.items.values()):
            try:
                creates.append(write({"type": "conversation.item.create", "item": item}))
            except ValueError as error:  # it holds a value that JSON doesn't have, such as infinity
                logger.warning("an item could not be replayed (%s)", type(error).__name__)
        self.replayed = len(creates)
        self.items = {create.event_id: create.content["item"] for create in creates}
        return creates

    def sent(self, event_id: str, item: Any) -> None:
        """Record an item that is about to be sent.

        Outputs of tools are left out: they answer calls of this session.
        """
        if isinstance(item, Mapping) and item.get("type") == "message":
            if len(self.items) >= _MOST_ITEMS:  # the server acknowledges none
                del self.items[next(iter(self.items))]
            self.items[event_id] = item

    def added(self, item: Mapping[str, Any]) -> None:
        """Record an item that the server added: the first one sent of its kind, unless others brought it."""
        kind = _kind_of(item)
        found = next((event_id for event_id, one in self.items.items() if _kind_of(one) == kind), None)
        if found is not None:
            del self.items[found]

    def retrievals(self, item_ids: Iterable[str], write: Write) -> list[Outgoing]:
        """Return the events that retrieve items from a session that goes on."""
        self._retrieved = set(item_ids)
        return [write({"type": "conversation.item.retrieve", "item_id": one}) for one in item_ids]

    def is_retrieved(self, item_id: Any) -> bool:
        """Return, once, whether an item was retrieved."""
        is_asked = item_id in self._retrieved
        self._retrieved.discard(item_id)
        return is_asked

    def end(self, attempts: int, now: float) -> Reconnected:
        """Record that the new link is in use after so many attempts, and return the event that says so."""
        if self._loss is not None:
            self._loss.restored_at = now
        unfinished, self._unfinished = tuple(self._unfinished), {}
        return Reconnected(attempts=attempts, replayed=self.replayed, unfinished=unfinished)


def _kind_of(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what distinguishes an item from those that come from the model or from speech."""
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    has_text = any(isinstance(part, Mapping) and part.get("text") for part in parts)
    return item.get("type"), item.get("role"), item.get("call_id"), has_text


def unconfirmed(seconds: float | None) -> APITimeoutError:
    """Return the error for a new session whose configuration was not acknowledged in time."""
    return APITimeoutError(f"the new session was not confirmed within {seconds:g} s")


class Pending:
    """Senders that wait for the link or for their turn, and their events."""

    __slots__ = ("_failed", "_for_link", "_held")

    def __init__(self) -> None:
        self._for_link: list[Waiter[None]] = []
        self._held: dict[Waiter[None], Unsent] = {}
        self._failed: list[Any] = []

    def hold(self, waiter: Waiter[None], unsent: Unsent | None, *, for_link: bool = False) -> None:
        """Add a sender that waits.

        Args:
            waiter: What it waits for.
            unsent: Returns the events that it is going to send; None for events that are not reported.
            for_link: Whether it waits for the link.
        """
        if for_link:
            self._for_link.append(waiter)
        if unsent is not None and not waiter.done:
            self._held[waiter] = unsent

    def release(self, waiter: Waiter[None]) -> None:
        """Remove a sender."""
        self._held.pop(waiter, None)
        if waiter in self._for_link:
            self._for_link.remove(waiter)

    def failed(self, events: Iterable[Any]) -> None:
        """Record events that could not be sent on the current link."""
        self._failed += events

    def link_ready(self) -> None:
        """Wake the senders that wait for the link; earlier failures were reported to their senders."""
        self._failed.clear()
        waiters, self._for_link = self._for_link, []
        for waiter in waiters:
            waiter.resolve(None)

    def closed(self, closed: CloseInfo) -> CloseInfo:
        """Fail all senders; return the information with all unsent events."""
        held = {waiter: unsent() for waiter, unsent in self._held.items() if not waiter.done}
        unsent = (*closed.unsent, *self._failed, *(event for events in held.values() for event in events))
        closed = attrs.evolve(closed, unsent=unsent)
        for waiter, events in held.items():
            waiter.fail(closed.error(tuple(events)))
        for waiter in self._for_link:
            waiter.fail(closed.error())
        return closed
