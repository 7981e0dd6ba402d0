"""Refusals in the API's words: an HTTP error envelope or an `error` event.

The HTTP app and the session that catch one choose the shape.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

INVALID_REQUEST = "invalid_request_error"
EXPIRED = 1001
"""The close code of a session whose time is over."""
CUT = 1006
"""The close code of a connection that ends without a close frame (RFC 6455 §7.4.1)."""
INTERNAL_ERROR = 1011
"""The close code of a session that failed."""


class ApiProblem(Exception):
    """A request or an event that the API would refuse.

    Args:
        message: The error, its place and the allowed values; sent to the client unchanged.
        status: The HTTP status, 400 to 599.
        type: The envelope's `type`.
        code: The envelope's `code`, or None where the API sends null.
        param: The dotted path of the offending field, or None.
        headers: Extra response headers, such as Retry-After.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.headers: dict[str, str] = dict(headers or {})

    def envelope(self) -> dict[str, Any]:
        """Return the JSON body of an HTTP error answer."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def event(self, client_event_id: str | None = None) -> dict[str, Any]:
        """Return the fields of an `error` event.

        Args:
            client_event_id: The `event_id` of the client event that caused it, if it had one.
        """
        return {
            "type": "error",
            "error": {
                "type": self.type,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": client_event_id,
            },
        }


def invalid_value(message: str, param: str | None) -> ApiProblem:
    """Return the refusal of a value, with the path of its field."""
    return ApiProblem(message, code="invalid_value", param=param)


def no_call() -> ApiProblem:
    """Return the refusal of a request about a call that has ended or never existed."""
    return ApiProblem(
        "No session found for the provided call_id", status=404, code="call_id_not_found", param=""
    )


def session_expired(lifetime: float) -> ApiProblem:
    """Return the error with which a session ends at its time limit.

    Args:
        lifetime: The limit in seconds.
    """
    message = f"Your session hit the maximum duration of {lifetime / 60:g} minutes."
    return ApiProblem(message, code="session_expired")


def server_error() -> ApiProblem:
    """Return the error with which a session ends if the simulator fails."""
    return ApiProblem(
        "The server had an error while processing your request.", status=500, type="server_error"
    )


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: a known one that is like it; empty if none is."""
    near = difflib.get_close_matches(str(given)[:200], list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
