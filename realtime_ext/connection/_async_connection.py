"""The async connection, and the objects that its methods return.

Events are interpreted in `_state`; `_io` sends and receives.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from .._core.arguments import check_seconds
from .._core.callbacks import wrapped
from ..errors import APITimeoutError, ConnectionClosedError, RealtimeError
from ..events import parse_event
from ..tools import Toolbox
from ._event_overloads import expects_async, registers, waits_async
from ._io import ConnectionIO, Deadline, run_to_completion
from ._spending import Spending
from ._state.client_events import create_item, create_response, marked_response, text_item
from ._state.conversation import TranscriptLine, read_item
from ._state.core import ConnectionState
from ._state.event_kinds import EventWaiter, Kind, Where, name_of
from ._state.handlers import Handler, Handlers
from ._state.latency import Latencies
from ._state.playback import Interruption, Position
from ._state.reconnect import OF_PARENT, CloseInfo
from ._state.turns import Turn, TurnStream
from ._tool_runner import ToolRunner

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeConversationItem,
        RealtimeMCPApprovalRequest,
        RealtimeSessionUnion,
        RealtimeTranslationSession,
    )

    from .._core.argument_types import (
        AudioOutputLike,
        ClientEventLike,
        InputItemLike,
        ItemLike,
        PromptLike,
        ReasoningLike,
        ResponseLike,
        ToolChoiceLike,
        ToolLike,
    )
    from .._core.call import Call
    from ..events import ServerEvent
    from ..session import SessionChanges
    from ..usage import Budget, Usage
    from ._event_overloads import EventKind

logger: logging.Logger = logging.getLogger("realtime_ext")

HandlerT = TypeVar("HandlerT", bound=Handler)
EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")

_STOPPING = 2.0  # seconds that a cancelled tool is waited for
_GOODBYE = 30.0  # seconds
_LAST_WORDS = 3.0  # seconds for a translation session to finish
_CANCEL_TIMEOUT = 2.0  # seconds
_BATCH_EVENTS = 256


class HandlesEvents:
    """The handlers of a sync or async connection."""

    def __init__(self) -> None:
        self._handlers = Handlers()

    @registers
    def on(self, kind: Kind, handler: Any = None) -> Any:
        """Call a function with every event of a kind, when it is read by `run`, iteration or `recv`.

        Args:
            kind: An event type such as `response.done`, an event class, or a union or a tuple of those.
            handler: The function; without one, this is a decorator.

        Returns:
            The function.

        Raises:
            TypeError: The kind is no kind of event, or the handler can't be called here.
            ValueError: The kind is empty.
        """
        return self._register(kind, handler, once=False)

    @registers
    def once(self, kind: Kind, handler: Any = None) -> Any:
        """Call a function with the next event of a kind; as `on`."""
        return self._register(kind, handler, once=True)

    def off(self, kind: EventKind, handler: Handler | None = None) -> None:
        """Stop calling a function, or all of that kind; one that isn't registered is ignored.

        Raises:
            TypeError: The kind is no kind of event.
            ValueError: The kind is empty.
        """
        self._handlers.remove(kind, handler)

    def _register(self, kind: Kind, handler: Any, *, once: bool) -> Any:
        if handler is None:
            return lambda function: self._register(kind, function, once=once)
        self._check_handler(handler)
        self._handlers.add(kind, handler, once=once)
        return handler

    def _check_handler(self, handler: Handler) -> None:
        """Raise TypeError if this connection can't call a function."""


