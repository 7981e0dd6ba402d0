"""Turns: from the program's request to the model's final message, with the tool calls in between.

Decides which response belongs to which turn, whether a turn continues after a response, and what it amounts
to: words, audio, calls and usage. It must not send.
"""

from __future__ import annotations

import binascii
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ...audio import AudioFormat, audio_format
from ...errors import APITimeoutError
from .._turn import ToolCall, Turn
from .client_events import MARK
from .conversation import read_item
from .event_queue import Budget
from .function_calls import ApprovalJob, CallJob, FollowUpJob, FunctionCalls, approval_item, output_item
from .latency import Stopwatch, Timing
from .messages import JSON
from .responses import BUSY
from .waiters import Waiter

if TYPE_CHECKING:
    from realtime_api.models import RealtimeResponseStatus, RealtimeResponseUsage

logger: logging.Logger = logging.getLogger("realtime_ext")


_Part = tuple[str, str, str]  # text or transcript, item id, content index


class TurnStream:
    """One turn: its events, and what they amount to.

    Args:
        mark: The turn's own mark in its responses' metadata.
        budget: What waiting events count against.
        watch: Knows the time.

    Attributes:
        mark: The same.
        is_over: Whether the last event has come.
        must_ask: Whether the response has to be asked for (again), once no other is active.
        active_response: The id of the response that is going on.
        events: Events that were not read yet, with their sizes and numbers.
    """

    def __init__(self, mark: str, budget: Budget, watch: Stopwatch) -> None:
        self.mark = mark
        self._watch = watch
        self._timing = Timing()
        self.is_over: bool = False
        self.must_ask: bool = True
        self.active_response: str | None = None
        self.events: deque[tuple[Any, int, int]] = deque()
        self._prefetched: deque[tuple[Any, int]] | None = None  # events that another thread will read
        self._budget = budget
        self._error: Exception | None = None
        self._waiter: Waiter[None] | None = None
        self._asked: set[str] = set()  # ids of events whose refusal ends the turn
        self._creates: set[str] = set()  # those among them that ask for a response
        self._is_waiting = False  # for a response.created
        self._is_sure = False  # whether the last response has the turn's mark
        self._ids: list[str] = []  # of its responses
        self._items: set[str] = set()  # ids of its output items
        self._finished: list[JSON] = []  # its responses that are done
        self._words: dict[_Part, list[str]] = {}
        self._whole: set[_Part] = set()  # of those, what is complete
        self._audio: list[str] = []
        self._outputs: dict[str, str] = {}
        self._is_left = False  # before its end

    @property
    def has_asked(self) -> bool:
        """Whether anything was sent for this turn."""
        return bool(self._asked or self._creates)

    @property
    def has_begun(self) -> bool:
        """Whether one of its responses has begun."""
        return bool(self._ids)

    @property
    def is_waited_for(self) -> bool:
        """Whether a reader waits for its events."""
        return self._waiter is not None

    @property
    def is_unanswered(self) -> bool:
        """Whether a response is going on, or was asked for and has not begun."""
        return not self.is_over and (self.active_response is not None or self._is_waiting)

    def sending(self, kind: str, event_id: str) -> None:
        """Record an event of this turn that is about to be sent."""
        if self._timing.asked is None:
            self._timing = Timing(self._watch.now, self._watch.speech_ended)
        if kind == "response.create":
            self.expect_response(event_id)
        else:
            self._asked.add(event_id)

    def expect_response(self, event_id: str) -> None:
        """Record that a response of this turn is about to be asked for."""
        self._creates.add(event_id)
        self._is_waiting, self.must_ask = True, False

    def claims(self, response: JSON, *, needs_mark: bool) -> bool:
        """Return whether a response that begins is this turn's; from now on it is.

        Args:
            response: The response.
            needs_mark: Whether only the turn's mark counts, and not that the turn waits for a response.
        """
        if not self._is_waiting or self.is_over:
            return False
        metadata = response.get("metadata")
        is_marked = isinstance(metadata, Mapping) and metadata.get(MARK) == self.mark
        if needs_mark and not is_marked:
            return False
        self.add_response(str(response.get("id")))
        self._is_waiting, self._is_sure = False, is_marked
        return True

    def add_response(self, response_id: str) -> None:
        """Add a response to the turn, which goes on now."""
        if response_id not in self._ids:
            self._ids.append(response_id)
        if self._timing.begun is None:
            self._timing.begun = self._watch.now
        self.active_response = response_id

    def has_response(self, response_id: object) -> bool:
        """Return whether a response is one of this turn's."""
        return response_id in self._ids

    def owns(self, kind: str, content: JSON) -> bool:
        """Return whether an event is about one of this turn's responses."""
        response_id = content.get("response_id")
        if response_id is None:
            response = content.get("response")
            if not isinstance(response, Mapping):
                item_id = content.get("item_id")
                return kind.startswith("response.") and isinstance(item_id, str) and item_id in self._items
            response_id = response.get("id")
        return response_id in self._ids

    def put(self, kind: str, content: JSON, event: Any, size: int, number: int) -> bool:
        """Add an event of this turn; returns `Budget.add`'s result."""
        self.events.append((event, size, number))
        warns = self._budget.add(size)
        self._collect(kind, content)
        self._wake()
        return warns

    def take(self) -> tuple[Any, int]:
        """Remove the oldest event and return it with its number.

        Raises:
            IndexError: There is none.
        """
        event, size, number = self.events.popleft()
        self._budget.release(size)
        return event, number

    def fetch(self, events: deque[tuple[Any, int]], limit: int) -> None:
        """Move events to a deque that another thread reads.

        Args:
            events: Where events and their numbers are added.
            limit: How many at most.
        """
        self._prefetched = events
        while self.events and len(events) < limit:
            events.append(self.take())

    def unread(self) -> Iterator[tuple[int, Any]]:
        """Yield the numbers and events that were not read yet, oldest first."""
        if self._prefetched:
            for event, number in self._prefetched.copy():
                yield number, event
        for event, _, number in self.events:
            yield number, event

    def refused(self, event_id: object, error: Callable[[], Exception], *, is_busy: bool) -> None:
        """Record a refusal.

        Args:
            event_id: The event that was refused; another turn's is ignored.
            error: Makes the exception for it.
            is_busy: Whether it only means that another response is going on. Then the response that counts as
                this turn's, for want of a mark, was that other one, and it has to be asked for again.
        """
        if event_id in self._creates and is_busy:
            if not self._is_sure:
                self._drop_last()
                self.active_response = None
                self.is_over = False
            self._is_waiting = False
            self.must_ask = True
            self._wake()
        elif event_id in self._asked or event_id in self._creates:
            self.fail(error())

    def answered(self, call_id: str, output: str) -> None:
        """Record a tool's output."""
        self._outputs[call_id] = output

    def response_done(self, response: JSON, *, goes_on: bool) -> None:
        """Record the end of a response of this turn.

        Args:
            response: The response.
            goes_on: Whether registered tools answer calls of it, and a follow-up may come.
        """
        self._finished.append(response)
        self.active_response = None
        if not goes_on:
            self.end()

    def end(self) -> None:
        """Record that the turn is over."""
        self._timing.done = self._watch.now if self._finished else None
        self.is_over = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        if not self.is_over:
            self._error = error
            self.end()

    def wait(self) -> Waiter[None]:
        """Return a waiter that is filled when there is an event to read, or none will come."""
        waiter: Waiter[None] = Waiter()
        if self.events or self.is_over or self.must_ask:
            waiter.resolve(None)
        else:
            self._waiter = waiter
        return waiter

    def stop_waiting(self, waiter: Waiter[None]) -> None:
        """Forget a waiter of `wait`, filled or not."""
        if self._waiter is waiter:
            self._waiter = None

    def too_late(self, seconds: float | None) -> APITimeoutError:
        """Return the exception for a turn that exceeded its time limit."""
        time = "in time" if seconds is None else f"within {seconds:g} s"
        if self.has_asked:
            return APITimeoutError(f"ask: the turn was not done {time}", may_have_applied=True)
        why = "the previous response is still active, or the link is lost"
        return APITimeoutError(f"ask: nothing was sent {time}: {why}")

    def raise_error(self) -> None:
        """Raise what ended the turn, unless that was its own end."""
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """Drop what was not read; an active response is cancelled by the caller."""
        self._is_left = not self.is_over
        while self.events:
            self.take()

    def turn(self, form: AudioFormat | None = None) -> Turn:
        """Return what has come so far; its audio has that format."""
        last: JSON = self._finished[-1] if self._finished else {}
        usages = [u for response in self._finished if isinstance(u := response.get("usage"), Mapping)]
        return Turn(
            text=self._said("text", "transcript"),
            transcript=self._said("transcript"),
            audio=b"".join(_decoded(delta) for delta in self._audio),
            items=tuple(
                read_item(dict(item))
                for response in self._finished
                for item in _objects(response.get("output"))
            ),
            tool_calls=tuple(self._calls()),
            status="cancelled" if self._is_left else last.get("status"),
            status_details=_status_details(last.get("status_details")),
            usage=_usage(usages),
            response_ids=tuple(self._ids),
            **attrs.asdict(self._timing.latency()),
            audio_format=audio_format(form),
        )

    def _collect(self, kind: str, content: JSON) -> None:
        delta = content.get("delta")
        if kind in _AUDIBLE and self._timing.heard is None:
            self._timing.heard = self._watch.now
        if kind == "response.output_audio.delta":
            if isinstance(delta, str):
                self._audio.append(delta)
        elif kind in _DELTAS:
            part = _part(_DELTAS[kind], content)
            if isinstance(delta, str) and part not in self._whole:
                self._words.setdefault(part, []).append(delta)
        elif kind in _DONE:
            field = _DONE[kind]
            value = content.get(field)
            if isinstance(value, str):
                part = _part(field, content)
                self._words[part] = [value]
                self._whole.add(part)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            item = content.get("item")
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                self._items.add(item["id"])

    def _drop_last(self) -> None:
        """Forget the last response, which was another's."""
        if self._ids:
            self._ids.pop()
        self._timing.begun = self._timing.heard = None
        self._finished = [r for r in self._finished if str(r.get("id")) in self._ids]
        for collection in (self._items, self._words, self._whole, self._audio):
            collection.clear()

    def _said(self, *fields: str) -> str:
        said = "".join(
            word for (kind, _, _), words in self._words.items() if kind in fields for word in words
        )
        # Deltas may be missing where the finished response isn't.
        parts = (
            part
            for response in self._finished
            for item in _objects(response.get("output"))
            if item.get("type") == "message"
            for part in _objects(item.get("content"))
        )
        finished = "".join(str(part.get(field) or "") for part in parts for field in fields)
        return finished if len(finished) > len(said) else said

    def _calls(self) -> list[ToolCall]:
        return [
            ToolCall(
                call_id=str(item.get("call_id")),
                name=str(item.get("name")),
                arguments=str(item.get("arguments") or ""),
                output=self._outputs.get(str(item.get("call_id"))),
            )
            for response in self._finished
            for item in _objects(response.get("output"))
            if item.get("type") == "function_call"
        ]

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.resolve(None)


