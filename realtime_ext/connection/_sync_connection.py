"""The sync connection: a façade over `AsyncConnection`, which runs on an event loop in a thread.

All sync connections of a process share that thread (`_portal`). Handlers run in the thread that reads an
event, tools in worker threads. This module must not decide anything: the async connection does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Self, TypeVar

from .._core.arguments import check_seconds
from .._core.callbacks import wrapped
from .._core.threads import in_thread, run_in_thread
from ..errors import APITimeoutError, ConnectionClosedError
from ..tools import Toolbox, ToolContext
from ._async_connection import AsyncConnection, HandlesEvents
from ._event_overloads import expects, waits
from ._io import Deadline, ObserverSendsError
from ._portal import Hold, Portal, Sleepers, acquire

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeConversationItem,
        RealtimeFunctionTool,
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
    from ._async_connection import AsyncExpectation, AsyncPlayback, AsyncStream
    from ._dialing import AsyncCallConnection
    from ._state.conversation import TranscriptLine
    from ._state.event_kinds import Kind, Where
    from ._state.handlers import Handler
    from ._state.latency import Latencies
    from ._state.playback import Interruption, Position
    from ._state.turns import Turn

P = ParamSpec("P")
T = TypeVar("T")
EventT = TypeVar("EventT")

_AHEAD = 256 * 2**10  # characters of audio events that may be on their way to the loop
_LAST_AUDIO = 1.0  # seconds that `close` waits for audio that is being sent


class Connection(HandlesEvents):
    """A realtime session, or a view of one. Made by `connect`, `answer` and `dial`; threads may share it.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers
    first. Every method that waits can be interrupted by Ctrl-C, and the connection be used afterwards.

    Methods that send return the `event_id` of the sent event. What a kind of session doesn't have is refused
    with `RealtimeError`, before anything is sent; if the connection has ended they raise
    `ConnectionClosedError`, with what wasn't sent in `unsent`. While it reconnects, they wait.

    Attributes:
        playback: Counts the audio that was played, for interruptions.
    """

    def __init__(self, inner: AsyncConnection, portal: Portal, hold: Hold) -> None:
        super().__init__()
        self._inner = inner
        self._portal = portal
        inner._on_drop = hold.release
        self._audio = _Audio(inner, portal)
        self._events = _Events(inner, portal)
        self.playback: Playback = Playback(self)

    # Events in

    def __iter__(self) -> Iterator[ServerEvent]:
        # Not the connection itself: `yield from` would close that together with its generator.
        while (event := self._next(None)) is not None:
            if self._handlers.by_key:
                self._call_handlers(event)
            yield event

    def recv(self, timeout: float | None = None) -> ServerEvent:
        """Wait for the next event.

        Args:
            timeout: Seconds; None for no limit.

        Raises:
            APITimeoutError: There was none in time.
            ConnectionClosedError: There will be none; its code is 1000 after a normal end.
            TypeError, ValueError: `timeout` is no time limit.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, or_zero=True)
        event = self._next(timeout)
        if event is None:
            return self._run(self._inner.recv)  # which raises, for there are no more
        self._call_handlers(event)
        return event

    def run(self) -> None:
        """Read all events, for the handlers, until the connection ends; raises as iterating does."""
        for _ in self:
            pass

    @waits
    def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any:
        """Wait for the next event of a kind, counted as in `AsyncConnection.wait_for`.

        It counts from the latest event that the program was given, or that had arrived when it last sent.

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            where: A further condition; it must not block.
            timeout: Seconds; None for no limit.

        Raises:
            APITimeoutError: It didn't arrive in time.
            ConnectionClosedError: The connection ended before it arrived.
        """
        wait_for: Any = self._inner.wait_for
        return self._run(wait_for, kind, where, timeout)

    @expects
    def expect(self, kind: Kind, where: Where | None = None) -> Expectation[Any]:
        """Register for an event before doing what brings it; as for `wait_for`.

        Example:
            ```python
            with connection.expect("response.done") as expected:
                connection.create_response()
            event = expected.wait()
            ```
        """
        expect: Any = self._inner.expect
        return Expectation(self, self._call(expect, kind, where))

    # Events out

    def send(self, event: ClientEventLike) -> str:
        """Send an event: a generated client event or a dict; without an `event_id` it gets one.

        Raises:
            TypeError: It is neither.
            ValueError: The API would refuse it. An unknown type is sent.
            ConnectionClosedError: The connection has ended.
        """
        return self._send(self._inner.send, event)

    def update_session(
        self, session: SessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session, and wait for the server's acknowledgement, as `AsyncConnection.update_session`.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the acknowledgement.
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it, all of it.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        return self._send_within(timeout, self._inner.update_session, session, wait=wait)

    def append_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio; returns once it is queued, and a failure comes with the next call that sends.

        Args:
            data: Audio in the session's input format, of any length; or base64 text, which goes out as it is.

        Raises:
            TypeError, ValueError: It is neither.
            RealtimeError: In a WebRTC call audio flows on the track.
            ConnectionClosedError: The connection has ended; `unsent` has all audio that was queued.
        """
        self._check()
        return self._audio.append(data)

    def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        return self._send(self._inner.commit_audio)

    def clear_audio(self) -> str:
        """Discard the audio so far."""
        return self._send(self._inner.clear_audio)

    def create_item(self, item: ItemLike, *, previous_item_id: str | None = None) -> str:
        """Add an item to the conversation: behind another, at the beginning (`root`), or at the end."""
        return self._send(self._inner.create_item, item, previous_item_id=previous_item_id)

    def send_text(self, text: str) -> str:
        """Add what the user writes to the conversation; `create_response` asks for an answer."""
        return self._send(self._inner.send_text, text)

    def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation."""
        return self._send(self._inner.delete_item, item_id)

    def retrieve_item(self, item_id: str) -> str:
        """Retrieve an item, which comes with all that it has as `conversation.item.retrieved`."""
        return self._send(self._inner.retrieve_item, item_id)

    def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Truncate a model's item where the user stopped hearing it; None if there was nothing to cut."""
        return self._send(self._inner.truncate, item_id, played_ms)

    def create_response(
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
        """Ask the model for a response; the arguments are those of `AsyncConnection.create_response`.

        Waits while a response is active, for `timeout` seconds at most.

        Raises:
            ValueError: The API would refuse it.
            APITimeoutError: The previous response was not done in time, or there was no link.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        return self._send_within(timeout, self._inner.create_response, **given)

    def cancel_response(self, response_id: str | None = None) -> str:
        """Cancel a response, or the one in the conversation; not an error if there is none."""
        return self._send(self._inner.cancel_response, response_id)

    def interrupt(self) -> Interruption | None:
        """Stop the model, as `AsyncConnection.interrupt`."""
        return self._send(self._inner.interrupt)

    def clear_output_audio(self) -> str:
        """Clear the audio that the API has not played yet (WebRTC and SIP)."""
        return self._send(self._inner.clear_output_audio)

    # Turns and tools

    def stream(self, text: str | None = None, *, response: ResponseLike | None = None) -> Stream:
        """Ask the model, and follow its events over registered tools to the final message.

        Args:
            text: The user's message; None to answer the conversation so far.
            response: `RealtimeResponseCreateParams` or a dict, for this response only.

        Returns:
            A context manager that iterates over the turn's events and has `turn`. Leaving it early sends
            `response.cancel`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response; nothing was sent.
        """
        return Stream(self, self._inner.stream(text, response=response), None)

    def ask(
        self, text: str | None = None, *, timeout: float | None = 60.0, response: ResponseLike | None = None
    ) -> Turn:
        """Ask the model, and wait for the whole turn; as `stream`.

        Args:
            text: The user's message; None to answer the conversation so far.
            timeout: Seconds for the whole turn; None for no limit.
            response: For this response only.

        Returns:
            The turn; look at its `status`.

        Raises:
            APITimeoutError: The turn took too long and was cancelled, or nothing was sent.
            APIStatusError: The server refused the request.
            ConnectionClosedError: The connection ended before the turn did; `TurnLost` if it reconnects: ask
                again.
        """
        asking = self._inner._asking(text, timeout=timeout, response=response)
        with Stream(self, asking, timeout) as stream:
            for _ in stream:
                pass
        return stream.turn

    def say_goodbye(self, text: str, *, timeout: float = 30.0) -> Turn:
        """Say a last sentence in a phone or WebRTC call, wait until it was heard, and hang up.

        A response that is active is finished first. The call is hung up whatever happens: if the sentence
        takes too long, or if the caller interrupts it.

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
        return self._run(partial(self._inner.say_goodbye, text, timeout=timeout))

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[RealtimeMCPApprovalRequest], bool] | None = None,
    ) -> None:
        """Answer the model's function calls from now on, in worker threads; returns at once.

        Each call is run once, in order, as with `AsyncConnection.run_tools`.

        Args:
            toolbox: The tools, or functions to make them of. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `RealtimeMCPApprovalRequest`; only True allows the call. None refuses
                all.

        Raises:
            RealtimeError: Tools are registered already.
            TypeError, ValueError: As `Toolbox`; `timeout` is no time limit; or `approve` is async.
        """
        check_sync("approve", approve)
        tools = _ToolsInThreads(toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox), self)
        decide = None if approve is None else in_thread(approve, "realtime_ext approve")
        self._call(self._inner.run_tools, tools, timeout=timeout, approve=decide)

    # State

    @property
    def call(self) -> Call | None:
        """The WebRTC call that `dial` made; None for other connections."""
        return self._inner.call

    @property
    def call_id(self) -> str | None:
        """The id of the call; None if the connection belongs to none."""
        return self._inner.call_id

    @property
    def session(self) -> RealtimeSessionUnion | RealtimeTranslationSession | dict[str, Any] | None:
        """The session as the server last described it: a generated session; None before it did."""
        return self._call(lambda: self._inner.session)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        return self._call(lambda: self._inner.items)

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Return the conversation as items for a new session, as `AsyncConnection.replay_items`."""
        return self._call(self._inner.replay_items)

    @property
    def transcript(self) -> list[TranscriptLine]:
        """The transcript so far, as `AsyncConnection.transcript`."""
        return self._call(lambda: self._inner.transcript)

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses used so far, by modality."""
        return self._call(lambda: self._inner.usage)

    @property
    def latency(self) -> Latencies:
        """How long the connection's responses took, and percentiles of that."""
        return self._call(lambda: self._inner.latency)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended; events may still be there to be read."""
        return self._inner.is_closed

    def close(self) -> None:
        """End the connection, within some seconds. May be called again, and from any thread.

        Events that came before can still be read, and then iteration ends. In a process that was forked
        after the connection was opened this does nothing: the connection is its parent's.
        """
        if not self._portal.is_lost:
            self._run(self._close)

    def __repr__(self) -> str:
        return repr(self._inner).replace("Async", "", 1)

    # Used by the objects that methods return

    def _check(self) -> None:
        if self._portal.is_current:
            raise ObserverSendsError(
                "observer: it can't send, nor wait for anything (nor can `where` and `on_progress`); "
                "pass the event to another thread"
            )
        self._portal.check()

    def _run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a coroutine function on the loop."""
        self._check()
        return self._portal.run(function, *args, **kwargs)

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function on the loop."""

        async def call() -> T:
            return function(*args, **kwargs)

        return self._run(call)

    def _send(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a coroutine function on the loop once the audio before has been sent."""

        async def send() -> T:
            result = await self._audio.before(partial(function, *args, **kwargs))
            if self._events.is_read:
                self._events.fetch()  # for the answer to the sent event
            return result

        return self._run(send)

    def _send_within(
        self, timeout: float | None, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any
    ) -> T:
        """Send with a function that has a time limit, which includes waiting for the audio."""
        deadline = Deadline(check_seconds("timeout", timeout))

        async def send() -> T:
            waits = self._audio.is_sending
            await self._audio.sent_within(
                deadline, "nothing was sent within {:g} s: the audio before it is still being sent"
            )
            return await function(*args, timeout=deadline.left() if waits else timeout, **kwargs)

        return self._run(send)

    def _next(self, timeout: float | None) -> ServerEvent | None:
        try:
            found = self._events.queue.popleft()
        except IndexError:
            self._check()
            waited = self._events.wait(Deadline(timeout))
            if waited is None:
                return self._run(self._inner._next_event)  # which raises unless the end was normal
            found = waited
        event, number = found
        self._inner._state.queue.given(number)
        return event

    def _check_handler(self, handler: Handler) -> None:
        check_sync("handler", handler)

    def _call_handlers(self, event: Any) -> None:
        for handler in self._handlers.pop(event):
            try:
                result = handler(event)
            except (StopIteration, StopAsyncIteration) as error:
                raise wrapped(error, "handler") from error
            if asyncio.iscoroutine(result):
                result.close()
                raise TypeError("handler: an async function works in AsyncRealtimeClient's connections alone")

    async def _close(self) -> None:
        with contextlib.suppress(Exception):
            await self._audio.sent_within(Deadline(_LAST_AUDIO), "")
        try:
            await self._inner.close()
        finally:
            if self.is_closed and (release := self._inner._on_drop) is not None:
                self._inner._on_drop = None
                release()


