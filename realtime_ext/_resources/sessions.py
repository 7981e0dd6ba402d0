"""Sessions of the older form: made ahead of a connection, with the client secret inside.

The functions build requests, without I/O; the classes send them. `client_secrets` is the newer
way to the same end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._core.arguments import QueryValue
from .._http.operation import Operation, encode_body, read_model
from .._http.sending import AsyncHttp, Http, asend, send
from .._http.settings import RequestOptions

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
    )

    from .._core.arguments import Timeout
    from ..session import OlderConversationLike, OlderTranscriptionLike


class Sessions:
    """Make conversation sessions of the older form."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: OlderConversationLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeSessionCreateResponse:
        """Make a session ahead of its connection; `client_secrets.create` is the newer way.

        Args:
            session: Its configuration: a builder, a generated model or a dict, of the present or older form.
            timeout: Seconds, or an httpx.Timeout; None for the client's.
            extra_headers: Additional headers; they override all others.
            extra_query: Additional query parameters; they override the client's.

        Returns:
            The session as the API understood it; a client secret inside is masked in its repr.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = build_create(session, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncSessions:
    """Make conversation sessions of the older form; the async form of `Sessions`."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: OlderConversationLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeSessionCreateResponse:
        """Make a session; the async form of `Sessions.create`."""
        operation = build_create(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class TranscriptionSessions:
    """Make transcription sessions of the older form."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: OlderTranscriptionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Make a transcription session ahead of its connection; `client_secrets.create` is the newer way.

        Args:
            session: Its configuration: a builder, a generated model or a dict, of the present or older form.
            timeout: Seconds, or an httpx.Timeout; None for the client's.
            extra_headers: Additional headers; they override all others.
            extra_query: Additional query parameters; they override the client's.

        Returns:
            The session as the API understood it; the client secret inside is masked in its repr.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = build_create_transcription(session, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncTranscriptionSessions:
    """Make transcription sessions of the older form; the async form of `TranscriptionSessions`."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: OlderTranscriptionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Make a transcription session; the async form of `TranscriptionSessions.create`."""
        operation = build_create_transcription(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


def build_create(
    session: OlderConversationLike, *, validate: bool = True
) -> Operation[RealtimeSessionCreateResponse]:
    """Build the request for a conversation session.

    Returns:
        The operation; it is idempotent. The result's client secret, if there is one, is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create
    """
    from realtime_api.api.realtime import create_realtime_session
    from realtime_api.models import RealtimeSessionCreateResponse

    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("realtime", "realtime_older"))
    return Operation(
        name="sessions.create",
        request=create_realtime_session.build_request(body=encode_body(body)),
        read=lambda response: read_model(response, RealtimeSessionCreateResponse.from_dict),
        idempotent=True,
    )


def build_create_transcription(
    session: OlderTranscriptionLike, *, validate: bool = True
) -> Operation[RealtimeTranscriptionSessionCreateResponse]:
    """Build the request for a transcription session.

    Returns:
        The operation; it is idempotent. The result's client secret is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-transcription
    """
    from realtime_api.api.realtime import create_realtime_transcription_session
    from realtime_api.models import RealtimeTranscriptionSessionCreateResponse

    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("transcription", "transcription_older"))
    return Operation(
        name="transcription_sessions.create",
        request=create_realtime_transcription_session.build_request(body=encode_body(body)),
        read=lambda response: read_model(response, RealtimeTranscriptionSessionCreateResponse.from_dict),
        idempotent=True,
    )
