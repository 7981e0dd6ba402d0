"""The turns that are going on, and the function calls within and beside them.

The job: know which response belongs to which turn, and when a turn goes on after a response. It must not
send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._early import EarlyEvents, response_id_of
from ._inbox import Budget
from ._responses import End
from ._tooling import ApprovalJob, FollowUpJob, ToolDesk, approval_item
from ._turn import MARK, TurnStream

__all__ = ["BUSY", "Turns"]

JSON = Mapping[str, Any]

BUSY = "conversation_already_has_active_response"


class Turns:
    """One connection's turns.

    Args:
        budget: What events that wait in turns count against.
        sees_all: Whether no response can have begun before this connection did.

    Attributes:
        desk: The function calls, once tools are registered.
    """

    __slots__ = (
        "_budget",
        "_early",
        "_echoes",
        "_end",
        "_follow_ups",
        "_goes_on",
        "_other",
        "_sees_all",
        "_streams",
        "desk",
    )

    def __init__(self, budget: Budget, *, sees_all: bool = True) -> None:
        self.desk: ToolDesk | None = None
        self._budget = budget
        self._sees_all = sees_all
        self._early: EarlyEvents | None = None  # while a turn waits for its response
        self._other: str | None = None  # the latest response that is of no turn
        self._end = End.IN_ORDER  # what the response.done is that is about to be put
        self._streams: list[TurnStream] = []
        self._echoes = False  # whether the server was seen to send metadata back
        self._goes_on = False
        self._follow_ups: dict[str, FollowUpJob] = {}

    def open(self, mark: str) -> TurnStream:
        """Begin a turn."""
        stream = TurnStream(mark, self._budget)
        self._streams.append(stream)
        return stream

    def close(self, stream: TurnStream) -> None:
        """End a turn's collecting."""
        stream.discard()
        if stream in self._streams:
            self._streams.remove(stream)
        if not self._streams:
            self._early = None

    def register_tools(self, on_job: Callable[[], None]) -> ToolDesk:
        """Begin to collect function calls."""
        self.desk = ToolDesk(on_job, self._settled)
        return self.desk

    def created(self, response: JSON, *, is_late: bool) -> None:
        """Take a response's start.

        Args:
            response: It.
            is_late: Whether its end came before.
        """
        self._learn(response)
        response_id = str(response.get("id"))
        if is_late and (self._early is None or not self._early.has_end(response_id)):
            return  # its turn is known, and over
        if not self._claim(response, needs_mark=self._echoes or bool(response.get("metadata"))):
            stream = self._going_on(response)
            if stream is None:
                self._other = response_id
            else:
                stream.adopt(response_id)

    def done(self, response: JSON, end: End) -> None:
        """Take a response's end, before its event is put."""
        self._end = end
        if end is End.REPEATED:
            return
        if end is End.EARLY:
            self._learn(response)
            # Another's may have begun before this connection; a server that knows metadata says null then.
            is_unmarked = not response.get("metadata") and (self._sees_all or "metadata" not in response)
            self._claim(response, needs_mark=self._echoes or not is_unmarked)
        self._goes_on = self.desk is not None and self.desk.response_done(response)

    def put(self, content: JSON, event: Any, size: int, *, is_repeated: bool = False) -> tuple[bool, bool]:
        """Hand an event to the turns that it belongs to.

        Args:
            content: Its JSON.
            event: It.
            size: The bytes that it counts for.
            is_repeated: Whether it came before, and adds nothing.

        Returns:
            Whether there was one, and whether a budget warns.
        """
        is_taken = warns = False
        for stream in self._streams:
            if stream.owns(content):
                is_taken = True
                is_end = event.type == "response.done"
                is_repeated |= is_end and self._end is End.REPEATED
                warns |= stream.put(content, event, size, is_repeated=is_repeated)
                if is_end and not is_repeated and isinstance(response := content.get("response"), Mapping):
                    stream.response_done(response, goes_on=self._goes_on)
        if not is_taken and self._streams:
            self._hold(content, event, size, is_repeated)
        return is_taken, warns

    def refused(self, event_id: Any, code: Any, error: Callable[[], Exception]) -> None:
        """Take an error event."""
        for stream in self._streams:
            stream.refused(event_id, error(), is_busy=code == BUSY and event_id not in self._follow_ups)
        if self.desk is not None:
            self.desk.refused(event_id)
        job = self._follow_ups.pop(event_id, None)
        if job is not None and code == BUSY and self.desk is not None:
            self.desk.again(job)

    def follow_up(self, job: FollowUpJob, event_id: str) -> dict[str, Any]:
        """Make the request for the response that follows a response's tools.

        Args:
            job: What is to follow.
            event_id: The id that the request will have.
        """
        self._follow_ups[event_id] = job
        content: dict[str, Any] = {"type": "response.create", "event_id": event_id}
        stream = self._of(job.response_id)
        if stream is not None:
            content["response"] = {"metadata": {MARK: stream.mark}}
            stream.expects(event_id)
        return content

    def approval(self, job: ApprovalJob, event_id: str, *, approve: bool) -> dict[str, Any]:
        """Make the answer to a request for leave.

        Args:
            job: The request.
            event_id: The id that the event will have.
            approve: Whether leave is given.
        """
        if self.desk is not None:
            self.desk.deciding(job, event_id, approve=approve)
        return {"event_id": event_id, **approval_item(job, approve=approve)}

    def mcp_ended(self) -> None:
        """Take the end of an MCP server's tool."""
        if self.desk is not None:
            self.desk.mcp_ended()

    def answered(self, response_id: str, call_id: str, output: str) -> None:
        """Let a turn know what its tool answered."""
        stream = self._of(response_id)
        if stream is not None:
            stream.answered(call_id, output)

    def reset(self, error: Callable[[], Exception]) -> None:
        """End the turns that were begun: their responses went with the link. Others begin on the next one."""
        for stream in self._streams:
            if stream.has_asked:
                stream.fail(error())
        self._follow_ups.clear()
        self._early = None

    def _learn(self, response: JSON) -> None:
        metadata = response.get("metadata")
        self._echoes |= isinstance(metadata, Mapping) and MARK in metadata

    def _claim(self, response: JSON, *, needs_mark: bool) -> bool:
        """Give a response, and what came of it already, to its turn; say whether it has one."""
        for stream in self._streams:
            if stream.claims(response, needs_mark=needs_mark):
                response_id = str(response.get("id"))
                for content, event, size, is_repeated in self._early.take(response_id) if self._early else ():
                    stream.put(content, event, size, is_repeated=is_repeated)
                    if event.type == "response.done" and not is_repeated:
                        goes_on = self.desk is not None and self.desk.is_open(response_id)
                        stream.response_done(content["response"], goes_on=goes_on)
                return True
        return False

    def _going_on(self, response: JSON) -> TurnStream | None:
        """The turn that a response goes on with which nobody asked for: a call that leave was given to."""
        if self.desk is None or response.get("metadata"):
            return None
        before = self.desk.goes_on(str(response.get("id")))
        return None if before is None else self._of(before)

    def _hold(self, content: JSON, event: Any, size: int, is_repeated: bool) -> None:
        """Keep an event that may be of a turn which waits for its response to begin."""
        if not any(stream.is_waiting for stream in self._streams):
            self._early = None
            return
        response_id = response_id_of(content)
        if response_id is not None and response_id != self._other:
            if self._early is None:
                self._early = EarlyEvents()
            is_repeated |= event.type == "response.done" and self._end is End.REPEATED
            self._early.hold(response_id, (content, event, size, is_repeated))

    def _settled(self, response_id: str, follows: bool) -> None:
        stream = self._of(response_id)
        if stream is not None and not follows:
            stream.end()

    def _of(self, response_id: str) -> TurnStream | None:
        return next((s for s in self._streams if s.owns({"response_id": response_id})), None)
