"""A webhook for tests that need one: an incoming phone call, signed as the API signs it."""

from __future__ import annotations

import json
from typing import NamedTuple

from ..webhooks import SecretsLike, sign

CALLER, CALLED = "sip:+14155550100@example.com", "sip:proj_1@sip.example.com"


class SampleWebhook(NamedTuple):
    """A delivery.

    Args:
        body: What is posted.
        headers: The headers that prove it, and its media type.
    """

    body: bytes
    headers: dict[str, str]


def sample_webhook(
    secret: SecretsLike | None = None,
    *,
    call_id: str = "rtc_u1_sample",
    caller: str = CALLER,
    called: str = CALLED,
    webhook_id: str | None = None,
) -> SampleWebhook:
    """Return a webhook that announces a phone call, as your app would receive it.

    The body is the same each time, so recordings match; the signature has the time of now. No API knows of
    the call: your endpoint can be tested, not the call. `Simulator.incoming_call` makes one to be answered.

    Args:
        secret: What it is signed with, `whsec_…`; None for OPENAI_WEBHOOK_SECRET.
        call_id: The call's id; `live_…` for one that is announced to the Live API.
        caller: Who calls: the SIP header `From`.
        called: Who is called: the SIP header `To`.
        webhook_id: The delivery's id; a random one unless given.

    Raises:
        ValueError: There is no secret, or it is malformed.

    Example:
        ```python
        body, headers = sample_webhook()
        response = app_client.post("/webhook", content=body, headers=headers)
        ```
    """
    is_live = call_id.startswith("live_")
    event = {
        "object": "event",
        "id": "evt_sample",
        "type": "live.transport.incoming" if is_live else "realtime.call.incoming",
        "created_at": 1_767_225_600,
        "data": {
            **({"type": "sip", "session_id": call_id} if is_live else {"call_id": call_id}),
            "sip_headers": [
                {"name": "From", "value": caller},
                {"name": "To", "value": called},
                {"name": "Call-ID", "value": "sample@example.com"},
            ],
        },
    }
    body = json.dumps(event).encode()
    headers = sign(body, secret, webhook_id=webhook_id)
    return SampleWebhook(body, {"content-type": "application/json", **headers})
