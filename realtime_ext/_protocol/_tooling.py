"""Function calls of the model: which are to be run, and when the model is asked to go on.

Each call is run once, by its call id, in the order in which they came. When all calls of a response have
their outputs, one follow-up response is asked for, unless every output is to be silent. It must not run
anything.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

__all__ = ["ApprovalJob", "CallJob", "FollowUpJob", "Job", "ToolDesk", "approval_item", "output_item"]

JSON = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class CallJob:
    """A function to be run.

    Args:
        call_id: The call's id.
        name: The function's name.
        arguments: JSON, as the model wrote it.
        response_id: The response that it came in.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=False)
    response_id: str


@attrs.frozen(kw_only=True)
class ApprovalJob:
    """A call to an MCP server's tool that needs leave.

    Args:
        item: The approval request.
    """

    item: JSON = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class FollowUpJob:
    """A response to be asked for.

    Args:
        response_id: The response whose calls were answered.
    """

    response_id: str


Job: TypeAlias = CallJob | ApprovalJob | FollowUpJob


@attrs.define
class _Group:
    """The calls of one response."""

    waiting: set[str] = attrs.field(factory=set)
    count: int = 0
    wants_answer: bool = False
    is_done: bool = False
    may_follow: bool = True


class ToolDesk:
    """The calls of one connection.

    Args:
        on_job: Called when `jobs` has got something to do.
        on_settled: Called with the id of a response whose calls are all answered, and whether a follow-up
            comes.
    """

    def __init__(self, on_job: Callable[[], None], on_settled: Callable[[str, bool], None]) -> None:
        self.jobs: deque[Job] = deque()
        self._on_job = on_job
        self._on_settled = on_settled
        self._seen: set[str] = set()
        self._groups: dict[str, _Group] = {}

    def item_done(self, item: Any, response_id: Any) -> None:
        """Take a finished output item of a response."""
        if not isinstance(item, Mapping) or item.get("status") in ("incomplete", "in_progress"):
            return
        if item.get("type") == "mcp_approval_request":
            if self._is_new(f"approval {item.get('id')}"):
                self._add(ApprovalJob(item=item))
        elif item.get("type") == "function_call":
            call_id, name = item.get("call_id"), item.get("name")
            if isinstance(call_id, str) and isinstance(name, str) and self._is_new(call_id):
                group = self._groups.setdefault(str(response_id), _Group())
                group.waiting.add(call_id)
                group.count += 1
                arguments = item.get("arguments")
                self._add(
                    CallJob(
                        call_id=call_id,
                        name=name,
                        arguments=arguments if isinstance(arguments, str) else "",
                        response_id=str(response_id),
                    )
                )

    def response_done(self, response: JSON) -> bool:
        """Take a finished response; say whether it had calls that are, or were, answered here."""
        response_id = str(response.get("id"))
        output = response.get("output")
        may_follow = response.get("status") not in ("cancelled", "failed")
        if may_follow:
            for item in output if isinstance(output, list) else ():
                self.item_done(item, response_id)
        group = self._groups.get(response_id)
        if group is None:
            return False
        group.is_done = True
        group.may_follow = may_follow
        self._settle(response_id, group)
        return True

    def is_open(self, response_id: str) -> bool:
        """Whether a response has calls whose outputs have not all been sent."""
        return response_id in self._groups

    def answered(self, job: CallJob, *, silent: bool) -> None:
        """Note that a call's output was sent."""
        group = self._groups.get(job.response_id)
        if group is not None:
            group.waiting.discard(job.call_id)
            group.wants_answer |= not silent
            self._settle(job.response_id, group)

    def again(self, job: FollowUpJob) -> None:
        """Take a follow-up back that was refused because another response was going on."""
        self._add(job)

    def forget(self) -> None:
        """Drop what is to be done: the session is a new one."""
        self.jobs.clear()
        self._groups.clear()

    def _settle(self, response_id: str, group: _Group) -> None:
        if group.waiting or not group.is_done:
            return
        del self._groups[response_id]
        follows = group.wants_answer and group.may_follow
        if follows:
            self._add(FollowUpJob(response_id=response_id))
        self._on_settled(response_id, follows)

    def _is_new(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _add(self, job: Job) -> None:
        self.jobs.append(job)
        self._on_job()


def output_item(job: CallJob, output: str) -> dict[str, Any]:
    """Make the event that answers a call."""
    item = {"type": "function_call_output", "call_id": job.call_id, "output": output}
    return {"type": "conversation.item.create", "item": item}


def approval_item(job: ApprovalJob, *, approve: bool, reason: str | None = None) -> dict[str, Any]:
    """Make the event that answers an approval request."""
    item: dict[str, Any] = {
        "type": "mcp_approval_response",
        "id": f"mcpr_{uuid.uuid4().hex[:24]}",
        "approval_request_id": str(job.item.get("id")),
        "approve": approve,
    }
    if reason is not None:
        item["reason"] = reason
    return {"type": "conversation.item.create", "item": item}
