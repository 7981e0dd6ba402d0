"""What an async connection's methods return: a turn to follow, and the count of what was played."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

from .._core.time_limit import TimeLimit
from ..errors import APITimeoutError, ConnectionClosedError
from ._state.client_events import marked_response, text_item
from ._state.core import ConnectionState
from ._state.playback import Interruption, Position
from ._state.turns import TurnStream
from ._turn import Turn

if TYPE_CHECKING:
    from ..events import ServerEvent
    from ._async_connection import AsyncConnection

_CANCEL_TIMEOUT = 2.0  # seconds
_BATCH_EVENTS = 256


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
        self._io = connection._io
        self._state = connection._state
        self._item = None if text is None else text_item(text)
        self._response = response
        self._timeout = timeout  # seconds for the whole turn, for messages
        self._stream: TurnStream | None = None
        self._state.client_events.check_response(response)

    @property
    def turn(self) -> Turn:
        """The result of the turn; complete once all its events have been read.

        Raises:
            RuntimeError: The block was not entered.
        """
        return self._entered().turn(self._state.playback.format)

    @property
    def _calls_handlers(self) -> bool:
        """Whether reading an event here calls its handlers: unless the connection's own events are read."""
        return not self._state.queue.is_consumed

    async def __aenter__(self) -> Self:
        stream = self._stream = self._state.open_turn()
        try:
            await self._ask(stream)
        except BaseException:
            await self._leave(stream)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave(self._entered())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        if self._calls_handlers:
            await self._connection._call_handlers(event)
        return event

    def _too_late(self) -> APITimeoutError:
        """Return the exception for a turn that exceeded its time limit."""
        return self._entered().too_late(self._timeout)

    async def _next(self) -> ServerEvent | None:
        stream = self._entered()
        await self._ready(stream)
        if not stream.events:
            return None
        event: ServerEvent
        event, number = stream.take()
        self._state.queue.given(number)
        return event

    async def _fetch(self, events: deque[tuple[ServerEvent, int]]) -> None:
        """Wait for events of the turn, and move them to a deque; none when the turn is over."""
        stream = self._entered()
        await self._ready(stream)
        stream.fetch(events, _BATCH_EVENTS)

    async def _ready(self, stream: TurnStream) -> None:
        """Wait until there is an event to read, or the turn is over; ask for its response when needed."""
        while not stream.events:
            if stream.is_over:
                stream.raise_error()
                return
            if stream.is_waited_for:
                raise RuntimeError("stream: another task or thread is waiting for its events")
            if stream.must_ask:
                await self._ask(stream)
            else:
                waiter = stream.wait()
                try:
                    await self._io.wait(waiter, None, "the turn")
                finally:
                    stream.stop_waiting(waiter)

    async def _ask(self, stream: TurnStream) -> None:
        contents = [] if self._item is None or stream.has_asked else [self._item]
        contents.append(marked_response(self._response, stream.mark))
        outgoing = map(self._state.client_events.write, contents)
        await self._io.send_in_turn(*outgoing, stream=stream)

    async def _leave(self, stream: TurnStream) -> None:
        try:
            if stream.is_unanswered:
                async with TimeLimit(_CANCEL_TIMEOUT):
                    await self._connection.cancel_response(stream.active_response)
        except (ConnectionClosedError, TimeoutError):
            pass  # nothing is left to cancel
        finally:
            self._state.turns.close(stream)

    def _entered(self) -> TurnStream:
        if self._stream is None:
            raise RuntimeError("stream: use it as `async with connection.stream(…) as stream`")
        return self._stream


class AsyncPlayback:
    """Tracks playback, so that an interruption truncates the conversation where the user stopped hearing it.

    If the API plays the audio itself (WebRTC, SIP), these methods have no effect.

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
        self._state.playback.played_bytes(count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: It is negative or not finite.
        """
        self._state.playback.played_ms(ms)

    @property
    def position(self) -> Position | None:
        """The playback position; None if there is no audio to play or to come."""
        return self._state.playback.position

    @property
    def to_flush(self) -> Interruption | None:
        """The audio to drop when the user last began to speak; None for nothing."""
        return self._state.playback.to_flush

    async def interrupt(self) -> Interruption | None:
        """Stop the model, as `connection.interrupt`."""
        return await self._connection.interrupt()