class CallConnection(Connection):
    """A connection over a WebRTC call's data channel; audio flows on the call's track."""

    _inner: AsyncCallConnection

    @property
    def call(self) -> Call:
        """The call that `dial` made."""
        return self._inner.call

    @property
    def sent_ms(self) -> int:
        """How much of `audio_in` has been sent, in milliseconds; silence doesn't count."""
        return self._inner.sent_ms

    @property
    def received_ms(self) -> int:
        """How much audio has been received, in milliseconds; silence does count."""
        return self._inner.received_ms

    def finished_speaking(self) -> None:
        """Wait until all of `audio_in` has been sent, or the call has ended."""
        self._run(self._inner.finished_speaking)


class Expectation(Generic[EventT]):
    """An event to come, registered when `expect` was called.

        with connection.expect("response.done") as expected:
            connection.create_response()
        event = expected.wait()

    Wait inside the block or after it. A block that raises ends the expectation.
    """

    def __init__(self, connection: Connection, inner: AsyncExpectation[EventT]) -> None:
        self._connection = connection
        self._inner = inner

    @property
    def is_done(self) -> bool:
        """Whether the event has arrived, or can no longer arrive."""
        return self._inner.is_done

    def wait(self, timeout: float | None = 60.0) -> EventT:
        """Wait for the event.

        Args:
            timeout: Seconds; None for no limit.

        Raises:
            APITimeoutError: It didn't arrive in time.
            ConnectionClosedError: The connection ended before it arrived.
        """
        return self._connection._run(self._inner.wait, timeout)

    def result(self, timeout: float | None = 60.0) -> EventT:
        """Wait for the event, as `wait`."""
        return self.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._connection._run(self._inner.__aexit__, kind, error, trace)


