"""The function calls of a Live session's backend: which to run, and when the backend is to go on.

The backend's responses come nested in `response.event`, those of one delegation one after the other. When all
calls of the session have their outputs and their responses are completed, one `response.create` is sent: the
API refuses a part of the outputs, and outputs for a response that failed. Before its end nothing tells
whether it has further calls: each is announced once the one before it is done. It must not run anything.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from .claims import Claims
from .function_calls import ApprovalJob, CallJob, FollowUpJob, Job, approval_item, output_item
from .messages import JSON, text_or_none

logger: logging.Logger = logging.getLogger("realtime_ext")

MOST_ROUNDS = 10
_CREATE = "response.item.create"
_FAILURES = ("response.failed", "response.incomplete", "response.cancelled")
_ID = re.compile(r"\bcall_[\w-]+")
_LATE = 16
_MISSED = '{"error":{"type":"missed","message":"the call did not arrive: make it again"}}'
_REMEMBERED = 256  # responses that have ended
_REPEATABLE = 64  # outputs that can be sent again
_TOO_MANY = (
    "functions were called {} times for this request: answer with what is known, without a further call"
)


@attrs.define
class _Round:
    """A response of the backend with calls."""

    number: int
    waiting: set[str] = attrs.field(factory=set)  # ids of calls and of requests for permission
    held: list[CallJob | ApprovalJob] = attrs.field(factory=list)  # until the response's id is known
    wants_answer: bool = False
    is_done: bool = False


@attrs.define
class _Delegation:
    """What is known of a delegation's responses."""

    response_id: str | None = None  # of the one that goes on; None if its start was not seen
    rounds: int = 0  # with calls, so far
    current: _Round | None = None


