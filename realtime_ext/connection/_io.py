"""A connection's I/O: sends events, receives messages, and replaces a lost link.

What a message means, and what follows from a lost link, is decided in `_state`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .._core import json as _json
from .._core.callbacks import is_cancelled, log_own_failure, raise_if_interrupt
from .._core.gate import gates
from .._core.time_limit import TimeLimit, wait
from ..errors import APITimeoutError, NotFoundError, RealtimeError
from ..events import parse_event
from ._link import Link, LinkClosed
from ._portal import InOwnThreadError
from ._state.client_events import Outgoing, appended, contents_of
from ._state.core import ConnectionState
from ._state.messages import Message, read_message
from ._state.reconnect import Attempt, CloseInfo, Reconnecting, Unsent, unconfirmed
from ._state.session_state import UNCLEAR_FOR, Acknowledgement
from ._state.turns import TurnStream
from ._state.waiters import Waiter

if TYPE_CHECKING:
    from .._http.sending import Clock
    from ..events import Event

logger: logging.Logger = logging.getLogger("realtime_ext")

T = TypeVar("T")
Observer = Callable[[str, Any, int], object]
"""A function of `"in"` or `"out"`, an event, and monotonic nanoseconds."""
Observers: TypeAlias = "Observer | Sequence[Observer] | None"
"""One observer, or a list or tuple of several."""

GRACE = 5.0  # seconds that a task has to finish after its caller was cancelled
LAST_STEPS = 1.0  # seconds for a cancelled task to end
PREVIOUS_RESPONSE = "nothing was sent: the end of the previous response"
NEW_LINK = "nothing was sent: a new link"


def observers_of(observer: Observers) -> tuple[Observer, ...]:
    """Return the observers that an argument names.

    Raises:
        TypeError: It is neither a function nor a sequence of functions.
    """
    if observer is None:
        return ()
    several = tuple(observer) if isinstance(observer, list | tuple) else (observer,)
    for one in several:
        if not callable(one):
            got = type(one).__name__
            raise TypeError(f"observer: expected a function, or a list or tuple of functions, got {got}")
    return several


class Deadline:
    """A time limit that the program asked for, counted from now, which several steps share.

    Args:
        seconds: How long; None for no limit.
        clock: The clock that counts them.

    Attributes:
        seconds: The same.
    """

    __slots__ = ("_at", "_clock", "seconds")

    def __init__(self, seconds: float | None, clock: Clock) -> None:
        self.seconds: float | None = seconds
        self._clock = clock
        self._at = None if seconds is None else clock.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, 0 or more; None for no limit."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    def limit(self) -> TimeLimit:
        """Return the limit for a step that begins now."""
        return TimeLimit(self.left(), call_later=self._clock.call_later, is_real=True)


_open: weakref.WeakSet[ConnectionIO] = weakref.WeakSet()
_closing: set[asyncio.Task[None]] = set()  # closing of dropped links


def _leave_to_parent() -> None:
    for io in list(_open):
        io.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class ConnectionIO:
    """One connection's link, and the events that go over it.

    Args:
        state: The connection's state.
        link: Its first link.
        clock: Time and chance.
        reopen: Opens a new link; None if a lost link is not replaced.
        observers: Called with `"in"` or `"out"`, the event and monotonic nanoseconds, for every event.
        confirm_timeout: Seconds for the first acknowledgement of a session; None for no limit.

    Attributes:
        state: The connection's state.
        confirm_timeout: Seconds for the first acknowledgement of a session.
        link: The current link.
        loop: The event loop that it belongs to.
        reconnect_task: The task that reconnects; None before the first loss of the link.
        is_forked: Whether this is the copy of a connection in a forked process.
    """

    __slots__ = (
        "__weakref__",
        "_asking",
        "_clock",
        "_gates",
        "_has_link",
        "_is_live",
        "_observers",
        "_reopen",
        "_timer",
        "_trial",
        "confirm_timeout",
        "is_forked",
        "link",
        "loop",
        "reconnect_task",
        "state",
    )

    link: Link

    def __init__(
        self,
        state: ConnectionState,
        link: Link,
        *,
        clock: Clock,
        reopen: Callable[[], Awaitable[Link]] | None = None,
        observers: tuple[Observer, ...] = (),
        confirm_timeout: float | None = None,
    ) -> None:
        self.state: ConnectionState = state
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.confirm_timeout: float | None = confirm_timeout
        self._clock = clock
        self._reopen = reopen
        self._observers = observers
        self._is_live = state.role.kind == "live"
        self._timer: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._trial: asyncio.Future[LinkClosed] | None = None  # the end of a new link that is not used yet
        self._has_link = True
        self._gates = gates.get()
        self.reconnect_task: asyncio.Task[None] | None = None
        self.is_forked: bool = False
        _open.add(self)
        self._receive(link)
        self._set_timer()

    def stop(self) -> None:
        """Cancel the tasks and the timers; must not be called by `reconnect_task` itself."""
        self._has_link = False
        if self._timer is not None:
            self._timer.cancel()
        for asking in self._asking:
            asking.cancel()
        if self.reconnect_task is not None:
            self.reconnect_task.cancel()

    def drop(
        self, source: object, tasks: tuple[asyncio.Task[Any], ...], then: Callable[[], object] | None
    ) -> None:
        """Close a connection that was dropped without `close`, and warn; called by `__del__` in any thread.

        Args:
            source: The connection.
            tasks: Its other tasks, to be cancelled.
            then: Called on the loop when everything has ended.

        Raises:
            ResourceWarning: Where warnings are errors.
        """
        if self.is_forked or (self.state.close_info is not None and not self._has_link and then is None):
            return
        try:
            if self.state.close_info is None and not sys.is_finalizing():
                what = "a connection was never closed: use `with`, or call close()"
                warnings.warn(what, ResourceWarning, stacklevel=3, source=source)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self.loop.call_soon_threadsafe(partial(self._drop, tasks, then))

    def _drop(self, tasks: tuple[asyncio.Task[Any], ...], then: Callable[[], object] | None) -> None:
        self.state.finish(CloseInfo(code=1000, reason="dropped without being closed"))
        self.stop()
        for task in tasks:
            task.cancel()
        closing = self._close_link()
        if then is not None:
            closing.add_done_callback(lambda _: then())

    def _close_link(self) -> asyncio.Task[None]:
        ending = self.state.close_info
        assert ending is not None
        closing = self.loop.create_task(self.link.close(ending.own_code, ending.reason[:100]))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        return closing

    def leave_to_parent(self) -> None:
        """Detach after fork: the connection remains with the parent process."""
        self.is_forked = True
        self.state.disown()
        self.link.forget()

    async def wait(self, waiter: Waiter[T], timeout: Deadline | float | None, what: str) -> T:
        """Wait for an outcome.

        Args:
            waiter: Its waiter.
            timeout: The program's limit, or one of this package's in seconds of running; None for no limit.
            what: The outcome's name, for messages.

        Raises:
            APITimeoutError: It is not there in time. An exception of the outcome is raised as it is.
        """
        if not waiter.done:
            if self.is_forked:
                assert self.state.close_info is not None
                raise self.state.close_info.error()
            seconds = timeout.seconds if isinstance(timeout, Deadline) else timeout
            future = self.loop.create_future()

            def wake() -> None:
                if not future.done():
                    future.set_result(None)

            waiter.when_done(wake)
            try:
                if seconds is None:
                    await future
                else:
                    async with timeout.limit() if isinstance(timeout, Deadline) else self._limit(seconds):
                        await future
            except TimeoutError as error:
                raise APITimeoutError(f"{what} did not arrive within {seconds:g} s") from error
            finally:
                waiter.forget(wake)
        return waiter.result()

    def deadline(self, seconds: float | None) -> Deadline:
        """Return a time limit, counted from now; None for no limit."""
        return Deadline(seconds, self._clock)

    def _limit(self, seconds: float | None) -> TimeLimit:
        return TimeLimit(seconds, call_later=self._clock.call_later)

    def monotonic(self) -> float:
        """Return seconds of a clock that is never set."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of the same clock."""
        await self._clock.asleep(seconds)

    # Sending

    async def send(
        self,
        *outgoing: Outgoing,
        deadline: Deadline | None = None,
        stream: TurnStream | None = None,
        by_program: bool = True,
    ) -> Acknowledgement | None:
        """Send events, once there is a link.

        Args:
            outgoing: The events.
            deadline: How long to wait for a link at most.
            stream: The turn that they belong to.
            by_program: Whether the program sends them, which moves its place in the stream; else this package
                does, for a tool.

        Returns:
            The waiter for the acknowledgement of the last one, if that is an update.

        Raises:
            APITimeoutError: There was no link in time, and nothing was sent.
            ConnectionClosedError: The connection has ended, or its link; `unsent` has what wasn't sent.
        """
        state = self.state
        for check in self._gates:
            await check([out.type for out in outgoing])
        if not state.is_linked:
            await self._wait_link(partial(contents_of, outgoing), deadline)
        link = self.link
        acknowledged: Acknowledgement | None = None
        for number, out in enumerate(outgoing):
            state.watch.now = self._clock.monotonic()
            acknowledged = state.sending(out, stream)  # not before: this may be cancelled in between
            if by_program:
                state.queue.mark_sent()
            if self._observers:
                self._observe("out", dict(out.content))
            try:
                await link.send(out.text)
            except LinkClosed as closed:
                self._suspend(link)
                raise state.not_sent(closed.code, closed.reason, outgoing[number:]) from closed
            except ValueError:  # it is longer than the other side takes
                state.withdrawn(out)
                raise
        return acknowledged

    async def send_in_turn(
        self, *outgoing: Outgoing, deadline: Deadline | None = None, stream: TurnStream | None = None
    ) -> None:
        """Send events together, once no response is active; as `send`.

        A `response.create` that is refused because of an active response that was not known is sent again.
        """
        retry = partial(self._send_again, outgoing[-1]) if stream is None else None
        await self._send_once(*outgoing, deadline=deadline, stream=stream, retry=retry)

    def _send_again(self, out: Outgoing) -> None:
        asking = self.loop.create_task(self._retry(out), name="realtime_ext retry")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _retry(self, out: Outgoing) -> None:
        try:
            await self._send_once(out, deadline=None, stream=None)
        except RealtimeError as error:
            logger.warning("%s (event %s) was not retried: %s", out.type, out.event_id, error)

    async def _send_once(
        self,
        *outgoing: Outgoing,
        deadline: Deadline | None,
        stream: TurnStream | None,
        retry: Callable[[], None] | None = None,
    ) -> None:
        ticket = self.state.wait_turn(partial(contents_of, outgoing))
        try:
            await self.wait(ticket, deadline, PREVIOUS_RESPONSE)
            if stream is None or not stream.is_over:  # its response may have gone with the link
                if retry is not None:
                    self.state.retry_if_busy(outgoing[-1], retry)
                await self.send(*outgoing, deadline=deadline, stream=stream)
        finally:
            self.state.release(ticket)

    async def send_audio(
        self, messages: Iterator[tuple[str, str]], due: Callable[[], Awaitable[object]] | None = None
    ) -> str:
        """Send audio messages, and return the id of the last one; raises as `send`.

        Args:
            messages: Their ids and JSON texts.
            due: Awaited before each one; None to send all at once.
        """
        last = ""
        for event_id, text in messages:
            if due is not None:
                await due()
            for check in self._gates:
                await check((self.state.client_events.audio_type,))
            if self._observers:
                self._observe("out", _json.decode(text))
            if not self.state.is_linked:
                await self._wait_link(partial(appended, text, messages), None)
            link = self.link
            try:
                await link.send(text)
            except LinkClosed as closed:
                self._suspend(link)
                raise self.state.unsent(closed.code, closed.reason, appended(text, messages)) from closed
            last = event_id
        return last

    async def acknowledged(
        self, update: Acknowledgement, timeout: Deadline | float | None, what: str
    ) -> None:
        """Wait for the acknowledgement of an update; longer where it may be another connection's."""
        deadline = timeout if isinstance(timeout, Deadline) else self.deadline(timeout)
        try:
            await self.wait(update.sign, timeout, what)
        except BaseException:
            update.is_given_up = True
            raise
        left = deadline.left()
        try:
            await self.wait(update, UNCLEAR_FOR if left is None else min(UNCLEAR_FOR, left), what)
        except APITimeoutError:
            self.state.session.confirm(update)
        update.result()

    async def _wait_link(self, unsent: Unsent, deadline: Deadline | None) -> None:
        while not self.state.is_linked:
            waiter = self.state.wait_link(unsent)
            try:
                await self.wait(waiter, deadline, NEW_LINK)
            finally:
                self.state.release(waiter)

    def _suspend(self, link: Link) -> None:
        if link is self.link:
            self.state.suspend()

    def add_observer(self, observer: Observer) -> None:
        """Call an observer with each event from now on."""
        self._observers = (*self._observers, *observers_of(observer))

    def _observe(self, direction: str, event: Event | dict[str, Any]) -> None:
        if isinstance(event, dict):
            event = parse_event(event, live=True) if self._is_live else parse_event(event)
        now = time.monotonic_ns()
        for observer in self._observers:
            try:
                observer(direction, event, now)
            except InOwnThreadError as error:
                logger.warning("%s", error)
            except BaseException as error:
                raise_if_interrupt(error)
                logger.warning("the observer raised %s", type(error).__name__)

    # Receiving

    def _receive(self, link: Link) -> None:
        self.link = link  # from now on, closing closes this one
        link.receive(self._message, partial(self._ended, link))

    def _message(self, data: Message) -> None:
        state = self.state
        if state.close_info is not None:
            return
        try:
            content, event, size = read_message(data, state.budget.size_of, is_live=self._is_live)
            if self._observers:
                self._observe("in", event)
            state.watch.now = self._clock.monotonic()
            if state.apply(content, event, size):
                self._set_timer()
        except Exception as error:
            self._fail("receive", error)
        if self.state.close_info is not None:
            self._close_link()

    def _ended(self, link: Link, closed: LinkClosed) -> None:
        if link is not self.link:
            return
        if self._trial is not None:
            self._trial.set_result(closed)
            return
        expiry = self.state.session.expiry
        info = CloseInfo.by_peer(closed.code, closed.reason, expiry=expiry, cause=closed.cause)
        lost = self.state.lost(info, self._clock.now(), self._clock.random)
        if lost is None:
            self._has_link = False
            return
        self.reconnect_task = self.loop.create_task(self._reconnect_loop(lost), name="realtime_ext reconnect")

    def _fail(self, what: str, error: BaseException) -> None:
        log_own_failure(logger, what, error)
        self.state.finish(CloseInfo(code=None, reason=f"failed to {what}: {error!r}", cause=error))

    # Reconnecting

    async def _reconnect_loop(self, lost: Reconnecting) -> None:
        try:
            while self._reopen is not None and (attempt := lost.next()) is not None:
                await self._clock.asleep(attempt.delay)
                if await self._attempt(self._reopen, attempt, lost):
                    return
                if self.state.close_info is not None:
                    break
            self.state.finish(lost.given_up())
        except BaseException as error:
            raise_if_interrupt(error)
            if is_cancelled(error, self.reconnect_task):
                raise
            self._fail("reconnect", error)
        self._has_link = False

    async def _attempt(
        self, reopen: Callable[[], Awaitable[Link]], attempt: Attempt, lost: Reconnecting
    ) -> bool:
        """Make an attempt; return whether the new link is in use, and else record the failure in `lost`."""
        link: Link | None = None
        self._trial = trial = self.loop.create_future()
        try:
            link = await reopen()
            await self._resume(link, trial)
            if self.state.close_info is None:
                self._trial = None
                self.state.link_ready(attempt.number, self._clock.now())
                self._set_timer()
                return True
        except LinkClosed as closed:
            lost.link_lost(closed.reason, closed.cause)
        except RealtimeError as error:
            lost.failed(error, is_linked=link is not None)
            if link is None and isinstance(error, NotFoundError) and self.state.role.is_sideband:
                self.state.finish(
                    CloseInfo(code=lost.closed.code, reason="the call has ended", is_normal=True)
                )
        close_info = self.state.close_info
        self.state.not_restored(lost.closed.error)
        if link is not None:
            await link.close(1000 if close_info is None else close_info.own_code)
        return False

    async def _resume(self, link: Link, trial: asyncio.Future[LinkClosed]) -> None:
        """Send the events that restore the state on a new link, unless the connection has ended."""
        if self.state.close_info is not None:
            return
        self._receive(link)
        for out in self.state.restored():
            acknowledged = self.state.sending(out)
            if self._observers:
                self._observe("out", dict(out.content))
            await link.send(out.text)
            if acknowledged is not None:
                await self._confirm(acknowledged, trial)
        if trial.done():
            raise trial.result()

    async def _confirm(self, acknowledged: Waiter[None], trial: asyncio.Future[LinkClosed]) -> None:
        """Wait for an acknowledgement, before which nothing else may be sent."""
        settled = self.loop.create_future()
        acknowledged.when_done(lambda: None if settled.done() else settled.set_result(None))
        with contextlib.suppress(TimeoutError):
            async with self._limit(self.confirm_timeout):
                await asyncio.wait({settled, trial}, return_when=asyncio.FIRST_COMPLETED)
        if acknowledged.done:
            acknowledged.result()
        elif trial.done():
            raise trial.result()
        else:
            raise unconfirmed(self.confirm_timeout)

    def _set_timer(self) -> None:
        """Call `tick` when the session is about to end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.state.session.warns_at()
        if due is not None:
            self._timer = self.loop.call_later(max(0.0, due - self._clock.now()), self._tick)

    def _tick(self) -> None:
        self.state.tick(self._clock.now())


async def run_to_completion(*steps: Coroutine[Any, Any, None] | asyncio.Task[None]) -> None:
    """Run coroutines concurrently to completion, even if this task is cancelled in the meantime.

    Each must be bounded in time. After a cancellation they have 5 s; then they are cancelled too.

    Raises:
        CancelledError: This task was cancelled. Otherwise the first exception of the coroutines is raised.
    """
    loop = asyncio.get_running_loop()
    tasks = [one if isinstance(one, asyncio.Task) else loop.create_task(one) for one in steps]
    waiting = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    deadline: float | None = None
    is_over = False
    while waiting:
        left = None if deadline is None else deadline - loop.time()
        if left is not None and left <= 0:
            if is_over:
                logger.warning("a cancelled task did not end")
                break
            is_over, left, deadline = True, LAST_STEPS, loop.time() + LAST_STEPS
            for task in waiting:
                task.cancel()
        try:
            waiting = (await wait(waiting, left))[1]
        except asyncio.CancelledError as error:
            cancelled = error
            deadline = loop.time() + GRACE if deadline is None else deadline
            waiting = {task for task in waiting if not task.done()}
    if cancelled is not None:
        raise cancelled
    for task in tasks:
        task.result()
