"""What `connect` was asked for, checked. Shared by both flavours; it must not connect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..arguments import QueryValue, check_header
from ..http.settings import RequestOptions
from ._websocket import LinkOptions
from .state._core import MAX_QUEUE_BYTES, Protocol
from .state._inbox import Budget
from .state._opening import Plan, check_reconnect, confirming_plan, make_plan
from .state._reconnect import Reconnect
from .state._surface import Observer

if TYPE_CHECKING:
    import ssl

    from ..arguments import Timeout
    from ..session import SessionLike

__all__ = ["ConnectRequest"]


@attrs.frozen(kw_only=True)
class ConnectRequest:
    """A connection to be opened.

    Args:
        plan: Where it goes.
        reconnect: What to do when the link is lost; None for nothing.
        observer: Sees every event.
        max_queue_bytes: How much may wait for the application.
        link: How the link is made.
        options: Time limit, headers and query.
        safety_identifier: A stable, hashed id of the end user.
    """

    plan: Plan
    reconnect: Reconnect | None
    observer: Observer | None
    max_queue_bytes: int
    link: LinkOptions
    options: RequestOptions
    safety_identifier: str | None = attrs.field(repr=False)

    @classmethod
    def check(
        cls,
        *,
        model: str | None = None,
        session: SessionLike | None = None,
        call_id: str | None = None,
        intent: Literal["transcription"] | None = None,
        confirming: str | None = None,
        validate: bool,
        safety_identifier: str | None,
        reconnect: Reconnect | Literal[False] | None,
        observer: Observer | None,
        max_queue_bytes: int | None,
        proxy: str | Literal[True] | None,
        ssl_context: ssl.SSLContext | None,
        websocket_options: Mapping[str, Any] | None,
        timeout: Timeout | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, QueryValue] | None,
    ) -> ConnectRequest:
        """Check `connect`'s arguments.

        Args:
            confirming: For a call that is being accepted: the type of its session.
            model, session, call_id, intent, validate, safety_identifier, reconnect, observer,
            max_queue_bytes,
                proxy, ssl_context, websocket_options, timeout, extra_headers, extra_query: As `connect` has
                    them.

        Raises:
            TypeError: One has the wrong type.
            ValueError: One has a value that can't work, or they contradict each other.
            SessionConfigError: The API would refuse the session.
        """
        if observer is not None and not callable(observer):
            raise TypeError(f"observer: expected a function, got {type(observer).__name__}")
        if safety_identifier is not None:
            check_header("safety_identifier", safety_identifier)
        size = MAX_QUEUE_BYTES if max_queue_bytes is None else max_queue_bytes
        Budget(size)
        if confirming is not None and call_id is not None:
            plan = confirming_plan(call_id, confirming)
        else:
            plan = make_plan(model=model, session=session, call_id=call_id, intent=intent, validate=validate)
        return cls(
            plan=plan,
            reconnect=check_reconnect(reconnect, plan.role),
            observer=observer,
            max_queue_bytes=size,
            link=LinkOptions(proxy=proxy, ssl_context=ssl_context, options=websocket_options or {}),
            options=RequestOptions.check(timeout, extra_headers, extra_query),
            safety_identifier=safety_identifier,
        )

    def protocol(self, id_prefix: str, *, validate: bool) -> Protocol:
        """Make the connection's state."""
        return Protocol(
            self.plan.role,
            id_prefix=id_prefix,
            max_queue_bytes=self.max_queue_bytes,
            validate=validate,
            reconnect=self.reconnect,
        )

    @staticmethod
    def plain_options() -> RequestOptions:
        """Give the options of a request that is told nothing besides."""
        return RequestOptions.check(None, None, None)