class Turns:
    """One connection's turns.

    Args:
        budget: What events that wait in turns count against.
        watch: Knows the time.

    Attributes:
        calls: The model's function calls, once tools are registered.
        streams: The turns that are followed.
    """

    __slots__ = ("_budget", "_echoes", "_follow_ups", "_goes_on", "_watch", "calls", "streams")

    def __init__(self, budget: Budget, watch: Stopwatch) -> None:
        self.calls: FunctionCalls | None = None
        self._budget = budget
        self._watch = watch
        self.streams: list[TurnStream] = []
        self._echoes = False  # whether the server was seen to send metadata back
        self._goes_on = False  # whether tools answer calls of its response
        self._follow_ups: dict[str, FollowUpJob] = {}

    def open(self, mark: str) -> TurnStream:
        """Begin a turn."""
        stream = TurnStream(mark, self._budget, self._watch)
        self.streams.append(stream)
        return stream

    def close(self, stream: TurnStream) -> None:
        """Stop collecting a turn's events; nothing follows the tools of one that is not over."""
        if not stream.is_over and self.calls is not None:
            self.calls.give_up(stream._ids)
        stream.leave()
        if stream in self.streams:
            self.streams.remove(stream)

    def register_tools(self, on_job: Callable[[], None]) -> FunctionCalls:
        """Begin to run function calls, also collected ones; `on_job` is called when there is one to run."""
        calls = self.collect_calls()
        calls.on_job = on_job
        return calls

    def collect_calls(self) -> FunctionCalls:
        """Begin to collect function calls, if they are not collected yet."""
        if self.calls is None:
            self.calls = FunctionCalls(lambda: None, self._settled)
        return self.calls

    def created(self, response: JSON) -> None:
        """Record a response's start."""
        metadata = response.get("metadata")
        self._echoes |= isinstance(metadata, Mapping) and MARK in metadata
        needs_mark = self._echoes or bool(metadata)
        if any(stream.claims(response, needs_mark=needs_mark) for stream in self.streams):
            return
        if self.calls is not None and not metadata:
            # An unrequested response may continue a call that was approved.
            response_id = str(response.get("id"))
            before = self.calls.continues(response_id)
            if before is not None and (stream := self._of(before)) is not None:
                stream.add_response(response_id)

    def done(self, response: JSON) -> None:
        """Record a response's end, before its event is put."""
        self._goes_on = self.calls is not None and self.calls.response_done(response)

    def put(self, kind: str, content: JSON, event: Any, size: int, number: int) -> tuple[bool, bool]:
        """Add an event to the turns that it belongs to.

        Args:
            kind: Its type.
            content: Its JSON.
            event: The event.
            size: The bytes that it counts for.
            number: Its number in order of arrival.

        Returns:
            Whether it belongs to one that the program asked for, and `Budget.add`'s result.
        """
        is_owned = warns = False
        is_end = kind == "response.done"
        for stream in self.streams:
            if stream.owns(kind, content):
                is_owned = True
                warns |= stream.put(kind, content, event, size, number)
                if is_end and isinstance(response := content.get("response"), Mapping):
                    stream.response_done(response, goes_on=self._goes_on)
        return is_owned, warns

    def refused(self, event_id: Any, code: Any, error: Callable[[], Exception]) -> None:
        """Record an error event."""
        is_busy = code == BUSY
        for stream in self.streams:
            stream.refused(event_id, error, is_busy=is_busy and event_id not in self._follow_ups)
        job = self._follow_ups.pop(event_id, None)
        if self.calls is not None:
            self.calls.refused(event_id)
            if job is not None and is_busy:
                self.calls.retry(job)

    def follow_up(self, job: FollowUpJob, event_id: str) -> dict[str, Any]:
        """Return the request for the response that follows a response's tools.

        Args:
            job: What is to follow.
            event_id: The id that the request will have.
        """
        self._follow_ups[event_id] = job
        content: dict[str, Any] = {"type": "response.create", "event_id": event_id}
        stream = self._of(job.response_id)
        if stream is not None:
            content["response"] = {"metadata": {MARK: stream.mark}}
            stream.expect_response(event_id)
        return content

    def not_followed(self, job: FollowUpJob, error: Exception) -> None:
        """End the turn of a response whose following one could not be asked for."""
        stream = self._of(job.response_id)
        if stream is not None:
            stream.fail(error)

    def approval(self, job: ApprovalJob, event_id: str, *, approve: bool) -> dict[str, Any]:
        """Return the answer to a request for permission.

        Args:
            job: The request.
            event_id: The id that the event will have.
            approve: Whether it is permitted.
        """
        if self.calls is not None:
            self.calls.deciding(job, event_id, approve=approve)
        return {"event_id": event_id, **approval_item(job, approve=approve)}

    def output(self, job: CallJob, output: str) -> dict[str, Any]:
        """Record what a tool answered to a call, for its turn; return the event that answers it."""
        stream = self._of(job.response_id)
        if stream is not None:
            stream.answered(job.call_id, output)
        return output_item(job, output)

    def reset(self, error: Callable[[bool], Exception]) -> None:
        """End the turns that were begun: their responses went with the link. Others begin on the next one.

        Args:
            error: Makes the exception, given whether the model had begun to answer.
        """
        for stream in self.streams:
            if stream.has_asked:
                stream.fail(error(stream.has_begun))
        self._follow_ups.clear()

    def _settled(self, response_id: str, follows: bool) -> None:
        stream = self._of(response_id)
        if stream is not None and not follows:
            stream.end()

    def _of(self, response_id: str) -> TurnStream | None:
        return next((stream for stream in self.streams if stream.has_response(response_id)), None)


