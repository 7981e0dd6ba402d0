"""Receive webhooks in a web app: the endpoint that verifies deliveries and hands incoming calls on.

Both `web` and `fleet` have it; it needs Starlette, which either extra brings. It must not answer a call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .._core.call import check_call_id
from ..errors import RealtimeError, WebhookVerificationError
from ..sip import SipHeaders

try:
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
except ModuleNotFoundError as _error:
    raise ImportError("web apps need starlette: pip install 'realtime-ext[web]'") from _error

if TYPE_CHECKING:
    from ..client import AsyncRealtimeClient
    from ..webhooks import WebhookEvent

__all__ = ["MAX_BODY_BYTES", "Endpoint", "IncomingCall", "webhook_endpoint"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_ext.web")

MAX_BODY_BYTES = 256 * 1024
"""The longest body that is read unless told otherwise; webhooks and offers have some kilobytes."""

_BODY_SECONDS = 20.0
_INCOMING = ("realtime.call.incoming", "live.call.incoming")

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
"""An endpoint of Starlette or FastAPI."""


@attrs.frozen(kw_only=True)
class IncomingCall:
    """A phone call that wants to be answered, from a webhook that was verified.

    Args:
        id: The call's id, for `client.answer`, `client.calls.reject` and `client.calls.refer`.
        sip_headers: Its SIP headers as they came, each with `name` and `value`.
        webhook_id: The delivery's id; the API may deliver more than once.
        event: The whole event.
    """

    id: str
    sip_headers: Sequence[Mapping[str, str]] = attrs.field(repr=False)
    webhook_id: str
    event: WebhookEvent = attrs.field(repr=False)

    @property
    def headers(self) -> SipHeaders:
        """Its SIP headers, by name: `call.headers.from_`, `call.headers.to`."""
        return SipHeaders(self.sip_headers)


def webhook_endpoint(
    client: AsyncRealtimeClient | Callable[[], AsyncRealtimeClient],
    on_call: Callable[[IncomingCall], Awaitable[object]],
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Endpoint:
    """Make the endpoint of the API's webhooks, which verifies a delivery and hands an incoming call on.

    It answers 200 when `on_call` has returned, and to events that are no calls; 400 to a delivery that is not
    genuine; and 503 if `on_call` raises a `RealtimeError`: the API then delivers again.

    Args:
        client: A client with the webhook's secret, or a function that returns it.
        on_call: Called with each delivery of a call; it must return at once, since the caller is waiting. The
            same call may come more than once: see `Deduplicator`.
        max_body_bytes: A longer body is answered with 413.
    """

    async def webhook(request: Request) -> Response:
        body = await _read_body(request, max_body_bytes)
        if isinstance(body, Response):
            return body
        known = client() if callable(client) else client
        try:
            event = known.webhooks.unwrap(body, request.headers)
        except WebhookVerificationError as error:
            _logger.info("a webhook was refused: %s", error)
            return Response(status_code=400)
        if event.type in _INCOMING:
            try:
                given = event.to_dict().get("data")
                data: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
                call = IncomingCall(
                    id=check_call_id(data.get("call_id") or data.get("session_id")),
                    sip_headers=_sip_headers(data.get("sip_headers")),
                    webhook_id=request.headers["webhook-id"],
                    event=event,
                )
            except (TypeError, ValueError, RecursionError):
                return Response(status_code=400)
            try:
                await on_call(call)
            except RealtimeError as error:
                _logger.warning("%s was not accepted: %s", call.id, error)
                return Response(status_code=503)
        return Response()

    return webhook


def _sip_headers(given: object) -> list[Mapping[str, str]]:
    """Return the headers that have a name and a value."""
    return [
        header
        for header in (given if isinstance(given, list) else ())
        if isinstance(header, Mapping) and all(isinstance(header.get(key), str) for key in ("name", "value"))
    ]


async def _read_body(request: Request, limit: int) -> bytes | Response:
    """Return a request's body, or the answer to one that is too long or too slow; no more of it is read."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    return _error_response(413, f"the body is longer than {limit} bytes")
    except TimeoutError:
        return _error_response(408, f"the body did not come within {_BODY_SECONDS:g} s")
    except ClientDisconnect:
        return _error_response(400, "the body ended before it was complete")  # which is not read any more
    return bytes(body)


def _error_response(status: int, message: str, *, code: str | None = None) -> Response:
    """Return an error in the envelope that the API's own errors have."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return JSONResponse(body, status)
