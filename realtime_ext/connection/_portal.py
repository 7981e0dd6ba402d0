"""The event loop that all sync connections of a process share, in a daemon thread.

Runs coroutines there for other threads, which wait for them and can be interrupted by Ctrl-C. It knows
nothing of connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Generic, ParamSpec, TypeVar, cast

from .._core.warnings import context_of_caller
from ..errors import RealtimeError
from ._state.reconnect import OF_PARENT

logger: logging.Logger = logging.getLogger("realtime_ext")

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 0.05  # seconds to wait for an interrupted call once it is cancelled
_ENDING = 2.0  # seconds to wait for the loop's thread to end
_LOOK = 0.05  # seconds between checks for Ctrl-C where waiting for a lock can't be interrupted


class InOwnThreadError(RealtimeError):
    """A sync method was called in the thread of the loop, which must not wait for itself."""


class Portal:
    """An event loop in its own thread, which runs as long as it has holders.

    If the loop ends for another reason, such as SystemExit in a callback, all waiting threads get that
    reason, and `shared_portal` returns a new portal.

    Attributes:
        is_lost: Whether this process was forked from the one in which the loop runs.
    """

    def __init__(self) -> None:
        self.is_lost = False
        self._lock = threading.Lock()
        self._holds: set[weakref.ref[Hold]] = set()
        self._released: deque[weakref.ref[Hold]] = deque()  # or dropped, and still in `_holds`
        self._thread: threading.Thread | None = None
        self._started: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._is_ending = False
        self._death: BaseException | None = None  # why the loop ended although it had holders
        self._calls: set[_Call[Any]] = set()
        self._on_death: weakref.WeakSet[Sleepers] = weakref.WeakSet()

    @property
    def is_current(self) -> bool:
        """Whether this is the loop's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def check(self) -> None:
        """Check that this thread may wait for the loop.

        Raises:
            RealtimeError: This process was forked, this is the loop's own thread, or the loop has died.
        """
        if self.is_lost:
            raise RealtimeError(OF_PARENT)
        if self._death is not None:
            reason = f"{type(self._death).__name__}: {self._death}"
            raise RealtimeError(
                f"the event loop that all sync connections share ended ({reason}): open a new connection"
            ) from self._death
        if self.is_current:
            raise InOwnThreadError(
                "observer: it can't send, nor wait for anything (nor can `where` and `on_progress`); "
                "pass the event to another thread"
            )

    def hold(self) -> Hold:
        """Keep the loop running until the hold is released or dropped; start the loop if it isn't running.

        Raises:
            RealtimeError: As `check`.
        """
        self.check()
        with self._lock:
            self._finish()
            # An interrupt may have come before, during or after the start of an earlier thread: one that has
            # not begun to run by now never will.
            if self._thread is None and (self._started.cancel() or self._started.done()):
                self._started = Future()
                threading.Thread(
                    target=self._serve, args=(self._started,), name="realtime_ext loop", daemon=True
                ).start()
            self._started.result()
            hold = Hold(self)
            # The callback is not Python code, so that a signal handler can't interrupt it.
            hold._ref = weakref.ref(hold, self._released.append)
            self._holds.add(hold._ref)
        return hold

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a coroutine function on the loop, and wait for its result.

        An interrupt (Ctrl-C) cancels it, and surfaces within 0.1 s, whether or not it has ended by then.

        Raises:
            RealtimeError: As `check`. Exceptions of the function are raised as they are.
        """
        return self._run(_Call(function, args, kwargs), _PATIENCE)

    def run_to_end(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a coroutine function like `run`, and wait until it has ended although it was cancelled.

        A second interrupt surfaces at once.
        """
        return self._run(_Call(function, args, kwargs), None)

    def post(self, function: Callable[[], object], context: Context | None = None) -> bool:
        """Call a function on the loop soon; return False if the loop isn't running."""
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(function, context=context)
        except RuntimeError:
            return False
        return True

    def wake_on_death(self, sleepers: Sleepers) -> None:
        """Wake the threads that sleep there if the loop dies."""
        self._on_death.add(sleepers)

    def _run(self, call: _Call[T], patience: float | None) -> T:
        hold = self.hold()
        try:
            self._calls.add(call)
            if not self.post(call.start, context_of_caller()):
                self.check()
            acquire(call.done)
        except BaseException:
            if not self.post(call.cancel):
                call.abandon()
            acquire(call.done, patience)
            raise
        finally:
            self._calls.discard(call)
            hold.release()
        if call.was_cancelled:
            self.check()
        return call.result()

    def _settle(self) -> None:
        """Remove released holds; end the loop with the last one."""
        with self._lock:  # entered by `with` alone, between whose steps no signal handler runs
            while self._released:
                released = self._released.popleft()
                with contextlib.suppress(TypeError):  # it was dropped before it was added, and has no hash
                    self._holds.discard(released)
            if not self._holds and self._thread is not None:
                self._is_ending = True
            self._finish()

    def _finish(self) -> None:
        """End the loop if that was begun, also by a call that was interrupted; called with the lock."""
        if self._is_ending and self._end is not None:
            self.post(self._end.set)
            self._thread = None
            self._is_ending = False

    def _serve(self, started: Future[None]) -> None:
        if not started.set_running_or_notify_cancel():
            return
        self._thread = threading.current_thread()

        async def until_end() -> None:
            self._loop = asyncio.get_running_loop()
            end = self._end = asyncio.Event()
            started.set_result(None)
            await end.wait()

        try:
            with asyncio.Runner(debug=False) as runner:
                try:
                    runner.run(until_end())
                except BaseException as error:
                    self._death = error  # before the runner cancels the calls
                    raise
        except BaseException as error:
            if not started.done():
                self._thread = self._death = None
                started.set_exception(error)
                return
            self._die(error)

    def _die(self, error: BaseException) -> None:
        global _shared
        logger.error("the event loop of sync connections ended", exc_info=error)
        if _shared is self:
            _shared = Portal()
        for call in tuple(self._calls):
            call.abandon()
        for sleepers in tuple(self._on_death):
            sleepers.wake()


