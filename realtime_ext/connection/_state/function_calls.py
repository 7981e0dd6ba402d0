"""Function calls of the model: which to run, and when to ask the model to continue.

Each call is run once, by its call id, in the order in which they came. When all calls of a response have
their outputs, one follow-up response is asked for, unless every output is to be silent. A call to an MCP
server's tool that needs permission holds its response open in the same way, until it has ended or was
refused.

Some servers continue by themselves once a call is approved, in another response; others run the call and wait
for the follow-up. Both are handled. It must not run anything.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import attrs

JSON = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class CallJob:
    """A function to be run.

    Args:
        call_id: The call's id.
        name: The function's name.
        arguments: JSON, as the model wrote it.
        response_id: The response that it came in.
        refusal: Why it is not run: what the model gets as an error; None for a call that is run.
        output: What it has returned already; None for a call that is run.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=False)
    response_id: str
    refusal: str | None = None
    output: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ApprovalJob:
    """A call to an MCP server's tool that needs permission.

    Args:
        item: The approval request.
        response_id: The response that it came in; empty where that doesn't count.
    """

    item: JSON = attrs.field(repr=False)
    response_id: str = ""


@attrs.frozen(kw_only=True)
class FollowUpJob:
    """A response to be asked for.

    Args:
        response_id: The response whose calls were answered.
        is_again: Whether that was done on a link which was lost soon after.
    """

    response_id: str
    is_again: bool = False


Job: TypeAlias = CallJob | ApprovalJob | FollowUpJob


@attrs.define
class _Group:
    """The calls of one response."""

    waiting: set[str] = attrs.field(factory=set)
    requests: set[str] = attrs.field(factory=set)  # for permission, whose calls have not ended
    count: int = 0
    wants_answer: bool = False
    wants_words: bool = False  # on what MCP servers' tools answered
    is_done: bool = False
    may_follow: bool = True


@attrs.define
class _Request:
    """A request for permission to call an MCP server's tool."""

    response_id: str | None = None
    is_approved: bool = False
    is_over: bool = False
    wants_words: bool = False