_AUDIBLE = frozenset({"response.output_audio.delta", "output_audio_buffer.started"})
_DELTAS = {"response.output_text.delta": "text", "response.output_audio_transcript.delta": "transcript"}
_DONE = {"response.output_text.done": "text", "response.output_audio_transcript.done": "transcript"}


def _part(field: str, content: JSON) -> _Part:
    return field, str(content.get("item_id")), str(content.get("content_index"))


def _objects(value: Any) -> list[JSON]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _decoded(delta: str) -> bytes:
    try:
        return binascii.a2b_base64(delta)
    except ValueError:
        return b""


def _status_details(details: Any) -> RealtimeResponseStatus | None:
    if not isinstance(details, dict):
        return None
    from realtime_api.models import RealtimeResponseStatus

    return RealtimeResponseStatus.from_dict(details, strict=False)


def _usage(usages: list[JSON]) -> RealtimeResponseUsage | None:
    if not usages:
        return None
    from realtime_api.models import RealtimeResponseUsage

    try:
        return RealtimeResponseUsage.from_dict(functools.reduce(_sum, usages))
    except Exception as error:  # numbers that a usage can't have; the words still count
        logger.warning("a turn's usage could not be read (%s)", type(error).__name__)
        return None


def _sum(one: Any, other: Any) -> Any:
    """Add numbers up, key by key."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = [*one, *(key for key in other if key not in one)]
        return {key: _sum(one.get(key), other.get(key)) for key in keys}
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other if one is None else one
