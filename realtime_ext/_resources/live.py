"""The Live API: sessions over WebRTC, telephone calls in both directions, recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._core.arguments import QueryValue
from .._core.call import LiveCall
from .._http.sending import AsyncHttp, Http, asend, send
from .._http.settings import RequestOptions
from .live_connections import AsyncLiveConnections, LiveConnections
from .live_requests import (
    build_accept,
    build_call,
    build_create,
    build_hangup,
    build_recording,
    build_refer,
    build_reject,
)

if TYPE_CHECKING:
    from .._core.argument_types import LiveCallLike, LiveTrunkLike
    from .._core.arguments import Timeout
    from ..session import LiveSessionLike


class LiveCalls:
    """Create, accept, reject, refer and hang up calls of the Live API."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
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
            call = client.live.calls.create(offer, {"model": "gpt-live-1"})
            await peer.setRemoteDescription(RTCSessionDescription(call.sdp_answer, "answer"))
            ```
        """
        operation = build_create(offer, session, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def call(
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
        operation = build_call(session, to=to, trunk=trunk, validate=self._http.settings.validate)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def accept(
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
        operation = build_accept(session_id, session, validate=self._http.settings.validate)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def reject(
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
        operation = build_reject(session_id, status_code, not_found_ok=not_found_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def refer(
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
        operation = build_refer(session_id, target_uri)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def hangup(
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
        operation = build_hangup(session_id, not_found_ok=not_found_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncLiveCalls:
    """Create, accept, reject, refer and hang up calls of the Live API; the async form of `LiveCalls`."""

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
        """Start a session over WebRTC; the async form of `LiveCalls.create`."""
        operation = build_create(offer, session, validate=self._http.settings.validate)
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
        """Call a telephone number; the async form of `LiveCalls.call`."""
        operation = build_call(session, to=to, trunk=trunk, validate=self._http.settings.validate)
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
        """Accept an incoming telephone call; the async form of `LiveCalls.accept`."""
        operation = build_accept(session_id, session, validate=self._http.settings.validate)
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
        """Reject an incoming telephone call; the async form of `LiveCalls.reject`."""
        operation = build_reject(session_id, status_code, not_found_ok=not_found_ok)
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
        """Refer a telephone call to another number; the async form of `LiveCalls.refer`."""
        operation = build_refer(session_id, target_uri)
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
        """End a session over WebRTC or a telephone call; the async form of `LiveCalls.hangup`."""
        operation = build_hangup(session_id, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class Live(LiveConnections):
    """The Live API.

    Attributes:
        calls: Create, accept, reject, refer and hang up calls.
    """

    _http: Http

    def __init__(self, http: Http) -> None:
        self._http = http
        self.calls: LiveCalls = LiveCalls(http)

    def recording(
        self,
        session_id: LiveCallLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> bytes:
        """Download the recording of a stored session. The API has it for 30 days after the session has ended.

        Args:
            session_id: The session's call, or its id.
            timeout: Seconds, or an httpx.Timeout; None for the client's. The whole download may take twice as
                long.
            extra_headers, extra_query: As for `calls.create`.

        Returns:
            A WAV file in stereo: the user on the left, the model on the right; 6 MB a minute.

        Raises:
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such recording.
            APIConnectionError, APIStatusError: There was no response, or the API refused or failed.
        """
        operation = build_recording(session_id)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncLive(AsyncLiveConnections):
    """The Live API; the async form of `Live`."""

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
    ) -> bytes:
        """Download the recording of a stored session; the async form of `Live.recording`."""
        operation = build_recording(session_id)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))
