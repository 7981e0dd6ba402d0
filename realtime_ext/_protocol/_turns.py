"""The turns that are going on, and the function calls within and beside them.

The job: know which response belongs to which turn, and when a turn goes on after a response. It must not
send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._inbox import Budget
from ._tooling import FollowUpJob, ToolDesk
from ._turn import MARK, TurnStream

__all__ = ["BUSY", "Turns"]

JSON = Mapping[str, Any]

BUSY = "conversation_already_has_active_response"


class Turns:
    """One connection's turns.

    Args:
        budget: What events that wait in turns count against.

    Attributes:
        desk: The function calls, once tools are registered.
    """

    __slots__ = ("_budget", "_echoes", "_follow_ups", "_goes_on", "_streams", "desk")

    def __init__(self, budget: Budget) -> None:
        self.desk: ToolDesk | None = None
        self._budget = budget
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

    def register_tools(self, on_job: Callable[[], None]) -> ToolDesk:
        """Begin to collect function calls."""
        self.desk = ToolDesk(on_job, self._settled)
        return self.desk

    def created(self, response: JSON) -> None:
        """Take a response's start."""
        metadata = response.get("metadata")
        self._echoes |= isinstance(metadata, Mapping) and MARK in metadata
        for stream in self._streams:
            if stream.claims(response, echoes=self._echoes):
                return

    def done(self, response: JSON) -> None:
        """Take a response's end, before its event is put."""
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
                warns |= stream.put(content, event, size, is_repeated=is_repeated)
                response = content.get("response")
                if event.type == "response.done" and isinstance(response, Mapping):
                    stream.response_done(response, goes_on=self._goes_on)
        return is_taken, warns

    def refused(self, event_id: Any, code: Any, error: Callable[[], Exception]) -> None:
        """Take an error event."""
        for stream in self._streams:
            stream.refused(event_id, error(), is_busy=code == BUSY and event_id not in self._follow_ups)
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

    def answered(self, response_id: str, call_id: str, output: str) -> None:
        """Let a turn know what its tool answered."""
        stream = self._of(response_id)
        if stream is not None:
            stream.answered(call_id, output)

    def reset(self, error: Callable[[], Exception]) -> None:
        """End all turns: their responses went with the link."""
        for stream in self._streams:
            stream.fail(error())
        self._follow_ups.clear()

    def _settled(self, response_id: str, follows: bool) -> None:
        stream = self._of(response_id)
        if stream is not None and not follows:
            stream.end()

    def _of(self, response_id: str) -> TurnStream | None:
        return next((s for s in self._streams if s.owns({"response_id": response_id})), None)
