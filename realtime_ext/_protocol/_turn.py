"""One turn of the model: from asking for a response to the end of the last one that it takes.

With tools registered, a turn goes on over their calls to the final message. It must not send, nor play.
"""

from __future__ import annotations

import binascii
import functools
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ._inbox import Budget
from ._waiters import Waiter

if TYPE_CHECKING:
    from realtime_api.models import RealtimeResponseUsage

__all__ = ["MARK", "ToolCall", "Turn", "TurnStream"]

JSON = Mapping[str, Any]

MARK = "realtime_ext_turn"  # the key in a response's metadata by which a turn knows its own responses


@attrs.frozen(kw_only=True)
class ToolCall:
    """A function that the model called.

    Args:
        call_id: The call's id.
        name: The function.
        arguments: JSON, as the model wrote it.
        output: What was answered, where registered tools did so.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=False)
    output: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Turn:
    """What the model did in a turn.

    Args:
        text: Its text; empty where it spoke.
        transcript: The words of its speech; empty where it wrote.
        audio: Its speech in the session's output format; empty where the API plays it, or where it wrote.
        tool_calls: The functions that it called, in order.
        status: `completed`, `cancelled`, `incomplete` or `failed`; of the last response, where there were several.
        status_details: Why it isn't `completed`, as the API says it.
        usage: The tokens of all its responses together; None if the API counted none.
        response_ids: The ids of its responses.
    """

    text: str = ""
    transcript: str = ""
    audio: bytes = attrs.field(default=b"", repr=lambda audio: f"<{len(audio)} bytes>")
    tool_calls: tuple[ToolCall, ...] = ()
    status: str | None = None
    status_details: Any = None
    usage: RealtimeResponseUsage | None = None
    response_ids: tuple[str, ...] = ()


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
        self._items: set[str] = set()
        self._responses: list[JSON] = []
        self._ids: list[str] = []
        self._words: dict[tuple[str, str, Any], str] = {}
        self._audio: list[str] = []
        self._outputs: dict[str, str] = {}

    def asked(self, event_id: str) -> None:
        """Note an event of this turn that is about to be sent."""
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

    def claims(self, response: JSON, *, echoes: bool) -> bool:
        """Whether a response that was created is this turn's.

        Args:
            response: It.
            echoes: Whether the server is known to send metadata back: then only the mark counts.
        """
        if not self._is_waiting or self.is_over:
            return False
        metadata = response.get("metadata")
        is_marked = isinstance(metadata, Mapping) and metadata.get(MARK) == self.mark
        if not is_marked and (echoes or metadata):
            return False
        response_id = str(response.get("id"))
        if response_id not in self._ids:
            self._ids.append(response_id)
        self._open, self._is_waiting, self._is_sure = response_id, False, is_marked
        return True

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
                    and content.get("item_id") in self._items
                )
        return response_id in self._ids

    def put(self, content: JSON, event: Any, size: int) -> bool:
        """Take an event that this turn owns; the result is `Budget.add`'s."""
        self._collect(content)
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
            is_busy: Whether it only says that another response is going on. Then what was taken for this turn's
                response, for want of a mark, was that other one, and it has to be asked for again.
        """
        if event_id in self._creates and is_busy:
            if not self._is_sure and self._ids:
                self._ids.pop()
                self._open = None
                for collection in (self._items, self._words, self._audio):
                    collection.clear()
                self._responses = [r for r in self._responses if str(r.get("id")) in self._ids]
                self.is_over = False
            self._is_waiting = False
            self.must_ask = True
            self._wake()
        elif event_id in self._asked or event_id in self._creates:
            self.fail(error)

    def answered(self, call_id: str, output: str) -> None:
        """Note a tool's output."""
        self._outputs[call_id] = output

    def response_done(self, response: JSON, *, goes_on: bool) -> None:
        """Take the end of a response of this turn.

        Args:
            response: It.
            goes_on: Whether registered tools answer calls of it, and a follow-up may come.
        """
        self._responses.append(response)
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
        last: JSON = self._responses[-1] if self._responses else {}
        usages = [u for response in self._responses if isinstance(u := response.get("usage"), Mapping)]
        return Turn(
            text=self._said("text"),
            transcript=self._said("transcript"),
            audio=b"".join(_decoded(delta) for delta in self._audio),
            tool_calls=tuple(self._calls()),
            status=last.get("status"),
            status_details=last.get("status_details"),
            usage=_usage(usages),
            response_ids=tuple(self._ids),
        )

    def _collect(self, content: JSON) -> None:
        kind = content["type"]
        delta = content.get("delta")
        if kind == "response.output_audio.delta":
            if isinstance(delta, str):
                self._audio.append(delta)
        elif kind in _DELTAS:
            key = (_DELTAS[kind], str(content.get("item_id")), content.get("content_index"))
            self._words[key] = self._words.get(key, "") + (delta if isinstance(delta, str) else "")
        elif kind in _DONE:
            field = _DONE[kind]
            value = content.get(field)
            if isinstance(value, str):
                self._words[field, str(content.get("item_id")), content.get("content_index")] = value
        elif kind in ("response.output_item.added", "response.output_item.done"):
            item = content.get("item")
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                self._items.add(item["id"])

    def _said(self, field: str) -> str:
        said = "".join(words for (kind, _, _), words in self._words.items() if kind == field)
        if said:
            return said
        # Deltas may be missing where the finished response isn't.
        parts = (
            part
            for response in self._responses
            for item in _list(response.get("output"))
            if item.get("type") == "message"
            for part in _list(item.get("content"))
        )
        return "".join(str(part.get(field) or "") for part in parts)

    def _calls(self) -> list[ToolCall]:
        return [
            ToolCall(
                call_id=str(item.get("call_id")),
                name=str(item.get("name")),
                arguments=str(item.get("arguments") or ""),
                output=self._outputs.get(str(item.get("call_id"))),
            )
            for response in self._responses
            for item in _list(response.get("output"))
            if item.get("type") == "function_call"
        ]

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.resolve(None)


_DELTAS = {"response.output_text.delta": "text", "response.output_audio_transcript.delta": "transcript"}
_DONE = {"response.output_text.done": "text", "response.output_audio_transcript.done": "transcript"}


def _list(value: Any) -> list[JSON]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _decoded(delta: str) -> bytes:
    try:
        return binascii.a2b_base64(delta)
    except ValueError:
        return b""


def _usage(usages: list[JSON]) -> RealtimeResponseUsage | None:
    if not usages:
        return None
    from realtime_api.models import RealtimeResponseUsage

    return RealtimeResponseUsage.from_dict(functools.reduce(_sum, usages))


def _sum(one: Any, other: Any) -> Any:
    """Add numbers up, key by key."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = [*one, *(key for key in other if key not in one)]
        return {key: _sum(one.get(key), other.get(key)) for key in keys}
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other if one is None else one