class AsyncConnection(HandlesEvents):
    """A realtime session, or a view of one, made by `connect`, `answer` or `dial`, for one event loop.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers first.

    Methods that send return the `event_id` of what they sent. What a kind of session doesn't have is refused
    with `RealtimeError` before anything is sent. They raise `ConnectionClosedError`, with what wasn't sent
    in `unsent`, if the connection has ended. While it reconnects, they wait until that succeeds
    or is given up, as `Reconnect` sets. Methods with a `timeout` stop then, and nothing is sent later.

    Attributes:
        playback: Counts the audio that was played, for interruptions.
    """

    def __init__(
        self,
        io: ConnectionIO,
        *,
        call: Call | None = None,
        call_id: str | None = None,
        hang_up: Callable[[], Coroutine[Any, Any, None]] | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__()
        self._hang_up = hang_up
        self._io = io
        self._state = io.state
        self._call = call
        self._call_id = call_id if call is None else call.id
        self._tools: ToolRunner | None = None
        self._closing: asyncio.Task[None] | None = None
        self._on_drop: Callable[[], object] | None = None  # of the sync connection
        self._take = io.state.queue.take  # called with every event
        self.playback: AsyncPlayback = AsyncPlayback(self)
        self._ending: asyncio.Task[None] | None = None  # by a spent budget
        if budget is not None:
            spent = weakref.WeakMethod(self._budget_spent)  # the link's reader must not hold the connection
            on_spent = lambda: None if (end := spent()) is None else end()  # noqa: E731
            io.spending = Spending(budget, io.state, io.monotonic)
            io.spending.start(on_spent)

    def __del__(self) -> None:
        if "playback" in self.__dict__:  # else its construction failed
            self._io.drop(self, () if self._tools is None else (self._tools.task,), self._on_drop)

    def __repr__(self) -> str:
        about = f" call_id={self._call_id!r}" if self._call_id else ""
        return f"<{type(self).__name__} {self._state.role.kind}{about}{' closed' if self.is_closed else ''}>"

    # State

    @property
    def call(self) -> Call | None:
        """The WebRTC call that `dial` made; None for other connections."""
        return self._call

    @property
    def call_id(self) -> str | None:
        """The id of the call; None if the connection belongs to none."""
        return self._call_id

    @property
    def session(self) -> RealtimeSessionUnion | RealtimeTranslationSession | dict[str, Any] | None:
        """The session as the server last described it: a generated session; None before it did."""
        content = self._state.session.content
        if content is None:
            return None
        kind = "session.updated"
        event = parse_event({"type": kind, "event_id": "", "session": content})
        return getattr(event, "session", None)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        return [read_item(item) for item in self._state.conversation.items]

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Return the conversation as items for a new session.

        What was spoken becomes text: `input_text` of the user, `output_text` of the assistant. Of an answer
        that was interrupted, the part is kept that was probably heard. Function calls come with
        their outputs.

        Returns:
            Generated items without ids, for `create_item`, in order.
        """
        return [read_item(item) for item in self._state.conversation.replay_items()]

    @property
    def transcript(self) -> list[TranscriptLine]:
        """The words of the conversation so far, in order.

        The user's speech is included once it is transcribed, which `transcribe` in the session asks for.
        """
        return self._state.conversation.transcript()

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses used so far, by modality."""
        return self._state.meter.usage

    @property
    def latency(self) -> Latencies:
        """How long the connection's responses took, and percentiles of that."""
        return self._state.watch.latencies

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended; events may still be there to be read."""
        return self._state.close_info is not None

    @property
    def _is_forked(self) -> bool:
        """Whether this is the copy of a connection in a forked process."""
        return self._io.is_forked

    # Receiving

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        event = self._take() or await self._next_event()
        if event is None:
            raise StopAsyncIteration
        if self._handlers.by_key:
            await self._call_handlers(event)
        return event

    async def recv(self) -> ServerEvent:
        """Wait for the next event.

        Raises:
            ConnectionClosedError: There are no more events; the code is 1000 after a normal end.
        """
        event = await self._next_event()
        if event is None:
            assert self._state.close_info is not None
            raise self._state.close_info.error()
        await self._call_handlers(event)
        return event

    async def run(self) -> None:
        """Read all events, for the handlers, until the connection ends.

        Raises:
            ConnectionClosedError: It did not end normally. Exceptions of handlers are raised as they are.
        """
        async for _ in self:
            pass

    @waits_async
    async def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any:
        """Wait for the next event of a kind.

        It counts from the program's place in the stream: the latest event that it was given (by iteration,
        `recv`, a handler, a turn or an earlier wait), or that had arrived when it last sent an event (audio
        aside), whichever is later. So an answer that arrives quickly after `send` is not missed, and one of
        an earlier turn doesn't count.

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            where: A further condition, called on the event loop; it must not block.
            timeout: Seconds; None for no limit.

        Returns:
            The event. It also stays in the queue for iteration.

        Raises:
            APITimeoutError: It didn't arrive in time.
            ConnectionClosedError: The connection ended before it arrived.
            TypeError, ValueError: The kind is not a kind of event, `where` is not a function, or `timeout` is
                not a time limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        expected: Any = AsyncExpectation(self._io, self._state.wait_for(kind, where), name_of(kind))
        with expected:
            return await expected.wait(timeout)

    @expects_async
    def expect(self, kind: Kind, where: Where | None = None) -> AsyncExpectation[Any]:
        """Register for the next event of a kind to arrive from now on; otherwise as `wait_for`.

        Example:
            ```python
            with connection.expect("response.done") as expected:
                await connection.create_response()
            event = await expected
            ```
        """
        return AsyncExpectation(self._io, self._state.expect(kind, where), name_of(kind))

    async def _next_event(self) -> ServerEvent | None:
        """Wait for the next event without calling handlers; return None after a normal end.

        Raises:
            ConnectionClosedError: It did not end normally, and all events were returned.
        """
        while True:
            event: ServerEvent | None = self._take()
            if event is not None:
                return event
            closed = self._state.close_info
            if closed is not None:
                if closed.is_normal:
                    return None
                raise closed.error()
            waiter = self._state.queue.wait()
            try:
                await self._io.wait(waiter, None, "an event")
            except BaseException:
                self._state.queue.cancel(waiter)
                raise

    async def _call_handlers(self, event: Any) -> None:
        """Call the handlers of an event."""
        for handler in self._handlers.pop(event):
            try:
                result = handler(event)
                if inspect.isawaitable(result):
                    await result
            except (StopIteration, StopAsyncIteration) as error:  # they would end the iteration
                raise wrapped(error, "handler") from error

    # Sending

    async def send(self, event: ClientEventLike) -> str:
        """Send an event.

        Args:
            event: A generated client event or a dict; without an `event_id` it gets one.

        Returns:
            Its `event_id`.

        Raises:
            TypeError: It is neither.
            ValueError: The API would refuse it. An unknown type is sent.
            ConnectionClosedError: The connection has ended.
        """
        out = self._state.client_events.prepare(event)
        await self._io.send(out)
        return out.event_id

    async def update_session(
        self, session: SessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the server's acknowledgement.
            timeout: Seconds to wait at most, for a lost link too; None for no limit.

        Returns:
            The event's `event_id`.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it, all of it.
            TypeError, ValueError: `timeout` is no time limit.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        deadline = Deadline(check_seconds("timeout", timeout))
        out = self._state.client_events.session_update(session)
        acknowledged = await self._io.send(out, deadline=deadline)
        if wait and acknowledged is not None:
            await self._io.acknowledged(acknowledged, deadline, "session.updated")
        return out.event_id

    async def append_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio.

        Args:
            data: Audio in the session's input format, of any length; or base64 text, which goes out as it is.

        Returns:
            The `event_id` of the last event that it took.

        Raises:
            TypeError, ValueError: It is neither.
            RealtimeError: In a WebRTC call audio flows on the track.
            ConnectionClosedError: The connection has ended.
        """
        return await self._io.send_audio(self._state.client_events.audio(data))

    async def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        self._state.role.require_conversation("commit_audio")
        return await self._send_own({"type": "input_audio_buffer.commit"})

    async def clear_audio(self) -> str:
        """Discard the audio so far."""
        self._state.role.require_conversation("clear_audio")
        return await self._send_own({"type": "input_audio_buffer.clear"})

    async def create_item(self, item: ItemLike, *, previous_item_id: str | None = None) -> str:
        """Add an item to the conversation.

        Args:
            item: A generated item or a dict.
            previous_item_id: The item that it goes behind, `root` for the beginning; None for the end.
        """
        self._state.role.require_conversation("create_item")
        event: Any = create_item(item, previous_item_id)
        return await self.send(event)

    async def send_text(self, text: str) -> str:
        """Add what the user writes to the conversation; `create_response` asks for an answer."""
        self._state.role.require_conversation("send_text")
        return await self._send_own(text_item(text))

    async def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation."""
        self._state.role.require_conversation("delete_item")
        return await self.send({"type": "conversation.item.delete", "item_id": item_id})

    async def retrieve_item(self, item_id: str) -> str:
        """Retrieve an item, which comes with all that it has as `conversation.item.retrieved`."""
        self._state.role.require_conversation("retrieve_item")
        return await self.send({"type": "conversation.item.retrieve", "item_id": item_id})

    async def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Truncate a model's item where the user stopped hearing it.

        Args:
            item_id: The item.
            played_ms: Milliseconds that were heard; limited to the audio that came and wasn't cut already.

        Returns:
            The `event_id`; None if there was nothing to cut: no audio, none heard, no more of it left, or the
            API plays it.
        """
        event = self._state.playback.truncation(item_id, played_ms)
        return None if event is None else await self._send_own(event)

    async def create_response(
        self,
        *,
        instructions: str | None = None,
        output_modalities: list[Literal["text", "audio"]] | None = None,
        audio: AudioOutputLike | None = None,
        tools: Sequence[ToolLike] | None = None,
        tool_choice: ToolChoiceLike | None = None,
        parallel_tool_calls: bool | None = None,
        reasoning: ReasoningLike | None = None,
        max_output_tokens: int | Literal["inf"] | None = None,
        conversation: Literal["auto", "none"] | str | None = None,
        metadata: Mapping[str, str] | None = None,
        prompt: PromptLike | None = None,
        input: Sequence[InputItemLike] | None = None,
        timeout: float | None = 60.0,
    ) -> str:
        """Ask the model for a response; waits while one is active.

        Args:
            instructions: For this response alone.
            output_modalities: `["audio"]` or `["text"]`.
            audio: The output's `format` and `voice`.
            tools: For this response alone.
            tool_choice: `auto`, `none`, `required`, or one tool.
            parallel_tool_calls: Whether several calls may come at once; reasoning models only.
            reasoning: Its effort; reasoning models only.
            max_output_tokens: 1–4096, or `inf`.
            conversation: `none` keeps the response out of the conversation, and waits for nothing.
            metadata: Up to 16 pairs, which come back with the response.
            prompt: A stored prompt.
            input: Items in place of the conversation, or references to its items: `{"type": "item_reference",
                "id": …}`.
            timeout: Seconds to wait at most until it can be sent; None for no limit.

        Returns:
            The event's `event_id`, once it was sent.

        Raises:
            ValueError: The API would refuse it.
            APITimeoutError: The previous response was not done in time, or there was no link.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        self._state.role.require_responses("create_response")
        deadline = Deadline(check_seconds("timeout", timeout))
        out = self._state.client_events.prepare(create_response(given))
        if conversation == "none":
            await self._io.send(out, deadline=deadline)
        else:
            await self._io.send_in_turn(out, deadline=deadline)
        return out.event_id

    async def cancel_response(self, response_id: str | None = None) -> str:
        """Cancel a response; not an error if there is none.

        Args:
            response_id: Which; None for the one in the conversation.
        """
        self._state.role.require_conversation("cancel_response")
        event = {"type": "response.cancel"}
        return await self._send_own(event if response_id is None else {**event, "response_id": response_id})

    async def interrupt(self) -> Interruption | None:
        """Stop the model, whether the API detects turns or not, and wherever its audio is played.

        Cancels the response, clears the audio that the API has not played yet (WebRTC and SIP), and truncates
        the item in the conversation where the user stopped hearing it, as counted by `playback`; an item of
        which nothing was heard is deleted.

        Returns:
            The audio to flush in the loudspeaker; None for nothing.

        Raises:
            RealtimeError: The session has no responses.
            ConnectionClosedError: The connection has ended.
        """
        found, events = self._state.interrupt()
        for event in events:
            await self._send_own(event)
        return found

    async def clear_output_audio(self) -> str:
        """Clear the audio that the API has not played yet (WebRTC and SIP)."""
        self._state.role.require_conversation("clear_output_audio")
        return await self._send_own({"type": "output_audio_buffer.clear"})

    # Turns and tools

    def stream(self, text: str | None = None, *, response: ResponseLike | None = None) -> AsyncStream:
        """Ask the model, and follow its events over registered tools to the final message.

        Args:
            text: What the user says; None asks about what is in the conversation already.
            response: `RealtimeResponseCreateParams` or a dict, for this response only.

        Returns:
            A context manager that iterates over the turn's events and has `turn`. Leaving it early sends
            `response.cancel`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response; nothing was sent.
        """
        self._state.role.require_responses("stream")
        return AsyncStream(self, text, response)

    async def ask(
        self, text: str | None = None, *, timeout: float | None = 60.0, response: ResponseLike | None = None
    ) -> Turn:
        """Ask the model, and wait for the whole turn; as `stream`.

        Args:
            text: What the user says; None asks about what is in the conversation already.
            timeout: Seconds for the whole turn; None for no limit.
            response: For this response only.

        Returns:
            The turn; look at its `status`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response (nothing was sent), or `timeout` is no limit.
            APITimeoutError: The turn took too long and was cancelled, or nothing was sent.
            APIStatusError: The server refused the request.
            ConnectionClosedError: The connection ended before the turn did; `TurnLost` if it reconnects: ask
                again.
        """
        stream = self._asking(text, timeout=timeout, response=response)
        limit = asyncio.timeout(timeout)
        try:
            async with limit, stream:
                async for _ in stream:
                    pass
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            raise stream._too_late() from error
        return stream.turn

    async def say_goodbye(self, text: str, *, timeout: float = 30.0) -> Turn:
        """Say a last sentence in a phone or WebRTC call, wait until it was heard, and hang up.

        A response that is active is finished first. The call is hung up whatever happens: if the sentence
        takes too long, if the caller interrupts it, or if this is cancelled.

        Args:
            text: What the model is told to say, word for word.
            timeout: Seconds until the call is hung up at the latest.

        Returns:
            The turn that said it.

        Raises:
            TypeError, ValueError: `text` is not a str or is empty, or `timeout` is not a time limit.
            RealtimeError: The connection belongs to no call.
            APITimeoutError, APIStatusError, ConnectionClosedError: As with `ask`; the call is hung up.
        """
        if self._hang_up is None:
            raise RealtimeError("say_goodbye: the connection belongs to no call that could be hung up")
        if not isinstance(text, str):
            raise TypeError(f"text: expected a str, got {type(text).__name__}")
        if not text.strip():
            raise ValueError("text: expected what to say, got an empty text")
        self._state.role.require_responses("say_goodbye")
        check_seconds("timeout", timeout)
        try:
            return await self._say_last(text, timeout)
        finally:
            self._state.is_hung_up = True
            await run_to_completion(self._hang_up())

    async def _say_last(self, text: str, timeout: float, *, is_aside: bool = False) -> Turn:
        """Have a text said, and wait until the API has played it."""
        stream = self._asking(None, timeout=timeout, response=_saying(text))
        stream._is_aside = is_aside
        ended = self.expect(
            ("output_audio_buffer.stopped", "output_audio_buffer.cleared"),
            where=lambda event: stream._stream is not None and stream._stream.has_response(event.response_id),
        )
        limit = asyncio.timeout(timeout)
        try:
            with ended:
                async with limit, stream:
                    async for _ in stream:
                        pass
                    if stream.turn.first_audio_ms is not None and not self._state.role.plays:
                        await ended.wait(None)
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            if stream._stream is None or not stream._stream.is_over:
                raise stream._too_late() from error
            logger.info("the last sentence was not heard to its end within %g s", timeout)
        return stream.turn

    def _asking(self, text: str | None, *, timeout: float | None, response: Any) -> AsyncStream:
        """Check the arguments of `ask`, and return the turn to follow."""
        if self._is_forked:
            raise RealtimeError(OF_PARENT)  # its event loop is not running here
        self._state.role.require_responses("ask")
        check_seconds("timeout", timeout)
        if self._tools is None:
            self._state.session.warn_of_tools(set())
        return AsyncStream(self, text, response, timeout)

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[RealtimeMCPApprovalRequest], bool | Awaitable[bool]] | None = None,
    ) -> None:
        """Answer the model's function calls from now on, in a task of its own; returns at once.

        Each call is run once, in order; when all calls of a response have their outputs, one further
        response is asked for, unless all outputs are silent.

        Args:
            toolbox: The tools, or functions to make them of. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `RealtimeMCPApprovalRequest`; only True allows the call. None refuses
                all.

        Raises:
            RealtimeError: Tools are registered already.
            TypeError, ValueError: As `Toolbox`; or `timeout` is no time limit.
        """
        if self._tools is not None:
            raise RealtimeError("run_tools: tools are registered already; add them to that toolbox")
        self._state.role.require_responses("run_tools")
        check_seconds("timeout", timeout)
        toolbox = toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox)
        self._state.session.warn_of_tools({str(tool.name) for tool in toolbox.definitions})
        asked = None if approve is None else lambda item: approve(read_item(item))
        self._tools = ToolRunner(self._io, self, toolbox, timeout, asked)

    # The end

    def _budget_spent(self) -> None:
        """Begin to end the turn or the connection, as the budget chose."""
        spending = self._io.spending
        assert spending is not None
        logger.warning("the budget is spent: %s", spending.reason)
        end = self._cancel_responses if spending.budget.then == "end_turn" else self._end_spent
        self._ending = self._io.loop.create_task(end(spending), name="realtime_ext budget")

    async def _cancel_responses(self, spending: Spending) -> None:
        """Cancel the response that goes on, and every further one, until the connection ends."""
        with contextlib.suppress(RealtimeError):
            while True:
                begun = self.expect("response.created")
                for response_id in self._state.responses.active:
                    await self.cancel_response(response_id)
                await begun.wait(None)

    async def _end_spent(self, spending: Spending) -> None:
        """Say goodbye if the budget has one, hang up, and end the connection."""
        goodbye = spending.budget.goodbye
        try:
            if self._state.role.has_responses:
                for response_id in self._state.responses.active:
                    await self.cancel_response(response_id)
                if goodbye is not None:
                    spending.is_ending = True
                    await self._say_last(goodbye, _GOODBYE, is_aside=True)
        except RealtimeError as error:
            logger.info("the goodbye was not said: %s", error)
        finally:
            if self._hang_up is not None:
                self._state.is_hung_up = True
                await run_to_completion(self._hang_up())
            self._state.finish(CloseInfo.by_budget(spending.reason))
            await self.close()

    async def close(self) -> None:
        """End the connection, within some seconds. May be called again, and from anywhere.

        Events that came before can still be read, and then iteration ends. In a process that was forked
        after the connection was opened this does nothing: the connection is its parent's.
        """
        if self._is_forked:
            return
        if self._closing is None:
            self._closing = self._io.loop.create_task(self._close(asyncio.current_task()))
        try:
            await run_to_completion(self._closing)
        finally:
            # The first caller may have been one of these tasks, which can't wait for itself.
            await run_to_completion(self._stop(asyncio.current_task()))

    async def _close(self, caller: asyncio.Task[Any] | None) -> None:
        state = self._state
        try:
            if state.role.kind == "translation" and state.is_linked:
                with contextlib.suppress(RealtimeError, TimeoutError):
                    async with asyncio.timeout(_LAST_WORDS):
                        with self.expect("session.closed") as closed:
                            await self._send_own({"type": "session.close"})
                        await closed
        finally:
            state.finish(CloseInfo.by_user())
            if self._tools is not None and self._tools.task is not caller:
                self._tools.task.cancel()
            try:
                await self._io.link.close(state.close_info.own_code if state.close_info else 1000)
            finally:
                await self._stop(caller)

    async def _stop(self, caller: asyncio.Task[Any] | None) -> None:
        reconnect_task, tools = self._io.reconnect_task, None if self._tools is None else self._tools.task
        if reconnect_task is None or reconnect_task is not caller:
            self._io.stop()
        if tools is not None and tools is not caller:
            tools.cancel()
        if self._ending is not None and self._ending is not caller:
            self._ending.cancel()
        tasks = (reconnect_task, tools, self._ending)
        running = {task for task in tasks if task not in (None, caller) and not task.done()}
        if running:
            await asyncio.wait(running, timeout=_STOPPING)  # a tool may suppress its cancellation

    async def _send_own(self, event: Mapping[str, Any]) -> str:
        out = self._state.client_events.write(event)
        await self._io.send(out)
        return out.event_id


