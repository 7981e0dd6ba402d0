"""From a delivery to its event: verified first, read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .. import _json
from ..errors import WebhookVerificationError
from ..events import UnknownEvent
from ..secrets import mask
from ._headers import HeadersLike
from ._signature import SecretsLike, verify

if TYPE_CHECKING:
    from realtime_api.models import WebhookLiveCallIncoming, WebhookRealtimeCallIncoming

__all__ = ["WebhookEvent", "unwrap"]

WebhookEvent: TypeAlias = "WebhookRealtimeCallIncoming | WebhookLiveCallIncoming | UnknownEvent"


def unwrap(
    body: str | bytes,
    headers: HeadersLike,
    secret: SecretsLike | None = None,
    tolerance: float | timedelta = 300,
    *,
    clock: Callable[[], float | datetime] | None = None,
) -> WebhookEvent:
    """Verify a delivery and read its event.

    Args:
        body: The request's body exactly as it came, before any JSON parsing; str is taken as UTF-8.
        headers: The request's headers: a mapping in any case, a WSGI environ, or a list of pairs (str or
            bytes).
        secret: The webhook's secret, `whsec_…`, or several of which any may match; None:
            `OPENAI_WEBHOOK_SECRET`.
        tolerance: How far the delivery's time may lie in the past or in the future, in seconds; 0 or more.
        clock: Gives the current time, as seconds since 1970 or as an aware datetime; the system's unless
            given.

    Returns:
        `WebhookRealtimeCallIncoming` or `WebhookLiveCallIncoming` of `realtime_api.models`. Events of other
        types come as `UnknownEvent`, and so does a call event that lacks what its class needs, with `reason`
        saying what.

    Raises:
        WebhookVerificationError: The delivery is not genuine or not recent; or, though genuine, its body is
            no JSON object with a `type`, so that there is no event to give.
        ValueError: No secret, an empty or malformed one, or a negative tolerance.

    Example:
        ```python
        event = webhooks.unwrap(await request.body(), request.headers)
        if isinstance(event, WebhookRealtimeCallIncoming):
            queue.put(event.data.call_id)
        ```
    """
    verify(body, headers, secret, tolerance, clock=clock)
    try:
        data = _json.decode(body)
    except ValueError as fault:
        raise WebhookVerificationError(f"the webhook is genuine, but its body is {fault}") from fault
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or not kind:
        raise WebhookVerificationError("the webhook is genuine, but its body is no JSON object with a type")
    from realtime_api.events import WEBHOOK_EVENTS

    model: Any = WEBHOOK_EVENTS.get(kind)
    if model is None:
        return UnknownEvent(kind, data)
    try:
        return cast("WebhookEvent", model.from_dict(data))
    except Exception as fault:
        return UnknownEvent(kind, data, mask(str(fault) or type(fault).__name__))
