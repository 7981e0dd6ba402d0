"""Active responses, and the queue for creating the next one.

The API makes one response at a time in the default conversation and refuses a second one
(`conversation_already_has_active_response`); out-of-band ones (`conversation: "none"`) don't count.
It must not send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .waiters import Waiter

JSON = Mapping[str, Any]

BUSY = "conversation_already_has_active_response"


class Responses:
    """The queue before `response.create`: first come, first served."""

    __slots__ = ("_active", "_asked", "_granted", "_is_hidden", "_queue")

    def __init__(self) -> None:
        self._active: dict[str, bool] = {}  # response id -> is it in the default conversation
        self._asked: dict[str, bool] = {}  # event id of a response.create without an answer -> the same
        self._queue: list[Waiter[None]] = []
        self._granted: Waiter[None] | None = None
        self._is_hidden = False  # whether a response goes on that began before this connection did

    @property
    def is_busy(self) -> bool:
        """Whether the API would refuse another response in the default conversation."""
        return self._is_hidden or any(self._active.values()) or any(self._asked.values())

    @property
    def active(self) -> tuple[str, ...]:
        """The ids of the responses that go on."""
        return tuple(self._active)

    def ask(self) -> Waiter[None]:
        """Queue for the next response; the waiter is filled when it may be created, until `release`."""
        waiter: Waiter[None] = Waiter()
        self._queue.append(waiter)
        self._grant()
        return waiter

    def release(self, waiter: Waiter[None]) -> None:
        """Remove a waiter from the queue; after it has sent, the next one may ask."""
        if self._granted is waiter:
            self._granted = None
        elif waiter in self._queue:
            self._queue.remove(waiter)
            self._is_hidden = False  # the one that timed out got an error; the next one tries
        self._grant()

    def sent(self, event_id: str, create: JSON) -> None:
        """Record that a `response.create` is about to go out."""
        response = create.get("response")
        is_beside = isinstance(response, Mapping) and response.get("conversation") == "none"
        self._asked[event_id] = not is_beside

    def refused(self, event_id: str | None, *, is_busy: bool = False) -> None:
        """Record an error: about the event that it names, or else about whatever was asked for last.

        An error that names nothing may have been meant for a `response.create`. To wait on would be to wait
        forever.

        Args:
            event_id: The event that it names.
            is_busy: Whether it means that a response is going on. If none is known of, the next one's end or
                start is waited for.
        """
        if event_id is None:
            self._asked.clear()
        elif self._asked.pop(event_id, False) and is_busy:
            self._is_hidden = not any(self._active.values())
        self._grant()

    def created(self, response: JSON) -> None:
        """Record the start of a response, of any connection to the session."""
        in_conversation = self._is_in_conversation(response)
        self._answer(in_conversation=in_conversation)
        self._is_hidden &= not in_conversation
        self._active[_id(response)] = in_conversation

    def done(self, response: JSON) -> None:
        """Record the end of a response."""
        self._is_hidden = False
        if self._active.pop(_id(response), None) is None:
            # It began before this connection. A refusal of the request may have crossed it.
            self._answer(in_conversation=self._is_in_conversation(response))
        self._grant()

    def reset(self) -> None:
        """Forget all responses: the link is new."""
        self._active.clear()
        self._asked.clear()
        self._is_hidden = False
        self._grant()

    def fail(self, error: Callable[[], Exception]) -> None:
        """Fail all waiters: the connection has ended."""
        waiters, self._queue = self._queue, []
        for waiter in waiters:
            waiter.fail(error())

    def _is_in_conversation(self, response: JSON) -> bool:
        return response.get("conversation_id") is not None or all(self._asked.values())

    def _answer(self, *, in_conversation: bool) -> None:
        """Record that the oldest request of that kind is answered."""
        answered = next((key for key, value in self._asked.items() if value == in_conversation), None)
        if answered is not None:
            del self._asked[answered]

    def _grant(self) -> None:
        if self._queue and self._granted is None and not self.is_busy:
            self._granted = self._queue.pop(0)
            self._granted.resolve(None)


def _id(response: JSON) -> str:
    return str(response.get("id") or "")
