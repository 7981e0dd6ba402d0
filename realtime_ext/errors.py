"""All errors that this package raises, and its one warning.

    RealtimeError
    ├── MissingApiKeyError
    ├── SessionConfigError (ValueError)        problems; field, value, allowed of the first
    ├── SdpError (ValueError)                  line
    ├── ToolArgumentError (ValueError)
    ├── WebhookVerificationError
    ├── APIConnectionError                     may_have_applied
    │   └── APITimeoutError (TimeoutError)
    ├── APIStatusError                         status_code, code, param, type, message, request_id, body, …
    │   ├── BadRequestError 400       AuthenticationError 401       PermissionDeniedError 403
    │   ├── NotFoundError 404         ConflictError 409             UnprocessableEntityError 422
    │   └── RateLimitError 429        InternalServerError 500 and above
    ├── APIResponseError                       status_code, body, request_id
    └── ConnectionClosedError                  code, reason, unsent
        ├── SessionExpired
        └── TurnLost                           has_begun

Errors pickle and copy with their attributes. A wrong argument that concerns none of these subjects is a plain
ValueError or TypeError. This module must not import anything that does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from ._core.secrets import mask

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ConnectionClosedError",
    "InternalServerError",
    "MissingApiKeyError",
    "ModelDeprecationWarning",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RealtimeError",
    "SdpError",
    "SessionConfigError",
    "SessionConfigWarning",
    "SessionExpired",
    "SessionProblem",
    "ToolArgumentError",
    "TurnLost",
    "UnprocessableEntityError",
    "WebhookVerificationError",
    "mask",
]


def __dir__() -> list[str]:
    return __all__


class RealtimeError(Exception):
    """The root of every error that this package raises."""

    # BaseException would call the class with `args` alone, which keyword-only parameters forbid.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[RealtimeError], args: tuple[Any, ...], state: dict[str, Any]) -> RealtimeError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class MissingApiKeyError(RealtimeError):
    """A request needs an API key and the client has none."""

    def __init__(
        self,
        message: str = "no API key: pass api_key=… to the client, or set OPENAI_API_KEY; to try without one, "
        "run `realtime simulator` and set the variables that it prints",
    ) -> None:
        super().__init__(message)


@attrs.frozen
class SessionProblem:
    """One thing that is wrong with a session.

    Args:
        field: The API's dotted path, such as `audio.output.speed`; for a beta name, that name.
        value: The value that was passed.
        allowed: The allowed values: a range in words, a closed set, or None where there are none.
        message: A sentence that names all three.
    """

    field: str
    value: Any
    allowed: Any
    message: str


class SessionConfigError(RealtimeError, ValueError):
    """A session, or the lifetime of its secret, that the API would refuse or that would fail later.

    Args:
        problems: Everything that is wrong, the first one foremost; at least one.

    Attributes:
        problems: All of them, as a tuple.
        field: The first problem's dotted path.
        value: The value found there.
        allowed: The allowed values.
    """

    def __init__(self, problems: Iterable[SessionProblem]) -> None:
        self.problems: tuple[SessionProblem, ...] = tuple(problems)
        if not self.problems:
            raise ValueError("problems: expected at least one, got none")
        lines = [problem.message for problem in self.problems]
        text = lines[0] if len(lines) == 1 else "\n- ".join([f"{len(lines)} problems:", *lines])
        super().__init__(text)

    @property
    def field(self) -> str:
        """The first problem's dotted path."""
        return self.problems[0].field

    @property
    def value(self) -> Any:
        """The first problem's value."""
        return self.problems[0].value

    @property
    def allowed(self) -> Any:
        """What the first problem's field allows."""
        return self.problems[0].allowed


class SessionConfigWarning(UserWarning):
    """A session has a field that this package does not know; it is sent unchanged."""


class ModelDeprecationWarning(FutureWarning):
    """A model was shut down or will be within 90 days; issued once per model.

    Source: https://platform.openai.com/docs/deprecations
    """


class SdpError(RealtimeError, ValueError):
    """Text that is not a session description, or one that must not be sent.

    Args:
        message: The problem and the allowed values.
        line: The line it concerns, counted from 1; None where it concerns the whole.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class ToolArgumentError(RealtimeError, ValueError):
    """Arguments from the model that don't fit a tool."""


