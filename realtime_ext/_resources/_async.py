"""The async resources: their operations, which are built without I/O elsewhere, are sent here.

The sync ones in `_sync` are generated from this module by `make regen`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .._core.arguments import QueryValue
from .._core.call import Call, LiveCall, LiveRecording
from .._core.secrets import hidden
from .._http.sending import AsyncHttp, asend
from .._http.settings import RequestOptions
from . import calls, client_secrets, live_requests, sessions
from .live_connections import AsyncLiveConnections

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
    )

    from .._core.argument_types import CallLike, LiveCallLike, LiveTrunkLike
    from .._core.arguments import Timeout
    from ..session import (
        ConversationLike,
        LiveSessionLike,
        OlderConversationLike,
        OlderTranscriptionLike,
        TranscriptionLike,
        TranslationLike,
    )
    from .client_secrets import ClientSecret, ConversationSession, TranslationSession


class AsyncCalls:
    """Create, accept, reject, refer and hang up calls."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        offer: str | bytes,
        session: ConversationLike | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call with the API key.

        Args:
            offer: The peer connection's offer, unchanged.
            session: The conversation's configuration: a builder, a generated model or a dict; None for the
                API's defaults.
            safety_identifier: A stable, hashed id of the end user.
            timeout: Seconds, or an httpx.Timeout; None for the client's.
            extra_headers: Additional headers; they override all others.
            extra_query: Additional query parameters; they override the client's.

        Returns:
            The call, with its id and the answer.

        Raises:
            SdpError: The API would refuse the offer; nothing was sent.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError: The client has no key.
            APIConnectionError: There was no response; `may_have_applied` says whether there may be a call.
            APIStatusError: The API refused or failed.
            APIResponseError: The answer has no SDP, or no call id.

        Example:
            ```python
            call = await client.calls.create(offer, {"type": "realtime", "model": "gpt-realtime-2.1"})
            answer = RTCSessionDescription(call.sdp_answer, "answer")  # for peer.setRemoteDescription
            ```
        """
        operation = calls.build_create(offer, session, validate=self._http.settings.validate)
        options = RequestOptions.check(timeout, extra_headers, extra_query, safety_identifier)
        return await asend(operation, self._http, options)

    async def create_with_secret(
        self,
        offer: str | bytes,
        client_secret: str | ClientSecret[Any],
        *,
        translation: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call as a browser does: with a client secret, which already has its session.

        Args:
            offer: The peer connection's offer, unchanged.
            client_secret: An `ek_…` value, or what `client_secrets.create` returned.
            translation: Whether the secret is of `translation_client_secrets.create`.
            timeout, extra_headers, extra_query: As for `create`.

        Returns:
            The call, with its id and the answer.

        Raises:
            SdpError: The API would refuse the offer; nothing was sent.
            ValueError: The secret is an API key, or cannot be sent.
            APIConnectionError, APIStatusError, APIResponseError: As with `create`.
        """
        client_secret = hidden(client_secret)  # a traceback may show locals
        operation = calls.build_create_with_secret(offer, client_secret, translation=translation)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def accept(
        self,
        call_id: CallLike,
        session: ConversationLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Accept an incoming SIP call.

        Args:
            call_id: The id from the webhook, or the webhook's data.
            session: The conversation's configuration: a builder, a generated model or a dict.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            SessionConfigError: The API would refuse the session, or accept it and drop the call.
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such call, or it has ended.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = calls.build_accept(call_id, session, validate=self._http.settings.validate)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def reject(
        self,
        call_id: CallLike,
        status_code: int | None = None,
        *,
        not_found_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Reject an incoming SIP call.

        Args:
            call_id: The id from the webhook, or the webhook's data.
            status_code: The SIP status for the caller, 300–699, such as 486 for busy; None for 603, decline.
            not_found_ok: Whether a call that has already ended counts as rejected.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the status is out of range.
            NotFoundError: There is no such call, or it has ended.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = calls.build_reject(call_id, status_code, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def refer(
        self,
        call_id: CallLike,
        target_uri: str,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Refer a SIP call to another number. Success means that the caller's side was asked to call there.

        Args:
            call_id: The call, or its id.
            target_uri: A `tel:`, `sip:` or `sips:` URI, such as `tel:+14155550123`.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the URI is none of these.
            NotFoundError: There is no such call, or it has ended.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = calls.build_refer(call_id, target_uri)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def hangup(
        self,
        call_id: CallLike,
        *,
        not_found_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """End a call, WebRTC or SIP.

        Args:
            call_id: The call, or its id.
            not_found_ok: Whether a call that has already ended counts as done.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such call, or it has ended.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed.
        """
        operation = calls.build_hangup(call_id, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncClientSecrets:
    """Create client secrets for browsers."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: ConversationLike | TranscriptionLike | None = None,
        expires_after: int | timedelta | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[ConversationSession]:
        """Create a client secret; create a new one for each call.

        Args:
            session: The conversation or transcription session that it starts: a builder, a generated model or
                a dict; None for the API's defaults.
            expires_after: Its lifetime, 10–7200 s, as whole seconds or a timedelta; None for the API's 600 s.
            safety_identifier: A stable, hashed id of the end user.
            timeout: Seconds, or an httpx.Timeout; None for the client's.
            extra_headers: Additional headers; they override all others.
            extra_query: Additional query parameters; they override the client's.

        Returns:
            The secret. `to_browser()` returns the fields for the browser.

        Raises:
            SessionConfigError: The API would refuse the session or the lifetime; nothing was sent.
            MissingApiKeyError: The client has no key.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed.
            APIResponseError: The response has no secret.
        """
        operation = client_secrets.build_create(session, expires_after, validate=self._http.settings.validate)
        options = RequestOptions.check(timeout, extra_headers, extra_query, safety_identifier)
        return await asend(operation, self._http, options)


class AsyncTranslationClientSecrets:
    """Create client secrets that start translation sessions."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: TranslationLike,
        expires_after: int | timedelta | None = None,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[TranslationSession]:
        """Create a client secret that starts a translation session.

        Args:
            session: The translation session that it starts: a builder, a generated model or a dict.
            expires_after, timeout, extra_headers, extra_query: As for `ClientSecrets.create`.

        Returns:
            The secret.

        Raises:
            SessionConfigError: The API would refuse the session or the lifetime; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = client_secrets.build_create_for_translation(
            session, expires_after, validate=self._http.settings.validate
        )
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncSessions:
    """Make conversation sessions of the older form."""

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
        operation = sessions.build_create(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncTranscriptionSessions:
    """Make transcription sessions of the older form."""

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
        operation = sessions.build_create_transcription(session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncLiveCalls:
    """Create, accept, reject, refer and hang up calls of the Live API."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        offer: str | bytes,
        session: LiveSessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> LiveCall:
        """Start a session over WebRTC.

        Args:
            offer: The peer connection's offer, unchanged.
            session: The session's configuration: a builder, a generated model or a dict. Its
                `safety_identifier` names the end user.
            timeout: Seconds, or an httpx.Timeout; None for the client's.
            extra_headers: Additional headers; they override all others.
            extra_query: Additional query parameters; they override the client's.

        Returns:
            The call, with its session's id and the answer.

        Raises:
            SdpError: The API would refuse the offer; nothing was sent.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError: The client has no key.
            APIConnectionError: There was no response; `may_have_applied` says whether there may be a session.
            APIStatusError: The API refused or failed.
            APIResponseError: The answer has no SDP, or no session id.

        Example:
            ```python
            call = await client.live.calls.create(offer, {"model": "gpt-live-1"})
            answer = RTCSessionDescription(call.sdp_answer, "answer")  # for peer.setRemoteDescription
            ```
        """
        operation = live_requests.build_create(offer, session, validate=self._http.settings.validate)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def call(
        self,
        session: LiveSessionLike,
        *,
        to: str,
        trunk: LiveTrunkLike,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> LiveCall:
        """Call a telephone number; never retried. A sideband is informed of ringing, answer and failure.

        Args:
            session: The session's configuration: a builder, a generated model or a dict.
            to: The number to call, such as `+14155550123`.
            trunk: The provider's trunk: `provider_url`, `auth` and `caller_number`.
            timeout, extra_headers, extra_query: As for `create`.

        Returns:
            The call, with its session's id and no answer.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            ValueError: The number or the trunk is incomplete or malformed; nothing was sent.
            PermissionDeniedError: Outgoing calls are not enabled for the organization.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed;
                `may_have_applied` says whether the telephone may ring.
            APIResponseError: The answer has no session id.
        """
        operation = live_requests.build_call(
            session, to=to, trunk=trunk, validate=self._http.settings.validate
        )
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def accept(
        self,
        session_id: LiveCallLike,
        session: LiveSessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Accept an incoming telephone call.

        Args:
            session_id: The id from the webhook, or the webhook's data.
            session: The session's configuration: a builder, a generated model or a dict.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            SessionConfigError: The API would refuse the session; nothing was sent.
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such call, or it has ended.
            ConflictError: It was already accepted or rejected, by either API.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = live_requests.build_accept(session_id, session, validate=self._http.settings.validate)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def reject(
        self,
        session_id: LiveCallLike,
        status_code: int = 603,
        *,
        not_found_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Reject an incoming telephone call.

        Args:
            session_id: The id from the webhook, or the webhook's data.
            status_code: The SIP status for the caller, 300–699, such as 486 for busy.
            not_found_ok: Whether a call that has already ended counts as rejected.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the status is out of range.
            NotFoundError: There is no such call, or it has ended.
            ConflictError: It was already accepted or rejected, by either API.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = live_requests.build_reject(session_id, status_code, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def refer(
        self,
        session_id: LiveCallLike,
        target_uri: str,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Refer a telephone call to another number.

        Args:
            session_id: The session's call, or its id.
            target_uri: A `tel:`, `sip:` or `sips:` URI, such as `tel:+14155550123`.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the URI is none of these.
            NotFoundError: There is no such call, or it has ended.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = live_requests.build_refer(session_id, target_uri)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def hangup(
        self,
        session_id: LiveCallLike,
        *,
        not_found_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """End a session over WebRTC or a telephone call.

        Args:
            session_id: The session's call, or its id.
            not_found_ok: Whether a session that has already ended counts as done.
            timeout, extra_headers, extra_query: As for `create`.

        Raises:
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such session, or it has ended.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed.
        """
        operation = live_requests.build_hangup(session_id, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncLive(AsyncLiveConnections):
    """The Live API.

    Attributes:
        calls: Create, accept, reject, refer and hang up calls.
    """

    _http: AsyncHttp

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http
        self.calls: AsyncLiveCalls = AsyncLiveCalls(http)

    async def recording(
        self,
        session_id: LiveCallLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> LiveRecording:
        """Download the recording of a stored session. The API has it for 30 days after the session has ended.

        Args:
            session_id: The session's call, or its id.
            timeout: Seconds, or an httpx.Timeout; None for the client's. The whole download may take twice as
                long.
            extra_headers, extra_query: As for `calls.create`.

        Returns:
            The bytes of a WAV file, with `save("call.wav")`: the user on the left, the model on the right;
            6 MB a minute.

        Raises:
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such recording.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed.
        """
        operation = live_requests.build_recording(session_id)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))
