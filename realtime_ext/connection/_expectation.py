"""Waiting for an event that was asked for before it could come. It must not send."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from ..arguments import check_seconds

if TYPE_CHECKING:
    from ._receiving import AsyncReceiving
    from .state._mailbox import EventWaiter

__all__ = ["AsyncExpectation"]

EventT = TypeVar("EventT")


class AsyncExpectation(Generic[EventT]):
    """An event to come, registered from the moment that `expect` was called.

        with connection.expect("response.done") as expected:
            await connection.create_response()
        event = await expected

    It can be awaited inside the block or after it. A block that raises gives the expectation up.
    """

    def __init__(self, connection: AsyncReceiving, waiter: EventWaiter, what: str) -> None:
        self._connection = connection
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
        event = await self._connection._wait(self._waiter, timeout, self._what)
        return cast(EventT, event)

    result = wait

    def __await__(self) -> Generator[Any, None, EventT]:
        return self.wait().__await__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._connection._core.mailbox.forget(self._waiter)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