def _saying(text: str) -> dict[str, Any]:
    """Return the response by which the model says a text."""
    return {
        "instructions": f"Say exactly the following sentence, and nothing else: {text}",
        "output_modalities": ["audio"],
        "tool_choice": "none",
    }


class AsyncStream:
    """A turn: its events while it goes on, then `turn`.

        async with connection.stream("What time is it?") as stream:
            async for event in stream: ...
        print(stream.turn.transcript)

    Leaving the block before the turn is over cancels it.
    """

    def __init__(
        self, connection: AsyncConnection, text: str | None, response: Any, timeout: float | None = None
    ) -> None:
        self._connection = connection
        self._io = connection._io
        self._state = connection._state
        self._item = None if text is None else text_item(text)
        self._response = response
        self._timeout = timeout  # seconds for the whole turn, for messages
        self._stream: TurnStream | None = None
        self._is_aside = False  # whether this package asks, not the program, which reads its events elsewhere
        self._state.client_events.check_response(response)

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        return self._entered().turn(self._state.playback.format)

    @property
    def _calls_handlers(self) -> bool:
        """Whether reading an event here calls its handlers: unless the connection's own events are read."""
        return not (self._state.queue.is_consumed or self._is_aside)

    async def __aenter__(self) -> Self:
        stream = self._stream = self._state.open_turn()
        stream.is_aside = self._is_aside
        try:
            await self._ask(stream)
        except BaseException:
            await self._leave(stream)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(self._entered())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        if self._calls_handlers:
            await self._connection._call_handlers(event)
        return event

    def _too_late(self) -> APITimeoutError:
        """Return the exception for a turn that exceeded its time limit."""
        return self._entered().too_late(self._timeout)

    async def _next(self) -> ServerEvent | None:
        stream = self._entered()
        await self._ready(stream)
        if not stream.events:
            return None
        event: ServerEvent
        event, number = stream.take()
        if not self._is_aside:
            self._state.queue.given(number)
        return event

    async def _fetch(self, events: deque[tuple[ServerEvent, int]]) -> None:
        """Wait for events of the turn, and move them to a deque; none when the turn is over."""
        stream = self._entered()
        await self._ready(stream)
        stream.fetch(events, _BATCH_EVENTS)

    async def _ready(self, stream: TurnStream) -> None:
        """Wait until there is an event to read, or the turn is over; ask for its response when needed."""
        while not stream.events:
            if stream.is_over:
                stream.raise_error()
                return
            if stream.is_waited_for:
                raise RuntimeError("stream: another task or thread is waiting for its events")
            if stream.must_ask:
                await self._ask(stream)
            else:
                waiter = stream.wait()
                try:
                    await self._io.wait(waiter, None, "the turn")
                finally:
                    stream.stop_waiting(waiter)

    async def _ask(self, stream: TurnStream) -> None:
        contents = [] if self._item is None or stream.has_asked else [self._item]
        contents.append(marked_response(self._response, stream.mark))
        outgoing = map(self._state.client_events.write, contents)
        await self._io.send_in_turn(*outgoing, stream=stream)

    async def _leave(self, stream: TurnStream) -> None:
        try:
            if stream.is_unanswered:
                async with asyncio.timeout(_CANCEL_TIMEOUT):
                    await self._connection.cancel_response(stream.active_response)
        except (ConnectionClosedError, TimeoutError):
            pass  # nothing is left to cancel
        finally:
            self._state.turns.close(stream)

    def _entered(self) -> TurnStream:
        if self._stream is None:
            raise RuntimeError("stream: use it as `async with connection.stream(…) as stream`")
        return self._stream


