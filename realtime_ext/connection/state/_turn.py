"""One turn of the model: from asking for a response to the end of the last one that it takes.

With tools registered, a turn goes on over their calls to the final message. It must not send, nor play.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from ...errors import APITimeoutError
from ._inbox import Budget
from ._turn_record import Turn, TurnRecord
from ._waiters import Waiter

__all__ = ["MARK", "TurnStream"]

JSON = Mapping[str, Any]

MARK = "realtime_ext_turn"  # the key in a response's metadata by which a turn knows its own responses


class TurnStream:
    """The events of one turn, as they come.

    Args:
        mark: The turn's own mark in its responses' metadata.
        budget: What waiting events count against.

    Attributes:
        mark: The same.
        is_over: Whether the last event has come.
        must_ask: Whether the response has to be asked for (again), when it is this turn's turn.
        events: What has come and was not taken.
    """

    def __init__(self, mark: str, budget: Budget) -> None:
        self.mark = mark
        self.is_over = False
        self.must_ask = True
        self.events: deque[tuple[Any, int]] = deque()
        self._budget = budget
        self._error: Exception | None = None
        self._waiter: Waiter[None] | None = None
        self._asked: set[str] = set()  # ids of events whose refusal ends the turn
        self._creates: set[str] = set()  # those among them that ask for a response
        self._open: str | None = None  # the response that is going on
        self._is_waiting = False  # for a response.created
        self._is_sure = False
        self._record = TurnRecord()

    @property
    def has_asked(self) -> bool:
        """Whether anything was sent for this turn."""
        return bool(self._asked or self._creates)

    def sending(self, kind: str, event_id: str) -> None:
        """Note an event of this turn that is about to be sent."""
        if kind == "response.create":
            self.expects(event_id)
        else:
            self._asked.add(event_id)

    def expects(self, event_id: str) -> None:
        """Note that a response of this turn is about to be asked for."""
        self._creates.add(event_id)
        self._is_waiting, self.must_ask = True, False

    @property
    def active_response(self) -> str | None:
        """The id of the response that is going on."""
        return self._open

    @property
    def is_unanswered(self) -> bool:
        """Whether a response is going on, or was asked for and has not begun."""
        return not self.is_over and (self._open is not None or self._is_waiting)

    @property
    def is_waiting(self) -> bool:
        """Whether a response was asked for and none has come."""
        return self._is_waiting and not self.is_over

    def claims(self, response: JSON, *, needs_mark: bool) -> bool:
        """Whether a response that was not heard of before is this turn's.

        Args:
            response: It.
            needs_mark: Whether only the turn's mark counts, and not that the turn waits for a response.
        """
        if not self.is_waiting:
            return False
        metadata = response.get("metadata")
        is_marked = isinstance(metadata, Mapping) and metadata.get(MARK) == self.mark
        if needs_mark and not is_marked:
            return False
        response_id = str(response.get("id"))
        if response_id not in self._record.ids:
            self._record.ids.append(response_id)
        self._open, self._is_waiting, self._is_sure = response_id, False, is_marked
        return True

    def adopt(self, response_id: str) -> None:
        """Take a response that the server began by itself for one of this turn."""
        if response_id not in self._record.ids:
            self._record.ids.append(response_id)
        self._open = response_id

    def owns(self, content: JSON) -> bool:
        """Whether an event is about one of this turn's responses."""
        response_id = content.get("response_id")
        if response_id is None:
            response = content.get("response")
            if isinstance(response, Mapping):
                response_id = response.get("id")
            else:
                kind = content.get("type")
                return (
                    isinstance(kind, str)
                    and kind.startswith("response.")
                    and content.get("item_id") in self._record.items
                )
        return response_id in self._record.ids

    def put(self, content: JSON, event: Any, size: int, *, is_repeated: bool = False) -> bool:
        """Take an event that this turn owns; a repeated one adds nothing. The result is `Budget.add`'s."""
        if not is_repeated:
            self._record.collect(content)
        self.events.append((event, size))
        warn = self._budget.add(size)
        self._wake()
        return warn

    def take(self) -> Any:
        """Give the oldest event.

        Raises:
            IndexError: There is none.
        """
        event, size = self.events.popleft()
        self._budget.release(size)
        return event

    def refused(self, event_id: str | None, error: Exception, *, is_busy: bool) -> None:
        """Take a refusal.

        Args:
            event_id: The event that was refused; another's is passed over.
            error: The refusal.
            is_busy: Whether it only says that another response is going on. Then what was taken for this
                turn's response, for want of a mark, was that other one, and it has to be asked for again.
        """
        if event_id in self._creates and is_busy:
            if not self._is_sure:
                self._record.drop_last()
                self._open = None
                self.is_over = False
            self._is_waiting = False
            self.must_ask = True
            self._wake()
        elif event_id in self._asked or event_id in self._creates:
            self.fail(error)

    def answered(self, call_id: str, output: str) -> None:
        """Note a tool's output."""
        self._record.answered(call_id, output)

    def response_done(self, response: JSON, *, goes_on: bool) -> None:
        """Take the end of a response of this turn.

        Args:
            response: It.
            goes_on: Whether registered tools answer calls of it, and a follow-up may come.
        """
        self._record.done(response)
        self._open = None
        if not goes_on:
            self.end()

    def end(self) -> None:
        """Note that there is nothing more to come."""
        self.is_over = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        if not self.is_over:
            self._error = error
            self.end()

    def wait(self) -> Waiter[None]:
        """Give a waiter that is filled when there is an event to take, or none will come."""
        waiter: Waiter[None] = Waiter()
        if self.events or self.is_over or self.must_ask:
            waiter.resolve(None)
        else:
            self._waiter = waiter
        return waiter

    def too_late(self, seconds: float | None) -> APITimeoutError:
        """Make the exception for a turn that took longer than it was given."""
        time = "in time" if seconds is None else f"within {seconds:g} s"
        if self.has_asked:
            return APITimeoutError(f"ask: the turn was not over {time}", may_have_applied=True)
        why = "the response before is not over, or a lost link not mended"
        return APITimeoutError(f"ask: nothing was sent {time}: {why}")

    def raise_error(self) -> None:
        """Raise what ended the turn, unless that was its own end."""
        if self._error is not None:
            raise self._error

    def discard(self) -> None:
        """Drop what was not taken."""
        while self.events:
            self.take()

    def turn(self) -> Turn:
        """Put together what has come so far."""
        return self._record.turn()

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.resolve(None)
