"""The connection, awaited: what a program holds while a session goes on.

`AsyncConnection` and what its methods return. What events mean is decided in `state`; `traffic` sends and
receives.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, cast

from .._core.arguments import check_seconds
from ..errors import APITimeoutError, ConnectionClosedError, RealtimeError
from ..events import parse_event
from ..tools import Toolbox
from ._event_overloads import expects_async, registers, waits_async
from ._io import Deadline, Traffic, see_through
from ._state import (
    ConnectionState,
    Ending,
    EventWaiter,
    Handler,
    Handlers,
    Interruption,
    Kind,
    Position,
    TranscriptLine,
    Turn,
    TurnStream,
    Where,
    create_item,
    create_response,
    name_of,
    read_item,
    text_item,
)
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
    from ..usage import Usage
    from ._event_overloads import EventKind

__all__ = ["AsyncConnection", "AsyncExpectation", "AsyncPlayback", "AsyncStream", "HandlesEvents"]

HandlerT = TypeVar("HandlerT", bound=Handler)
EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")

_STOPPING = 2.0  # seconds that a cancelled tool is waited for
_LAST_WORDS = 3.0  # seconds for a translation session to finish
_CANCEL_TIMEOUT = 2.0  # seconds


class HandlesEvents:
    """The handlers of a connection, blocking or awaited."""

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

    Iterating yields the events. Whoever reads an event, by iterating, `recv` or `run`, calls its handlers
    first.

    Methods that send return the `event_id` of what they sent. What a kind of session doesn't have is refused
    with `RealtimeError`, before anything is sent. They raise `ConnectionClosedError`, with what wasn't sent
    in `unsent`, if the connection has ended. While the link is being mended, they wait until it is, or is
    given up: how long that can last is set by `Reconnect`. Those that have a `timeout` stop at that, and
    then nothing is sent later.
    """

    def __init__(self, traffic: Traffic, *, call: Call | None = None, call_id: str | None = None) -> None:
        super().__init__()
        self._traffic = traffic
        self._state = traffic.state
        self._call = call
        self._call_id = call_id if call is None else call.id
        self._tools: ToolRunner | None = None
        self._closing: asyncio.Task[None] | None = None
        self.when_dropped: Callable[[], object] | None = None
        # For the blocking connection, which waits without holding this one.
        self.fetch: Callable[[deque[Any], Callable[[bool], object]], None] = traffic.state.fetch
        self.playback: AsyncPlayback = AsyncPlayback(self)

    def __del__(self) -> None:
        if "playback" in self.__dict__:  # else it was half-made
            self._traffic.drop(self, () if self._tools is None else (self._tools.task,), self.when_dropped)

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
        """The id of the call that this connection is about; None if it is about none."""
        return self._call_id

    @property
    def session(self) -> RealtimeSessionUnion | RealtimeTranslationSession | dict[str, Any] | None:
        """The session as the server last described it: a generated session; None before it did."""
        content = self._state.session
        if content is None:
            return None
        kind = "session.updated"
        event = parse_event({"type": kind, "event_id": "", "session": content})
        return getattr(event, "session", None)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        return [read_item(item) for item in self._state.items]

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Return the conversation as items for a new session.

        What was spoken becomes text: `input_text` of the user, `output_text` of the assistant. Of an answer
        that was interrupted, the part is kept that is likely to have been heard. Function calls come with
        their outputs.

        Returns:
            Generated items without ids, for `create_item`, in order.
        """
        return [read_item(item) for item in self._state.replay_items()]

    @property
    def transcript(self) -> list[TranscriptLine]:
        """What was said and written so far, in the conversation's order.

        What the user speaks stands there once it is transcribed, which `transcribe` in the session asks for.
        """
        return self._state.transcript

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses used so far, by modality."""
        return self._state.usage

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended; events may still be there to be read."""
        return self._state.ending is not None

    @property
    def is_forked(self) -> bool:
        """Whether this is a copy, in a process that was forked from the connection's own."""
        return self._traffic.is_forked

    # Receiving

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        event = self._state.take() or await self.next_event()
        if event is None:
            raise StopAsyncIteration
        if self._handlers.by_key:
            await self.call_handlers(event)
        return event

    async def recv(self) -> ServerEvent:
        """Wait for the next event.

        Raises:
            ConnectionClosedError: There will be none; its code is 1000 after a normal end.
        """
        event = await self.next_event()
        if event is None:
            assert self._state.ending is not None
            raise self._state.ending.error()
        await self.call_handlers(event)
        return event

    async def run(self) -> None:
        """Read all events, for the handlers, until the connection ends.

        Raises:
            ConnectionClosedError: It ended otherwise than normally. What a handler raises comes through too.
        """
        async for _ in self:
            pass

    @waits_async
    async def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any:
        """Wait for the next event of a kind, from now on.

        One that came before doesn't count, read or not: it may be of an earlier turn. What your own request
        brings may come before this is called: register for that with `expect`, and then send.

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            where: A further condition, called as events come; it must not block.
            timeout: Seconds; None for no limit.

        Returns:
            The event. It also stays in the queue for iteration.

        Raises:
            APITimeoutError: It didn't come in time.
            ConnectionClosedError: The connection ended before it came.
            TypeError, ValueError: The kind is no kind of event, `where` no function, or `timeout` no time
                limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        expect: Any = self.expect  # whose overloads don't know what this one was called with
        with expect(kind, where) as expected:
            return await expected.wait(timeout)

    @expects_async
    def expect(self, kind: Kind, where: Where | None = None) -> AsyncExpectation[Any]:
        """Register for an event before doing what brings it; as for `wait_for`.

        Example:
            ```python
            with connection.expect("response.done") as expected:
                await connection.create_response()
            event = await expected
            ```
        """
        return AsyncExpectation(self._traffic, self._state.wait_for(kind, where), name_of(kind))

    async def next_event(self) -> ServerEvent | None:
        """Wait for the next event, without calling handlers; return None after a normal end.

        Raises:
            ConnectionClosedError: It ended otherwise, and all events were returned.
        """
        while True:
            event: ServerEvent | None = self._state.take()
            if event is not None:
                return event
            ending = self._state.ending
            if ending is not None:
                if ending.is_normal:
                    return None
                raise ending.error()
            waiter = self._state.wait_event()
            try:
                await self._traffic.wait(waiter, None, "an event")
            except BaseException:
                self._state.cancel_event(waiter)
                raise

    async def call_handlers(self, event: Any) -> None:
        """Call the handlers of an event."""
        for handler in self._handlers.pop(event):
            result = handler(event)
            if inspect.isawaitable(result):
                await result

    # Sending

    async def send(self, event: ClientEventLike) -> str:
        """Send an event.

        Args:
            event: A generated client event or a dict; without an `event_id` it gets one.

        Returns:
            Its `event_id`.

        Raises:
            TypeError: It is neither.
            ValueError: The API would refuse it. A type that nobody knows is sent.
            ConnectionClosedError: The connection has ended.
        """
        out = self._state.prepare(event)
        await self._traffic.send(out)
        return out.event_id

    async def update_session(
        self, session: SessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session.

        Args:
            session: What changes: a builder, a generated model or a dict; what is absent stays.
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
        out = self._state.session_update(session)
        acknowledged = await self._traffic.send(out, deadline=deadline)
        if wait and acknowledged is not None:
            await self._traffic.acknowledged(acknowledged, deadline, "session.updated")
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
        return await self.send_audio(self.audio_messages(data))

    def audio_messages(self, data: bytes | bytearray | memoryview | str) -> Iterator[tuple[str, str]]:
        """Write audio as messages, each with its `event_id`; any thread may do so.

        For the blocking connection. It raises as `append_audio`.
        """
        return self._state.audio(data)

    async def send_audio(self, messages: Iterator[tuple[str, str]]) -> str:
        """Send what `audio_messages` wrote; if that fails, `unsent` has all that was left of it.

        Returns:
            The `event_id` of the last message.
        """
        return await self._traffic.send_audio(messages)

    async def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        self._state.require_conversation("commit_audio")
        return await self._send_own({"type": "input_audio_buffer.commit"})

    async def clear_audio(self) -> str:
        """Throw away the audio so far."""
        self._state.require_conversation("clear_audio")
        return await self._send_own({"type": "input_audio_buffer.clear"})

    async def create_item(self, item: ItemLike, *, previous_item_id: str | None = None) -> str:
        """Add an item to the conversation.

        Args:
            item: A generated item or a dict.
            previous_item_id: The item that it goes behind, `root` for the beginning; None for the end.
        """
        self._state.require_conversation("create_item")
        event: Any = create_item(item, previous_item_id)
        return await self.send(event)

    async def send_text(self, text: str) -> str:
        """Add what the user writes to the conversation; `create_response` asks for an answer."""
        self._state.require_conversation("send_text")
        return await self._send_own(text_item(text))

    async def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation."""
        self._state.require_conversation("delete_item")
        return await self.send({"type": "conversation.item.delete", "item_id": item_id})

    async def retrieve_item(self, item_id: str) -> str:
        """Retrieve an item, which comes with all that it has as `conversation.item.retrieved`."""
        self._state.require_conversation("retrieve_item")
        return await self.send({"type": "conversation.item.retrieve", "item_id": item_id})

    async def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Cut an item of the model where the user stopped hearing it.

        Args:
            item_id: The item.
            played_ms: Milliseconds that were heard; limited to the audio that came and wasn't cut already.

        Returns:
            The `event_id`; None if there was nothing to cut: no audio, none heard, no more of it left, or the
            API plays it.
        """
        event = self._state.truncation(item_id, played_ms)
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
        """Ask the model for a response. While a response is active, this waits until that is done.

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
            APITimeoutError: The response before was not over in time, or there was no link; nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        self._state.require_responses("create_response")
        deadline = Deadline(check_seconds("timeout", timeout))
        out = self._state.prepare(create_response(given))
        if conversation == "none":
            await self._traffic.send(out, deadline=deadline)
        else:
            await self._traffic.send_in_turn(out, deadline=deadline)
        return out.event_id

    async def cancel_response(self, response_id: str | None = None) -> str:
        """Stop a response; that there is none is no failure.

        Args:
            response_id: Which; None for the one in the conversation.
        """
        self._state.require_conversation("cancel_response")
        event = {"type": "response.cancel"}
        return await self._send_own(event if response_id is None else {**event, "response_id": response_id})

    async def interrupt(self) -> Interruption | None:
        """Stop the model, whoever takes the turns and whoever plays its audio.

        Stops the response, clears what the API has still to play (WebRTC and SIP), and cuts the item in the
        conversation where it was heard last, as counted by `playback`; what nobody heard is deleted.

        Returns:
            What there is to flush in the loudspeaker; None if there is nothing.

        Raises:
            RealtimeError: The session has no responses.
            ConnectionClosedError: The connection has ended.
        """
        found, events = self._state.interrupt()
        for event in events:
            await self._send_own(event)
        return found

    async def clear_output_audio(self) -> str:
        """Clear what the API has still to play (WebRTC and SIP)."""
        self._state.require_conversation("clear_output_audio")
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
        self._state.require_responses("stream")
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
            APITimeoutError: It lasted too long. It was cancelled; or nothing was sent, as the message says.
            APIStatusError: The server refused what was asked.
            ConnectionClosedError: The connection ended before the turn did.
        """
        stream = self.asking(text, timeout=timeout, response=response)
        limit = asyncio.timeout(timeout)
        try:
            async with limit, stream:
                async for _ in stream:
                    pass
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            raise stream.too_late() from error
        return stream.turn

    def asking(self, text: str | None, *, timeout: float | None, response: Any) -> AsyncStream:
        """Check the arguments of `ask`, and return the turn to be followed; for the blocking connection."""
        self._state.require_responses("ask")
        check_seconds("timeout", timeout)
        if self._tools is None:
            self._state.warn_of_tools(set())
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
        self._state.require_responses("run_tools")
        check_seconds("timeout", timeout)
        toolbox = toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox)
        self._state.warn_of_tools({str(tool.name) for tool in toolbox.definitions})
        asked = None if approve is None else lambda item: approve(read_item(item))
        self._tools = ToolRunner(self._traffic, self, toolbox, timeout, asked)

    # The end

    async def close(self) -> None:
        """End the connection, within some seconds. May be called again, and from anywhere.

        Events that came before can still be read, and then iteration ends. In a process that was forked
        after the connection was opened this does nothing: the connection is its parent's.
        """
        if self.is_forked:
            return
        if self._closing is None:
            self._closing = self._traffic.loop.create_task(self._close(asyncio.current_task()))
        try:
            await see_through(self._closing)
        finally:
            # Whoever closed first may have been one of these tasks, which can't wait for itself.
            await see_through(self._stop(asyncio.current_task()))

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
            state.finish(Ending.by_user())
            if self._tools is not None and self._tools.task is not caller:
                self._tools.task.cancel()
            try:
                await self._traffic.link.close(state.ending.own_code if state.ending else 1000)
            finally:
                await self._stop(caller)

    async def _stop(self, caller: asyncio.Task[Any] | None) -> None:
        mending, tools = self._traffic.mending, None if self._tools is None else self._tools.task
        if mending is None or mending is not caller:
            self._traffic.stop()
        if tools is not None and tools is not caller:
            tools.cancel()
        running = {task for task in (mending, tools) if task not in (None, caller) and not task.done()}
        if running:
            await asyncio.wait(running, timeout=_STOPPING)  # a tool may not let itself be cancelled

    async def _send_own(self, event: Mapping[str, Any]) -> str:
        out = self._state.write(event)
        await self._traffic.send(out)
        return out.event_id


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
        self._traffic = connection._traffic
        self._item = None if text is None else text_item(text)
        self._response = response
        self._timeout = timeout  # seconds, for whoever waits for all of it
        self._stream: TurnStream | None = None
        self._traffic.state.check_response(response)  # a wrong argument is refused here already

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        return self._entered().turn()

    @property
    def calls_handlers(self) -> bool:
        """Whether reading an event here calls its handlers, since nobody reads events from the connection."""
        return not self._traffic.state.is_consumed

    async def __aenter__(self) -> Self:
        stream = self._stream = self._traffic.state.open_turn()
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
        if self.calls_handlers:
            await self._connection.call_handlers(event)
        return event

    async def next_batch(self, limit_events: int = 256) -> list[ServerEvent]:
        """Wait for at least one event of the turn, and return what is queued, without calling handlers.

        Returns:
            The oldest events, in order; an empty list when the turn is over.
        """
        first = await self._next()
        batch = [] if first is None else [first]
        stream = self._entered()
        while stream.events and batch and len(batch) < limit_events:
            batch.append(stream.take())
        return batch

    def too_late(self) -> APITimeoutError:
        """Return the exception for a turn that exceeded its time limit."""
        return self._entered().too_late(self._timeout)

    async def _next(self) -> ServerEvent | None:
        stream = self._entered()
        while True:
            if stream.events:
                event: ServerEvent = stream.take()
                return event
            if stream.is_over:
                stream.raise_error()
                return None
            if stream.must_ask:
                await self._ask(stream)
            else:
                await self._traffic.wait(stream.wait(), None, "the turn")

    async def _ask(self, stream: TurnStream) -> None:
        outgoing = self._traffic.state.turn_request(stream, self._item, self._response)
        await self._traffic.send_in_turn(*outgoing, stream=stream)

    async def _leave(self, stream: TurnStream) -> None:
        try:
            if stream.is_unanswered:
                async with asyncio.timeout(_CANCEL_TIMEOUT):
                    await self._connection.cancel_response(stream.active_response)
        except (ConnectionClosedError, TimeoutError):
            pass  # then there is nothing left to cancel
        finally:
            self._traffic.state.close_turn(stream)

    def _entered(self) -> TurnStream:
        if self._stream is None:
            raise RuntimeError("stream: use it as `async with connection.stream(…) as stream`")
        return self._stream


class AsyncExpectation(Generic[EventT]):
    """An event to come, registered from the moment that `expect` was called.

        with connection.expect("response.done") as expected:
            await connection.create_response()
        event = await expected

    It can be awaited inside the block or after it. A block that raises ends the expectation.
    """

    def __init__(self, traffic: Traffic, waiter: EventWaiter, what: str) -> None:
        self._traffic = traffic
        self._waiter = waiter
        self._what = what

    @property
    def is_done(self) -> bool:
        """Whether the event has come, or can't come any more."""
        return self._waiter.done

    async def wait(self, timeout: float | None = 60.0) -> EventT:
        """Wait for the event.

        Args:
            timeout: Seconds; None for no limit.

        Returns:
            The event.

        Raises:
            APITimeoutError: It didn't come in time.
            ConnectionClosedError: The connection ended before it came.
            TypeError, ValueError: `timeout` is no time limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        try:
            return cast(EventT, await self._traffic.wait(self._waiter, timeout, self._what))
        except APITimeoutError as error:
            if not self._traffic.state.came_before(self._waiter):
                raise
            raise APITimeoutError(
                f"{error}; one that came before doesn't count: `expect` it, and then send what brings it"
            ) from error

    result = wait

    def __await__(self) -> Generator[Any, None, EventT]:
        return self.wait().__await__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._traffic.state.forget(self._waiter)

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
        self._state.played_bytes(count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: It is negative or not finite.
        """
        self._state.played_ms(ms)

    @property
    def position(self) -> Position | None:
        """Where playing stands; None if there is nothing to play, nor anything to come."""
        return self._state.position

    @property
    def to_flush(self) -> Interruption | None:
        """What there was to throw away when the user last began to speak; None if there was nothing."""
        return self._state.to_flush

    async def interrupt(self) -> Interruption | None:
        """Stop the model, as `connection.interrupt`."""
        return await self._connection.interrupt()
