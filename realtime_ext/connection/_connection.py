"""The connection, awaited: what a program holds while a session goes on.

The job: bring messages in and out and wait. What they mean is decided in `_protocol`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..arguments import check_seconds
from ..errors import APITimeoutError, ConnectionClosedError, RealtimeError
from ._deadline import Deadline
from ._leaving import see_through
from ._link import AsyncLink, LinkClosed
from ._playback import AsyncPlayback
from ._reader import Reader
from ._receiving import AsyncReceiving
from ._sending import AsyncSending
from ._stream import AsyncStream
from ._tools import ToolTask
from .state import _shortcuts as shortcuts
from .state._acknowledgement import Acknowledgement
from .state._closing import Ending
from .state._core import Protocol
from .state._departures import Unsent
from .state._outbox import Outgoing, appended, given_back
from .state._surface import Observer, Surface
from .state._waiters import Waiter

if TYPE_CHECKING:
    from ..call import Call
    from ..http.sending import Clock
    from ..tools import Toolbox
    from .state._turn import TurnStream
    from .state._turn_record import Turn

__all__ = ["AsyncConnection"]

T = TypeVar("T")
EventT = TypeVar("EventT")

_STOPPING = 2.0  # seconds that a cancelled tool is waited for
_FAREWELL = 3.0  # seconds that a translation session is given to finish


class AsyncConnection(Surface, AsyncReceiving, AsyncSending):
    """A realtime session, or a view of one, made by `connect`, `answer` or `dial`, for one event loop.

    Iterating gives the events. Whoever takes an event, by iterating, `recv` or `run`, calls its handlers
    first.
    """

    def __init__(
        self,
        core: Protocol,
        link: AsyncLink,
        *,
        clock: Clock,
        reopen: Callable[[], Awaitable[AsyncLink]] | None = None,
        observer: Observer | None = None,
        call: Call | None = None,
        call_id: str | None = None,
        confirm_timeout: float | None = None,
    ) -> None:
        super().__init__(core, contextlib.nullcontext(), observer=observer, call=call, call_id=call_id)
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._confirm_timeout = confirm_timeout  # seconds for a session's first confirmation; None for ever
        self._tools: ToolTask | None = None
        self._closing: asyncio.Task[None] | None = None
        self.playback = AsyncPlayback(self)
        self._reader = Reader(self, reopen, clock)

    # Turns and tools

    def stream(self, text: str | None = None, *, response: Any = None) -> AsyncStream:
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
        return AsyncStream(self, text, response)

    async def ask(
        self, text: str | None = None, *, timeout: float | None = 60.0, response: Any = None
    ) -> Turn:
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
        stream = self.asking(text, timeout=timeout, response=response)
        limit = asyncio.timeout(timeout)
        try:
            async with limit, stream:
                async for _ in stream:
                    pass
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            raise stream.too_late() from error
        return stream.turn

    def asking(self, text: str | None, *, timeout: float | None, response: Any) -> AsyncStream:
        """Check what `ask` was given, and return the turn to be followed; for the blocking connection."""
        self._core.only_responding("ask")
        check_seconds("timeout", timeout)
        return AsyncStream(self, text, response, timeout)

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[Any], bool | Awaitable[bool]] | None = None,
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
            TypeError, ValueError: As `Toolbox`; or `timeout` is no time limit.
        """
        if self._tools is not None:
            raise RealtimeError("run_tools: tools are registered already; add them to that toolbox")
        self._core.only_responding("run_tools")
        check_seconds("timeout", timeout)
        self._tools = ToolTask(self, shortcuts.as_toolbox(toolbox), timeout, approve)

    # The end

    async def close(self) -> None:
        """End the connection; takes some seconds at most. May be called again, and from anywhere.

        Events that came before can still be taken, and then iteration ends.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close(asyncio.current_task()))
        try:
            await see_through(self._closing)
        finally:
            # Whoever closed first may have been one of these tasks, which can't wait for itself.
            await see_through(self._stop(asyncio.current_task()))

    async def _close(self, caller: asyncio.Task[Any] | None) -> None:
        try:
            if self._core.role.kind == "translation" and self._core.is_linked:
                with contextlib.suppress(RealtimeError, TimeoutError):
                    async with asyncio.timeout(_FAREWELL):
                        with self.expect("session.closed") as closed:
                            await self._send_own({"type": "session.close"})
                        await closed
        finally:
            self._core.finish(Ending.by_user())
            if self._tools is not None and self._tools.task is not caller:
                self._tools.task.cancel()
            try:
                await self._link.close(self._core.ending.own_code if self._core.ending else 1000)
            finally:
                await self._stop(caller)

    async def _stop(self, caller: asyncio.Task[Any] | None) -> None:
        if self._reader.task is not caller:
            self._reader.stop()
        running = {self._reader.task, *([self._tools.task] if self._tools is not None else [])}
        if self._tools is not None and self._tools.task is not caller:
            self._tools.task.cancel()
        if running := {task for task in running if task is not caller and not task.done()}:
            await asyncio.wait(running, timeout=_STOPPING)  # a tool may not let itself be cancelled

    # Input and output for the parts

    async def _wait(self, waiter: Waiter[T], timeout: Deadline | float | None, what: str) -> T:
        if not waiter.done:
            seconds = timeout.left() if isinstance(timeout, Deadline) else timeout
            future = self._loop.create_future()
            waiter.when_done(lambda: None if future.done() else future.set_result(None))
            try:
                async with asyncio.timeout(seconds):
                    await future
            except TimeoutError as error:
                given = timeout.seconds if isinstance(timeout, Deadline) else timeout
                raise APITimeoutError(f"{what} did not come within {given:g} s") from error
        return waiter.result()

    async def _send(
        self, *outgoing: Outgoing, deadline: Deadline | None = None, stream: TurnStream | None = None
    ) -> Acknowledgement | None:
        link = await self._linked(partial(given_back, outgoing), deadline)
        acknowledged: Acknowledgement | None = None
        for number, out in enumerate(outgoing):
            acknowledged = self._core.sending(out, stream)  # not before: this may be cancelled in between
            if self._observer is not None:
                self._observe("out", dict(out.content))
            try:
                await link.send(out.text)
            except LinkClosed as closed:
                self._doubt(link)
                raise self._not_sent(closed, outgoing[number:]) from closed
        return acknowledged

    def _not_sent(self, closed: LinkClosed, left: tuple[Outgoing, ...]) -> ConnectionClosedError:
        for out in left:
            self._core.not_sent(out)
        return self._core.unsent(closed.code, closed.reason, *given_back(left))

    async def _send_text(self, text: str, rest: Iterator[tuple[str, str]]) -> None:
        unsent = partial(appended, text, rest)
        link = await self._linked(unsent)
        try:
            await link.send(text)
        except LinkClosed as closed:
            self._doubt(link)
            raise self._core.unsent(closed.code, closed.reason, *unsent()) from closed

    def _doubt(self, link: AsyncLink) -> None:
        if link is self._link:
            self._core.doubt()

    async def _linked(self, unsent: Unsent, deadline: Deadline | None = None) -> AsyncLink:
        while not self._core.is_linked:
            waiter = self._core.wait_link(unsent)
            try:
                await self._wait(waiter, deadline, "nothing was sent: a link in place of the lost one")
            finally:
                self._core.leave(waiter)
        return self._link
