"""Work that the model of a Live session delegates to the program: runs its handler, one task for each.

`_state` knows the words; this sends what the handler says about them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from .._core.arguments import check_seconds
from .._core.callbacks import contained
from .._core.time_limit import TimeLimit
from ..errors import ConnectionClosedError, RealtimeError
from ._io import ConnectionIO
from ._state.live import LiveSession, LiveState, split_text
from ._state.tasks import Task, Tasks
from ._state.waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

_QUIET = 1.0  # seconds without a word after which the user has finished
_LOOK = 0.125  # seconds between two looks at the words
_LATE = "The task took too long, and was given up."
_FAILED = "The task failed: the application had an error."


class AsyncDelegation:
    """A task that the model has delegated, for its handler.

    Everything that the handler says here belongs to the task. It may say any number of things, at any time
    during the session; they alone tell the model that a task is finished.
    """

    def __init__(self, io: ConnectionIO, task: Task) -> None:
        self._io = io
        self._task = task

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def id(self) -> str:
        """The delegation's id."""
        return self._task.id

    @property
    def words(self) -> str:
        """The user's request as far as it is transcribed: the model may delegate in mid-sentence."""
        return self._task.words

    @property
    def pending_transcript(self) -> str:
        """The same as `words`."""
        return self.words

    async def finished(self) -> str:
        """Wait until the user has said nothing for a second, and return all of the task's words."""
        await quiet(self._io, lambda: len(self._task.pieces), _QUIET)
        return self.words

    async def say(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Make the model say something about the task, as `AsyncLiveConnection.say`."""
        self._check()
        await append(self._io, "commentary", text, timeout, self.id)

    async def think(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Add something about the task that the model knows from now on, without a word; as `say`."""
        self._check()
        await append(self._io, "thinking", text, timeout, self.id)

    def _check(self) -> None:
        if self._task.is_lost:
            raise RealtimeError("delegation: its session was lost together with the task")


class DelegationRunner:
    """One connection's tasks.

    Args:
        io: Where what the handler says is sent.
        handler: Called with each `AsyncDelegation`.
        timeout: Seconds that it may take; None for no limit.
        on_timeout: What the model says after that; None for a text of this module.
        parallel: Whether tasks are worked on at the same time.

    Attributes:
        task: The task that calls it.
    """

    def __init__(
        self,
        io: ConnectionIO,
        handler: Callable[[AsyncDelegation], Any],
        timeout: float | None,
        on_timeout: str | None,
        parallel: bool,
    ) -> None:
        self._io = io
        self._handler = handler
        self._timeout = timeout
        self._on_timeout = on_timeout or _LATE
        self._parallel = parallel
        self._tasks: Tasks = live_session(io).tasks
        self._wake = asyncio.Event()
        self._tasks.on_task = self._wake.set
        self.task: asyncio.Task[None] = io.loop.create_task(self._run(), name="realtime_ext delegations")

    async def _run(self) -> None:
        working: set[asyncio.Task[None]] = set()
        try:
            while self._io.state.close_info is None:
                task = self._tasks.next()
                if task is None:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                work = self._io.loop.create_task(self._work(task), name="realtime_ext delegation")
                working.add(work)
                work.add_done_callback(working.discard)
                if not self._parallel:
                    await asyncio.wait({work})
        finally:
            for work in working:
                work.cancel()

    async def _work(self, task: Task) -> None:
        delegation = AsyncDelegation(self._io, task)
        limit = TimeLimit(self._timeout, is_real=True)
        try:
            result = None
            try:
                async with limit:
                    result = await contained(self._call(delegation), "the handler")
            except Exception as error:
                if limit.expired():
                    result = self._on_timeout
                    logger.warning("the handler of a delegation took longer than %g s", self._timeout)
                elif not self._is_over(task):
                    result = _FAILED
                    name = type(error).__name__
                    logger.error("the handler of a delegation raised %s", name, exc_info=error)
            if result is not None:
                await self._tell(delegation, task, result)
        finally:
            self._tasks.done(task)

    async def _tell(self, delegation: AsyncDelegation, task: Task, text: str) -> None:
        """Say how a task ended; on a sideband whose link was lost meanwhile, once more on the new link."""
        while not self._is_over(task):
            try:
                return await delegation.say(text)
            except RealtimeError as error:
                if type(error) is ConnectionClosedError:
                    continue  # a sideband's session goes on, and this waits for its new link
                logger.warning("the end of a delegation could not be said: %s", error)
                return

    def _is_over(self, task: Task) -> bool:
        return self._io.state.close_info is not None or task.is_lost

    async def _call(self, delegation: AsyncDelegation) -> str | None:
        """Call the handler, and return what is to be said."""
        result = self._handler(delegation)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, str):
            return result if result.strip() else None
        if result is not None:
            kind = type(result).__name__
            logger.warning("the handler of a delegation returned a %s, which is ignored; return text", kind)
        return None


def check_handler(handler: object) -> None:
    """Raise TypeError if a handler can't be called with a task."""
    if not callable(handler):
        raise TypeError(f"handler: expected a function, got {type(handler).__name__}")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some that are written in C have none
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"handler: expected a function of one argument, the task, got {signature}") from error


async def quiet(io: ConnectionIO, heard: Callable[[], object], seconds: float) -> None:
    """Wait until something has not changed for some time, or the connection has ended.

    Args:
        io: The connection.
        heard: Returns it.
        seconds: How long.
    """
    passed, before = 0.0, heard()
    while passed < seconds and io.state.close_info is None:
        await io.sleep(_LOOK)
        passed = passed + _LOOK if heard() == before else 0.0
        before = heard()


def live_session(io: ConnectionIO) -> LiveSession:
    """Return the session of a Live connection."""
    assert isinstance(io.state, LiveState)
    return io.state.live


def check_text(text: object, name: str = "text") -> None:
    """Raise TypeError or ValueError unless an argument has words."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a str, got {type(text).__name__}")
    if not text.strip():
        raise ValueError(f"{name}: expected words, got {text[:80]!r}")


async def append(
    io: ConnectionIO, kind: str, text: str, timeout: float | None, delegation_id: str | None = None
) -> None:
    """Add to the context of a Live session, and wait for the acknowledgement.

    Args:
        io: Where it is sent.
        kind: `commentary`, `instructions` or `thinking`.
        text: The text; a long one is split.
        timeout: Seconds to wait at most; None for no limit.
        delegation_id: The task that it belongs to.

    Raises:
        TypeError, ValueError: The text is not a str or is blank, or `timeout` is not a time limit.
        APIStatusError: The API refused it.
        APITimeoutError: It was not acknowledged in time.
        ConnectionClosedError: The connection has ended.
    """
    deadline = io.deadline(check_seconds("timeout", timeout))
    check_text(text)
    live = live_session(io)
    waiters: list[Waiter[None]] = []
    for part in split_text(text):
        event = {"type": f"session.{kind}.append", "content": part, "delegation_id": delegation_id}
        out = io.state.client_events.write(event)
        waiters.append(live.appending(out.event_id, out.type))
        try:
            await io.send(out, deadline=deadline)
        except BaseException:
            live.not_sent(out.event_id)
            raise
    for waiter in waiters:
        await io.wait(waiter, deadline, f"session.{kind}.appended")
