"""`client.sessions` and `client.transcription_sessions`, blocking and awaited.

Each method builds an operation and sends it; the module that builds it says what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..arguments import QueryValue, RequestOptions
from ..http.sending import AsyncHttp, Http, asend, send
from . import session_operations as sessions

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
    )

    from ..arguments import Timeout
    from ..session import SessionLike

__all__ = ["AsyncSessions", "AsyncTranscriptionSessions", "Sessions", "TranscriptionSessions"]


class Sessions:
    """Make conversation sessions of the older form."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeSessionCreateResponse:
        """Make a session ahead of its connection; `client_secrets.create` is the newer way.

        Args:
            session: Its configuration: a builder, a generated model or a dict, of the present or older form.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The session as the API understood it; a client secret inside is masked in its repr.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = sessions.build_create(session, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncSessions:
    """Make conversation sessions of the older form."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeSessionCreateResponse:
        """Make a session ahead of its connection.

        Takes, returns and raises the same as `Sessions.create`.
        """
        operation = sessions.build_create(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class TranscriptionSessions:
    """Make transcription sessions of the older form."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Make a transcription session ahead of its connection; `client_secrets.create` is the newer way.

        Args:
            session: Its configuration: a builder, a generated model or a dict, of the present or older form.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The session as the API understood it; the client secret inside is masked in its repr.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = sessions.build_create_transcription(session, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncTranscriptionSessions:
    """Make transcription sessions of the older form."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Make a transcription session ahead of its connection.

        Takes, returns and raises the same as `TranscriptionSessions.create`.
        """
        operation = sessions.build_create_transcription(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))
