"""What the sync classes of `_sync` stand on: calls on the event loop, reading, callbacks in threads.

Handlers run in the thread that reads an event, tools in worker threads. What waits between the threads and
the loop is in `_mailbox`; everything else is decided by the async connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from .._core.arguments import check_seconds
from .._core.callbacks import wrapped
from .._core.threads import in_thread, run_in_thread
from ..errors import ConnectionClosedError
from ..tools import Toolbox, ToolContext
from ._async_events import AsyncEvents, ClientEventT, HandlesEvents, ServerEventT_co
from ._delegation import check_handler
from ._live_connection import read_sound
from ._live_transcript import UtteranceSequence
from ._mailbox import Inbox, Outbox, within
from ._portal import Hold, Portal

if TYPE_CHECKING:
    from realtime_api.models import RealtimeFunctionTool

    from .._core.utterances import Utterance
    from ..events import ServerEvent
    from ._async_parts import AsyncStream
    from ._delegation import AsyncDelegation
    from ._live_connection import AsyncLiveConnection
    from ._live_transcript import AsyncLiveTranscript
    from ._state.handlers import Handler
    from ._state.segments import TranscriptSegment
    from ._turn import Turn

P = ParamSpec("P")
T = TypeVar("T")
InnerT = TypeVar("InnerT")

_LAST_AUDIO = 1.0  # seconds that `close` waits for audio that is being sent


class Facade(HandlesEvents[ServerEventT_co], ABC, Generic[ServerEventT_co, ClientEventT]):
    """A connection of either API, whose events threads read.

    Args:
        inner: The async connection.
        portal: Its event loop.
        hold: Keeps that loop running.
    """

    def __init__(self, inner: AsyncEvents[ServerEventT_co, ClientEventT], portal: Portal, hold: Hold) -> None:
        super().__init__()
        self._inner = inner
        self._portal = portal
        inner._on_drop = hold.release
        self._inbox = Inbox(inner, portal)
        self._outbox = Outbox(inner, portal, self._inbox)
        self._run = portal.run
        self._send = self._outbox.send
        self._send_within = self._outbox.send_within

    def __repr__(self) -> str:
        return repr(self._inner).replace("Async", "", 1)

    def __iter__(self) -> Iterator[ServerEventT_co]:
        # Not the connection itself: `yield from` would close that together with its generator.
        while (event := self._next(None)) is not None:
            if self._handlers.by_key:
                self._call_handlers(event)
            yield event

    def recv(self, timeout: float | None = None) -> ServerEventT_co:
        """Wait for the next event.

        Args:
            timeout: Seconds; None for no limit.

        Raises:
            APITimeoutError: There was none in time.
            ConnectionClosedError: There will be none; its code is 1000 after a normal end.
            TypeError, ValueError: `timeout` is not a time limit.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, or_zero=True)
        event = self._next(timeout)
        if event is None:
            return self._run(self._inner.recv)  # which raises, for there are no more
        if self._handlers.by_key:
            self._call_handlers(event)
        return event

    @abstractmethod
    def close(self) -> Any:
        """End the connection."""

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function on the loop."""

        async def call() -> T:
            return function(*args, **kwargs)

        return self._run(call)

    def _next(self, timeout: float | None) -> ServerEventT_co | None:
        try:
            found = self._inbox.events.popleft()
        except IndexError:
            waited = self._inbox.wait(self._inner._io.deadline(timeout))
            if waited is None:
                return self._run(self._inner._next_event)  # which raises unless the end was normal
            found = waited
        event: ServerEventT_co
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
                raise TypeError("handler: an async function only works in AsyncRealtimeClient's connections")

    def _end(self) -> None:
        if not self._portal.is_lost:
            self._run(self._close)

    async def _close(self) -> None:
        with contextlib.suppress(Exception):
            await self._outbox.sent_within(self._inner._io.deadline(_LAST_AUDIO))
        try:
            await self._inner.close()
        finally:
            if self._inner.is_closed and (release := self._inner._on_drop) is not None:
                self._inner._on_drop = None
                release()


class Part(Generic[InnerT]):
    """What a method of a connection returned.

    Args:
        connection: The connection.
        inner: Its async form.
    """

    def __init__(self, connection: Facade[Any, Any], inner: InnerT) -> None:
        self._inner = inner
        self._run = connection._run
        self._call = connection._call
        self._send = connection._send

    def __repr__(self) -> str:
        return repr(self._inner).replace("Async", "", 1)


class Stream:
    """A turn: its events while it goes on, then `turn`.

        with connection.stream("What time is it?") as stream:
            for event in stream: ...
        print(stream.turn.transcript)

    Leaving the block before the turn is over cancels it.
    """

    def __init__(
        self, connection: Facade[ServerEvent, Any], inner: AsyncStream, timeout: float | None
    ) -> None:
        self._connection = connection
        self._inner = inner
        self._deadline = connection._inner._io.deadline(timeout)
        self._events: deque[tuple[ServerEvent, int]] = deque()
        self._is_entered = False

    @property
    def turn(self) -> Turn:
        """The result of the turn; complete once all its events have been read.

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

    def _read(self) -> Turn:
        """Follow the whole turn, as `ask`."""
        with self:
            for _ in self:
                pass
        return self.turn

    async def _enter(self) -> None:
        await self._connection._outbox.sent_within(self._deadline, "ask: ")
        await within(self._deadline, self._inner.__aenter__, self._inner._too_late)

    async def _fetch(self) -> bool:
        await within(self._deadline, partial(self._inner._fetch, self._events), self._inner._too_late)
        return bool(self._events)

    def _check_entered(self) -> None:
        if not self._is_entered:
            raise RuntimeError("stream: use it as `with connection.stream(…) as stream`")