class AsyncExpectation(Generic[EventT]):
    """An event to come, registered when `expect` was called.

        with connection.expect("response.done") as expected:
            await connection.create_response()
        event = await expected

    Await it inside the block or after it. A block that raises ends the expectation.
    """

    def __init__(self, io: ConnectionIO, waiter: EventWaiter, what: str) -> None:
        self._io = io
        self._waiter = waiter
        self._what = what

    @property
    def is_done(self) -> bool:
        """Whether the event has arrived, or can no longer arrive."""
        return self._waiter.done

    async def wait(self, timeout: float | None = 60.0) -> EventT:
        """Wait for the event.

        Args:
            timeout: Seconds; None for no limit.

        Returns:
            The event.

        Raises:
            APITimeoutError: It didn't arrive in time.
            ConnectionClosedError: The connection ended before it arrived.
            TypeError, ValueError: `timeout` is no time limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        event: EventT = await self._io.wait(self._waiter, timeout, self._what)
        self._io.state.queue.given(self._waiter.number)
        return event

    async def result(self, timeout: float | None = 60.0) -> EventT:
        """Wait for the event, as `wait`."""
        return await self.wait(timeout)

    def __await__(self) -> Generator[Any, None, EventT]:
        return self.wait().__await__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._io.state.queue.remove_waiter(self._waiter)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class AsyncPlayback:
    """Counts what was played, so that an interruption cuts the conversation where the user stopped hearing.

    Where the API plays the audio itself (WebRTC, SIP), all of this does nothing.

        connection.playback.played_bytes(len(chunk))           # after each chunk, oldest audio first
        ...
        case RealtimeServerEventInputAudioBufferSpeechStarted():
            speaker.flush()
            await connection.playback.interrupt()
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._state: ConnectionState = connection._state

    def played_bytes(self, count: int) -> None:
        """Count bytes that were played, in the session's output format.

        Raises:
            TypeError: `count` is not an int.
            ValueError: It is negative.
        """
        self._state.playback.played_bytes(count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: It is negative or not finite.
        """
        self._state.playback.played_ms(ms)

    @property
    def position(self) -> Position | None:
        """The playback position; None if there is no audio to play or to come."""
        return self._state.playback.position

    @property
    def to_flush(self) -> Interruption | None:
        """The audio to drop when the user last began to speak; None for nothing."""
        return self._state.playback.to_flush

    async def interrupt(self) -> Interruption | None:
        """Stop the model, as `connection.interrupt`."""
        return await self._connection.interrupt()
