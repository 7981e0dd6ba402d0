"""The thread that runs tools, beside the reader. What is run and what follows is the protocol's to decide."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import ConnectionClosedError
from ...tools import Toolbox, ToolContext, ToolResult, error_output
from ..state import _shortcuts as shortcuts
from ..state._tooling import ApprovalJob, CallJob, FollowUpJob, output_item

if TYPE_CHECKING:
    from ._connection import Connection

__all__ = ["ToolThread"]

logger = logging.getLogger("realtime_ext")

_JOIN_TIMEOUT = 1.0  # seconds; only `approve` could take longer


class ToolThread:
    """One connection's tools.

    Args:
        connection: Whose calls they answer.
        toolbox: The tools.
        timeout: Seconds that a call may take; None for no limit.
        approve: Decides on calls to MCP servers' tools; None refuses all.
    """

    def __init__(
        self,
        connection: Connection,
        toolbox: Toolbox,
        timeout: float | None,
        approve: Callable[[Any], bool] | None,
    ) -> None:
        self._connection = connection
        self._lock = connection._lock
        self._toolbox = toolbox
        self._timeout = timeout
        self._approve = approve
        self._wake = threading.Event()
        self._progress = threading.Condition()  # a tool has finished, or there is an end to all this
        with self._lock:
            self._desk = connection._core.turns.register_tools(self._wake.set)
        self.thread = threading.Thread(target=self._run, name="realtime_ext tools", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End it, after the connection has ended; it must not be called by a tool."""
        self._wake.set()
        with self._progress:
            self._progress.notify_all()
        self.thread.join(_JOIN_TIMEOUT)

    def _run(self) -> None:
        core = self._connection._core
        while core.ending is None:
            with self._lock:
                job = self._desk.jobs.popleft() if self._desk.jobs else None
                if job is None:
                    self._wake.clear()
            if job is None:
                self._wake.wait()
                continue
            try:
                if isinstance(job, CallJob):
                    self._call(job)
                elif isinstance(job, ApprovalJob):
                    self._decide(job)
                else:
                    self._follow(job)
            except ConnectionClosedError:
                continue  # over, or the link is mended and the session a new one
            except Exception as fault:
                logger.error("answering a call of the model failed: %s", type(fault).__name__)

    def _call(self, job: CallJob) -> None:
        result = self._result(job)
        if result is None and self._connection._core.ending is not None:
            return
        if result is None:
            logger.warning("tool %s took longer than %s s", job.name, self._timeout)
            output = error_output("timeout", f"{job.name} did not finish within {self._timeout:g} s")
            result = ToolResult(output=output)
        with self._lock:
            self._connection._core.turns.answered(job.response_id, job.call_id, result.output)
        try:
            self._connection._send_own(output_item(job, result.output))
        finally:
            with self._lock:
                self._desk.answered(job, silent=result.silent)

    def _result(self, job: CallJob) -> ToolResult | None:
        """Run a tool in a thread of its own, for a thread can't be stopped; None if it isn't waited for."""
        context: ToolContext[Any] = ToolContext(self._connection, job.call_id, self._toolbox.state)
        core, progress = self._connection._core, self._progress
        results: list[ToolResult] = []
        finished = threading.Event()

        def run() -> None:
            try:
                results.append(self._toolbox.run(job.name, job.arguments, context=context))
            finally:
                finished.set()
                with progress:
                    progress.notify_all()

        threading.Thread(target=run, name=f"realtime_ext tool {job.name}", daemon=True).start()
        with progress:
            progress.wait_for(lambda: finished.is_set() or core.ending is not None, self._timeout)
        return results[0] if results else None

    def _decide(self, job: ApprovalJob) -> None:
        is_approved = False
        if self._approve is not None:
            try:
                decision = self._approve(self._connection._item(dict(job.item)))
                is_approved = shortcuts.check_approval(decision)
            except Exception as fault:
                logger.error("approve raised %s; the call is refused", type(fault).__name__)
        with self._lock:
            out = self._connection._core.approval(job, approve=is_approved)
        try:
            self._connection._send(out)
        finally:
            with self._lock:
                self._desk.decided(job)

    def _follow(self, job: FollowUpJob) -> None:
        core = self._connection._core
        with self._lock:
            ticket = core.wait_turn()
        try:
            self._connection._wait(ticket, None, "the response before")
            with self._lock:
                out = core.follow_up(job)
            self._connection._send(out)
        finally:
            with self._lock:
                core.effects.responses.leave(ticket)