class Hold:
    """Keeps a portal's loop running until it is released, or dropped: an interrupt can't leak it.

    A loop whose last hold was dropped ends with the next call.

    Args:
        portal: The portal.
    """

    __slots__ = ("__weakref__", "_portal", "_ref")

    _ref: weakref.ref[Hold]

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def release(self) -> None:
        """Release the hold; may be called again, by any thread."""
        portal = self._portal
        if portal.is_lost:
            return
        thread = portal._thread
        portal._released.append(self._ref)
        portal._settle()
        if thread is not None and portal._thread is None and thread is not threading.current_thread():
            thread.join(_ENDING)


class Sleepers:
    """Threads that sleep until an event is there for one of them.

    Each sleeps on a lock of its own, and waking wakes all: a thread that is interrupted at any instant leaves
    nothing behind that others would wait for.
    """

    __slots__ = ("__weakref__", "_locks")

    def __init__(self) -> None:
        self._locks: list[threading.Lock] = []

    def enter(self) -> threading.Lock:
        """Return a lock to sleep on with `acquire`; check the condition first, and `leave` afterwards."""
        lock = threading.Lock()
        lock.acquire()
        self._locks.append(lock)
        return lock

    def leave(self, lock: threading.Lock) -> None:
        """Stop waking a thread."""
        with contextlib.suppress(ValueError):
            self._locks.remove(lock)

    def wake(self) -> None:
        """Wake all threads."""
        locks, self._locks = self._locks, []
        for lock in locks:
            lock.release()


class _Call(Generic[T]):
    """One call of a coroutine function for another thread."""

    __slots__ = ("_args", "_error", "_function", "_kwargs", "_task", "_value", "done")

    def __init__(
        self, function: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._task: asyncio.Task[None] | None = None
        self._value: T | None = None
        self._error: BaseException | None = None
        # A bare lock that is released once: making and setting a Future lasts several times as long.
        self.done = threading.Lock()
        self.done.acquire()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        if self._task is None:  # an interrupt came before it was posted
            self.abandon()
        else:
            # Not at once: a task that is cancelled before its first step would never release the lock.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _run(self) -> None:
        try:
            self._value = await self._function(*self._args, **self._kwargs)
        except BaseException as error:
            self._error = error
        if self.done.locked():
            self.done.release()

    @property
    def was_cancelled(self) -> bool:
        """Whether something other than the caller cancelled it."""
        return isinstance(self._error, asyncio.CancelledError)

    def abandon(self) -> None:
        """Cancel a call that no loop will run to its end."""
        if self.done.locked():
            self._error = asyncio.CancelledError()
            self.done.release()

    def result(self) -> T:
        error, self._error = self._error, None  # or the exception's traceback would hold itself
        if isinstance(error, asyncio.CancelledError):
            raise RealtimeError("the call was cancelled, because the connection was closed") from error
        if error is not None:
            raise error
        return cast(T, self._value)


def acquire(lock: threading.Lock, seconds: float | None = None) -> bool:
    """Acquire a lock such that Ctrl-C interrupts the waiting.

    Args:
        lock: The lock.
        seconds: How long to wait at most; None for no limit.

    Returns:
        Whether it was acquired.
    """
    if os.name != "nt":
        return lock.acquire(timeout=-1 if seconds is None else min(max(seconds, 0), threading.TIMEOUT_MAX))
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    while not lock.acquire(timeout=_LOOK):
        if time.monotonic() >= deadline:
            return False
    return True


_shared = Portal()
_of_parents: list[Portal] = []  # kept, so that their loops are not closed here


def shared_portal() -> Portal:
    """Return this process's portal."""
    return _shared


def _forget_parents() -> None:
    global _shared
    _shared.is_lost = True
    _of_parents.append(_shared)
    _shared = Portal()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
