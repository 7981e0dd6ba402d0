"""Receive webhooks in a web app: the endpoint that verifies deliveries and hands incoming calls on.

Both `web` and `fleet` have it; it needs Starlette, which either extra brings. It must not answer a call.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from realtime_ext.errors import RealtimeError, WebhookVerificationError
from realtime_ext.sip import SipHeaders
from realtime_ext.webhooks import Announcement, Api, Deduplicator, announcement

from ._core.starlette import MAX_BODY_BYTES, Request, Response, read_body

if TYPE_CHECKING:
    from realtime_ext.client import AsyncRealtimeClient
    from realtime_ext.webhooks import WebhookEvent

__all__ = ["MAX_BODY_BYTES", "Endpoint", "IncomingCall", "webhook_endpoint"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_kit.web")

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
"""An endpoint of Starlette or FastAPI."""


@attrs.frozen(kw_only=True)
class IncomingCall:
    """An incoming phone call, announced by a verified webhook.

    Args:
        id: The call's id, for `client.answer`, `client.calls.reject` and `client.calls.refer`; with the Live
            API the session's id.
        api: The API that the app uses, `realtime` or `live`.
        sip_headers: Its SIP headers as received, each with `name` and `value`.
        webhook_id: The delivery's id; the API may deliver more than once.
        event: The whole event.
    """

    id: str
    api: Api = "realtime"
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
    api: Api | Callable[[SipHeaders], Api] = "realtime",
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Endpoint:
    """Create the endpoint for webhooks, which verifies deliveries and passes incoming calls on.

    It answers 200 when `on_call` has returned, and for events other than calls; 400 for a delivery that is
    not genuine; and 503 if `on_call` raises a `RealtimeError`: the API then delivers again.

    Every call is announced for both the Realtime API and the Live API, in two events with different ids, and
    the first accept decides. Only the announcement for `api` is passed on; the other is acknowledged and
    logged.

    Args:
        client: A client with the webhook's secret, or a function that returns it.
        on_call: Called with each delivery of a call; it must return at once, since the caller is waiting. The
            same call may be delivered more than once: see `Deduplicator`.
        api: The API that the app uses, `realtime` or `live`; or a function that chooses it by the
            call's SIP headers.
        max_body_bytes: A longer body is answered with 413.
    """

    if not callable(api):
        _check_api(api)
    others = _OtherApi()

    async def webhook(request: Request) -> Response:
        body = await read_body(request, max_body_bytes)
        if isinstance(body, Response):
            return body
        known = client() if callable(client) else client
        try:
            event = known.webhooks.unwrap(body, request.headers)
        except WebhookVerificationError as error:
            _logger.info("a webhook was refused: %s", error)
            return Response(status_code=400)
        try:
            announced = announcement(event.to_dict())
        except (TypeError, ValueError, RecursionError):
            return Response(status_code=400)
        if announced is None:
            return Response()
        own = _check_api(api(SipHeaders(announced.sip_headers))) if callable(api) else api
        if announced.api != own:
            others.log(announced, event.type, own)
        else:
            call = IncomingCall(
                id=announced.call_id,
                api=announced.api,
                sip_headers=announced.sip_headers,
                webhook_id=request.headers["webhook-id"],
                event=event,
            )
            try:
                await on_call(call)
            except RealtimeError as error:
                _logger.warning("%s was not accepted: %s", call.id, error)
                return Response(status_code=503)
        return Response()

    return webhook


def _check_api(api: Api) -> Api:
    if api not in ("realtime", "live"):
        raise ValueError(f"api: expected 'realtime' or 'live', got {api!r}")
    return api


class _OtherApi:
    """Logs each call that is announced for the API by which the app does not answer, once."""

    def __init__(self) -> None:
        self._known = Deduplicator()
        self._has_warned = False

    def log(self, announced: Announcement, event_type: str, api: Api) -> None:
        if self._known.seen(announced.key or announced.call_id):
            return
        # The first is a warning: without a subscription to the other event, the app would answer no call.
        level = logging.INFO if self._has_warned else logging.WARNING
        self._has_warned = True
        _logger.log(
            level,
            "%s (%s) is ignored in favour of the call's other announcement: this app uses the %s API",
            event_type,
            announced.call_id,
            api.capitalize(),
        )
