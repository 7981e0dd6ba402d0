"""The operations of the API, listed once: routes, fault targets and the console follow from this list."""

from __future__ import annotations

import functools
import re

import attrs


@attrs.frozen
class Operation:
    """One HTTP operation.

    Args:
        name: Its name in `realtime_api.api.realtime`, and that of the method that serves it.
        target: The name by which faults and the console refer to it.
        path: Its path, with `{call_id}` or `{session_id}` where it has one.
        method: The HTTP method.
        by_secret: Whether a client secret may take the place of the project's key.
    """

    name: str
    target: str
    path: str
    method: str = "POST"
    by_secret: bool = False


_CALL = "/v1/realtime/calls/{call_id}"
_LIVE = "/v1/live/sessions"
OPERATIONS: tuple[Operation, ...] = (
    Operation("create_realtime_call", "calls.create", "/v1/realtime/calls", by_secret=True),
    Operation("accept_realtime_call", "calls.accept", f"{_CALL}/accept"),
    Operation("reject_realtime_call", "calls.reject", f"{_CALL}/reject"),
    Operation("refer_realtime_call", "calls.refer", f"{_CALL}/refer"),
    Operation("hangup_realtime_call", "calls.hangup", f"{_CALL}/hangup"),
    Operation(
        "create_realtime_translation_call",
        "translation_calls.create",
        "/v1/realtime/translations/calls",
        by_secret=True,
    ),
    Operation("create_realtime_client_secret", "client_secrets.create", "/v1/realtime/client_secrets"),
    Operation("create_realtime_session", "sessions.create", "/v1/realtime/sessions"),
    Operation(
        "create_realtime_transcription_session",
        "transcription_sessions.create",
        "/v1/realtime/transcription_sessions",
    ),
    Operation(
        "create_realtime_translation_client_secret",
        "translation_client_secrets.create",
        "/v1/realtime/translations/client_secrets",
    ),
    Operation("create_live", "live.create", _LIVE),
    Operation("accept_live_session", "live.accept", f"{_LIVE}/{{session_id}}/accept"),
    Operation("reject_live_session", "live.reject", f"{_LIVE}/{{session_id}}/reject"),
    Operation("refer_live_session", "live.refer", f"{_LIVE}/{{session_id}}/refer"),
    Operation("fork_live_session", "live.fork", f"{_LIVE}/{{session_id}}/fork"),
    Operation("hangup_live_session", "live.hangup", f"{_LIVE}/{{session_id}}/hangup"),
    Operation("download_live_session_recording", "live.content", f"{_LIVE}/{{session_id}}/content", "GET"),
)
CONNECTIONS = ("connect", "sideband", "webrtc", "webhook")
"""The targets of faults besides HTTP operations."""
FAULT_TARGETS: tuple[str, ...] = (*(operation.target for operation in OPERATIONS), *CONNECTIONS)
"""The targets that a fault can be limited to, besides a call's id."""


def fault_labels(path: str) -> tuple[str, ...]:
    """Return the labels by which faults select a request: its operation's target, and the id in its path.

    Args:
        path: The request's path.

    Returns:
        The labels; none for a path that is not an operation's.
    """
    for operation in OPERATIONS:
        if (found := _pattern(operation).fullmatch(path)) is not None:
            return (operation.target, *found.groups())
    return ()


@functools.cache
def _pattern(operation: Operation) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "([^/]+)", operation.path))