class FunctionCalls:
    """The function calls of one connection.

    Args:
        on_job: Called when there is a further job.
        on_settled: Called with the id of a response whose calls are all answered, and whether a follow-up
            comes.

    Attributes:
        on_job: As the argument.
    """

    def __init__(self, on_job: Callable[[], None], on_settled: Callable[[str, bool], None]) -> None:
        self._jobs: deque[Job] = deque()
        self.on_job: Callable[[], None] = on_job
        self._on_settled = on_settled
        self._seen: set[str] = set()
        self._groups: dict[str, _Group] = {}
        self._requests: dict[str, _Request] = {}
        self._sent: dict[str, str] = {}  # ids of events that answer a request, and the request's
        self._has_refused = False  # in the response before

    def next_job(self) -> Job | None:
        """Remove and return the oldest job; None if there is none now."""
        return self._jobs.popleft() if self._jobs else None

    def item_done(self, item: Any, response_id: Any) -> None:
        """Record a finished output item of a response."""
        if not isinstance(item, Mapping) or item.get("status") in ("incomplete", "in_progress"):
            return
        if item.get("type") == "mcp_approval_request":
            self._requested(item, response_id)
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

    def is_known(self, call_id: Any) -> bool:
        """Whether a call was, or is, to be run here."""
        return call_id in self._seen

    def link_lost(self) -> None:
        """Record that the ends of responses may go unseen: the model is asked to go on without them."""
        for response_id, group in tuple(self._groups.items()):
            group.is_done = True
            self._settle(response_id, group)

    def retrieved(self, item: JSON) -> None:
        """Record a call whose end, and its response's, went unseen while the link was down."""
        key = f"retrieved {item.get('call_id')}"
        self.item_done(item, key)
        if (group := self._groups.get(key)) is not None:
            group.is_done = True

    def response_done(self, response: JSON) -> bool:
        """Record a finished response; return whether it had calls that are, or were, answered here."""
        response_id = str(response.get("id"))
        output = response.get("output")
        may_follow = response.get("status") not in ("cancelled", "failed")
        if may_follow:
            for item in output if isinstance(output, list) else ():
                self.item_done(item, response_id)
        group = self._groups.get(response_id)
        if group is None:
            self._has_refused = False
            return False
        group.is_done = True
        group.may_follow = may_follow
        if not may_follow:
            for key in tuple(group.requests):
                self._end(key, wants_words=False)
        elif _has_words_last(output):
            group.wants_words = False
        if self._groups.get(response_id) is group:
            self._settle(response_id, group)
        return True

    def answered(self, job: CallJob, *, silent: bool) -> None:
        """Record that a call's output was sent."""
        group = self._groups.get(job.response_id)
        if group is not None:
            group.waiting.discard(job.call_id)
            group.wants_answer |= not silent
            self._settle(job.response_id, group)

    def deciding(self, job: ApprovalJob, event_id: str, *, approve: bool) -> None:
        """Record that the answer to a request for permission is about to be sent, as which event."""
        request = self._requests.get(str(job.item.get("id")))
        if request is not None:
            self._sent[event_id] = str(job.item.get("id"))
            request.is_approved = approve

    def decided(self, job: ApprovalJob) -> None:
        """Record that the answer was sent. The model speaks of a refusal once, and not if it insists."""
        key = str(job.item.get("id"))
        request = self._requests.get(key)
        if request is not None and not request.is_approved:
            self._end(key, wants_words=not self._has_refused)
            self._has_refused = True

    def refused(self, event_id: Any) -> None:
        """Record an error: nothing follows an answer to a request that the server refused."""
        key = self._sent.pop(event_id, None)
        if key is not None:
            self._end(key, wants_words=False)

    def mcp_ended(self) -> None:
        """Record the end of an MCP server's tool: the oldest call that was permitted."""
        key = next((k for k, r in self._requests.items() if r.is_approved and not r.is_over), None)
        if key is not None:
            self._end(key, wants_words=True)

    def continues(self, response_id: str) -> str | None:
        """Record the start of an unrequested response.

        Returns:
            The response that it continues, if that is one with a call that was permitted.
        """
        before: str | None = None
        for key, request in self._requests.items():
            if request.is_approved and not request.is_over:
                old, request.response_id = request.response_id, response_id
                self._groups.setdefault(response_id, _Group()).requests.add(key)
                if old is not None and (group := self._groups.get(old)) is not None:
                    before = before or old
                    group.requests.discard(key)
                    if group.is_done and not group.waiting and not group.requests and not group.wants_answer:
                        del self._groups[old]
        return before

    def retry(self, job: FollowUpJob) -> None:
        """Retry a follow-up that was refused because another response was active."""
        self._add(job)

    def give_up(self, response_ids: Collection[str]) -> None:
        """Don't ask for the responses that follow the calls of some."""
        for response_id in response_ids:
            if (group := self._groups.get(response_id)) is not None:
                group.may_follow = False
        follow_ups = [job for job in self._jobs if isinstance(job, FollowUpJob)]
        for job in follow_ups:
            if job.response_id in response_ids:
                self._jobs.remove(job)

    def forget(self) -> None:
        """Drop what is to be done: the session is a new one."""
        self._jobs.clear()
        self._groups.clear()
        self._requests.clear()
        self._sent.clear()

    def _requested(self, item: JSON, response_id: Any) -> None:
        key = str(item.get("id"))
        if self._is_new(f"approval {key}"):
            self._requests[key] = _Request()
            self._add(ApprovalJob(item=item))
        request = self._requests.get(key)
        if request is not None and request.response_id is None and response_id is not None:
            request.response_id = str(response_id)
            group = self._groups.setdefault(request.response_id, _Group())
            group.wants_words |= request.wants_words
            if not request.is_over:
                group.requests.add(key)

    def _end(self, key: str, *, wants_words: bool) -> None:
        request = self._requests.get(key)
        if request is None or request.is_over:
            return
        request.is_over, request.wants_words = True, wants_words
        group = self._groups.get(request.response_id) if request.response_id is not None else None
        if group is not None and request.response_id is not None:
            group.requests.discard(key)
            group.wants_words |= wants_words
            self._settle(request.response_id, group)

    def _settle(self, response_id: str, group: _Group) -> None:
        if group.waiting or group.requests or not group.is_done:
            return
        del self._groups[response_id]
        follows = (group.wants_answer or group.wants_words) and group.may_follow
        if follows:
            self._add(FollowUpJob(response_id=response_id))
        self._on_settled(response_id, follows)

    def _is_new(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _add(self, job: Job) -> None:
        self._jobs.append(job)
        self.on_job()


def _has_words_last(output: Any) -> bool:
    """Return whether a response has a message behind its last call of an MCP server's tool."""
    kinds = (
        [item.get("type") for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
    )
    last_call = max((index for index, kind in enumerate(kinds) if kind == "mcp_call"), default=None)
    return last_call is not None and "message" in kinds[last_call:]


def output_item(job: CallJob, output: str, *, type: str = "conversation.item.create") -> dict[str, Any]:
    """Return the event of a type that answers a call."""
    item = {"type": "function_call_output", "call_id": job.call_id, "output": output}
    return {"type": type, "item": item}


def approval_item(
    job: ApprovalJob, *, approve: bool, type: str = "conversation.item.create"
) -> dict[str, Any]:
    """Return the event of a type that answers a request for permission."""
    item = {
        "type": "mcp_approval_response",
        "id": f"mcpr_{uuid.uuid4().hex[:24]}",
        "approval_request_id": str(job.item.get("id")),
        "approve": approve,
    }
    return {"type": type, "item": item}