class TranscriptPart(UtteranceSequence):
    """The transcript of a sync Live connection.

    Args:
        connection: The connection.
        inner: Its async form.
    """

    def __init__(self, connection: Facade[Any, Any], inner: AsyncLiveTranscript) -> None:
        self._inner = inner
        self._run, self._call = connection._run, connection._call

    def _now(self) -> list[Utterance]:
        return self._call(self._inner._now)

    def segments(self) -> Iterator[TranscriptSegment]:
        """Yield the segments as they come, until the connection has ended."""
        place, last = 0, None
        while (last := self._run(self._inner._following, place, last)) is not None:
            place += last.closed is not None
            yield last


# Callbacks in threads


def check_sync(name: str, function: Any) -> None:
    """Check that a function isn't async.

    Raises:
        TypeError: It is async.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: an async function only works in AsyncRealtimeClient's connections")


def approving(approve: Callable[[Any], bool] | None) -> Callable[[Any], Any] | None:
    """Return the async form of an `approve`, which runs in worker threads."""
    check_sync("approve", approve)
    return None if approve is None else in_thread(approve, "realtime_ext approve")


class ToolsInThreads(Toolbox):
    """A toolbox whose tools run in worker threads, and whose context has the sync connection."""

    def __init__(self, toolbox: Toolbox | Iterable[Callable[..., Any]], connection: Facade[Any, Any]) -> None:
        self._toolbox = toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox)
        self._connection = weakref.ref(connection)  # as in `ToolRunner`
        self.state = self._toolbox.state

    @property
    def definitions(self) -> list[RealtimeFunctionTool]:
        return self._toolbox.definitions

    async def arun(self, name: str, arguments: str | bytes, *, context: Any = None) -> Any:
        if (connection := self._connection()) is None:
            raise ConnectionClosedError(None, "the connection was dropped")
        own: ToolContext[Any] = ToolContext(connection, context.call_id, self.state)
        run = partial(self._toolbox.run, name, arguments, context=own)
        return await run_in_thread(run, name=f"realtime_ext tool {name}")


def working(
    handler: Callable[[Any], Any],
    connection: Facade[Any, Any],
    delegation: Callable[[Facade[Any, Any], AsyncDelegation], Any],
) -> Callable[[AsyncDelegation], Any]:
    """Return the async form of a handler of delegations, which runs in worker threads."""
    check_handler(handler)
    check_sync("handler", handler)
    reference = weakref.ref(connection)

    async def work(task: AsyncDelegation) -> Any:
        if (own := reference()) is None:
            return None
        run = partial(handler, delegation(own, task))
        return await run_in_thread(run, name="realtime_ext delegation")

    return work


def send_sound(connection: Facade[Any, Any], inner: AsyncLiveConnection, data: Any, pace: bool) -> str:
    """Send audio of a Live session: queue a piece, wait for a whole recording."""
    data = read_sound(data, inner._format)
    duration = inner._duration(data)
    if inner._takes_time(duration, pace):
        return connection._send(inner.send_audio, data, pace=pace)
    last = connection._outbox.append(data)
    inner._sounds(duration)
    return last
