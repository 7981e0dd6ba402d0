"""Events of a sync connection of either API: a façade over `AsyncEvents`, on an event loop in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from .._core.arguments import check_seconds
from .._core.callbacks import wrapped
from .._core.threads import run_in_thread
from .._core.time_limit import look
from ..errors import APITimeoutError, ConnectionClosedError
from ..tools import Toolbox, ToolContext
from ._async_events import AsyncEvents, ClientEventT, HandlesEvents, ServerEventT_co
from ._event_overloads import expects, waits
from ._io import Deadline, ObserverSendsError
from ._portal import Hold, Portal, Sleepers, acquire

if TYPE_CHECKING:
    from realtime_api.models import RealtimeFunctionTool

    from ._async_events import AsyncExpectation
    from ._state.event_kinds import Kind, Where
    from ._state.handlers import Handler

P = ParamSpec("P")
T = TypeVar("T")
EventT = TypeVar("EventT")

_AHEAD = 256 * 2**10  # characters of audio events that may be on their way to the loop
_LAST_AUDIO = 1.0  # seconds that `close` waits for audio that is being sent


class Events(HandlesEvents[ServerEventT_co], ABC, Generic[ServerEventT_co, ClientEventT]):
    """The events of a connection, in both directions.

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
        self._audio = _Audio(inner, portal)
        self._events = _Events(inner, portal)

    # Events in

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
        inner: Any = self._inner
        return self._run(inner.wait_for, kind, where, timeout)

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
        inner: Any = self._inner
        return Expectation(self, self._call(inner.expect, kind, where))

    # Events out

    def send(self, event: ClientEventT) -> str:
        """Send an event: a generated client event or a dict; without an `event_id` it gets one.

        A `response.cancel` with nothing to cancel is not an error: the API's `error` event is not delivered.

        Raises:
            TypeError: It is neither.
            ValueError: The API would refuse it. An unknown type is sent.
            ConnectionClosedError: The connection has ended.
        """
        return self._send(self._inner.send, event)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended; events may still be there to be read."""
        return self._inner.is_closed

    @abstractmethod
    def close(self) -> Any:
        """End the connection."""

    def _end(self) -> None:
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
        deadline = self._inner._io.deadline(check_seconds("timeout", timeout))

        async def send() -> T:
            waits = self._audio.is_sending
            await self._audio.sent_within(
                deadline, "nothing was sent within {:g} s: the audio before it is still being sent"
            )
            return await function(*args, timeout=deadline.left() if waits else timeout, **kwargs)

        return self._run(send)

    def _next(self, timeout: float | None) -> ServerEventT_co | None:
        try:
            found = self._events.queue.popleft()
        except IndexError:
            self._check()
            waited = self._events.wait(self._inner._io.deadline(timeout))
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

    async def _close(self) -> None:
        with contextlib.suppress(Exception):
            await self._audio.sent_within(self._inner._io.deadline(_LAST_AUDIO), "")
        try:
            await self._inner.close()
        finally:
            if self.is_closed and (release := self._inner._on_drop) is not None:
                self._inner._on_drop = None
                release()


class Expectation(Generic[EventT]):
    """An event to come, registered when `expect` was called.

        with connection.expect("response.done") as expected:
            connection.create_response()
        event = expected.wait()

    Wait inside the block or after it. A block that raises ends the expectation.
    """

    def __init__(self, connection: Events[Any, Any], inner: AsyncExpectation[EventT]) -> None:
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


class _Events:
    """Events on their way from the loop to the reading threads; it must not hold the connection.

    Attributes:
        queue: Events and their numbers.
        is_read: Whether a thread has waited for an event.
    """

    def __init__(self, inner: AsyncEvents[Any, Any], portal: Portal) -> None:
        self.queue: deque[tuple[Any, int]] = deque()
        self.is_read: bool = False
        self._fetch = inner._state.queue.fetch
        self._portal = portal
        self._sleepers = Sleepers()
        portal.wake_on_death(self._sleepers)
        self._is_fetching = False
        self._is_over = False

    def wait(self, deadline: Deadline) -> tuple[Any, int] | None:
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
                        self._portal.run(look)
                        if not self.queue and not self._is_over:
                            raise APITimeoutError(f"an event did not arrive within {deadline.seconds:g} s")
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

    def __init__(self, inner: AsyncEvents[Any, Any], portal: Portal) -> None:
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
        await within(deadline, self.sent, lambda: APITimeoutError(late.format(deadline.seconds)))

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


def check_sync(name: str, function: Any) -> None:
    """Check that a function isn't async.

    Raises:
        TypeError: It is async.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: an async function only works in AsyncRealtimeClient's connections")


async def within(
    deadline: Deadline, function: Callable[[], Awaitable[T]], late: Callable[[], Exception]
) -> T:
    """Call a coroutine function; raise what `late` makes if the deadline passes before its end."""
    limit = deadline.limit()
    try:
        async with limit:
            return await function()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise late() from error


class ToolsInThreads(Toolbox):
    """A toolbox whose tools run in worker threads, and whose context has the sync connection."""

    def __init__(self, toolbox: Toolbox, connection: Events[Any, Any]) -> None:
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
