"""A connection's link: that it is lost, what a new one has to be told, and when all goes on.

It must not connect, send or wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ._closing import Ending
from ._departures import Departures
from ._effects import Effects
from ._local_events import LOCAL_SIZE, Reconnected
from ._reconnect import Reconnect, Reconnecting, wants_reconnect
from ._replay import replay_items
from ._role import Role

if TYPE_CHECKING:
    from ._outbox import Outgoing

__all__ = ["Linking"]

logger = logging.getLogger("realtime_ext")


class Linking:
    """What becomes of a connection when its link does not last.

    Attributes:
        is_linked: Whether there is a link to send on.
    """

    __slots__ = ("_replayed", "is_linked")

    effects: Effects
    ending: Ending | None
    role: Role
    _departures: Departures
    _reconnect: Reconnect | None

    def __init__(self) -> None:
        self.is_linked = True
        self._replayed = 0

    if TYPE_CHECKING:

        def write(self, content: Mapping[str, Any]) -> Outgoing: ...
        def finish(self, ending: Ending) -> None: ...
        def _deliver(self, content: Mapping[str, Any], event: Any, size: int) -> None: ...

    def doubt(self) -> None:
        """Take a send's failure: where the link may be made anew, others wait for what becomes of it."""
        if self._reconnect is not None and self.ending is None:
            self.is_linked = False

    def lost(
        self, code: int | None, reason: str, random: Callable[[], float], cause: BaseException | None = None
    ) -> Reconnecting | None:
        """Take the end of the link.

        Args:
            code: The close code; None if the link broke without one.
            reason: In words.
            random: Returns numbers in [0, 1).
            cause: The exception behind it.

        Returns:
            The attempts at mending it; None if that was the connection's end.
        """
        expiry = self.effects.session.expiry
        ending = Ending.by_peer(code, reason, expiry=expiry, cause=cause)
        if (
            self.ending is None
            and self._reconnect is not None
            and wants_reconnect(self._reconnect, code, is_expired=expiry is not None)
        ):
            self.is_linked = False
            self.effects.abandon(ending.error)
            logger.info("link lost: code %s; reconnecting", code)
            return Reconnecting(self._reconnect, ending, random)
        self.finish(ending)
        return None

    def restored(self) -> list[Outgoing]:
        """Take a new link: give what it has to be told before `link_ready`.

        Where `sending` gives a waiter for one of them, that is to be filled before the next goes out: what
        isn't configured as the old session was is not to be gone on with.

        What an earlier link was told and the server didn't take is among it again: that session is gone.
        """
        self._replayed = 0
        if self.role.is_sideband:
            return []
        out: list[Outgoing] = []
        update = self.effects.session.restart()
        if update is not None:
            out.append(self.write(update))
        if self.role.kind == "realtime":
            items = replay_items(self.effects.ledger.entries()) + self.effects.not_taken
            creates = [self.write({"type": "conversation.item.create", "item": item}) for item in items]
            self._replayed = len(creates)
            self.effects.restart({create.event_id: create.content["item"] for create in creates})
            out += creates
        return out

    def not_restored(self, error: Callable[[], Exception]) -> None:
        """Note that the new link couldn't be told all that, and is gone.

        Args:
            error: Makes what the loss of the first link is told by.
        """
        self.effects.session.fail(error)
        self.effects.responses.reset()

    def link_ready(self, attempts: int) -> None:
        """Let those go on who wait for a link.

        Args:
            attempts: How many it took.
        """
        logger.info("reconnected after %d attempts; %d items replayed", attempts, self._replayed)
        self.is_linked = True
        self._deliver({}, Reconnected.make(attempts=attempts, replayed=self._replayed), LOCAL_SIZE)
        self._departures.link_ready()