class WebhookVerificationError(RealtimeError):
    """A webhook without a valid signature, with an old one, or with an unexpected body."""


class APIConnectionError(RealtimeError):
    """No answer came back: no connection, or one that broke.

    Args:
        message: What happened.
        may_have_applied: Whether the API may have carried out the request all the same.
    """

    def __init__(self, message: str, *, may_have_applied: bool = False) -> None:
        super().__init__(message)
        self.may_have_applied = may_have_applied


class APITimeoutError(APIConnectionError, TimeoutError):
    """No answer came back in time."""


class APIStatusError(RealtimeError):
    """The API refused, or failed.

    Args:
        message: The API's own words; without an error envelope, the status and the start of the body.
        status_code: The HTTP status.
        code: The API's error code, such as `invalid_offer`; None if there is none.
        param: The parameter that the API complains of, if it names one.
        type: The API's error type, such as `invalid_request_error`.
        request_id: The `x-request-id` header, for support.
        body: The body's text, whatever it is.
        retry_after: How many seconds the API asks to wait before a retry; None if it doesn't.
        may_have_applied: Whether the API may have carried out the request all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,
        request_id: str | None = None,
        body: str = "",
        retry_after: float | None = None,
        may_have_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.param = param
        self.type = type
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after
        self.may_have_applied = may_have_applied

    def __str__(self) -> str:
        details = {"code": self.code, "param": self.param, "request": self.request_id}
        known = [f"{name} {value}" for name, value in details.items() if value]
        return f"{self.message} ({', '.join([f'status {self.status_code}', *known])})"


class BadRequestError(APIStatusError):
    """400: the request is wrong."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, wrong or expired."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""


class NotFoundError(APIStatusError):
    """404: there is no such call, model or path."""


class ConflictError(APIStatusError):
    """409: the request conflicts with the state of the call or session."""


class UnprocessableEntityError(APIStatusError):
    """422: well-formed, but not usable."""


class RateLimitError(APIStatusError):
    """429: too many requests, or no quota left."""


class InternalServerError(APIStatusError):
    """500 and above: the API, or a gateway before it, failed."""


class APIResponseError(RealtimeError):
    """An unexpected response with a success status: no SDP, no `Location`, no JSON.

    Args:
        message: The unexpected part of the response.
        status_code: The HTTP status.
        body: The body's text.
        request_id: The `x-request-id` header, for support.
    """

    def __init__(
        self, message: str, *, status_code: int, body: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.body = body
        self.request_id = request_id

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.message} (status {self.status_code}{request})"


class ConnectionClosedError(RealtimeError):
    """A realtime connection ended in a way other than a normal close.

    Args:
        code: The WebSocket close code; None if the connection broke without one.
        reason: Why, in the words of the other side or of this one, without secrets.
        unsent: Events that were queued and not sent, as dicts for `send`.
    """

    def __init__(self, code: int | None = None, reason: str = "", unsent: Sequence[Any] = ()) -> None:
        reason = mask(reason)
        self.code = code
        self.reason: str = reason
        self.unsent: tuple[Any, ...] = tuple(unsent)
        parts = ["the connection closed" if code is None else f"the connection closed with code {code}"]
        if reason:
            parts.append(f": {reason}")
        if self.unsent:
            parts.append(f"; {len(self.unsent)} event(s) were not sent")
        super().__init__("".join(parts))


class SessionExpired(ConnectionClosedError):
    """The session reached its time limit; it cannot be resumed."""


class TurnLost(ConnectionClosedError):
    """A turn was lost together with its link; the connection is alive and reconnects, so ask again.

    Args:
        code, reason: How the link ended, as for `ConnectionClosedError`.
        has_begun: Whether the model had begun to answer. Then the user's words are in the conversation, and
            `ask()` without text answers them; otherwise pass the text again.
    """

    def __init__(self, code: int | None = None, reason: str = "", *, has_begun: bool = False) -> None:
        super().__init__(code, reason)
        self.has_begun = has_begun

    def __str__(self) -> str:
        how = self.reason or ("no close code" if self.code is None else f"code {self.code}")
        return f"the turn was lost with its link ({how}); the connection reconnects: ask again"
