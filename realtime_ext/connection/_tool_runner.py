"""The task that runs tools; `_state` decides which, and what follows."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Callable
from typing import Any

from .._core.callbacks import contained, is_cancelled, is_ctrl_c, log_own_failure
from ..errors import ConnectionClosedError
from ..tools import Toolbox, ToolContext, error_output
from ._io import ConnectionIO
from ._state.client_events import Outgoing
from ._state.function_calls import ApprovalJob, CallJob, FollowUpJob, output_item

logger: logging.Logger = logging.getLogger("realtime_ext")


class ToolRunner:
    """One connection's tools.

    Args:
        io: Where their answers are sent.
        connection: What a `ToolContext` has as its connection.
        toolbox: The tools.
        timeout: Time limit of a call in seconds; None for no limit.
        approve: Decides on calls to MCP servers' tools, whose items it is called with; None refuses all.

    Attributes:
        task: The task.
    """

    def __init__(
        self,
        io: ConnectionIO,
        connection: Any,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self._io = io
        self._state = io.state
        # A weak reference, so that the task doesn't keep the connection alive.
        self._connection = weakref.ref(connection)
        self._toolbox = toolbox
        self._timeout = timeout
        self._approve = approve
        self._wake = asyncio.Event()
        self._calls = self._state.turns.register_tools(self._wake.set)
        self.task: asyncio.Task[None] = io.loop.create_task(self._run(), name="realtime_ext tools")

    async def _run(self) -> None:
        while self._state.close_info is None:
            job = self._calls.next_job()
            if job is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                if isinstance(job, CallJob):
                    await self._call(job)
                elif isinstance(job, ApprovalJob):
                    await self._decide(job)
                else:
                    await self._follow_up(job)
            except ConnectionClosedError:
                continue  # the connection has ended, or has reconnected with a new session
            except BaseException as error:
                if is_ctrl_c(error) or is_cancelled(error, self.task):
                    raise
                log_own_failure(logger, "answer a function call", error)

    async def _call(self, job: CallJob) -> None:
        if (connection := self._connection()) is None:
            return
        context: ToolContext[Any] = ToolContext(connection, job.call_id, self._toolbox.state)
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._toolbox.arun(job.name, job.arguments, context=context)
            output, is_silent = result.output, result.silent
        except TimeoutError:
            logger.warning("tool %s took longer than %s s", job.name, self._timeout)
            output = error_output("timeout", f"{job.name} did not finish within {self._timeout:g} s")
            is_silent = False
        except BaseException as error:
            if is_ctrl_c(error) or is_cancelled(error, self.task):
                raise
            log_own_failure(logger, f"run tool {job.name}", error)
            output = error_output("tool_failed", f"{job.name} failed: {type(error).__name__}")
            is_silent = False
        try:
            turns, write = self._state.turns, self._state.client_events.write
            turns.answered(job.response_id, job.call_id, output)
            await self._send_output(write(output_item(job, output)))
        finally:
            self._calls.answered(job, silent=is_silent)

    async def _send_output(self, out: Outgoing) -> None:
        while True:
            try:
                await self._io.send(out, by_program=False)
            except ConnectionClosedError:  # a sideband's session goes on, and waits for it
                if self._state.close_info is not None or not self._state.role.is_sideband:
                    raise
            else:
                return

    async def _decide(self, job: ApprovalJob) -> None:
        is_approved = False
        if self._approve is not None:
            try:
                decision = await contained(self._decision(self._approve, job), "approve")
                if not isinstance(decision, bool):
                    raise TypeError(f"approve: expected it to return a bool, got {type(decision).__name__}")
                is_approved = decision
            except Exception as error:
                logger.error("approve raised %s; the call is refused", type(error).__name__)
        try:
            events = self._state.client_events
            answer = self._state.turns.approval(job, events.next_id(), approve=is_approved)
            await self._io.send(events.write(answer), by_program=False)
        finally:
            self._calls.decided(job)

    async def _decision(self, approve: Callable[[dict[str, Any]], Any], job: ApprovalJob) -> Any:
        decision = approve(dict(job.item))
        return await decision if inspect.isawaitable(decision) else decision

    async def _follow_up(self, job: FollowUpJob) -> None:
        ticket = self._state.wait_turn()
        try:
            await self._io.wait(ticket, None, "the previous response")
            events = self._state.client_events
            request = self._state.turns.follow_up(job, events.next_id())
            await self._io.send(events.write(request), by_program=False)
        finally:
            self._state.release(ticket)
