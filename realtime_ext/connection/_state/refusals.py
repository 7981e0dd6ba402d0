"""Error events as exceptions: the one that the same refusal is over HTTP.

Source: https://platform.openai.com/docs/api-reference/realtime-server-events/error
"""

from __future__ import annotations

from ..._core.secrets import mask
from ..._http.operation import status_error_class
from ...errors import APIStatusError
from ...models import with_end
from .messages import JSON, text_or_none

# The API's error types and codes, with the HTTP status of each; an error event has no status of its own.
_STATUS_BY_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "server_error": 500,
}
_STATUS_BY_CODE = {"invalid_api_key": 401, "invalid_model": 404, **_STATUS_BY_TYPE}


def refusal(error: JSON, status: int | None = None) -> APIStatusError:
    """Return the exception for an error event.

    Args:
        error: The event's `error`: `type`, `code`, `message`, `param`, `event_id`.
        status: The HTTP status where the code has none of its own; None for the status of the error type.
    """
    kind, event_id = text_or_none(error.get("type")), text_or_none(error.get("event_id"))
    code = text_or_none(error.get("code"))
    status = _STATUS_BY_CODE.get(code or "") or status or _STATUS_BY_TYPE.get(kind or "", 400)
    message = text_or_none(error.get("message")) or "the server refused an event"
    return status_error_class(status)(
        with_end(mask(f"{message} [event {event_id}]" if event_id else message)),
        status_code=status,
        code=code,
        param=text_or_none(error.get("param")),
        type=kind,
    )
