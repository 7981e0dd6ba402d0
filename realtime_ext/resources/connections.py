"""`client.connect` and `client.answer`, blocking.

The job: check the arguments and hand back what opens the connection. It must not open one, and loads what
does on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..arguments import QueryValue
from ..http.sending import Http
from . import calls

if TYPE_CHECKING:
    import ssl

    from ..arguments import Timeout
    from ..connection import Answering, Connecting
    from ..connection.state._reconnect import Reconnect
    from ..connection.state._surface import Observer
    from ..session import SessionLike

__all__ = ["Connections"]


class Connections:
    """`connect` and `answer`, blocking."""

    _http: Http

    def connect(
        self,
        model: str | None = None,
        *,
        session: SessionLike | None = None,
        call_id: str | None = None,
        intent: Literal["transcription"] | None = None,
        safety_identifier: str | None = None,
        reconnect: Reconnect | Literal[False] | None = None,
        observer: Observer | None = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Connecting:
        """Open a session, or attach to a call's, over a WebSocket.

        Give exactly one of model (or a session that has one), `call_id` and `intent`. A session is sent and
        confirmed before the block starts. A `TranscriptionSessionBuilder` or `TranslationSessionBuilder`
        alone goes where such sessions are served.

        Args:
            model: The model of a new session.
            session: Its configuration, or, with `call_id`, an update: a builder, a generated model or a dict.
            call_id: A call to attach to; it is not hung up when the block ends.
            intent: `transcription`, for a session that transcribes alone.
            safety_identifier: A stable, hashed id of the end user.
            reconnect: What to do when the link is lost. None: a sideband attaches again, a model's session
                doesn't. False: nothing.
            observer: Called with `"in"` or `"out"`, the event and monotonic nanoseconds, for every event, by
                the reader or whoever sends; it must neither block nor send.
            max_queue_bytes: How much may wait for the application before the connection ends; None for 64
                MiB.
            proxy: True for the environment's, None for none, or a URL; needs websockets 15 or newer.
            ssl_context: For `wss`; None for the default.
            websocket_options: Further arguments of the websockets library's `connect`, such as
                `ping_interval`, `ping_timeout`, `max_size` (64 MiB), `compression` (None).
            timeout: Seconds for the handshake, and again for the session's confirmation; None takes the
                client's.
            extra_headers: Further headers of the handshake; they win over all others.
            extra_query: Further query parameters.

        Returns:
            What `with` opens, giving the connection, and closes.

        Raises:
            TypeError, ValueError: An argument can't be used, or they contradict each other.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError: The client has no key. This and what follows is raised on entering.
            APIStatusError: The API refused; `NotFoundError` for a call that isn't there.
            APIConnectionError: There is no connection; `APITimeoutError` if it took too long.
            ConnectionClosedError: The API closed it before the session was confirmed.

        Example:
            ```python
            with client.connect(model="gpt-realtime") as connection:
                turn = connection.ask("Say hello.")
            ```
        """
        from ..connection import Connecting
        from ..connection._request import ConnectRequest

        request = ConnectRequest.check(
            model=model,
            session=session,
            call_id=call_id,
            intent=intent,
            validate=self._http.settings.validate,
            safety_identifier=safety_identifier,
            reconnect=reconnect,
            observer=observer,
            max_queue_bytes=max_queue_bytes,
            proxy=proxy,
            ssl_context=ssl_context,
            websocket_options=websocket_options,
            timeout=timeout,
            extra_headers=extra_headers,
            extra_query=extra_query,
        )
        return Connecting(self._http, request)

    def answer(
        self,
        call_id: str,
        session: SessionLike,
        *,
        hangup_on_exit: bool = True,
        safety_identifier: str | None = None,
        reconnect: Reconnect | Literal[False] | None = None,
        observer: Observer | None = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Answering:
        """Answer an incoming SIP call: accept it, attach to it, and enter when its session is confirmed.

        Args:
            call_id: The id from the webhook.
            session: The conversation's configuration: a builder, a generated model or a dict.
            hangup_on_exit: Whether the call ends with the block, within 5 s.
            safety_identifier, reconnect, observer, max_queue_bytes, proxy, ssl_context, websocket_options,
            timeout,
                extra_headers, extra_query: As for `connect`.

        Returns:
            What `with` opens, giving the connection, and closes.

        Raises:
            TypeError, ValueError: An argument can't be used.
            SessionConfigError: The API would refuse the session; nothing was sent.
            NotFoundError: There is no such call, or no longer. This and what follows is raised on entering.
            MissingApiKeyError, APIStatusError, APIConnectionError, ConnectionClosedError: As with `connect`.
        """
        from ..connection import Answering
        from ..connection._request import ConnectRequest

        accept = calls.build_accept(call_id, session, validate=self._http.settings.validate)
        request = ConnectRequest.check(
            call_id=call_id,
            confirming="realtime",
            validate=self._http.settings.validate,
            safety_identifier=safety_identifier,
            reconnect=reconnect,
            observer=observer,
            max_queue_bytes=max_queue_bytes,
            proxy=proxy,
            ssl_context=ssl_context,
            websocket_options=websocket_options,
            timeout=timeout,
            extra_headers=extra_headers,
            extra_query=extra_query,
        )
        return Answering(self._http, request, accept, hangup_on_exit=hangup_on_exit)
