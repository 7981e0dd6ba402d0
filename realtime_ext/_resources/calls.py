"""Calls: make them over WebRTC; accept, reject and refer those that come over SIP; hang up.

The functions build requests and read responses, without I/O; `Calls` and `AsyncCalls` send them. The job: an
offer reaches the API byte for byte or not at all, and a call's id is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .._core.arguments import QueryValue, check_key
from .._core.call import Call, check_call_id
from .._core.schema import bounds
from .._core.secrets import Secret, hidden, mask
from .._http.operation import Operation, encode_body, read_nothing, response_error
from .._http.sending import AsyncHttp, Http, asend, send
from .._http.settings import RequestOptions
from ..errors import SdpError

if TYPE_CHECKING:
    import httpx

    from .._core.argument_types import CallLike
    from .._core.arguments import Timeout
    from ..session import ConversationLike
    from .client_secrets import ClientSecret

# A body is SDP by its first two lines, whatever its content type says (RFC 8866 §5).
_SDP_START = re.compile(rb"v=0(?:\r\n|\n|\r)[a-z]=")
_LOCATION = re.compile(r"(?:^|/)calls/([^/?#]+)/?(?:[?#].*)?")


class Calls:
    """Create, accept, reject, refer and hang up calls."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
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
            call = client.calls.create(offer, {"type": "realtime", "model": "gpt-realtime-2.1"})
            await peer.setRemoteDescription(RTCSessionDescription(call.sdp_answer, "answer"))
            ```
        """
        operation = build_create(offer, session, validate=self._http.settings.validate)
        options = RequestOptions.check(timeout, extra_headers, extra_query, safety_identifier)
        return send(operation, self._http, options)

    def create_with_secret(
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
        operation = build_create_with_secret(offer, client_secret, translation=translation)
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def accept(
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
        operation = build_accept(call_id, session, validate=self._http.settings.validate)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def reject(
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
        operation = build_reject(call_id, status_code, not_found_ok=not_found_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def refer(
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
        operation = build_refer(call_id, target_uri)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))

    def hangup(
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
        operation = build_hangup(call_id, not_found_ok=not_found_ok)
        send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncCalls:
    """Create, accept, reject, refer and hang up calls; the async form of `Calls`."""

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
        """Start a WebRTC call with the API key; the async form of `Calls.create`."""
        operation = build_create(offer, session, validate=self._http.settings.validate)
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
        """Start a WebRTC call as a browser does; the async form of `Calls.create_with_secret`."""
        client_secret = hidden(client_secret)  # a traceback may show locals
        operation = build_create_with_secret(offer, client_secret, translation=translation)
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
        """Accept an incoming SIP call; the async form of `Calls.accept`."""
        operation = build_accept(call_id, session, validate=self._http.settings.validate)
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
        """Reject an incoming SIP call; the async form of `Calls.reject`."""
        operation = build_reject(call_id, status_code, not_found_ok=not_found_ok)
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
        """Refer a SIP call to another number; the async form of `Calls.refer`."""
        operation = build_refer(call_id, target_uri)
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
        """End a call, WebRTC or SIP; the async form of `Calls.hangup`."""
        operation = build_hangup(call_id, not_found_ok=not_found_ok)
        await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


def build_create(
    offer: str | bytes,
    session: ConversationLike | None = None,
    *,
    validate: bool = True,
) -> Operation[Call]:
    """Build the request of `create`: always multipart, also without a session.

    Returns:
        The operation; it is not retried once it may have started a call.

    Raises:
        SdpError, SessionConfigError: As with `create`.
        TypeError: An argument has the wrong type.

    Source: https://platform.openai.com/docs/api-reference/realtime/create-call
    """
    from realtime_api.api.realtime import create_realtime_call

    parts = {"sdp": checked_offer(offer)}
    if session is not None:
        parts["session"] = _session_bytes(session, validate)
    return Operation(
        name="calls.create",
        request=create_realtime_call.build_request(body=parts),
        read=_read_call,
        idempotent=False,
    )


def build_create_with_secret(
    offer: str | bytes, client_secret: str | Secret | ClientSecret[Any], *, translation: bool = False
) -> Operation[Call]:
    """Build the request of `create_with_secret`: raw SDP, authorized by the client secret.

    Returns:
        The operation; it is not retried once it may have started a call.

    Raises:
        SdpError: The API would refuse the offer.
        TypeError, ValueError: As with `check_client_secret`.

    Source: https://platform.openai.com/docs/guides/realtime-webrtc
    """
    from realtime_api.api.realtime import create_realtime_call, create_realtime_translation_call

    client_secret = hidden(client_secret)
    made = create_realtime_translation_call if translation else create_realtime_call
    bearer = check_client_secret(client_secret)
    return Operation(
        name="calls.create_with_secret",
        request=made.build_request(body=checked_offer(offer)),
        read=_read_call,
        idempotent=False,
        bearer=bearer,
    )


def build_accept(call_id: CallLike, session: ConversationLike, *, validate: bool = True) -> Operation[None]:
    """Build the request of `accept`.

    Returns:
        The operation; it is not retried once it may have accepted the call.

    Raises:
        SessionConfigError, ValueError: As with `accept`.
        TypeError: The id is not a str, or the session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime/accept-call
    """
    from realtime_api.api.realtime import accept_realtime_call

    body = _session_bytes(session, validate)
    return Operation(
        name="calls.accept",
        request=accept_realtime_call.build_request(check_call_id(call_id), body=body),
        read=read_nothing,
        idempotent=False,
    )


def build_reject(
    call_id: CallLike, status_code: int | None = None, *, not_found_ok: bool = False
) -> Operation[None]:
    """Build the request of `reject`.

    Returns:
        The operation; it is not retried once it may have rejected the call.

    Raises:
        TypeError: The id is not a str, or the status not an int.
        ValueError: As with `reject`.

    Source: https://platform.openai.com/docs/api-reference/realtime/reject-call; RFC 3261 §21
    """
    from realtime_api.api.realtime import reject_realtime_call

    body = None if status_code is None else {"status_code": checked_status(status_code)}
    return Operation(
        name="calls.reject",
        request=reject_realtime_call.build_request(check_call_id(call_id), body=body),
        read=read_nothing,
        idempotent=False,
        not_found_ok="always" if not_found_ok else "never",
    )


def build_refer(call_id: CallLike, target_uri: str) -> Operation[None]:
    """Build the request of `refer`.

    Returns:
        The operation; it is not retried once it may have referred the call.

    Raises:
        TypeError: The id or URI is not a str.
        ValueError: As with `refer`.

    Source: https://platform.openai.com/docs/api-reference/realtime/refer-call; RFC 3515
    """
    from realtime_api.api.realtime import refer_realtime_call

    from ..sip import check_target_uri  # late: clients that refer no calls start without it

    checked_id, body = check_call_id(call_id), {"target_uri": check_target_uri(target_uri)}
    return Operation(
        name="calls.refer",
        request=refer_realtime_call.build_request(checked_id, body=body),
        read=read_nothing,
        idempotent=False,
    )


def build_hangup(call_id: CallLike, *, not_found_ok: bool = False) -> Operation[None]:
    """Build the request of `hangup`.

    Returns:
        The operation; it is idempotent, and a retry that finds no call counts as done.

    Raises:
        TypeError: The id is not a str.
        ValueError: As with `hangup`.

    Source: https://platform.openai.com/docs/api-reference/realtime/hangup-call
    """
    from realtime_api.api.realtime import hangup_realtime_call

    return Operation(
        name="calls.hangup",
        request=hangup_realtime_call.build_request(check_call_id(call_id)),
        read=read_nothing,
        idempotent=True,
        not_found_ok="always" if not_found_ok else "on retry",
    )


def check_client_secret(client_secret: str | Secret | ClientSecret[Any]) -> Secret:
    """Check a client secret.

    Args:
        client_secret: An `ek_…` value, or the object that `client_secrets.create` returned.

    Returns:
        Its value.

    Raises:
        TypeError: It is neither a str nor a ClientSecret.
        ValueError: It is an API key, which needs `calls.create`, or cannot go out as a header.
    """
    client_secret = hidden(client_secret)
    secret = check_key("client_secret", getattr(client_secret, "value", client_secret))
    if secret.reveal().startswith("sk-"):
        raise ValueError("client_secret: expected a client secret (ek_…), got an API key; use calls.create")
    return secret


def _session_bytes(session: ConversationLike, validate: bool) -> bytes:
    from ..session import resolve

    return encode_body(resolve(session, validate=validate, kinds=("realtime",)))


def checked_offer(offer: object) -> bytes:
    if isinstance(offer, str):
        try:
            data = offer.encode()
        except UnicodeEncodeError as error:
            raise SdpError(f"offer: expected text, got a lone surrogate (at {error.start})") from error
    elif isinstance(offer, bytes | bytearray | memoryview):
        data = bytes(offer)
    else:
        raise TypeError(f"offer: expected str or bytes, got {type(offer).__name__}")

    from ..sdp import check_offer

    problems = [problem for problem in check_offer(data) if problem.fatal]
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SdpError(
            mask(f"offer: line {first.line}: {first.message}{more}; {first.hint}"), line=first.line
        )
    return data


def checked_status(status_code: object) -> int:
    low, high = bounds("RealtimeCallRejectRequest", "status_code")
    allowed = f"a SIP status from {low} to {high}"
    if isinstance(status_code, bool) or not isinstance(status_code, int):
        raise TypeError(f"status_code: expected {allowed}, got {type(status_code).__name__}")
    if not low <= status_code <= high:
        got = status_code if abs(status_code) < 10**30 else "a number out of all bounds"
        raise ValueError(f"status_code: expected {allowed}, got {got}")
    return status_code


def _read_call(response: httpx.Response) -> Call:
    body = response.content
    if not _SDP_START.match(body):
        raise response_error("the answer is not SDP", response)
    try:
        answer = body.decode()
    except UnicodeDecodeError as error:
        raise response_error("the answer is not SDP, since it is not UTF-8", response) from error
    location = response.headers.get("location")
    if location is None:
        raise response_error("the answer has no Location header, so the call's id is unknown", response)
    found = _LOCATION.search(location)
    try:
        call_id = check_call_id(unquote(found[1])) if found else None
    except ValueError:
        call_id = None
    if call_id is None:
        raise response_error(f"the Location header names no call: {mask(location)!r}", response)
    return Call(
        id=call_id, sdp_answer=answer, location=location, request_id=response.headers.get("x-request-id")
    )
