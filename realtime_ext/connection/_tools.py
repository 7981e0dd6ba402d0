"""The task that runs tools, beside the reader. What is run, and what follows, is decided by the protocol."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionClosedError
from ..tools import Toolbox, ToolContext, error_output
from .state import _shortcuts as shortcuts
from .state._tooling import ApprovalJob, CallJob, FollowUpJob, output_item

if TYPE_CHECKING:
    from ._connection import AsyncConnection

__all__ = ["ToolTask"]

logger = logging.getLogger("realtime_ext")


class ToolTask:
    """One connection's tools.

    Args:
        connection: Whose calls they answer.
        toolbox: The tools.
        timeout: Seconds that a call may take; None for no limit.
        approve: Decides on calls to MCP servers' tools; None refuses all.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[Any], Any] | None,
    ) -> None:
        self._connection = connection
        self._toolbox = toolbox
        self._timeout = timeout
        self._approve = approve
        self._wake = asyncio.Event()
        self._desk = connection._core.turns.register_tools(self._wake.set)
        self.task = connection._loop.create_task(self._run(), name="realtime_ext tools")

    async def _run(self) -> None:
        core = self._connection._core
        while core.ending is None:
            if not self._desk.jobs:
                self._wake.clear()
                await self._wake.wait()
                continue
            job = self._desk.jobs.popleft()
            try:
                if isinstance(job, CallJob):
                    await self._call(job)
                elif isinstance(job, ApprovalJob):
                    await self._decide(job)
                else:
                    await self._follow(job)
            except ConnectionClosedError:
                continue  # over, or the link is mended and the session a new one
            except Exception as fault:
                logger.error("answering a call of the model failed: %s", type(fault).__name__)

    async def _call(self, job: CallJob) -> None:
        context: ToolContext[Any] = ToolContext(self._connection, job.call_id, self._toolbox.state)
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._toolbox.arun(job.name, job.arguments, context=context)
            output, is_silent = result.output, result.silent
        except TimeoutError:
            logger.warning("tool %s took longer than %s s", job.name, self._timeout)
            output = error_output("timeout", f"{job.name} did not finish within {self._timeout:g} s")
            is_silent = False
        self._connection._core.turns.answered(job.response_id, job.call_id, output)
        try:
            await self._connection._send_own(output_item(job, output))
        finally:
            self._desk.answered(job, silent=is_silent)

    async def _decide(self, job: ApprovalJob) -> None:
        is_approved = False
        if self._approve is not None:
            try:
                decision = self._approve(self._connection._item(dict(job.item)))
                is_approved = shortcuts.check_approval(
                    await decision if inspect.isawaitable(decision) else decision
                )
            except Exception as fault:
                logger.error("approve raised %s; the call is refused", type(fault).__name__)
        out = self._connection._core.approval(job, approve=is_approved)
        try:
            await self._connection._send(out)
        finally:
            self._desk.decided(job)

    async def _follow(self, job: FollowUpJob) -> None:
        core = self._connection._core
        ticket = core.wait_turn()
        try:
            await self._connection._wait(ticket, None, "the response before")
            await self._connection._send(core.follow_up(job))
        finally:
            core.effects.responses.leave(ticket)
