"""Events of an async connection of either API: handlers, reading, waiting, and sending one event."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._core.arguments import check_seconds
from .._core.callbacks import wrapped
from ._event_overloads import expects_async, registers, waits_async
from ._io import ConnectionIO, Observer
from ._state.core import ConnectionState
from ._state.event_kinds import EventWaiter, Kind, Where, name_of
from ._state.handlers import Handler, Handlers

if TYPE_CHECKING:
    from ._event_overloads import EventKind

EventT = TypeVar("EventT")
ServerEventT_co = TypeVar("ServerEventT_co", covariant=True)
ClientEventT = TypeVar("ClientEventT")


class HandlesEvents(Generic[ServerEventT_co]):
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
            TypeError: The kind is not a kind of event, or the handler can't be called here.
            ValueError: The kind is empty or misspelled, or clients send it.
        """
        return self._register(kind, handler, once=False)

    @registers
    def once(self, kind: Kind, handler: Any = None) -> Any:
        """Call a function with the next event of a kind; as `on`."""
        return self._register(kind, handler, once=True)

    def off(self, kind: EventKind, handler: Handler | None = None) -> None:
        """Stop calling a function, or all of that kind; one that isn't registered is ignored.

        Raises:
            TypeError: The kind is not a kind of event.
            ValueError: The kind is empty or misspelled, or clients send it.
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


class AsyncEvents(HandlesEvents[ServerEventT_co], ABC, Generic[ServerEventT_co, ClientEventT]):
    """The events of a connection, in both directions.

    Args:
        io: Its link and its state.
    """

    def __init__(self, io: ConnectionIO) -> None:
        super().__init__()
        self._io = io
        self._state: ConnectionState = io.state
        self._on_drop: Callable[[], object] | None = None  # of the sync connection
        self._take = io.state.queue.take  # called with every event

    @abstractmethod
    async def close(self) -> Any:
        """End the connection."""

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

    async def __anext__(self) -> ServerEventT_co:
        event: ServerEventT_co | None = self._take() or await self._next_event()
        if event is None:
            raise StopAsyncIteration
        if self._handlers.by_key:
            await self._call_handlers(event)
        return event

    async def recv(self) -> ServerEventT_co:
        """Wait for the next event.

        Raises:
            ConnectionClosedError: There are no more events; the code is 1000 after a normal end.
        """
        event = await self._next_event()
        if event is None:
            assert self._state.close_info is not None
            raise self._state.close_info.error()
        if self._handlers.by_key:
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

    def observe(self, observer: Observer) -> None:
        """Call a function from now on with every event that is sent or received, as `connect(observer=…)`.

        Raises:
            TypeError: It is no function.
        """
        self._io.add_observer(observer)

    async def _next_event(self) -> ServerEventT_co | None:
        """Wait for the next event without calling handlers; return None after a normal end.

        Raises:
            ConnectionClosedError: It did not end normally, and all events were returned.
        """
        while True:
            event: ServerEventT_co | None = self._take()
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

    async def send(self, event: ClientEventT) -> str:
        """Send an event.

        A `response.cancel` with nothing to cancel is not an error: the API's `error` event is not delivered.

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

    async def _update(self, session: Any, wait: bool, timeout: float | None) -> str:
        """Send `session.update`, and wait for its acknowledgement; as `update_session`."""
        deadline = self._io.deadline(check_seconds("timeout", timeout))
        out = self._state.client_events.session_update(session)
        acknowledged = await self._io.send(out, deadline=deadline)
        if wait and acknowledged is not None:
            await self._io.acknowledged(acknowledged, deadline, "session.updated")
        return out.event_id

    async def _send_own(self, event: Mapping[str, Any]) -> str:
        out = self._state.client_events.write(event)
        await self._io.send(out)
        return out.event_id


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
            TypeError, ValueError: `timeout` is not a time limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        event: EventT = await self._io.wait(self._waiter, self._io.deadline(timeout), self._what)
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
