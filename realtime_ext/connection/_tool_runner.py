"""The task that runs tools; `_state` decides which, and what follows."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from .._core.callbacks import contained, is_cancelled, is_ctrl_c, log_own_failure
from .._core.time_limit import TimeLimit
from ..errors import ConnectionClosedError
from ..tools import Toolbox, ToolContext, error_output
from ._io import ConnectionIO
from ._state.client_events import Outgoing
from ._state.function_calls import ApprovalJob, CallJob, FollowUpJob, Job

logger: logging.Logger = logging.getLogger("realtime_ext")

_REPEATED = 1.0  # seconds in which a new link tells again what has happened in the last ones


class Calls(Protocol):
    """The function calls of a session: what is to be done, and what was."""

    def next_job(self) -> Job | None:
        """Remove and return the oldest job; None if there is none now."""

    def answered(self, job: CallJob, *, silent: bool) -> None:
        """Record that a call's output was sent."""

    def decided(self, job: ApprovalJob) -> None:
        """Record that the answer to a request for permission was sent."""


class Rounds(Protocol):
    """Writes what answers the function calls of a session, of either API."""

    def register_tools(self, on_job: Callable[[], None]) -> Calls:
        """Begin to collect function calls; `on_job` is called when there is one to run."""

    def output(self, job: CallJob, output: str) -> dict[str, Any] | None:
        """Return the event that answers a call; None if it needs no answer any more."""

    def approval(self, job: ApprovalJob, event_id: str, *, approve: bool) -> dict[str, Any]:
        """Return the event that answers a request for permission, and has this id."""

    def follow_up(self, job: FollowUpJob, event_id: str) -> dict[str, Any] | None:
        """Return the event with this id that asks for the response which follows; None if it has begun."""

    def not_followed(self, job: FollowUpJob, error: ConnectionClosedError) -> None:
        """Record that the response which follows could not be asked for."""


class ToolRunner:
    """One connection's tools.

    Args:
        io: Where their answers are sent.
        rounds: The session's function calls.
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
        rounds: Rounds,
        connection: Any,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self._io = io
        self._state = io.state
        self._rounds = rounds
        # A weak reference, so that the task doesn't keep the connection alive.
        self._connection = weakref.ref(connection)
        self._toolbox = toolbox
        self._timeout = timeout
        self._approve = approve
        self._wake = asyncio.Event()
        self._calls = rounds.register_tools(self._wake.set)
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
        sessions = self._state.sessions
        context: ToolContext[Any] = ToolContext(connection, job.call_id, self._toolbox.state)
        try:
            if job.output is not None:
                output, is_silent = job.output, False
            elif job.refusal is not None:
                output, is_silent = error_output("too_many_calls", job.refusal), False
            else:
                async with TimeLimit(self._timeout, is_real=True):
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
            answer = self._rounds.output(job, output) if sessions == self._state.sessions else None
            if answer is not None:
                await self._send(self._state.client_events.write(answer))
        finally:
            self._calls.answered(job, silent=is_silent)

    async def _send(self, out: Outgoing) -> None:
        while True:
            try:
                await self._io.send(out, by_program=False)
                return
            except ConnectionClosedError as error:  # a sideband's session goes on, and waits for it
                is_of_link = type(error) is ConnectionClosedError
                if self._state.close_info is not None or not self._state.role.is_sideband or not is_of_link:
                    raise

    async def _decide(self, job: ApprovalJob) -> None:
        is_approved, sessions = False, self._state.sessions
        if self._approve is not None:
            try:
                decision = await contained(self._decision(self._approve, job), "approve")
                if not isinstance(decision, bool):
                    raise TypeError(f"approve: expected it to return a bool, got {type(decision).__name__}")
                is_approved = decision
            except Exception as error:
                logger.error("approve raised %s; the call is refused", type(error).__name__)
        try:
            if sessions == self._state.sessions:
                events = self._state.client_events
                answer = self._rounds.approval(job, events.next_id(), approve=is_approved)
                await self._send(events.write(answer))
        finally:
            self._calls.decided(job)

    async def _decision(self, approve: Callable[[dict[str, Any]], Any], job: ApprovalJob) -> Any:
        decision = approve(dict(job.item))
        return await decision if inspect.isawaitable(decision) else decision

    async def _follow_up(self, job: FollowUpJob) -> None:
        if job.is_again:
            await self._io.sleep(_REPEATED)
        ticket, sessions = self._state.wait_turn(), self._state.sessions
        try:
            await self._io.wait(ticket, None, "the previous response")
            if sessions != self._state.sessions:
                return
            events = self._state.client_events
            request = self._rounds.follow_up(job, events.next_id())
            if request is not None:
                await self._send(events.write(request))
        except ConnectionClosedError as error:  # also where only the program's budget is spent
            self._rounds.not_followed(job, error)
            raise
        finally:
            self._state.release(ticket)
