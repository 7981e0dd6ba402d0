"""An `error` event as an exception.

The job: give what the server says about an event the class that its REST counterpart has. It must not decide
whether anybody is to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import APIStatusError, status_error_class
from ...secrets import mask

__all__ = ["refusal"]

# The error types of the API, with the status that each has over HTTP; an event has none of its own.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "server_error": 500,
}


def refusal(error: Mapping[str, Any]) -> APIStatusError:
    """Turn an error event's `error` into an exception.

    Args:
        error: Its fields: `type`, `code`, `message`, `param`, `event_id`.

    Returns:
        A `BadRequestError` for most; its `status_code` is the one that the same refusal has over HTTP.
    """
    kind = _text(error.get("type"))
    status = _STATUS.get(kind or "", 400)
    message = _text(error.get("message")) or "the server refused an event"
    event_id = _text(error.get("event_id"))
    return status_error_class(status)(
        mask(f"{message} [event {event_id}]" if event_id else message),
        status_code=status,
        code=_text(error.get("code")),
        param=_text(error.get("param")),
        type=kind,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
