"""One turn of the model as a stream of its events. It must not decide what belongs to a turn."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import APITimeoutError, ConnectionClosedError
from .state import _shortcuts as shortcuts

if TYPE_CHECKING:
    from ..events import ServerEvent
    from ._connection import AsyncConnection
    from .state._turn import TurnStream
    from .state._turn_record import Turn

__all__ = ["AsyncStream"]

_CANCEL_TIMEOUT = 2.0  # seconds


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
        self._item = None if text is None else shortcuts.text_item(text)
        self._response = response
        self._timeout = timeout  # seconds; whoever waits for all of it keeps to it
        self._stream: TurnStream | None = None
        connection._core.check_response(response)  # a wrong argument is refused here already

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        return self._entered().turn()

    @property
    def calls_handlers(self) -> bool:
        """Whether who takes an event here calls its handlers, since nobody takes it from the connection."""
        return not self._connection._core.mailbox.is_consumed

    async def __aenter__(self) -> Self:
        connection = self._connection
        stream = self._stream = connection._core.open_stream()
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
            await self._connection._call_handlers(event)
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
                await self._connection._wait(stream.wait(), None, "the turn")

    async def _ask(self, stream: TurnStream) -> None:
        outgoing = self._connection._core.turn_request(stream, self._item, self._response)
        await self._connection._send_in_turn(*outgoing, stream=stream)

    async def _leave(self, stream: TurnStream) -> None:
        try:
            if stream.is_unanswered:
                async with asyncio.timeout(_CANCEL_TIMEOUT):
                    await self._connection.cancel_response(stream.active_response)
        except (ConnectionClosedError, TimeoutError):
            pass  # then there is nothing left to cancel
        finally:
            self._connection._core.turns.close(stream)

    def too_late(self) -> APITimeoutError:
        """Make the exception for a turn that took too long."""
        return self._entered().too_late(self._timeout)

    def _entered(self) -> TurnStream:
        if self._stream is None:
            raise RuntimeError("stream: use it as `async with connection.stream(…) as stream`")
        return self._stream
