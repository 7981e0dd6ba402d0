"""Operations: requests, the reading of responses, and errors for refusals.

Sync and async clients share it. It must not send anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import attrs

from .. import errors
from .._core import json as _json
from .._core.secrets import Secret, mask
from ..errors import APIResponseError, APIStatusError, SessionConfigError, SessionProblem
from ..models import with_end
from .receiving import LIMIT
from .retry import parse_retry_after

if TYPE_CHECKING:
    import httpx
    from realtime_api.types import Request

T = TypeVar("T")

_LONGEST_START = 200  # characters of a body that a message shows


@attrs.frozen(kw_only=True)
class Operation(Generic[T]):
    """One request of the API, not yet sent.

    Args:
        name: Its name for users, such as `calls.create`, for messages and logs.
        request: The request with its final bytes, as the generated `build_request` returns it.
        read: Turns an answer with status 2xx into the result.
        idempotent: Whether it may be carried out twice; if not, it is retried only where it had no effect.
        bearer: A client secret that authorizes it in place of the API key.
        retried: Whether it is retried at all.
        longest: Bytes of the longest answer that is read.
        not_found_ok: When a 404 counts as success: never, on a retry (the attempt before may have worked), or
            always.
    """

    name: str
    request: Request
    read: Callable[[httpx.Response], T]
    idempotent: bool
    bearer: Secret | None = None
    retried: bool = True
    longest: int = LIMIT
    not_found_ok: Literal["never", "on retry", "always"] = "never"

    def counts_as_done(self, status: int, retries: int) -> bool:
        """Whether this error status is a success after all, given the number of retries so far."""
        if status != 404 or self.not_found_ok == "never":
            return False
        return self.not_found_ok == "always" or retries > 0


def read_nothing(response: httpx.Response) -> None:
    """Ignore an answer's body: the status is enough."""


def control(
    name: str, request: Request, *, is_end: bool = False, not_found_ok: bool = False
) -> Operation[None]:
    """Return an operation on a call of either API, whose answer has no content.

    Args:
        name, request: As for `Operation`.
        is_end: Whether it ends the call: then a retry may find none.
        not_found_ok: Whether a call that has already ended counts as success.
    """
    otherwise: Literal["on retry", "never"] = "on retry" if is_end else "never"
    return Operation(
        name=name,
        request=request,
        read=read_nothing,
        idempotent=is_end,
        not_found_ok="always" if not_found_ok else otherwise,
    )


def read_object(response: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON object.

    Raises:
        APIResponseError: It is something else. The message shows none of it, since it may hold a secret.
    """
    try:
        data = _json.decode(response.content)
    except ValueError as error:
        raise response_error("the answer is not JSON", response, show=False) from error
    if not isinstance(data, dict):
        raise response_error("the answer is not a JSON object", response, show=False)
    return data


def read_model(response: httpx.Response, from_dict: Callable[[dict[str, Any]], T]) -> T:
    """Return the model that an answer's JSON stands for.

    Args:
        response: The answer.
        from_dict: The model's own reader.

    Raises:
        APIResponseError: It is not JSON, or a field is missing or of another type.
    """
    data = read_object(response)
    try:
        return from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"unexpected response: {type(error).__name__} {error}"
        raise response_error(mask(what), response, show=False) from error


def encode_body(body: dict[str, Any]) -> bytes:
    """Encode a resolved session, or a body that holds one, as JSON.

    Raises:
        SessionConfigError: Something in it has no JSON form.
    """
    try:
        return _json.encode(body, plain=True).encode()
    except ValueError as error:
        message = f"session: cannot be written as JSON: {error}"
        raise SessionConfigError([SessionProblem("session", body, "JSON values", message)]) from error


def response_error(what: str, response: httpx.Response, *, show: bool = True) -> APIResponseError:
    """Describe an unexpected response with a success status.

    Args:
        what: The difference, such as `no Location header`.
        response: The answer, read.
        show: Whether the message may have the body's start, without what looks like a secret.

    Returns:
        The error, with the body, without what looks like a secret.
    """
    text = mask(response.content.decode("utf-8", "replace"))
    return APIResponseError(
        f"{what}; {_start_of(text)}" if show else what,
        status_code=response.status_code,
        body=text,
        request_id=response.headers.get("x-request-id"),
    )


_VERSION = re.compile(r"/v\d")

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
}


def status_error_class(status_code: int) -> type[APIStatusError]:
    """Return the class that stands for an HTTP status: the root of them where none is special."""
    return errors.InternalServerError if status_code >= 500 else _BY_STATUS.get(status_code, APIStatusError)


def status_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    url: str,
    now: Callable[[], float],
    secrets: Iterable[str] = (),
    may_have_applied: bool = False,
) -> APIStatusError:
    """Turn a refusal into the error that stands for it.

    Args:
        status: The HTTP status, known to Python or not.
        headers: The answer's headers, with any-case look-up.
        body: The answer's body: the API's envelope, a gateway's HTML, or nothing.
        url: The request's URL; its query is ignored.
        now: Returns the time in unix seconds, for a Retry-After that is a date.
        secrets: The values sent as authorization; removed from message and body.
        may_have_applied: Whether the API may have carried out the request all the same.

    Returns:
        The error, of the class for its status.

    Source: https://platform.openai.com/docs/guides/error-codes
    """
    request_id = headers.get("x-request-id")
    text = mask(body.decode("utf-8", "replace"), secrets)
    envelope = _envelope(text)
    message = envelope.get("message")
    if 300 <= status < 400:
        message = f"HTTP {status}, a redirect: not followed, to protect the key; correct base_url"
    elif not isinstance(message, str) or not message.strip():
        message = f"HTTP {status}; {_start_of(text)}"
    if status == 404 and envelope.get("code") is None and lacks_version(url):
        parts = urlsplit(url)
        scheme = parts.scheme.replace("ws", "http")
        message += f"; the base URL has no /v1: expected {scheme}://{parts.netloc}/v1 or the like"
    return status_error_class(status)(
        with_end(mask(message)),
        status_code=status,
        code=_text(envelope.get("code")),
        param=_text(envelope.get("param")),
        type=_text(envelope.get("type")),
        request_id=None if request_id is None else mask(request_id, secrets),
        body=text,
        retry_after=parse_retry_after(headers.get("retry-after"), now),
        may_have_applied=may_have_applied,
    )


def lacks_version(url: str) -> bool:
    """Return whether a URL's path has no segment such as `v1`."""
    return _VERSION.search(urlsplit(url).path) is None


def _envelope(text: str) -> Mapping[str, Any]:
    """Return the error in a body: `{"error": {…}}`, or `{"error": "…"}` as some servers write it."""
    try:
        value = _json.decode(text) if text.lstrip()[:1] == "{" else None
    except ValueError:
        return {}
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _start_of(text: str) -> str:
    words = " ".join(mask(text[: 4 * _LONGEST_START]).split())
    if not words:
        return "the body is empty"
    return f"the body starts with {words[:_LONGEST_START]!r}"
