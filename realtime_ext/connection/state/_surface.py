"""What the connections of both flavours have in common: all that needs no I/O.

It must not send or wait.
"""

from __future__ import annotations

import logging
import threading
import time
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...errors import RealtimeError
from ...events import parse_event
from ._core import Protocol
from ._handlers import Handler
from ._matching import Kind, Several
from ._replay import replay_items

if TYPE_CHECKING:
    from realtime_api.models import RealtimeConversationItem

    from ...call import Call
    from ...events import Event
    from ...usage import Usage

__all__ = ["Observer", "Surface"]

logger = logging.getLogger("realtime_ext")

HandlerT = TypeVar("HandlerT", bound=Handler)
EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")
Observer = Callable[[str, Any, int], object]


class ObserverSendsError(RealtimeError):
    """The observer tried to send."""


class Registering(typing.Protocol[EventT]):
    """What `on` and `once` give as a decorator, for type checkers."""

    def __call__(self, handler: Callable[[EventT], ResultT], /) -> Callable[[EventT], ResultT]: ...


class Surface:
    """State that can be looked at, and handlers.

    Args:
        core: The connection's state.
        lock: What guards it; re-entrant.
        observer: Called with `"in"` or `"out"`, the event and monotonic nanoseconds, for every event.
        call: The WebRTC call, where there is one.
        call_id: The call's id, where there is one.
    """

    def __init__(
        self,
        core: Protocol,
        lock: AbstractContextManager[Any],
        *,
        observer: Observer | None,
        call: Call | None,
        call_id: str | None,
    ) -> None:
        self._core = core
        self._lock = lock
        self._observer = observer
        self._observed_by: int | None = None  # the thread that is in the observer
        self._observing = None if observer is None else threading.RLock()
        self._call = call
        self._call_id = call_id if call is None else call.id

    @property
    def call(self) -> Call | None:
        """The WebRTC call that `dial` made; None for other connections."""
        return self._call

    @property
    def call_id(self) -> str | None:
        """The id of the call that this connection is about; None if it is about none."""
        return self._call_id

    @property
    def session(self) -> Any:
        """The session as the server last described it: a generated session; None before it did."""
        with self._lock:
            content = self._core.effects.session.content
        if content is None:
            return None
        kind = "session.updated"
        event = parse_event({"type": kind, "event_id": "", "session": content})
        return getattr(event, "session", None)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        with self._lock:
            found = self._core.effects.ledger.items
        return [_item(item) for item in found]

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Give the conversation as items for a new session.

        What was spoken becomes text: `input_text` of the user, `output_text` of the assistant. Of an answer
        that was interrupted, the part is given that is likely to have been heard. Function calls come with
        their outputs.

        Returns:
            Generated items without ids, to be handed to `create_item` in order.
        """
        with self._lock:
            found = replay_items(self._core.effects.ledger.entries())
        return [_item(item) for item in found]

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses took so far, by modality."""
        return self._core.effects.meter.usage

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended; events may still be there to be taken."""
        return self._core.ending is not None

    @overload
    def on(self, kind: type[EventT], handler: None = None) -> Registering[EventT]: ...
    @overload
    def on(self, kind: type[EventT], handler: Callable[[EventT], ResultT]) -> Callable[[EventT], ResultT]: ...
    @overload
    def on(self, kind: str | Several, handler: None = None) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def on(self, kind: str | Several, handler: HandlerT) -> HandlerT: ...
    def on(self, kind: Kind, handler: Any = None) -> Any:
        """Have a function called with every event of a kind, when it is taken by `run`, iteration or `recv`.

        Args:
            kind: An event type such as `response.done`, an event class, or a union or a tuple of those.
            handler: The function; without one, this is a decorator.

        Returns:
            The function.

        Raises:
            TypeError: The kind is no kind of event, or the handler can't be called.
            ValueError: The kind is empty.
        """
        if handler is None:
            return lambda function: self.on(kind, function)
        self._check_handler(handler)
        with self._lock:
            self._core.handlers.add(kind, handler)
        return handler

    @overload
    def once(self, kind: type[EventT], handler: None = None) -> Registering[EventT]: ...
    @overload
    def once(
        self, kind: type[EventT], handler: Callable[[EventT], ResultT]
    ) -> Callable[[EventT], ResultT]: ...
    @overload
    def once(self, kind: str | Several, handler: None = None) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def once(self, kind: str | Several, handler: HandlerT) -> HandlerT: ...
    def once(self, kind: Kind, handler: Any = None) -> Any:
        """Have a function called with the next event of a kind; as `on`."""
        if handler is None:
            return lambda function: self.once(kind, function)
        self._check_handler(handler)
        with self._lock:
            self._core.handlers.add(kind, handler, once=True)
        return handler

    def off(self, kind: Kind, handler: Handler | None = None) -> None:
        """Stop calling a function, or all of that kind; one that isn't registered is passed over.

        Raises:
            TypeError: The kind is no kind of event.
            ValueError: The kind is empty.
        """
        with self._lock:
            self._core.handlers.remove(kind, handler)

    def _check_handler(self, handler: Handler) -> None:
        """Refuse a handler that this flavour can't call."""

    def _item(self, item: dict[str, Any]) -> Any:
        return _item(item)

    def _observe(self, direction: str, event: Event | dict[str, Any]) -> None:
        if self._observer is None or self._observing is None:
            return
        if isinstance(event, dict):
            event = parse_event(event)
        try:
            with self._observing:  # the reader and those who send tell of events in the order of their times
                self._observed_by = threading.get_ident()
                try:
                    self._observer(direction, event, time.monotonic_ns())
                finally:
                    self._observed_by = None
        except ObserverSendsError as fault:
            logger.warning("%s", fault)
        except Exception as fault:
            logger.warning("the observer raised %s", type(fault).__name__)

    def _check_sender(self) -> None:
        # The observer is called amid sending, by others too: each would wait for the other.
        if self._observed_by is not None and self._observed_by == threading.get_ident():
            raise ObserverSendsError("observer: it can't send; hand the event over to another thread or task")

    def __repr__(self) -> str:
        role = self._core.role
        about = f" call_id={self._call_id!r}" if self._call_id else ""
        return f"<{type(self).__name__} {role.kind}{about}{' closed' if self.is_closed else ''}>"


def _item(item: dict[str, Any]) -> Any:
    from realtime_api.models.realtime_conversation_item import decode_realtime_conversation_item

    return decode_realtime_conversation_item(item)
