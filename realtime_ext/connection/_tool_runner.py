"""The task that runs tools. What is run, and what follows, is decided in `state`."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Callable
from typing import Any

from ..errors import ConnectionClosedError
from ..tools import Toolbox, ToolContext, error_output
from ._io import Traffic
from ._state import ApprovalJob, CallJob, FollowUpJob, Outgoing

__all__ = ["ToolRunner"]

logger: logging.Logger = logging.getLogger("realtime_ext")


class ToolRunner:
    """One connection's tools.

    Args:
        traffic: Where their answers are sent.
        connection: What a `ToolContext` has as its connection.
        toolbox: The tools.
        timeout: Seconds that a call may last; None for no limit.
        approve: Decides on calls to MCP servers' tools, whose items it is called with; None refuses all.

    Attributes:
        task: The task.
    """

    def __init__(
        self,
        traffic: Traffic,
        connection: Any,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self._traffic = traffic
        self._state = traffic.state
        # Not to be kept from being dropped by its own task.
        self._connection = weakref.ref(connection)
        self._toolbox = toolbox
        self._timeout = timeout
        self._approve = approve
        self._wake = asyncio.Event()
        self._state.register_tools(self._wake.set)
        self.task: asyncio.Task[None] = traffic.loop.create_task(self._run(), name="realtime_ext tools")

    async def _run(self) -> None:
        while self._state.ending is None:
            job = self._state.next_job()
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
                continue  # over, or the link is mended and the session a new one
            except Exception as fault:
                logger.error("answering a call of the model failed: %s", type(fault).__name__)

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
        try:
            await self._send_output(self._state.output(job, output))
        finally:
            self._state.answered(job, silent=is_silent)

    async def _send_output(self, out: Outgoing) -> None:
        while True:
            try:
                await self._traffic.send(out)
            except ConnectionClosedError:  # a sideband's session goes on, and waits for it
                if self._state.ending is not None or not self._state.role.is_sideband:
                    raise
            else:
                return

    async def _decide(self, job: ApprovalJob) -> None:
        is_approved = False
        if self._approve is not None:
            try:
                decision = self._approve(dict(job.item))
                decision = await decision if inspect.isawaitable(decision) else decision
                if not isinstance(decision, bool):
                    raise TypeError(f"approve: expected it to return a bool, got {type(decision).__name__}")
                is_approved = decision
            except Exception as fault:
                logger.error("approve raised %s; the call is refused", type(fault).__name__)
        try:
            await self._traffic.send(self._state.approval(job, approve=is_approved))
        finally:
            self._state.decided(job)

    async def _follow_up(self, job: FollowUpJob) -> None:
        ticket = self._state.wait_turn()
        try:
            await self._traffic.wait(ticket, None, "the response before")
            await self._traffic.send(self._state.follow_up(job))
        finally:
            self._state.release(ticket)