class Backend:
    """The function calls of one connection's session.

    Attributes:
        claims: What the connections of the session in this process do.
        most_rounds: How often in sequence calls of a delegation are run.
        is_registered: Whether functions are run here.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_delegations",
        "_ended",
        "_follow",
        "_jobs",
        "_late",
        "_on_job",
        "_outputs",
        "_rounds",
        "_seen",
        "claims",
        "is_registered",
        "most_rounds",
    )

    def __init__(self) -> None:
        self.claims: Claims = Claims()
        self.most_rounds: int = MOST_ROUNDS
        self.is_registered: bool = False
        self._on_job: Callable[[], None] = lambda: None
        self._jobs: deque[Job] = deque()
        self._delegations: dict[str, _Delegation] = {}
        self._rounds: dict[str, _Round] = {}  # that are worked on, by response
        self._seen: set[str] = set()  # ids of calls and requests
        self._ended: dict[str, None] = {}
        self._follow: str | None = None  # the response after which the backend is to go on
        self._asked: str | None = None  # the one after which it was asked to, and did not yet
        self._outputs: dict[str, str] = {}  # that were sent since it went on last, by call
        self._late: deque[tuple[str, _Round]] = deque(maxlen=_LATE)  # that ended before tools were registered

    def register_tools(self, on_job: Callable[[], None]) -> Backend:
        """Begin to run function calls, also those that came before; `on_job` is called when there is one."""
        self._on_job, self.is_registered = on_job, True
        late, self._late = self._late, deque()
        for response_id, round in late:
            self._release(response_id, round)
            self._settle(response_id)
        for delegation in self._delegations.values():
            if delegation.current is not None and delegation.response_id is not None:
                self._release(delegation.response_id, delegation.current)
        return self

    def apply(self, delegation_id: Any, event: Any) -> None:
        """Apply a nested event of the backend.

        Args:
            delegation_id: The delegation's id; None for one that has none.
            event: The event, as JSON.
        """
        if not isinstance(event, Mapping):
            return
        kind, response, item = event.get("type"), event.get("response"), event.get("item")
        key = text_or_none(delegation_id) or ""
        if kind == "response.created" and isinstance(response, Mapping):
            self._begun(key, text_or_none(response.get("id")))
        elif kind == "response.output_item.done" and isinstance(item, Mapping):
            self._item_done(key, item)
        elif kind == "response.completed" and isinstance(response, Mapping):
            self._completed(key, text_or_none(response.get("id")))
        elif kind in _FAILURES:
            self._failed(key)

    def take_over(self, functions: Mapping[str, tuple[str, str]], done: Collection[str]) -> None:
        """Run function calls that another program left, once tools are registered, as those of one response.

        Args:
            functions: Their names and arguments, by their ids.
            done: The ids of those that need nothing more.
        """
        known = {*functions, *done}
        current = [one.current for one in self._delegations.values() if one.current is not None]
        for round in (*current, *(late for _, late in self._late)):
            round.waiting -= known
            round.held = [job for job in round.held if _id_of(job) not in known]
        self._seen |= known
        left = _Round(1, is_done=True)  # its end may have gone unseen
        for call_id, (name, arguments) in functions.items():
            left.waiting.add(call_id)
            left.held.append(CallJob(call_id=call_id, name=name, arguments=arguments, response_id=""))
        if left.held:
            self._late.append((f"handover {id(self)}", left))

    # Jobs

    def next_job(self) -> Job | None:
        """Remove and return the oldest job; None if there is none now."""
        return self._jobs.popleft() if self._jobs else None

    def output(self, job: CallJob, output: str) -> dict[str, Any] | None:
        """Return the event that answers a call; None if its response has failed meanwhile."""
        if job.response_id not in self._rounds:
            return None
        if job.output is None and len(self._outputs) < _REPEATABLE:
            self._outputs[job.call_id] = output
        return output_item(job, output, type=_CREATE)

    def answered(self, job: CallJob, *, silent: bool) -> None:
        """Record that a call's output was sent."""
        self._answered(job.response_id, job.call_id, wants_answer=not silent)

    def approval(self, job: ApprovalJob, event_id: str, *, approve: bool) -> dict[str, Any]:
        """Return the event that answers a request for permission, and has this id."""
        return {"event_id": event_id, **approval_item(job, approve=approve, type=_CREATE)}

    def decided(self, job: ApprovalJob) -> None:
        """Record that the answer to a request for permission was sent."""
        self._answered(job.response_id, str(job.item.get("id")), wants_answer=True)

    def follow_up(self, job: FollowUpJob, event_id: str) -> dict[str, Any] | None:
        """Return the event by which the backend goes on, and which has this id; None if it has gone on."""
        if job.is_again and job.response_id != self._asked:
            return None
        self._asked = job.response_id
        return {"type": "response.create", "event_id": event_id}

    def not_followed(self, job: FollowUpJob, error: Exception) -> None:
        """Record that the backend could not be asked to go on; a new link asks it again."""

    def outputs_required(self, message: str) -> None:
        """Send the outputs that the server misses, again or at last, and let the backend go on.

        Args:
            message: The server's refusal, which names the calls.
        """
        round = _Round(1, is_done=True)
        for call_id in dict.fromkeys(_ID.findall(message)):
            output = self._outputs.pop(call_id, None)
            if output is None and call_id in self._seen:
                continue  # its function runs
            self._seen.add(call_id)
            round.waiting.add(call_id)
            round.held.append(
                CallJob(call_id=call_id, name="", arguments="", response_id="", output=output or _MISSED)
            )
        if round.held:
            self._release(f"required {' '.join(sorted(round.waiting))}", round)

    # The link

    def link_restored(self) -> None:
        """Ask the backend once more to go on, if it has not: that may have been lost with the link."""
        if self._asked is not None:
            self._add(FollowUpJob(response_id=self._asked, is_again=True))

    def link_lost(self) -> None:
        """Record that the ends of responses may go unseen: the backend is to go on without them."""
        for response_id, round in tuple(self._rounds.items()):
            round.is_done = True
            self._settle(response_id)

    def forget(self) -> None:
        """Drop what is to be done: the session is a new one."""
        self._jobs.clear()
        self._delegations.clear()
        self._rounds.clear()
        self._late.clear()
        self._outputs.clear()
        self._follow = self._asked = None

    # Responses

    def _begun(self, key: str, response_id: str | None) -> None:
        delegation = self._delegations.setdefault(key, _Delegation())
        delegation.response_id, delegation.current = response_id, None
        if self._asked is not None:
            self._asked = None
            self._outputs.clear()

    def _item_done(self, key: str, item: JSON) -> None:
        item_id = text_or_none(item.get("call_id" if item.get("type") == "function_call" else "id"))
        if item_id is None or item_id in self._seen or item.get("status") in ("incomplete", "in_progress"):
            return
        job: CallJob | ApprovalJob
        if item.get("type") == "function_call" and isinstance(name := item.get("name"), str):
            arguments = item.get("arguments")
            text = arguments if isinstance(arguments, str) else ""
            job = CallJob(call_id=item_id, name=name, arguments=text, response_id="")
        elif item.get("type") == "mcp_approval_request":
            job = ApprovalJob(item=item)
        else:
            return
        self._seen.add(item_id)
        delegation = self._delegations.setdefault(key, _Delegation())
        round = delegation.current
        if round is None:
            delegation.rounds += 1
            round = delegation.current = _Round(delegation.rounds)
        elif round.is_done:  # it was taken for done when the link was lost, and goes on
            round.is_done = False
            self._ended.pop(delegation.response_id or "", None)
        round.waiting.add(item_id)
        round.held.append(job)
        if delegation.response_id is not None:
            self._release(delegation.response_id, round)

    def _release(self, response_id: str, round: _Round) -> None:
        """Run the calls of a round, unless another connection does, or there were too many rounds."""
        if not self.is_registered:
            return
        held, round.held = round.held, []
        if response_id in self._ended or not self.claims.claim(response_id, self):
            return
        if round.number > self.most_rounds + 1 and response_id not in self._rounds:
            logger.warning("the backend still calls functions after %d rounds", self.most_rounds)
        self._rounds[response_id] = round
        refusal = _TOO_MANY.format(self.most_rounds) if round.number > self.most_rounds else None
        for job in held:
            job = attrs.evolve(job, response_id=response_id)
            self._add(job if isinstance(job, ApprovalJob) else attrs.evolve(job, refusal=refusal))

    def _completed(self, key: str, response_id: str | None) -> None:
        delegation = self._delegations.get(key)
        if delegation is None:
            return
        round, response_id = delegation.current, response_id or delegation.response_id
        if round is None:
            del self._delegations[key]  # it has its answer
            return
        delegation.response_id, delegation.current = None, None
        if response_id is not None:
            round.is_done = True
            if not self.is_registered:
                self._late.append((response_id, round))
            elif round.held:
                self._release(response_id, round)
            self._settle(response_id)

    def _failed(self, key: str) -> None:
        delegation = self._delegations.pop(key, None)
        if delegation is not None and delegation.response_id is not None:
            self._end(delegation.response_id)

    def _answered(self, response_id: str, item_id: str, *, wants_answer: bool) -> None:
        round = self._rounds.get(response_id)
        if round is not None:
            round.waiting.discard(item_id)
            round.wants_answer |= wants_answer
            self._settle(response_id)

    def _settle(self, response_id: str) -> None:
        round = self._rounds.get(response_id)
        if round is not None and round.is_done and not round.waiting:
            if round.wants_answer and round.number <= self.most_rounds + 1:
                self._follow = response_id
            self._end(response_id)

    def _end(self, response_id: str) -> None:
        """Record that a response needs nothing more; the last one of the session lets the backend go on."""
        self._rounds.pop(response_id, None)
        if len(self._ended) >= _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._ended[response_id] = None
        self._jobs = deque(job for job in self._jobs if job.response_id != response_id)
        if self._follow is not None and not any(one.waiting for one in self._rounds.values()):
            follow, self._follow = self._follow, None
            self._add(FollowUpJob(response_id=follow))

    def _add(self, job: Job) -> None:
        self._jobs.append(job)
        self._on_job()


def _id_of(job: CallJob | ApprovalJob) -> str:
    return job.call_id if isinstance(job, CallJob) else str(job.item.get("id"))
