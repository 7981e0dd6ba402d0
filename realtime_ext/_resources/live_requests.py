"""Requests of the Live API, and their answers, without I/O.

The job: an outgoing call is placed once or not at all, and the password of a line is in no message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._core import json as _json
from .._core.call import LiveCall, LiveRecording, check_session_id
from .._core.schema import check, place
from .._http.operation import Operation, control, encode_body, read_object, response_error
from .calls import checked_offer, checked_status

if TYPE_CHECKING:
    import httpx

    from .._core.argument_types import LiveCallLike, LiveTrunkLike
    from ..session import LiveSessionLike

_LONGEST_RECORDING = 2**30  # bytes; the two hours of the longest session take 691 MB


def build_create(
    offer: str | bytes, session: LiveSessionLike, *, validate: bool = True
) -> Operation[LiveCall]:
    """Build the request of `create`.

    Returns:
        The operation; it is not retried once it may have started a session.

    Raises:
        SdpError, SessionConfigError: As with `create`.
        TypeError: An argument has the wrong type.
    """
    from realtime_api.api.live import create_live

    transport = {"type": "webrtc", "sdp": checked_offer(offer).decode()}
    body = {"session": resolved_live(session, validate), "transport": transport}
    return Operation(
        name="live.calls.create",
        request=create_live.build_request(body=encode_body(body)),
        read=_read_webrtc,
        idempotent=False,
    )


def build_call(
    session: LiveSessionLike, *, to: str, trunk: LiveTrunkLike, validate: bool = True
) -> Operation[LiveCall]:
    """Build the request of `call`.

    Returns:
        The operation; it is never retried.

    Raises:
        SessionConfigError, ValueError: As with `call`.
        TypeError: An argument has the wrong type.
    """
    from realtime_api.api.live import create_live

    if not isinstance(to, str):
        raise TypeError(f"to: expected a str such as '+14155550123', got {type(to).__name__}")
    line = {"type": "sip", "destination": to, "trunk": _checked_trunk(trunk)}
    if check(place("LiveSIPTransport").fields["destination"], to):
        raise ValueError(f"to: expected + and 2 to 15 digits (E.164), got {to[:80]!r}")
    body = {"session": _resolved_by_phone(session, validate), "transport": line}
    return Operation(
        name="live.calls.call",
        request=create_live.build_request(body=encode_body(body)),
        read=_read_call,
        idempotent=False,
        retried=False,
    )


def build_accept(
    session_id: LiveCallLike, session: LiveSessionLike, *, validate: bool = True
) -> Operation[None]:
    """Build the request of `accept`.

    Returns:
        The operation; it is not retried once it may have accepted the call.

    Raises:
        SessionConfigError, TypeError, ValueError: As with `accept`.
    """
    from realtime_api.api.live import accept_live_session

    own = {"type": "live"} | _resolved_by_phone(session, validate)
    request = accept_live_session.build_request(
        check_session_id(session_id), body=encode_body({"session": own})
    )
    return control("live.calls.accept", request)


def build_reject(
    session_id: LiveCallLike, status_code: int = 603, *, not_found_ok: bool = False
) -> Operation[None]:
    """Build the request of `reject`.

    Returns:
        The operation; it is not retried once it may have rejected the call.

    Raises:
        TypeError, ValueError: As with `reject`.
    """
    from realtime_api.api.live import reject_live_session

    body = {"status_code": checked_status(status_code)}
    request = reject_live_session.build_request(check_session_id(session_id), body=body)
    return control("live.calls.reject", request, not_found_ok=not_found_ok)


def build_refer(session_id: LiveCallLike, target_uri: str) -> Operation[None]:
    """Build the request of `refer`.

    Returns:
        The operation; it is not retried once it may have referred the call.

    Raises:
        TypeError, ValueError: As with `refer`.
    """
    from realtime_api.api.live import refer_live_session

    from ..sip import check_target_uri  # late: clients that refer no calls start without it

    checked_id, body = check_session_id(session_id), {"target_uri": check_target_uri(target_uri)}
    request = refer_live_session.build_request(checked_id, body=body)
    return control("live.calls.refer", request)


def build_hangup(session_id: LiveCallLike, *, not_found_ok: bool = False) -> Operation[None]:
    """Build the request of `hangup`.

    Returns:
        The operation; it is idempotent, and a retry that finds no session counts as done.

    Raises:
        TypeError, ValueError: As with `hangup`.
    """
    from realtime_api.api.live import hangup_live_session

    request = hangup_live_session.build_request(check_session_id(session_id))
    return control("live.calls.hangup", request, is_end=True, not_found_ok=not_found_ok)


def build_recording(session_id: LiveCallLike) -> Operation[LiveRecording]:
    """Build the request of `recording`.

    Returns:
        The operation; it is idempotent.

    Raises:
        TypeError, ValueError: As with `recording`.
    """
    from realtime_api.api.live import download_live_session_recording

    return Operation(
        name="live.recording",
        request=download_live_session_recording.build_request(check_session_id(session_id)),
        read=lambda response: LiveRecording(response.content),
        idempotent=True,
        longest=_LONGEST_RECORDING,
    )


def resolved_live(session: LiveSessionLike, validate: bool, kind: str = "live_call") -> dict[str, Any]:
    """Return a session of the Live API as it is sent, checked.

    Args:
        session: A builder, a generated model or a dict.
        validate: Whether to check it.
        kind: `live` over a WebSocket, `live_call` over WebRTC and telephone.

    Raises:
        SessionConfigError: The API would refuse it.
        TypeError: It is none of the three.
    """
    from ..session import resolve

    given: Any = session
    if isinstance(given, Mapping) and given.get("type") == "live":  # only accepting has it, which adds it
        given = {name: value for name, value in given.items() if name != "type"}
    return resolve(given, validate=validate, kinds=(kind,))


def _resolved_by_phone(session: LiveSessionLike, validate: bool) -> dict[str, Any]:
    """Return the session of a telephone call, which can't pause; as `resolved_live`."""
    resolved = resolved_live(session, validate)
    if resolved.keys() & {"idle_timeout_s", "wake_policy"}:
        on_socket: Any = resolved
        resolved_live(on_socket, validate, "live")  # refuses them with the reason
    return resolved


