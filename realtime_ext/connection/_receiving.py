"""The methods that take events, awaited. Which event is for whom is decided in `_protocol`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from ..arguments import check_seconds
from ._expectation import AsyncExpectation
from .state._core import Protocol
from .state._matching import name_of
from .state._waiters import Waiter

if TYPE_CHECKING:
    from ..events import ServerEvent
    from .state._matching import Kind, Where

__all__ = ["AsyncReceiving"]

EventT = TypeVar("EventT")


class AsyncReceiving:
    """What a connection gives. Whoever takes an event calls its handlers first."""

    _core: Protocol

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        event = self._core.mailbox.take() or await self._next()
        if event is None:
            raise StopAsyncIteration
        if self._core.handlers.by_key:
            await self._call_handlers(event)
        return event

    async def recv(self) -> ServerEvent:
        """Wait for the next event.

        Raises:
            ConnectionClosedError: There will be none; its code is 1000 after a normal end.
        """
        event = await self._next()
        if event is None:
            assert self._core.ending is not None
            raise self._core.ending.error()
        await self._call_handlers(event)
        return event

    async def next_batch(self, limit_events: int = 256, limit_bytes: int = 2**20) -> list[ServerEvent]:
        """Wait for at least one event, and return what is queued, without calling handlers.

        For the blocking connection, whose handlers run in the thread that takes an event.

        Args:
            limit_events: How many events are returned at most; 1 or more.
            limit_bytes: No further event is returned once so many bytes are reached.

        Returns:
            The oldest events, in order; an empty list after a normal end.

        Raises:
            ConnectionClosedError: It ended otherwise, and all events were returned.
        """
        first = await self._next()
        if first is None:
            return []
        return [first, *self._core.mailbox.take_batch(limit_events - 1, limit_bytes)]

    async def run(self) -> None:
        """Take all events, for the handlers, until the connection ends.

        Raises:
            ConnectionClosedError: It ended otherwise than normally. What a handler raises comes through too.
        """
        async for _ in self:
            pass

    @overload
    async def wait_for(
        self, kind: type[EventT], where: Where | None = None, timeout: float | None = 60.0
    ) -> EventT: ...
    @overload
    async def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any: ...
    async def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any:
        """Wait for the next event of a kind; one that came before doesn't count (`expect` is for that).

        Args:
            kind: An event type, an event class, or a union or a tuple of those.
            where: A further condition, called by the reader; it must not block.
            timeout: Seconds; None for no limit.

        Returns:
            The event. It is also given to whoever iterates.

        Raises:
            APITimeoutError: It didn't come in time.
            ConnectionClosedError: The connection ended before it came.
            TypeError, ValueError: The kind is no kind of event, `where` no function, or `timeout` no time
                limit.
        """
        check_seconds("timeout", timeout, or_zero=True)
        with self.expect(kind, where) as expected:
            return await expected.wait(timeout)

    @overload
    def expect(self, kind: type[EventT], where: Where | None = None) -> AsyncExpectation[EventT]: ...
    @overload
    def expect(self, kind: Kind, where: Where | None = None) -> AsyncExpectation[Any]: ...
    def expect(self, kind: Kind, where: Where | None = None) -> AsyncExpectation[Any]:
        """Register for an event before doing what brings it; as `wait_for` takes it.

        Example:
            ```python
            with connection.expect("response.done") as expected:
                await connection.create_response()
            event = await expected
            ```
        """
        return AsyncExpectation(self, self._core.wait_for(kind, where), name_of(kind))

    async def _next(self) -> ServerEvent | None:
        mailbox = self._core.mailbox
        while True:
            event: ServerEvent | None = mailbox.take()
            if event is not None:
                return event
            ending = self._core.ending
            if ending is not None:
                if ending.is_normal:
                    return None
                raise ending.error()
            waiter = mailbox.wait()
            try:
                await self._wait(waiter, None, "an event")
            except BaseException:
                mailbox.leave(waiter)
                raise

    async def _call_handlers(self, event: Any) -> None:
        for handler in self._core.handlers.take(event):
            result = handler(event)
            if inspect.isawaitable(result):
                await result

    if TYPE_CHECKING:  # what the connection adds

        async def _wait(self, waiter: Waiter[Any], timeout: float | None, what: str) -> Any: ...