class Stream:
    """A turn: its events while it goes on, then `turn`.

        with connection.stream("What time is it?") as stream:
            for event in stream: ...
        print(stream.turn.transcript)

    Leaving the block before the turn is over cancels it.
    """

    def __init__(self, connection: Connection, inner: AsyncStream, timeout: float | None) -> None:
        self._connection = connection
        self._inner = inner
        self._deadline = Deadline(timeout)
        self._events: deque[tuple[ServerEvent, int]] = deque()
        self._is_entered = False

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        self._check_entered()
        return self._connection._call(lambda: self._inner.turn)

    def __enter__(self) -> Self:
        self._connection._run(self._enter)
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection._run(self._inner.__aexit__, kind, error, trace)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerEvent:
        self._check_entered()
        if not self._events and not self._connection._run(self._fetch):
            raise StopIteration
        event, number = self._events.popleft()
        self._inner._state.queue.given(number)
        if self._inner._calls_handlers:
            self._connection._call_handlers(event)
        return event

    async def _enter(self) -> None:
        late = "ask: nothing was sent within {:g} s: the audio before it is still being sent"
        await self._connection._audio.sent_within(self._deadline, late)
        await _within(self._deadline, self._inner.__aenter__, self._inner._too_late)

    async def _fetch(self) -> bool:
        await _within(self._deadline, partial(self._inner._fetch, self._events), self._inner._too_late)
        return bool(self._events)

    def _check_entered(self) -> None:
        if not self._is_entered:
            raise RuntimeError("stream: use it as `with connection.stream(…) as stream`")


