"""Calls: make them over WebRTC; accept, reject and refer those that come over SIP; hang up.

The functions build requests and read responses, without I/O; `Calls` and `AsyncCalls` send them. The job: an
offer reaches the API byte for byte or not at all, and a call's id is never lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .._core.arguments import check_key
from .._core.call import Call, check_call_id
from .._core.schema import bounds
from .._core.secrets import Secret, hidden, mask
from .._http.operation import Operation, control, encode_body, response_error
from ..errors import SdpError

if TYPE_CHECKING:
    import httpx

    from .._core.argument_types import CallLike
    from ..session import ConversationLike
    from .client_secrets import ClientSecret

# A body is SDP by its first two lines, whatever its content type says (RFC 8866 §5).
_SDP_START = re.compile(rb"v=0(?:\r\n|\n|\r)[a-z]=")
_LOCATION = re.compile(r"(?:^|/)calls/([^/?#]+)/?(?:[?#].*)?")


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
    request = accept_realtime_call.build_request(check_call_id(call_id), body=body)
    return control("calls.accept", request)


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
    request = reject_realtime_call.build_request(check_call_id(call_id), body=body)
    return control("calls.reject", request, not_found_ok=not_found_ok)


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
    request = refer_realtime_call.build_request(checked_id, body=body)
    return control("calls.refer", request)


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

    request = hangup_realtime_call.build_request(check_call_id(call_id))
    return control("calls.hangup", request, is_end=True, not_found_ok=not_found_ok)


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
