"""The thread that reads: it applies what comes, mends the link, and never waits for the application."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from .._protocol._closing import Ending
from .._protocol._message import read_message
from .._protocol._reconnect import Reconnecting
from ..errors import (
    APIConnectionError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    RealtimeError,
)
from ._sockets import Dialer
from ._websocket import LinkClosed

if TYPE_CHECKING:
    from .._exchange import Clock
    from ._connection import Connection
    from ._link import WebSocketLink

__all__ = ["Reader"]

logger = logging.getLogger("realtime_ext")

_JOIN_TIMEOUT = 12.0  # seconds; a proxy that doesn't answer can take nearly as long


class Reader:
    """One connection's reader.

    Args:
        connection: Whose events it reads.
        reopen: Makes the link anew, by a dialer that can break that off; None where that can't be.
        clock: Time and chance.
    """

    __slots__ = ("_clock", "_connection", "_core", "_dialer", "_lock", "_reopen", "_stopped", "thread")

    def __init__(
        self, connection: Connection, reopen: Callable[[Dialer], WebSocketLink] | None, clock: Clock
    ) -> None:
        self._connection = connection
        self._core = connection._core
        self._lock = connection._lock
        self._reopen = reopen
        self._dialer = Dialer()
        self._clock = clock
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="realtime_ext reader", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End it, after the link was closed; it must not be called by the reader itself."""
        self._stopped.set()
        self._dialer.cut()
        self.thread.join(_JOIN_TIMEOUT)

    def _run(self) -> None:
        try:
            link: WebSocketLink | None = self._connection._link
            while link is not None:
                closed = self._read(link)
                with self._lock:
                    lost = self._core.lost(closed.code, closed.reason, self._clock.random, closed.cause)
                link = None if lost is None else self._mend(lost)
        except Exception as fault:
            logger.exception("the reader failed")
            with self._lock:
                self._core.finish(Ending(code=None, reason=f"the reader failed: {fault}", cause=fault))

    def _read(self, link: WebSocketLink) -> LinkClosed:
        core, lock, observes = self._core, self._lock, self._connection._observer is not None
        recv, apply, session, now = link.recv, core.apply, core.effects.session, self._clock.now
        try:
            while True:
                due = session.warns_at()
                try:
                    data = recv(None if due is None else max(0.0, due - now()))
                except TimeoutError:
                    with lock:
                        core.tick(self._clock.now())
                    continue
                content, event, size = read_message(data)
                if observes:
                    self._connection._observe("in", event)
                with lock:
                    apply(content, event, size)
                del data, content, event  # not to be kept while nothing comes
                if core.ending is not None:
                    link.close(core.ending.own_code, core.ending.reason[:100])
                    return LinkClosed(core.ending.code, core.ending.reason)
        except LinkClosed as closed:
            return closed

    def _mend(self, lost: Reconnecting) -> WebSocketLink | None:
        reason = lost.ending.reason
        cause: BaseException | None = lost.ending.cause
        while self._reopen is not None and (attempt := lost.next(reason)) is not None:
            if self._stopped.wait(attempt.delay):
                return None
            try:
                link = self._reopen(self._dialer)
            except NotFoundError as error:
                if self._core.role.is_sideband:
                    ending = Ending(code=lost.ending.code, reason="the call has ended", is_normal=True)
                    with self._lock:
                        self._core.finish(ending)
                    return None
                reason, cause = str(error), error
                break
            except (APIConnectionError, InternalServerError, RateLimitError) as error:
                reason, cause = str(error), error
                continue
            except RealtimeError as error:
                reason, cause = str(error), error
                break
            try:
                self._resume(link)
            except LinkClosed as closed:
                reason, cause = closed.reason, closed.cause
                with self._lock:
                    self._core.effects.abandon(lost.ending.error)
                continue
            self._dialer.release()
            with self._lock:
                if self._core.ending is None:
                    self._core.link_ready(attempt.number)
                    return link
            link.close()
            return None
        with self._lock:
            self._core.finish(lost.given_up(reason, cause))
        return None

    def _resume(self, link: WebSocketLink) -> None:
        self._connection._link = link
        with self._lock:
            outgoing = self._core.restored()
        for out in outgoing:
            with self._lock:
                self._core.sending(out)
            self._connection._observe("out", dict(out.content))
            link.send(out.text)
