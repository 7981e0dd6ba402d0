"""The connection, blocking: what a program holds while a session goes on.

The job: bring messages in and out and wait. What they mean is decided in `_protocol`, under one lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...arguments import check_seconds
from ...errors import APITimeoutError, ConnectionClosedError, RealtimeError
from .._deadline import Deadline
from .._websocket import LinkClosed
from ..state import _shortcuts as shortcuts
from ..state._acknowledgement import Acknowledgement
from ..state._closing import Ending
from ..state._core import Protocol
from ..state._departures import Unsent
from ..state._outbox import Outgoing, appended, given_back
from ..state._surface import Observer, Surface
from ..state._waiters import Waiter
from ._playback import Playback
from ._reader import Reader
from ._receiving import Receiving
from ._sending import Sending
from ._stream import Stream
from ._tools import ToolThread

if TYPE_CHECKING:
    from ...http.sending import Clock
    from ...tools import Toolbox
    from ..state._turn import TurnStream
    from ..state._turn_record import Turn
    from ._link import WebSocketLink
    from ._sockets import Dialer

__all__ = ["Connection"]

T = TypeVar("T")
EventT = TypeVar("EventT")

_FAREWELL = 3.0  # seconds that a translation session is given to finish
_CLOSING = 10.0  # seconds that a second `close` waits for the first


class Connection(Surface, Receiving, Sending):
    """A realtime session, or a view of one. Made by `connect` and `answer`; threads may share it.

    Iterating gives the events. Whoever takes an event, by iterating, `recv` or `run`, calls its handlers
    first.
    """

    def __init__(
        self,
        core: Protocol,
        link: WebSocketLink,
        *,
        clock: Clock,
        reopen: Callable[[Dialer], WebSocketLink] | None = None,
        observer: Observer | None = None,
        call_id: str | None = None,
        confirm_timeout: float | None = None,
    ) -> None:
        super().__init__(core, threading.RLock(), observer=observer, call=None, call_id=call_id)
        self._link = link
        self._confirm_timeout = confirm_timeout  # seconds for a session's first confirmation; None for ever
        self._tools: ToolThread | None = None
        self._is_closing = False
        self._closed = threading.Event()
        self.playback = Playback(self)
        self._reader = Reader(self, reopen, clock)

    # Turns and tools

    def stream(self, text: str | None = None, *, response: Any = None) -> Stream:
        """Have the model answer, and follow its events over registered tools to the final message.

        Args:
            text: What the user says; None to have answered what is in the conversation already.
            response: `RealtimeResponseCreateParams` or a dict, for this response only.

        Returns:
            A context manager that iterates over the turn's events and has `turn`. Leaving it early sends
            `response.cancel`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response; nothing was sent.
        """
        self._core.only_responding("stream")
        return Stream(self, text, response)

    def ask(self, text: str | None = None, *, timeout: float | None = 60.0, response: Any = None) -> Turn:
        """Have the model answer, and wait for the whole turn; as `stream` takes it.

        Args:
            text: What the user says; None to have answered what is in the conversation already.
            timeout: Seconds for the whole turn; None for no limit.
            response: For this response only.

        Returns:
            The turn; look at its `status`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response (nothing was sent), or `timeout` is no limit.
            APITimeoutError: It took too long. It was cancelled; or nothing was sent, as the message says.
            APIStatusError: The server refused what was asked.
            ConnectionClosedError: The connection ended before the turn did.
        """
        self._core.only_responding("ask")
        check_seconds("timeout", timeout)
        stream = Stream(self, text, response, timeout)
        try:
            with stream:
                for _ in stream:
                    pass
        except APITimeoutError as error:
            if not stream._is_late:  # a handler's own
                raise
            raise stream._too_late() from error
        return stream.turn

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[Any], bool] | None = None,
    ) -> None:
        """Answer the model's function calls from now on, beside the reader; returns at once.

        Each call is run once, in order; when all calls of a response have their outputs, one further
        response is asked for, unless all outputs are silent.

        Args:
            toolbox: The tools, or functions to make them of. The session has to be told of them separately.
            timeout: Seconds that a call may take; then the model is told so. None for no limit.
            approve: Called with each `RealtimeMCPApprovalRequest`; only True allows the call. None refuses
                all.

        Raises:
            RealtimeError: Tools are registered already.
            TypeError, ValueError: As `Toolbox`; `timeout` is no time limit; or `approve` is async.
        """
        if self._tools is not None:
            raise RealtimeError("run_tools: tools are registered already; add them to that toolbox")
        self._core.only_responding("run_tools")
        check_seconds("timeout", timeout)
        shortcuts.check_sync("approve", approve)
        self._tools = ToolThread(self, shortcuts.as_toolbox(toolbox), timeout, approve)

    # The end

    def close(self) -> None:
        """End the connection; takes some seconds at most. May be called again, and from any thread.

        Events that came before can still be taken, and then iteration ends.
        """
        with self._lock:
            is_first, self._is_closing = not self._is_closing, True
        if is_first:
            try:
                self._say_farewell()
                with self._lock:
                    self._core.finish(Ending.by_user())
                self._link.close(self._core.ending.own_code if self._core.ending else 1000)
            finally:
                self._closed.set()
        elif threading.current_thread() not in self._own_threads():
            self._closed.wait(_CLOSING)
        # Whoever closed first may have been one of these threads, which can't wait for itself.
        own = threading.current_thread()
        if self._tools is not None and self._tools.thread is not own:
            self._tools.stop()
        if self._reader.thread is not own:
            self._reader.stop()

    def _say_farewell(self) -> None:
        if self._core.role.kind != "translation" or not self._core.is_linked:
            return
        # Sending waits where the other side takes nothing.
        cut = threading.Timer(_FAREWELL, self._link.cut)
        cut.daemon = True
        cut.start()
        try:
            with contextlib.suppress(RealtimeError):
                with self.expect("session.closed") as closed:
                    self._send_own({"type": "session.close"})
                closed.wait(_FAREWELL)
        finally:
            cut.cancel()
            cut.join()

    def _own_threads(self) -> list[threading.Thread]:
        return [self._reader.thread, *([self._tools.thread] if self._tools is not None else [])]

    # Input and output for the parts

    def _check_handler(self, handler: Callable[[Any], Any]) -> None:
        shortcuts.check_sync("handler", handler)

    def _wait(self, waiter: Waiter[T], timeout: Deadline | float | None, what: str) -> T:
        if not waiter.done:
            seconds = timeout.left() if isinstance(timeout, Deadline) else timeout
            # A bare lock, let go once: a threading.Event would take several times as long to make and to set.
            done = threading.Lock()
            done.acquire()
            with self._lock:
                waiter.when_done(done.release)
            if not done.acquire(
                timeout=-1 if seconds is None else min(max(seconds, 0), threading.TIMEOUT_MAX)
            ):
                given = timeout.seconds if isinstance(timeout, Deadline) else timeout
                raise APITimeoutError(f"{what} did not come within {given:g} s")
        return waiter.result()

    def _send(
        self, *outgoing: Outgoing, deadline: Deadline | None = None, stream: TurnStream | None = None
    ) -> Acknowledgement | None:
        acknowledged: Acknowledgement | None = None
        while True:
            link = self._linked(partial(given_back, outgoing), deadline)
            with link.turn_to_send(deadline):
                with self._lock:
                    if link is not self._link or not self._core.is_linked:
                        continue  # it was lost meanwhile, and perhaps made anew
                for number, out in enumerate(outgoing):
                    with self._lock:
                        acknowledged = self._core.sending(out, stream)
                    if self._observer is not None:
                        self._observe("out", dict(out.content))
                    try:
                        link.send(out.text)
                    except LinkClosed as closed:
                        with self._lock:
                            self._doubt(link)
                            raise self._not_sent(closed, outgoing[number:]) from closed
            return acknowledged

    def _not_sent(self, closed: LinkClosed, left: tuple[Outgoing, ...]) -> ConnectionClosedError:
        for out in left:
            self._core.not_sent(out)
        return self._core.unsent(closed.code, closed.reason, *given_back(left))

    def _send_text(self, text: str, rest: Iterator[tuple[str, str]]) -> None:
        unsent = partial(appended, text, rest)
        link = self._linked(unsent)
        try:
            link.send(text)
        except LinkClosed as closed:
            events = unsent()
            with self._lock:
                self._doubt(link)
                raise self._core.unsent(closed.code, closed.reason, *events) from closed

    def _doubt(self, link: WebSocketLink) -> None:
        if link is self._link:
            self._core.doubt()

    def _linked(self, unsent: Unsent, deadline: Deadline | None = None) -> WebSocketLink:
        self._check_sender()
        while True:
            link = self._link
            # While a link is made anew, it is there before it may be used by others than the reader.
            if self._core.is_linked and link is self._link:
                return link
            with self._lock:
                waiter = self._core.wait_link(unsent)
            try:
                self._wait(waiter, deadline, "nothing was sent: a link in place of the lost one")
            finally:
                with self._lock:
                    self._core.leave(waiter)
