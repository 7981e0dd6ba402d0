"""Requests and responses of the web apps that this package serves calls for (extra `web`)."""

from __future__ import annotations

from realtime_ext.tasks import TimeLimit

from .extras import install

try:
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
except ModuleNotFoundError as _error:
    raise ImportError(f"web apps need starlette: {install('web')}") from _error

__all__ = ["MAX_BODY_BYTES", "JSONResponse", "Request", "Response", "error_response", "read_body"]

MAX_BODY_BYTES = 256 * 1024
"""The longest body that is read unless told otherwise; webhooks and offers have some kilobytes."""

_BODY_SECONDS = 20.0


async def read_body(request: Request, limit: int) -> bytes | Response:
    """Return a request's body, or the answer to one that is too long or too slow; no more of it is read."""
    body = bytearray()
    try:
        async with TimeLimit(_BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    return error_response(413, f"the body is longer than {limit} bytes")
    except TimeoutError:
        return error_response(408, f"the body did not arrive within {_BODY_SECONDS:g} s")
    except ClientDisconnect:
        return error_response(400, "the body ended before it was complete")  # which is not read any more
    return bytes(body)


def error_response(status: int, message: str, *, code: str | None = None) -> Response:
    """Return an error in the envelope that the API's own errors have."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return JSONResponse(body, status)
