"""The task that reads: it applies what comes, mends the link, and never waits for the application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..errors import NotFoundError, RealtimeError
from ._link import AsyncLink, LinkClosed
from .state._closing import Ending
from .state._message import read_message
from .state._reconnect import Reconnecting, unconfirmed

if TYPE_CHECKING:
    from ..http.sending import Clock
    from ._connection import AsyncConnection
    from .state._waiters import Waiter

__all__ = ["Reader"]

logger = logging.getLogger("realtime_ext")


class Reader:
    """One connection's reader.

    Args:
        connection: Whose events it reads.
        reopen: Makes the link anew; None where that can't be.
        clock: Time and chance.
    """

    __slots__ = ("_clock", "_connection", "_core", "_reopen", "_timer", "task")

    def __init__(
        self, connection: AsyncConnection, reopen: Callable[[], Awaitable[AsyncLink]] | None, clock: Clock
    ) -> None:
        self._connection = connection
        self._core = connection._core
        self._reopen = reopen
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.get_running_loop().create_task(self._run(), name="realtime_ext reader")

    def stop(self) -> None:
        """Have it end; it must not be called by the reader itself."""
        if self._timer is not None:
            self._timer.cancel()
        self.task.cancel()

    async def _run(self) -> None:
        try:
            self._set_timer()
            link: AsyncLink | None = self._connection._link
            while link is not None:
                closed = await self._read(link)
                lost = self._core.lost(closed.code, closed.reason, self._clock.random, closed.cause)
                link = None if lost is None else await self._mend(lost)
        except Exception as fault:
            logger.exception("the reader failed")
            self._core.finish(Ending(code=None, reason=f"the reader failed: {fault}", cause=fault))

    async def _read(self, link: AsyncLink) -> LinkClosed:
        core, observes = self._core, self._connection._observer is not None
        recv, apply, session = link.recv, core.apply, core.effects.session
        seen = session.seen
        try:
            while True:
                content, event, size = read_message(await recv())
                if observes:
                    self._connection._observe("in", event)
                apply(content, event, size)
                del content, event  # not to be kept while nothing comes
                if core.ending is not None:
                    await link.close(core.ending.own_code, core.ending.reason[:100])
                    return LinkClosed(core.ending.code, core.ending.reason)
                if session.seen != seen:
                    seen = session.seen
                    self._set_timer()
        except Exception as error:
            if (end := link.ended(error)) is None:
                raise
            return end

    async def _mend(self, lost: Reconnecting) -> AsyncLink | None:
        while self._reopen is not None and (attempt := lost.next()) is not None:
            await self._clock.asleep(attempt.delay)
            link: AsyncLink | None = None
            try:
                link = await self._reopen()
                await self._resume(link)
                if self._core.ending is None:
                    self._core.link_ready(attempt.number)
                    self._set_timer()
                    return link
            except LinkClosed as closed:
                lost.lost(closed.reason, closed.cause)
            except RealtimeError as error:
                lost.failed(error, is_linked=link is not None)
                if link is None and isinstance(error, NotFoundError) and self._core.role.is_sideband:
                    ending = Ending(code=lost.ending.code, reason="the call has ended", is_normal=True)
                    self._core.finish(ending)
            ending_of_all = self._core.ending
            self._core.not_restored(lost.ending.error)
            if link is not None:
                await link.close(1000 if ending_of_all is None else ending_of_all.own_code)
            if ending_of_all is not None:
                return None
        self._core.finish(lost.given_up())
        return None

    async def _resume(self, link: AsyncLink) -> None:
        """Tell a new link what it has to be told; return as soon as the connection has ended."""
        if self._core.ending is not None:
            return
        self._connection._link = link  # from now on, `close` closes this one
        for out in self._core.restored():
            acknowledged = self._core.sending(out)
            self._connection._observe("out", dict(out.content))
            await link.send(out.text)
            if acknowledged is not None:
                await self._confirm(link, acknowledged)

    async def _confirm(self, link: AsyncLink, acknowledged: Waiter[None]) -> None:
        """Read until something is acknowledged, which nobody else could do meanwhile."""
        patience = self._connection._confirm_timeout
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                while not acknowledged.done and self._core.ending is None:
                    content, event, size = read_message(await link.recv())
                    self._connection._observe("in", event)
                    self._core.apply(content, event, size)
        except Exception as error:
            if limit.expired():
                raise unconfirmed(patience) from error
            if (end := link.ended(error)) is None:
                raise
            raise end from error
        if acknowledged.done:
            acknowledged.result()

    def _set_timer(self) -> None:
        """Have the protocol warned when the session is about to end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._core.effects.session.warns_at()
        if due is not None:
            delay = max(0.0, due - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._core.tick(self._clock.now())
