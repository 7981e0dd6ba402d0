"""SIP calls: the operations that answer, refuse and pass them on, and the headers that come with them.

The job: refuse what the API would take and then fail on. It must not send anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _wire
from ..call import check_call_id
from ..http.operation import Operation, read_nothing
from ..sip import check_target_uri

if TYPE_CHECKING:
    from ..session import SessionLike

__all__ = ["build_accept", "build_refer", "build_reject"]


def build_accept(call_id: str, session: SessionLike, *, validate: bool = True) -> Operation[None]:
    """Build the request that takes an incoming call.

    Args:
        call_id: The id from the webhook.
        session: The conversation's configuration.
        validate: Whether to check the session.

    Returns:
        The operation; it is not repeated once it may have taken the call.

    Raises:
        SessionConfigError: The API would refuse the session, or take it and then drop the call.
        TypeError: The id is not a str, or the session is none.
        ValueError: The id is empty, `.` or `..`.

    Source: https://platform.openai.com/docs/api-reference/realtime/accept-call
    """
    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("realtime",))
    return Operation(
        name="calls.accept",
        request=_wire.accept_call(check_call_id(call_id), body),
        read=read_nothing,
        acts_twice=True,
    )


def build_reject(
    call_id: str, status_code: int | None = None, *, missing_ok: bool = False
) -> Operation[None]:
    """Build the request that turns an incoming call away.

    Args:
        call_id: The id from the webhook.
        status_code: The SIP status for the caller, 300–699, such as 486 for busy; None for 603, decline.
        missing_ok: Whether a call that the API doesn't know, or no longer, counts as turned away.

    Returns:
        The operation; it is not repeated once it may have turned the call away.

    Raises:
        TypeError: The id is not a str, or the status not an int.
        ValueError: The id is empty, `.` or `..`, or the status is out of range.

    Source: https://platform.openai.com/docs/api-reference/realtime/reject-call; RFC 3261 §21
    """
    body = None if status_code is None else {"status_code": _checked_status(status_code)}
    return Operation(
        name="calls.reject",
        request=_wire.reject_call(check_call_id(call_id), body),
        read=read_nothing,
        acts_twice=True,
        missing_is_done="always" if missing_ok else "never",
    )


def build_refer(call_id: str, target_uri: str) -> Operation[None]:
    """Build the request that passes a call on.

    Args:
        call_id: The call's id.
        target_uri: Where the caller's side is to call instead: a `tel:`, `sip:` or `sips:` URI.

    Returns:
        The operation; it is not repeated once it may have passed the call on.

    Raises:
        TypeError: The id or URI is not a str.
        ValueError: The id is empty, `.` or `..`, or the URI is none of these.

    Source: https://platform.openai.com/docs/api-reference/realtime/refer-call; RFC 3515
    """
    return Operation(
        name="calls.refer",
        request=_wire.refer_call(check_call_id(call_id), {"target_uri": check_target_uri(target_uri)}),
        read=read_nothing,
        acts_twice=True,
    )


def _checked_status(status_code: object) -> int:
    low, high = _wire.bounds("RealtimeCallRejectRequest", "status_code")
    allowed = f"a SIP status from {low} to {high}"
    if isinstance(status_code, bool) or not isinstance(status_code, int):
        raise TypeError(f"status_code: expected {allowed}, got {type(status_code).__name__}")
    if not low <= status_code <= high:
        got = status_code if abs(status_code) < 10**30 else "a number beyond all bounds"
        raise ValueError(f"status_code: expected {allowed}, got {got}")
    return status_code
