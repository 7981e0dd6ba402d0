"""Which responses are going on, and whose turn it is to ask for the next one.

The API makes one response at a time in the default conversation and refuses a second one
(`conversation_already_has_active_response`); out-of-band ones (`conversation: "none"`) don't count.
It must not send.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

from ._waiters import Waiter

__all__ = ["End", "Responses", "is_out_of_band"]

JSON = Mapping[str, Any]

_REMEMBERED = 16  # responses that are over; nothing is told of one so long after its end


class End(enum.Enum):
    """What the end of a response is."""

    IN_ORDER = enum.auto()
    """Its start came before."""
    EARLY = enum.auto()
    """Its start did not come, or not yet."""
    REPEATED = enum.auto()
    """It came before."""


def is_out_of_band(create: JSON) -> bool:
    """Whether a `response.create` asks for a response beside the conversation."""
    response = create.get("response")
    return isinstance(response, Mapping) and response.get("conversation") == "none"


class Responses:
    """The gate before `response.create`: first come, first served."""

    __slots__ = ("_active", "_asked", "_granted", "_is_hidden", "_over", "_queue")

    def __init__(self) -> None:
        self._active: dict[str, bool] = {}  # response id -> is it in the default conversation
        self._asked: dict[str, bool] = {}  # event id of a response.create without an answer -> the same
        self._over: dict[str, tuple[object, bool]] | None = None  # ended: id of that event, has it started
        self._queue: list[Waiter[None]] = []
        self._granted: Waiter[None] | None = None
        self._is_hidden = False  # whether a response goes on that began before this connection did

    @property
    def is_busy(self) -> bool:
        """Whether the API would refuse another response in the default conversation."""
        return self._is_hidden or any(self._active.values()) or any(self._asked.values())

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
            self._is_hidden = False  # whoever waited in vain was told so; the next one tries
        self._grant()

    def sent(self, event_id: str, create: JSON) -> None:
        """Note that a `response.create` is about to go out."""
        self._asked[event_id] = not is_out_of_band(create)

    def refused(self, event_id: str | None, *, is_busy: bool = False) -> None:
        """Note an error: about the event that it names, or else about whatever was asked for last.

        An error that names nothing may have been meant for a `response.create`. To wait on would be to wait
        for ever.

        Args:
            event_id: The event that it names.
            is_busy: Whether it says that a response is going on. If none is known of, the next one's end or
                start is waited for.
        """
        if event_id is None:
            self._asked.clear()
        elif self._asked.pop(event_id, False) and is_busy:
            self._is_hidden = not any(self._active.values())
        self._grant()

    def created(self, response: JSON) -> bool:
        """Note the start of a response, whoever asked for it; say whether its end did not come before."""
        response_id = _id(response)
        over = self._over.get(response_id) if self._over is not None else None
        if over is not None and not over[1] and response_id not in self._active:
            self._remember(response_id, over[0], has_started=True)
            return False  # what its end answered is not answered again
        in_conversation = self._is_in_conversation(response)
        self._is_hidden &= not in_conversation
        is_answer = self._answer(in_conversation=in_conversation)
        if over is None or is_answer or response_id in self._active:
            self._active[response_id] = in_conversation
        else:
            self._grant()  # it is over already: its start came again
        return True

    def done(self, response: JSON, event_id: object = None) -> End:
        """Note the end of a response.

        Args:
            response: It.
            event_id: The event's id: some servers, made for tests, give all responses one id.
        """
        response_id = _id(response)
        self._is_hidden = False
        if self._active.pop(response_id, None) is not None:
            end = End.IN_ORDER
        else:
            over = self._over.get(response_id) if self._over is not None else None
            if over is not None and (over[1] or not self._asked or over[0] == event_id):
                return End.REPEATED
            end = End.EARLY
            # What was asked for is answered, even if the start never comes: to wait on would be for ever.
            self._answer(in_conversation=self._is_in_conversation(response))
        self._remember(response_id, event_id, has_started=end is End.IN_ORDER)
        self._grant()
        return end

    def reset(self) -> None:
        """Forget what was going on: the link is a new one."""
        self._active.clear()
        self._asked.clear()
        self._over = None
        self._is_hidden = False
        self._grant()

    def fail(self, error: Callable[[], Exception]) -> None:
        """Tell everybody in line that there is nothing more to come."""
        while self._queue:
            self._queue.pop(0).fail(error())

    def _is_in_conversation(self, response: JSON) -> bool:
        return response.get("conversation_id") is not None or all(self._asked.values())

    def _answer(self, *, in_conversation: bool) -> bool:
        """Take the oldest request of that kind for answered; say whether there was one."""
        answered = next((key for key, value in self._asked.items() if value == in_conversation), None)
        if answered is None:
            return False
        del self._asked[answered]
        return True

    def _remember(self, response_id: str, event_id: object, *, has_started: bool) -> None:
        if self._over is None:
            self._over = {}
        self._over.pop(response_id, None)
        if len(self._over) >= _REMEMBERED:
            del self._over[next(iter(self._over))]
        self._over[response_id] = (event_id, has_started)

    def _grant(self) -> None:
        if self._queue and self._granted is None and not self.is_busy:
            self._granted = self._queue.pop(0)
            self._granted.resolve(None)


def _id(response: JSON) -> str:
    return str(response.get("id") or "")
