"""One turn of the model as a stream of its events. It must not decide what belongs to a turn."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...errors import APITimeoutError, ConnectionClosedError
from .._deadline import Deadline
from ..state import _shortcuts as shortcuts

if TYPE_CHECKING:
    from ...events import ServerEvent
    from ..state._turn import TurnStream
    from ..state._turn_record import Turn
    from ._connection import Connection

__all__ = ["Stream"]

_CANCEL_TIMEOUT = 2.0  # seconds


class Stream:
    """A turn: its events while it goes on, then `turn`.

        with connection.stream("What time is it?") as stream:
            for event in stream: ...
        print(stream.turn.transcript)

    Leaving the block before the turn is over cancels it.
    """

    def __init__(
        self, connection: Connection, text: str | None, response: Any, timeout: float | None = None
    ) -> None:
        self._connection = connection
        self._lock = connection._lock
        self._item = None if text is None else shortcuts.text_item(text)
        self._response = response
        self._deadline = Deadline(timeout)
        self._stream: TurnStream | None = None
        connection._core.check_response(response)  # a wrong argument is refused here already

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        with self._lock:
            return self._entered().turn()

    def __enter__(self) -> Self:
        connection = self._connection
        with self._lock:
            stream = self._stream = connection._core.open_stream()
        try:
            self._ask(stream)
        except BaseException:
            self._leave(stream)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self._entered())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerEvent:
        stream = self._entered()
        while True:
            with self._lock:
                event: ServerEvent | None = stream.take() if stream.events else None
                must_ask = event is None and stream.must_ask and not stream.is_over
                is_over = event is None and stream.is_over
                waiter = stream.wait()
            if event is not None:
                if not self._connection._core.mailbox.is_consumed:
                    self._connection._call_handlers(event)
                return event
            if is_over:
                stream.raise_error()
                raise StopIteration
            if must_ask:
                self._ask(stream)
            else:
                self._connection._wait(waiter, self._deadline, "the turn")

    def _ask(self, stream: TurnStream) -> None:
        with self._lock:
            outgoing = self._connection._core.turn_request(stream, self._item, self._response)
        self._connection._send_in_turn(*outgoing, deadline=self._deadline, stream=stream)

    def _leave(self, stream: TurnStream) -> None:
        try:
            if stream.is_unanswered:
                with self._lock:
                    out = self._connection._core.write(shortcuts.cancel_response(stream.active_response))
                self._connection._send(out, deadline=Deadline(_CANCEL_TIMEOUT))
        except (ConnectionClosedError, APITimeoutError):
            pass  # then there is nothing left to cancel
        finally:
            with self._lock:
                self._connection._core.turns.close(stream)

    @property
    def _is_late(self) -> bool:
        """Whether its time is over."""
        left = self._deadline.left()
        return left is not None and left <= 0

    def _too_late(self) -> APITimeoutError:
        """Make the exception for a turn that took too long."""
        return self._entered().too_late(self._deadline.seconds)

    def _entered(self) -> TurnStream:
        if self._stream is None:
            raise RuntimeError("stream: use it as `with connection.stream(…) as stream`")
        return self._stream
