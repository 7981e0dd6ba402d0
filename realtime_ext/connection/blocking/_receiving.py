"""The methods that take events, blocking. Which event is for whom is decided in `_protocol`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...arguments import check_seconds
from ..state._core import Protocol
from ..state._matching import name_of
from ..state._waiters import Waiter
from ._expectation import Expectation

if TYPE_CHECKING:
    from ...events import ServerEvent
    from ..state._mailbox import EventWaiter
    from ..state._matching import Kind, Where

__all__ = ["Receiving"]

EventT = TypeVar("EventT")


class Receiving:
    """What a connection gives. Whoever takes an event calls its handlers first."""

    _core: Protocol
    _lock: AbstractContextManager[Any]

    def __iter__(self) -> Iterator[ServerEvent]:
        # Not the connection itself: `yield from` would close that together with its generator.
        handlers = self._core.handlers
        while (event := self._next(None)) is not None:
            if handlers.by_key:
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
            assert self._core.ending is not None
            raise self._core.ending.error()
        self._call_handlers(event)
        return event

    def run(self) -> None:
        """Take all events, for the handlers, until the connection ends.

        Raises:
            ConnectionClosedError: It ended otherwise than normally. What a handler raises comes through too.
        """
        for _ in self:
            pass

    @overload
    def wait_for(
        self, kind: type[EventT], where: Where | None = None, timeout: float | None = 60.0
    ) -> EventT: ...
    @overload
    def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any: ...
    def wait_for(self, kind: Kind, where: Where | None = None, timeout: float | None = 60.0) -> Any:
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
            return expected.wait(timeout)

    @overload
    def expect(self, kind: type[EventT], where: Where | None = None) -> Expectation[EventT]: ...
    @overload
    def expect(self, kind: Kind, where: Where | None = None) -> Expectation[Any]: ...
    def expect(self, kind: Kind, where: Where | None = None) -> Expectation[Any]:
        """Register for an event before doing what brings it; as `wait_for` takes it.

        Example:
            ```python
            with connection.expect("response.done") as expected:
                connection.create_response()
            event = expected.wait()
            ```
        """
        with self._lock:
            waiter = self._core.wait_for(kind, where)
        return Expectation(self, waiter, name_of(kind))

    def _next(self, timeout: float | None) -> ServerEvent | None:
        mailbox = self._core.mailbox
        while True:
            with self._lock:
                event: ServerEvent | None = mailbox.take()
                if event is not None:
                    return event
                ending = self._core.ending
                waiter = mailbox.wait() if ending is None else None
            if waiter is None:
                assert ending is not None
                if ending.is_normal:
                    return None
                raise ending.error()
            try:
                self._wait(waiter, timeout, "an event")
            except BaseException:
                with self._lock:
                    mailbox.leave(waiter)
                raise

    def _call_handlers(self, event: Any) -> None:
        with self._lock:
            handlers = self._core.handlers.take(event)
        for handler in handlers:
            result = handler(event)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("handler: an async function works in AsyncRealtimeClient's connections alone")

    def _forget(self, waiter: EventWaiter) -> None:
        with self._lock:
            self._core.mailbox.forget(waiter)

    if TYPE_CHECKING:  # what the connection adds

        def _wait(self, waiter: Waiter[Any], timeout: float | None, what: str) -> Any: ...
