"""The thread that reads: it applies what comes, mends the link, and never waits for the application."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import NotFoundError, RealtimeError
from .._websocket import LinkClosed
from ..state._closing import Ending
from ..state._message import read_message
from ..state._reconnect import Reconnecting, unconfirmed
from ._sockets import Dialer

if TYPE_CHECKING:
    from ...http.sending import Clock
    from ..state._waiters import Waiter
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
        while self._reopen is not None and (attempt := lost.next()) is not None:
            if self._stopped.wait(attempt.delay):
                return None
            link: WebSocketLink | None = None
            try:
                link = self._reopen(self._dialer)
                self._resume(link)
                with self._lock:
                    if self._core.ending is None:
                        self._core.link_ready(attempt.number)
                        return link
            except LinkClosed as closed:
                lost.lost(closed.reason, closed.cause)
            except RealtimeError as error:
                lost.failed(error, is_linked=link is not None)
                if link is None and isinstance(error, NotFoundError) and self._core.role.is_sideband:
                    ending = Ending(code=lost.ending.code, reason="the call has ended", is_normal=True)
                    with self._lock:
                        self._core.finish(ending)
            finally:
                self._dialer.release()
            with self._lock:
                ending_of_all = self._core.ending
                self._core.not_restored(lost.ending.error)
            if link is not None:
                link.close(1000 if ending_of_all is None else ending_of_all.own_code)
            if ending_of_all is not None:
                return None
        with self._lock:
            self._core.finish(lost.given_up())
        return None

    def _resume(self, link: WebSocketLink) -> None:
        """Tell a new link what it has to be told; return as soon as the connection has ended."""
        with self._lock:
            if self._core.ending is not None:
                return
            self._connection._link = link  # from now on, `close` closes this one
            outgoing = self._core.restored()
        for out in outgoing:
            with self._lock:
                acknowledged = self._core.sending(out)
            self._connection._observe("out", dict(out.content))
            link.send(out.text)
            if acknowledged is not None:
                self._confirm(link, acknowledged)

    def _confirm(self, link: WebSocketLink, acknowledged: Waiter[None]) -> None:
        """Read until something is acknowledged, which nobody else could do meanwhile."""
        patience = self._connection._confirm_timeout
        deadline = None if patience is None else time.monotonic() + patience
        while not acknowledged.done and self._core.ending is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise unconfirmed(patience)
            try:
                data = link.recv(left)
            except TimeoutError:
                continue
            content, event, size = read_message(data)
            self._connection._observe("in", event)
            with self._lock:
                self._core.apply(content, event, size)
        if acknowledged.done:
            acknowledged.result()
