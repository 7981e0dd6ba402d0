"""A call as a value: its id and its answer, and the check of a call id.

It must not send anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

SAFETY_HEADER = "OpenAI-Safety-Identifier"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@attrs.frozen(kw_only=True)
class Call:
    """A WebRTC call that the API has answered.

    Args:
        id: The call's id, such as `rtc_u1_…`: for `hangup`, and for `connect(call_id=…)`.
        sdp_answer: The answer for the peer connection, byte for byte as it came.
        location: The `Location` header as sent.
        request_id: The `x-request-id` header, for support.
    """

    id: str
    sdp_answer: str = attrs.field(repr=lambda answer: f"<{len(answer)} characters>")
    location: str
    request_id: str | None = None


def check_call_id(call: object) -> str:
    """Check a call id.

    Args:
        call: The id, a `Call`, or the data of an incoming call's webhook, which has a `call_id`.

    Returns:
        The id; it is quoted as one path segment when it is sent.

    Raises:
        TypeError: It is none of these.
        ValueError: It is empty or blank, `.` or `..`, none of which can be a path segment; or it has control
            characters, which would end in logs and terminals.
    """
    call_id = call.id if isinstance(call, Call) else call if isinstance(call, str) else _call_id_of(call)
    if not isinstance(call_id, str):
        raise TypeError(f"call_id: expected a str such as 'rtc_u1_…', got {type(call).__name__}")
    if not call_id.strip() or call_id in (".", ".."):
        raise ValueError(f"call_id: expected an id such as 'rtc_u1_…', got {call_id!r}")
    if _CONTROL.search(call_id):
        raise ValueError(f"call_id: expected text without control characters, got {call_id[:80]!r}")
    try:
        call_id.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"call_id: expected text, got lone surrogates in {call_id!r}") from error
    return call_id


def _call_id_of(data: object) -> object:
    """Return the `call_id` of a webhook's data; None if there is none."""
    return data.get("call_id") if isinstance(data, Mapping) else getattr(data, "call_id", None)
