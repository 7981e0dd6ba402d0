"""`client.calls`, blocking and awaited.

Each method builds an operation and sends it; the module that builds it says what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..arguments import QueryValue, RequestOptions
from ..http.sending import AsyncHttp, Http, asend, send
from . import call_operations as calls
from . import sip_operations as sip

if TYPE_CHECKING:
    from ..arguments import Timeout
    from ..call import Call
    from ..session import SessionLike
    from .client_secret_operations import ClientSecret

__all__ = ["AsyncCalls", "Calls"]


class Calls:
    """Make calls, and control those that there are."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        offer: str | bytes,
        session: SessionLike | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call with the API key.

        Args:
            offer: The peer connection's offer, exactly as it came.
            session: The conversation's configuration: a builder, a generated model or a dict; None for the
                API's defaults.
            safety_identifier: A stable, hashed id of the end user.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The call, with its id and the answer.

        Raises:
            SdpError: The API would refuse the offer; nothing was sent.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError: The client has no key.
            APIConnectionError: No answer came; `may_have_applied` tells whether there may be a call.
            APIStatusError: The API refused or failed.
            APIResponseError: The answer has no SDP, or no call id.

        Example:
            ```python
            call = client.calls.create(offer, {"type": "realtime", "model": "gpt-realtime"})
            await peer.setRemoteDescription(RTCSessionDescription(call.sdp_answer, "answer"))
            ```
        """
        operation = calls.build_create(
            offer, session, validate=self._http.settings.validate, safety_identifier=safety_identifier
        )
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def create_with_secret(
        self,
        offer: str | bytes,
        client_secret: str | ClientSecret[Any],
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call as a browser does: on a client secret, which brings its session along.

        Args:
            offer: The peer connection's offer, exactly as it came.
            client_secret: An `ek_…` value, or what `client_secrets.create` gave.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The call, with its id and the answer.

        Raises:
            SdpError: The API would refuse the offer; nothing was sent.
            ValueError: The secret is an API key, or cannot be sent.
            APIConnectionError, APIStatusError, APIResponseError: As with `create`.
        """
        operation = calls.build_create_with_secret(offer, client_secret)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def accept(
        self,
        call_id: str,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Take an incoming SIP call.

        Args:
            call_id: The id from the webhook.
            session: The conversation's configuration: a builder, a generated model or a dict.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Raises:
            SessionConfigError: The API would refuse the session, or take it and drop the call.
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such call, or no longer.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = sip.build_accept(call_id, session, validate=self._http.settings.validate)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def reject(
        self,
        call_id: str,
        status_code: int | None = None,
        *,
        missing_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Turn an incoming SIP call away.

        Args:
            call_id: The id from the webhook.
            status_code: The SIP status for the caller, 300–699, such as 486 for busy; None for 603, decline.
            missing_ok: Whether a call that has already ended counts as turned away.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the status is out of range.
            NotFoundError: There is no such call, or no longer.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = sip.build_reject(call_id, status_code, missing_ok=missing_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def refer(
        self,
        call_id: str,
        target_uri: str,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Pass a SIP call on. Success means that the wish was relayed, not that the other side took the call.

        Args:
            call_id: The call's id.
            target_uri: A `tel:`, `sip:` or `sips:` URI, such as `tel:+14155550123`.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Raises:
            ValueError: The id is empty, `.` or `..`, or the URI is none of these.
            NotFoundError: There is no such call, or no longer.
            APIConnectionError, APIStatusError: As with `create`.
        """
        operation = sip.build_refer(call_id, target_uri)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def hangup(
        self,
        call_id: str,
        *,
        missing_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """End a call, WebRTC or SIP.

        Args:
            call_id: The call's id.
            missing_ok: Whether a call that has already ended counts as done.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Raises:
            ValueError: The id is empty, `.` or `..`.
            NotFoundError: There is no such call, or no longer.
            APIConnectionError, APIStatusError: No answer came, or the API refused or failed.
        """
        operation = calls.build_hangup(call_id, missing_ok=missing_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncCalls:
    """Make calls, and control those that there are."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        offer: str | bytes,
        session: SessionLike | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call with the API key.

        Takes, returns and raises the same as `Calls.create`.
        """
        operation = calls.build_create(
            offer, session, validate=self._http.settings.validate, safety_identifier=safety_identifier
        )
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def create_with_secret(
        self,
        offer: str | bytes,
        client_secret: str | ClientSecret[Any],
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> Call:
        """Start a WebRTC call as a browser does: on a client secret, which brings its session along.

        Takes, returns and raises the same as `Calls.create_with_secret`.
        """
        operation = calls.build_create_with_secret(offer, client_secret)
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def accept(
        self,
        call_id: str,
        session: SessionLike,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Take an incoming SIP call.

        Takes, returns and raises the same as `Calls.accept`.
        """
        operation = sip.build_accept(call_id, session, validate=self._http.settings.validate)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def reject(
        self,
        call_id: str,
        status_code: int | None = None,
        *,
        missing_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Turn an incoming SIP call away.

        Takes, returns and raises the same as `Calls.reject`.
        """
        operation = sip.build_reject(call_id, status_code, missing_ok=missing_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def refer(
        self,
        call_id: str,
        target_uri: str,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """Pass a SIP call on.

        Takes, returns and raises the same as `Calls.refer`.
        """
        operation = sip.build_refer(call_id, target_uri)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    async def hangup(
        self,
        call_id: str,
        *,
        missing_ok: bool = False,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> None:
        """End a call, WebRTC or SIP.

        Takes, returns and raises the same as `Calls.hangup`.
        """
        operation = calls.build_hangup(call_id, missing_ok=missing_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))
