"""A connection without its I/O: its state, and all that is decided about it.

Shells bring messages and the time, send what they are given, and hold a lock around every call where there
are threads. It must not do I/O, read a clock or wait.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import attrs

from ...errors import ConnectionClosedError, RealtimeError
from ._acknowledgement import Acknowledgement
from ._closing import TAKING, Ending
from ._departures import Departures, Unsent
from ._effects import ADDING, Effects
from ._handlers import Handlers
from ._inbox import Budget
from ._linking import Linking
from ._local_events import LOCAL_SIZE, SessionExpiring
from ._mailbox import EventWaiter, Mailbox
from ._matching import Kind, Where
from ._outbox import EventIds, Outgoing, checked_content, write
from ._reconnect import Reconnect
from ._requests import Requests
from ._role import Role
from ._tooling import FollowUpJob
from ._turn import TurnStream
from ._turns import Turns
from ._waiters import Waiter

__all__ = ["MAX_QUEUE_BYTES", "Protocol"]

logger = logging.getLogger("realtime_ext")

JSON = Mapping[str, Any]

MAX_QUEUE_BYTES = 64 * 2**20


class Protocol(Requests, Linking):
    """One connection.

    Args:
        role: What kind it is.
        id_prefix: For the ids of its events.
        max_queue_bytes: How much may wait for the application.
        validate: Whether events are checked before they are sent.
        reconnect: What to do when the link is lost; None for nothing.

    Attributes:
        handlers, mailbox, turns, effects: The parts.
        ending: How it ended; None while it hasn't.
        is_linked: Whether there is a link to send on.
    """

    __slots__ = (
        "_budget",
        "_departures",
        "_reconnect",
        "effects",
        "ending",
        "handlers",
        "ids",
        "mailbox",
        "role",
        "turns",
        "validate",
    )

    def __init__(
        self,
        role: Role,
        *,
        id_prefix: str,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        validate: bool = True,
        reconnect: Reconnect | None = None,
    ) -> None:
        Linking.__init__(self)
        self._budget = Budget(max_queue_bytes)
        self.role = role
        self.ids = EventIds(id_prefix)
        self.handlers = Handlers()
        self.mailbox = Mailbox(self._budget)
        self.turns = Turns(self._budget, sees_all=not role.is_sideband)
        self.effects = Effects(
            role.kind, is_local=role.plays, turns=self.turns, model=role.model, is_shared=role.is_shared
        )
        self.ending: Ending | None = None
        self.validate = validate
        self._reconnect = reconnect
        self._departures = Departures()

    # Events in

    def apply(self, content: JSON, event: Any, size: int) -> None:
        """Take an event: acknowledgements and state first, then those who wait for it, then the queue."""
        if self.ending is not None:
            return
        kind = event.type
        is_repeated = kind in ADDING and self.effects.repeats.has(content.get("event_id"))
        if is_repeated or self.effects.apply(kind, content):
            self._deliver(content, event, size, is_repeated=is_repeated)

    def _deliver(self, content: JSON, event: Any, size: int, *, is_repeated: bool = False) -> None:
        mailbox = self.mailbox
        mailbox.tell_waiters(event)
        is_taken, warns = self.turns.put(content, event, size, is_repeated=is_repeated)
        if mailbox.is_consumed:
            warns |= mailbox.put(event, size)
        elif not is_taken:  # a program that only asks would never empty the queue
            warns |= mailbox.put_unconsumed(event, size)
        if warns:
            self._warn(is_taken=is_taken or mailbox.is_consumed)
        if self._budget.over:
            is_taken |= mailbox.is_consumed
            self.finish(Ending.by_slow_consumer(self._budget.limit, is_taken=is_taken))

    def _warn(self, *, is_taken: bool) -> None:
        what = "events come faster than they are taken" if is_taken else "nobody takes events"
        help_ = "" if is_taken else f" ({TAKING})"
        used, limit = self._budget.used, self._budget.limit
        logger.warning("%s: %d bytes wait, and over %d the connection ends%s", what, used, limit, help_)

    def tick(self, now: float) -> None:
        """Take the time, in unix seconds: warn of the session's end when that is due."""
        seconds = self.effects.session.expiring(now)
        if seconds is not None and self.ending is None:
            logger.warning("the session ends in %.0f s", seconds)
            self._deliver({}, SessionExpiring.make(seconds_left=seconds), LOCAL_SIZE)

    # What the application waits for

    def wait_for(self, kind: Kind, where: Where | None = None) -> EventWaiter:
        """Give a waiter for the next event of a kind.

        Raises:
            TypeError: The kind is neither an event type nor a class.
            ValueError: The kind is empty.
        """
        waiter = self.mailbox.wait_for(kind, where)
        if self.ending is not None:
            self.mailbox.forget(waiter)
            waiter.fail(self.ending.error())
        return waiter

    def wait_link(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Give a waiter that is filled when there is a link to send on; to be given back with `leave`.

        Args:
            unsent: Gives what is to be sent then, for the exception if there will be no link.
        """
        waiter: Waiter[None] = Waiter()
        if self.ending is not None:
            waiter.fail(self._ended(self.ending, unsent))
        elif self.is_linked:
            waiter.resolve(None)
        else:
            self._departures.hold(waiter, unsent, for_link=True)
        return waiter

    def wait_turn(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Get in line for a response; to be given back with `leave`.

        Args:
            unsent: As `wait_link` takes it.
        """
        if self.ending is None:
            waiter = self.effects.responses.ask()
            self._departures.hold(waiter, unsent)
            return waiter
        waiter = Waiter()
        waiter.fail(self._ended(self.ending, unsent))
        return waiter

    def leave(self, waiter: Waiter[None]) -> None:
        """Stop waiting for the link or for a turn, or make way after having sent."""
        self._departures.leave(waiter)
        self.effects.responses.leave(waiter)

    def _ended(self, ending: Ending, unsent: Unsent | None) -> ConnectionClosedError:
        return ending.error(() if unsent is None else tuple(unsent()))

    def open_stream(self) -> TurnStream:
        """Begin a turn."""
        self.mailbox.is_asked = True
        stream = self.turns.open(self.ids.next())
        if self.ending is not None:
            stream.fail(self.ending.error())
        return stream

    # Events out

    def prepare(self, event: Any) -> Outgoing:
        """Check and write an event.

        Raises:
            TypeError: It is no event.
            ValueError: The API would refuse it.
        """
        content = checked_content(event, validate=self.validate)
        if self.validate and content["type"] == "session.update":
            content["session"] = self.checked_session(content["session"])
        return write(content, self.ids)

    def sending(self, out: Outgoing, stream: TurnStream | None = None) -> Acknowledgement | None:
        """Note an event that is about to go out; what is given for an update is filled by its answer.

        Args:
            out: The event.
            stream: The turn that it is of.
        """
        if stream is not None:
            stream.sending(out.type, out.event_id)
        return self.effects.sending(out.type, out.event_id, out.content)

    def not_sent(self, out: Outgoing) -> None:
        """Note that an event could not be sent; `unsent` gives the error for it."""
        self.effects.not_sent(out.event_id, RealtimeError("the event could not be sent"))

    def unsent(self, code: int | None, reason: str, *contents: Any) -> ConnectionClosedError:
        """Give the error for whoever could not send something on a link that was there; it is noted.

        Args:
            code: The link's close code; None if it broke without one.
            reason: In words.
            contents: What they could not send.
        """
        if self.ending is None:
            self._departures.failed(contents)
            ending = Ending.by_peer(code, reason, expiry=self.effects.session.expiry)
        else:  # the reader was faster
            ending = self.ending = attrs.evolve(self.ending, unsent=(*self.ending.unsent, *contents))
        return ending.error(contents)

    def follow_up(self, job: FollowUpJob) -> Outgoing:
        """Write the request for the response that follows a response's tools."""
        return self.write(self.turns.follow_up(job, self.ids.next()))

    # The end

    def finish(self, ending: Ending) -> None:
        """End the connection; only the first ending counts."""
        if self.ending is not None:
            return
        self.ending = ending = self._departures.ended(ending)
        self.is_linked = False
        logger.info("connection ended: code %s (%s)", ending.code, "normal" if ending.is_normal else "error")
        self.effects.abandon(ending.error)
        self.effects.responses.fail(ending.error)
        self.mailbox.close(ending.error)