def _checked_trunk(trunk: LiveTrunkLike) -> dict[str, Any]:
    try:
        line = _json.decode(_json.encode(trunk))
    except ValueError:  # it might quote the password
        raise ValueError("trunk: expected JSON values, got others") from None
    if not isinstance(line, dict):
        raise TypeError(f"trunk: expected a LiveSIPTrunk or a dict, got {type(trunk).__name__}")
    if violations := check(place("LiveSIPTrunk"), line, "trunk"):
        raise ValueError(violations[0].message)
    return line


def _read_call(response: httpx.Response) -> LiveCall:
    return _call_in(read_object(response), response, "")


def _read_webrtc(response: httpx.Response) -> LiveCall:
    data = read_object(response)
    transport = data.get("transport")
    answer = transport.get("sdp") if isinstance(transport, dict) else None
    if not isinstance(answer, str) or not answer.startswith("v=0"):
        raise response_error("the answer has no SDP", response, show=False)
    return _call_in(data, response, answer)


def _call_in(data: dict[str, Any], response: httpx.Response, answer: str) -> LiveCall:
    session = data.get("session")
    try:
        session_id = check_session_id(session.get("id") if isinstance(session, dict) else None)
    except (TypeError, ValueError):
        raise response_error("the answer names no session", response, show=False) from None
    return LiveCall(
        session_id=session_id,
        sdp_answer=answer,
        location=response.headers.get("location"),
        request_id=response.headers.get("x-request-id"),
    )
