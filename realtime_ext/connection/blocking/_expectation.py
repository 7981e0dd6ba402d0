"""Waiting for an event that was asked for before it could come. It must not send."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from ...arguments import check_seconds

if TYPE_CHECKING:
    from ..state._mailbox import EventWaiter
    from ._receiving import Receiving

__all__ = ["Expectation"]

EventT = TypeVar("EventT")


class Expectation(Generic[EventT]):
    """An event to come, registered from the moment that `expect` was called.

        with connection.expect("response.done") as expected:
            connection.create_response()
        event = expected.wait()

    It can be waited for inside the block or after it. A block that raises gives the expectation up.
    """

    def __init__(self, connection: Receiving, waiter: EventWaiter, what: str) -> None:
        self._connection = connection
        self._waiter = waiter
        self._what = what

    @property
    def is_done(self) -> bool:
        """Whether the event has come, or can't come any more."""
        return self._waiter.done

    def wait(self, timeout: float | None = 60.0) -> EventT:
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
        event = self._connection._wait(self._waiter, timeout, self._what)
        return cast(EventT, event)

    result = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._connection._forget(self._waiter)
