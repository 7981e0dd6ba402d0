"""A call as a value: its id and its answer, the check of a call id, and a phone call's announcement.

It must not send anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from .files import private_opener

SAFETY_HEADER = "OpenAI-Safety-Identifier"
Api = Literal["realtime", "live"]
"""The API that answers a call."""
# Event type → the API that it announces a call for, and the field with the call's id in this API.
_ANNOUNCEMENTS: dict[str, tuple[Api, str]] = {
    "realtime.call.incoming": ("realtime", "call_id"),
    "live.transport.incoming": ("live", "session_id"),
    "live.call.incoming": ("live", "session_id"),
}
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


@attrs.frozen(kw_only=True)
class LiveCall:
    """A session of the Live API over WebRTC or a telephone line.

    Args:
        session_id: The session's id, such as `live_…`: for `hangup`, and for `recording`.
        sdp_answer: The answer for the peer connection, byte for byte as it came; empty for a telephone call.
        location: The `Location` header; None where the API sends none.
        request_id: The `x-request-id` header, for support.
    """

    session_id: str
    sdp_answer: str = attrs.field(default="", repr=lambda answer: f"<{len(answer)} characters>")
    location: str | None = None
    request_id: str | None = None


class LiveRecording(bytes):
    """The recording of a Live session: a WAV file in stereo, the user on the left, the model on the right."""

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file that only its owner can read.

        Args:
            path: The file's path, such as `call.wav`; an existing file is replaced.

        Raises:
            OSError: It can't be written.
        """
        with open(path, "wb", opener=private_opener) as file:
            file.write(self)


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
    return _checked_id("call_id", "rtc_u1_…", call, call.id if isinstance(call, Call) else call)


def check_session_id(call: object) -> str:
    """Check the id of a Live session.

    Args:
        call: The id, a `LiveCall`, or the data of an incoming call's webhook, which has a `session_id`.

    Returns:
        The id; it is quoted as one path segment when it is sent.

    Raises:
        TypeError, ValueError: As with `check_call_id`.
    """
    return _checked_id("session_id", "live_…", call, call)


def _checked_id(field: str, example: str, given: object, found: object) -> str:
    """Check an id, or the one in a field of a webhook's data or a value."""
    if not isinstance(found, str):
        found = found.get(field) if isinstance(found, Mapping) else getattr(found, field, None)
    if not isinstance(found, str):
        raise TypeError(f"{field}: expected a str such as {example!r}, got {type(given).__name__}")
    if not found.strip() or found in (".", ".."):
        raise ValueError(f"{field}: expected an id such as {example!r}, got {found!r}")
    if _CONTROL.search(found):
        raise ValueError(f"{field}: expected text without control characters, got {found[:80]!r}")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field}: expected text, got lone surrogates in {found!r}") from error
    return found


@attrs.frozen(kw_only=True)
class Announcement:
    """A webhook event that announces a phone call.

    Args:
        api: The API whose accept the id is for. One call is announced for both, under different ids.
        call_id: The id.
        sip_headers: The headers of the INVITE that have a name and a value.
        key: What all announcements of one call have in common: the SIP Call-ID; without one, caller, callee
            and time. None if there is none of these.
    """

    api: Api
    call_id: str
    sip_headers: list[Mapping[str, str]] = attrs.field(repr=False)
    key: str | None = attrs.field(repr=False)


def announcement(event: Mapping[str, Any]) -> Announcement | None:
    """Read an event of a webhook; None if it announces no call.

    Args:
        event: The event as JSON: the `to_dict()` of what `unwrap` returns.

    Raises:
        TypeError: It is not a mapping, or the call's id is missing or not a text.
        ValueError: The call's id is not usable, as in `check_call_id`.
    """
    if not isinstance(event, Mapping):
        raise TypeError(f"event: expected a mapping, got {type(event).__name__}")
    api, field = _ANNOUNCEMENTS.get(event.get("type", ""), (None, ""))
    if api is None:
        return None
    data = event.get("data")
    given: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    call_id = check_call_id(given.get(field))
    if call_id.startswith("rtc_"):  # older events of the Live API have the id of the Realtime API
        api = "realtime"
    raw = given.get("sip_headers")
    headers = [
        header
        for header in (raw if isinstance(raw, list) else ())
        if isinstance(header, Mapping) and all(isinstance(header.get(key), str) for key in ("name", "value"))
    ]
    key = _call_key(headers, event.get("created_at"))
    return Announcement(api=api, call_id=call_id, sip_headers=headers, key=key)


def _call_key(headers: list[Mapping[str, str]], created_at: object) -> str | None:
    values = {header["name"].strip().lower(): header["value"].strip() for header in reversed(headers)}
    if sip_id := values.get("call-id") or values.get("i"):
        return sip_id
    caller, callee = (values.get(name) or values.get(name[0]) for name in ("from", "to"))
    return f"{caller} {callee} {created_at}" if caller and callee else None
