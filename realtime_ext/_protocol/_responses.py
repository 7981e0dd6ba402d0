"""Which responses are going on, and whose turn it is to ask for the next one.

The API makes one response at a time in the default conversation and refuses a second one
(`conversation_already_has_active_response`); out-of-band ones (`conversation: "none"`) don't count.
It must not send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._waiters import Waiter

__all__ = ["Responses", "is_out_of_band"]

JSON = Mapping[str, Any]


def is_out_of_band(create: JSON) -> bool:
    """Whether a `response.create` asks for a response beside the conversation."""
    response = create.get("response")
    return isinstance(response, Mapping) and response.get("conversation") == "none"


class Responses:
    """The gate before `response.create`: first come, first served."""

    __slots__ = ("_active", "_asked", "_early", "_granted", "_over", "_queue")

    def __init__(self) -> None:
        self._active: dict[str, bool] = {}  # response id -> is it in the default conversation
        self._asked: dict[str, bool] = {}  # event id of a response.create without an answer -> the same
        self._early: str | None = None  # a response whose end came before its start
        self._over: str | None = None  # the one that ended last
        self._queue: list[Waiter[None]] = []
        self._granted: Waiter[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the API would refuse another response in the default conversation."""
        return any(self._active.values()) or any(self._asked.values())

    @property
    def active(self) -> tuple[str, ...]:
        """Ids of the responses that are going on."""
        return tuple(self._active)

    def ask(self) -> Waiter[None]:
        """Get in line; the waiter is filled when it is this one's turn, until `leave` is called with it."""
        waiter: Waiter[None] = Waiter()
        self._queue.append(waiter)
        self._grant()
        return waiter

    def leave(self, waiter: Waiter[None]) -> None:
        """Get out of line, or make way after having sent."""
        if self._granted is waiter:
            self._granted = None
        elif waiter in self._queue:
            self._queue.remove(waiter)
        self._grant()

    def sent(self, event_id: str, create: JSON) -> None:
        """Note that a `response.create` is about to go out."""
        self._asked[event_id] = not is_out_of_band(create)

    def refused(self, event_id: str | None) -> None:
        """Note an error: about the event that it names, or else about whatever was asked for last.

        An error that names nothing may have been meant for a `response.create`. To wait on would be to wait
        for ever.
        """
        if event_id is None:
            self._asked.clear()
        else:
            self._asked.pop(event_id, None)
        self._grant()

    def created(self, response: JSON) -> None:
        """Note the start of a response, whoever asked for it."""
        in_conversation = response.get("conversation_id") is not None or all(self._asked.values())
        answered = next((key for key, value in self._asked.items() if value == in_conversation), None)
        if answered is not None:
            del self._asked[answered]
        response_id = _id(response)
        is_late = response_id == self._early or (response_id == self._over and answered is None)
        if is_late and response_id not in self._active:
            self._grant()  # it is over already: its start came late, or again
        else:
            self._active[response_id] = in_conversation

    def done(self, response: JSON) -> None:
        """Note the end of a response."""
        response_id = _id(response)
        if self._active.pop(response_id, None) is not None:
            self._over, self._early = response_id, None
        elif response_id != self._over:
            self._early = response_id
        self._grant()

    def reset(self) -> None:
        """Forget what was going on: the link is a new one."""
        self._active.clear()
        self._asked.clear()
        self._early = self._over = None
        self._grant()

    def fail(self, error: Callable[[], Exception]) -> None:
        """Tell everybody in line that there is nothing more to come."""
        while self._queue:
            self._queue.pop(0).fail(error())

    def _grant(self) -> None:
        if self._queue and self._granted is None and not self.is_busy:
            self._granted = self._queue.pop(0)
            self._granted.resolve(None)


def _id(response: JSON) -> str:
    return str(response.get("id") or "")