class Playback:
    """Counts played audio, as `AsyncPlayback`: an interruption cuts where the user stopped hearing.

    connection.playback.played_bytes(len(chunk))           # after each chunk, oldest audio first
    ...
    case RealtimeServerEventInputAudioBufferSpeechStarted():
        speaker.flush()
        connection.playback.interrupt()
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inner: AsyncPlayback = connection._inner.playback

    def played_bytes(self, count: int) -> None:
        """Count bytes that were played, in the session's output format."""
        self._connection._call(self._inner.played_bytes, count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played."""
        self._connection._call(self._inner.played_ms, ms)

    @property
    def position(self) -> Position | None:
        """The playback position; None if there is no audio to play or to come."""
        return self._connection._call(lambda: self._inner.position)

    @property
    def to_flush(self) -> Interruption | None:
        """The audio to drop when the user last began to speak; None for nothing."""
        return self._connection._call(lambda: self._inner.to_flush)

    def interrupt(self) -> Interruption | None:
        """Stop the model, as `connection.interrupt`."""
        return self._connection.interrupt()


class _Events:
    """Events on their way from the loop to the reading threads; it must not hold the connection.

    Attributes:
        queue: Events and their numbers.
        is_read: Whether a thread has waited for an event.
    """

    def __init__(self, inner: AsyncConnection, portal: Portal) -> None:
        self.queue: deque[tuple[ServerEvent, int]] = deque()
        self.is_read: bool = False
        self._fetch = inner._state.queue.fetch
        self._portal = portal
        self._sleepers = Sleepers()
        portal.wake_on_death(self._sleepers)
        self._is_fetching = False
        self._is_over = False

    def wait(self, deadline: Deadline) -> tuple[ServerEvent, int] | None:
        """Wait for an event, and return it with its number; None if none will come.

        An interrupt or the deadline loses no event: the next reader gets those that come later.

        Raises:
            APITimeoutError: There was none in time.
            RealtimeError: The loop has died.
        """
        self.is_read = True
        hold = self._portal.hold()
        try:
            while True:
                sleeper = self._sleepers.enter()
                try:
                    with contextlib.suppress(IndexError):
                        return self.queue.popleft()
                    if self._is_over:
                        return None
                    if not self._is_fetching:
                        self._portal.post(self.fetch)
                    if not acquire(sleeper, deadline.left()):
                        self._portal.run(asyncio.sleep, 0)  # so that the loop has checked at least once
                        if not self.queue and not self._is_over:
                            raise APITimeoutError(f"an event did not come within {deadline.seconds:g} s")
                finally:
                    self._sleepers.leave(sleeper)
                self._portal.check()
        finally:
            hold.release()

    def fetch(self) -> None:
        """Begin to fetch events, unless a fetch is running; it must be called on the loop."""
        if not self._is_fetching:
            self._is_fetching = True
            self._fetch(self.queue, self._done)

    def _done(self, are_there: bool) -> None:
        self._is_fetching = False
        self._is_over = not are_there
        self._sleepers.wake()


class _Audio:
    """Audio on its way to the loop: written by any thread, sent in order.

    Attributes:
        is_sending: Whether there is unsent audio.
    """

    def __init__(self, inner: AsyncConnection, portal: Portal) -> None:
        self._inner = inner
        self._portal = portal
        self._lock = threading.Lock()
        self._messages: deque[tuple[str, str]] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self.is_sending = False

    def append(self, data: Any) -> str:
        """Queue audio; wait while the queue is full, or if the connection has ended."""
        messages = list(self._inner._state.client_events.audio(data))
        if self._failure is not None or self._inner.is_closed:
            return self._portal.run(self.before, partial(self._inner._io.send_audio, iter(messages)))
        with self._lock:
            self._messages.extend(messages)
            self._size += sum(len(text) for _, text in messages)
            is_first, self.is_sending = not self.is_sending, True
            is_full = self._size > _AHEAD
        if (is_first and not self._portal.post(self._start)) or is_full:
            self._portal.run(self.sent)
        return messages[-1][0]

    async def sent(self) -> None:
        """Wait until all audio is sent; an error is raised once."""
        while self.is_sending:
            self._start()  # the callback may still be pending
            assert self._task is not None
            await asyncio.wait([self._task])
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def sent_within(self, deadline: Deadline, late: str) -> None:
        """Wait like `sent`, until a deadline.

        Raises:
            APITimeoutError: It has passed; `late` is the message, with a placeholder for the seconds.
        """
        await _within(deadline, self.sent, lambda: APITimeoutError(late.format(deadline.seconds)))

    async def before(self, function: Callable[[], Awaitable[T]]) -> T:
        """Wait until all audio is sent, then call a function that sends; an error's `unsent` has both."""
        try:
            await self.sent()
        except ConnectionClosedError as earlier:
            if not self._inner.is_closed:
                raise
            try:
                return await function()
            except ConnectionClosedError as error:
                unsent = (*earlier.unsent, *error.unsent)
                raise type(error)(error.code, error.reason, unsent) from error
        return await function()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send(), name="realtime_ext audio")

    async def _send(self) -> None:
        try:
            await self._inner._io.send_audio(self._rest())
        except Exception as error:
            self._failure = error
            self.is_sending = False
        finally:
            self._task = None

    def _rest(self) -> Iterator[tuple[str, str]]:
        while True:
            with self._lock:
                if not self._messages:
                    self.is_sending = False
                    return
                message = self._messages.popleft()
                self._size -= len(message[1])
            yield message


