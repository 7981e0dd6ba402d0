"""WebRTC calls: the operations that make and end them, and what making one gives.

The job: see that an offer reaches the API byte for byte or not at all, and that the call's id is never lost.
It must not send anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .. import _wire
from ..arguments import check_key
from ..call import Call, check_call_id
from ..errors import SdpError
from ..http.operation import Operation, read_nothing, response_error, with_safety_identifier
from ..secrets import Secret, mask

if TYPE_CHECKING:
    import httpx

    from ..session import SessionLike
    from .client_secret_operations import ClientSecret

__all__ = [
    "build_create",
    "build_create_with_secret",
    "build_hangup",
    "check_client_secret",
]

# A body is taken for SDP by its first two lines, whatever its content type says (RFC 8866 §5).
_SDP_START = re.compile(rb"v=0(?:\r\n|\n|\r)[a-z]=")
_LOCATION = re.compile(r"(?:^|/)calls/([^/?#]+)/?(?:[?#].*)?")


def check_client_secret(client_secret: str | ClientSecret[Any]) -> Secret:
    """Check what a call is made with in place of an API key.

    Args:
        client_secret: An `ek_…` value, or the object that `client_secrets.create` gave.

    Returns:
        Its value.

    Raises:
        TypeError: It is neither a str nor a ClientSecret.
        ValueError: It is an API key, which needs `calls.create`, or cannot go out as a header.
    """
    secret = check_key("client_secret", getattr(client_secret, "value", client_secret))
    if secret.reveal().startswith("sk-"):
        raise ValueError("client_secret: expected a client secret (ek_…), got an API key; use calls.create")
    return secret


def build_create(
    offer: str | bytes,
    session: SessionLike | None = None,
    *,
    validate: bool = True,
    safety_identifier: str | None = None,
) -> Operation[Call]:
    """Build the request that starts a call with an API key: always multipart, also without a session.

    Args:
        offer: The peer connection's offer.
        session: The conversation's configuration; None for the API's defaults.
        validate: Whether to check the session.
        safety_identifier: A stable, hashed id of the end user.

    Returns:
        The operation; it is not repeated once it may have started a call.

    Raises:
        SdpError: The API would refuse the offer.
        SessionConfigError: The API would refuse the session.
        TypeError: An argument has the wrong type.
        ValueError: The safety identifier cannot go out as a header.

    Source: https://platform.openai.com/docs/api-reference/realtime/create-call
    """
    data = _checked_offer(offer)
    body = None
    if session is not None:
        from ..session import resolve

        body = resolve(session, validate=validate, kinds=("realtime",))
    request = _wire.create_call(data, body)
    return Operation(
        name="calls.create",
        request=with_safety_identifier(request, safety_identifier),
        read=_read_call,
        acts_twice=True,
    )


def build_create_with_secret(offer: str | bytes, client_secret: str | ClientSecret[Any]) -> Operation[Call]:
    """Build the request that starts a call as a browser would: raw SDP, authorized by a client secret.

    Args:
        offer: The peer connection's offer.
        client_secret: An `ek_…` value, or the object that `client_secrets.create` gave.

    Returns:
        The operation; it is not repeated once it may have started a call.

    Raises:
        SdpError: The API would refuse the offer.
        TypeError: The secret is neither a str nor a ClientSecret.
        ValueError: The secret is an API key, which needs `calls.create`, or cannot go out as a header.

    Source: https://platform.openai.com/docs/guides/realtime-webrtc
    """
    bearer = check_client_secret(client_secret)
    return Operation(
        name="calls.create_with_secret",
        request=_wire.create_call_with_secret(_checked_offer(offer)),
        read=_read_call,
        acts_twice=True,
        bearer=bearer,
    )


def build_hangup(call_id: str, *, missing_ok: bool = False) -> Operation[None]:
    """Build the request that ends a call, WebRTC or SIP.

    Args:
        call_id: The call's id.
        missing_ok: Whether a call that the API doesn't know, or no longer, counts as ended.

    Returns:
        The operation; it is repeated freely, and a repeat that finds no call counts as done.

    Raises:
        TypeError: The id is not a str.
        ValueError: The id is empty, `.` or `..`.

    Source: https://platform.openai.com/docs/api-reference/realtime/hangup-call
    """
    return Operation(
        name="calls.hangup",
        request=_wire.hangup_call(check_call_id(call_id)),
        read=read_nothing,
        acts_twice=False,
        missing_is_done="always" if missing_ok else "on repeat",
    )


def _checked_offer(offer: object) -> bytes:
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
