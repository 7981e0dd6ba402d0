"""What async connections of both APIs do besides events: run tools, and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._core.arguments import check_seconds
from .._core.time_limit import TimeLimit, wait
from ..errors import RealtimeError
from ..tools import Toolbox
from ._async_events import AsyncEvents, ClientEventT, ServerEventT_co
from ._io import run_to_completion
from ._state.reconnect import CloseInfo
from ._tool_runner import ToolRunner

if TYPE_CHECKING:
    from ._tool_runner import Rounds

logger: logging.Logger = logging.getLogger("realtime_ext")

_STOPPING = 2.0  # seconds that a cancelled task is waited for


class AsyncLifetime(AsyncEvents[ServerEventT_co, ClientEventT]):
    """A connection with tools and an end."""

    _tools: ToolRunner | None = None
    _closing: asyncio.Task[None] | None = None
    _is_made = False

    def __del__(self) -> None:
        if self._is_made:
            self._io.drop(self, tuple(self._tasks()), self._on_drop)

    # Tools

    def _check_tools(self, toolbox: Toolbox | Iterable[Callable[..., Any]], timeout: float | None) -> Toolbox:
        """Check the arguments of `run_tools`, and return its toolbox."""
        if self._tools is not None:
            raise RealtimeError("run_tools: tools are registered already; add them to that toolbox")
        check_seconds("timeout", timeout)
        return toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox)

    def _run_tools(
        self,
        rounds: Rounds,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[Any], Any] | None,
        read: Callable[[dict[str, Any]], Any],
    ) -> None:
        asked = None if approve is None else lambda item: approve(read(item))
        self._tools = ToolRunner(self._io, rounds, self, toolbox, timeout, asked)

    # The end

    @property
    @abstractmethod
    def _farewell(self) -> float | None:
        """How many seconds to wait for `session.closed` at the end; None if `session.close` is not sent."""

    def _tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that end with the connection."""
        return [] if self._tools is None else [self._tools.task]

    async def _end(self, ending: CloseInfo) -> None:
        """End the connection, unless that was begun, and wait for its end."""
        if self._is_forked:
            return
        if self._closing is None:
            self._closing = self._io.loop.create_task(self._close(ending, asyncio.current_task()))
        try:
            await run_to_completion(self._closing)
        finally:
            # The first caller may have been one of these tasks, which can't wait for itself.
            await run_to_completion(self._stop(asyncio.current_task()))

    async def _close(self, ending: CloseInfo, caller: asyncio.Task[Any] | None) -> None:
        state, seconds = self._state, self._farewell
        own: Any = self  # whose kinds of events are not known here
        try:
            if seconds is not None and state.is_linked:
                with contextlib.suppress(RealtimeError, TimeoutError):
                    async with TimeLimit(seconds):
                        with own.expect("session.closed") as closed:
                            await self._send_own({"type": "session.close"})
                        await closed.wait(timeout=None)
        finally:
            state.finish(ending)
            for task in self._tasks():
                if task is not caller:
                    task.cancel()
            try:
                await self._io.link.close(state.close_info.own_code if state.close_info else 1000)
            finally:
                await self._stop(caller)

    async def _stop(self, caller: asyncio.Task[Any] | None) -> None:
        reconnecting = self._io.reconnect_task
        if reconnecting is None or reconnecting is not caller:
            self._io.stop()
        tasks = (*self._tasks(), reconnecting)
        running = {task for task in tasks if task not in (None, caller) and not task.done()}
        for task in running:
            task.cancel()
        if running:
            await wait(running, _STOPPING)  # a tool may suppress its cancellation