class _ToolsInThreads(Toolbox):
    """A toolbox whose tools run in worker threads, and whose context has the sync connection."""

    def __init__(self, toolbox: Toolbox, connection: Connection) -> None:
        self._toolbox = toolbox
        self._connection = weakref.ref(connection)  # as in `ToolRunner`
        self.state = toolbox.state

    @property
    def definitions(self) -> list[RealtimeFunctionTool]:
        return self._toolbox.definitions

    async def arun(self, name: str, arguments: str | bytes, *, context: Any = None) -> Any:
        if (connection := self._connection()) is None:
            raise ConnectionClosedError(None, "the connection was dropped")
        own: ToolContext[Any] = ToolContext(connection, context.call_id, self.state)
        run = partial(self._toolbox.run, name, arguments, context=own)
        return await run_in_thread(run, name=f"realtime_ext tool {name}")


def check_sync(name: str, function: Any) -> None:
    """Check that a function isn't async.

    Raises:
        TypeError: It is async.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: an async function works in AsyncRealtimeClient's connections alone")


async def _within(
    deadline: Deadline, function: Callable[[], Awaitable[T]], late: Callable[[], Exception]
) -> T:
    """Call a coroutine function; raise what `late` makes if the deadline passes before its end."""
    limit = asyncio.timeout(deadline.left())
    try:
        async with limit:
            return await function()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise late() from error
