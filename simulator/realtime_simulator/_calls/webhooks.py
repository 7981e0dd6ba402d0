"""The webhooks that announce a call: events, signatures, and delivery until they are acknowledged.

Delivery is at least once; further attempts carry the same `webhook-id`. Webhooks are dated by the real time,
however far the simulator's clock was advanced, because receivers compare the date with their own clock. The
consequences for the call are decided elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from realtime_simulator._core.clock import Clock, sleep
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.outgoing import unlogged
from realtime_simulator._records.store import Delivery

if TYPE_CHECKING:
    import httpx

EventType = Literal["realtime.call.incoming", "live.transport.incoming", "live.call.incoming"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
SECRET_PREFIX = "whsec_"
ATTEMPT_SECONDS = 15.0
PAUSES = (0.05, 0.5, 5.0, 30.0, 300.0, 1800.0, 7200.0)
"""Seconds before each further attempt; the last one repeats itself."""


def _ids(type: EventType, call_id: str) -> dict[str, str]:
    """Return the call's id as an event has it; the Live API knows the same call under an id of its own."""
    if type == "realtime.call.incoming":
        return {"call_id": call_id}
    session = {"session_id": f"live_{call_id.removeprefix('rtc_')}"}
    return session if type == "live.call.incoming" else {"type": "sip", **session}


def sign(body: bytes, secret: str, *, webhook_id: str, timestamp: float) -> dict[str, str]:
    """Return the headers of a signed webhook, as Standard Webhooks 1.0 defines them.

    Args:
        body: The body as it goes out.
        secret: As for `signing_key`.
        webhook_id: The delivery's id.
        timestamp: When it is sent, in unix seconds; fractions are dropped.

    Raises:
        ValueError: The secret is empty or malformed.

    Source: https://www.standardwebhooks.com, "Signature scheme"
    """
    written = str(math.floor(timestamp))
    message = b".".join((webhook_id.encode(), written.encode(), body))
    signature = base64.b64encode(hmac.digest(signing_key(secret), message, "sha256")).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": written, "webhook-signature": f"v1,{signature}"}


def signing_key(secret: str) -> bytes:
    """Return the key in a webhook secret.

    Args:
        secret: `whsec_` and base64; text without that prefix is the key itself.

    Raises:
        ValueError: It is empty or malformed; the message does not show it.
    """
    text = secret.strip() if isinstance(secret, str) else ""
    key = text.encode()
    if text.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
        except ValueError:
            message = f"the webhook secret is malformed: padded base64 must follow {SECRET_PREFIX}"
            raise ValueError(message) from None  # the undecodable text is a secret
    if not key:
        raise ValueError("the webhook secret is empty; expected a str such as whsec_…")
    return key


@attrs.frozen(kw_only=True)
class Plan:
    """How a call is announced.

    Args:
        to: The receiver's URL.
        events: The types of the events; two for a call that is announced twice over.
        duplicates: How often each event is delivered again, after it was acknowledged.
        delay: Seconds from the call to the first delivery.
        age: By how many seconds the events pretend to be older than they are.
        attempts: How often each delivery is tried at most.
        secret: What to sign with.
    """

    to: str = attrs.field(repr=False)
    events: Sequence[EventType]
    duplicates: int = 0
    delay: float = 0.0
    age: float = 0.0
    attempts: int = 5
    secret: str = attrs.field(repr=False)


class Announcer:
    """Delivers the webhooks of a simulator.

    Args:
        clock: The clock for further attempts.
        ids: The source of event and webhook ids.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._client: httpx.AsyncClient | None = None

    def event(self, type: EventType, call_id: str, headers: Sequence[tuple[str, str]], age: float) -> str:
        """Return the JSON of one event.

        Args:
            type: Its type.
            call_id: The call.
            headers: The INVITE's headers.
            age: How old the event pretends to be, in seconds.
        """
        event: dict[str, Any] = {
            "object": "event",
            "id": self._ids.new("evt", 24),
            "type": type,
            "created_at": int(time.time() - age),
            "data": {
                **_ids(type, call_id),
                "sip_headers": [{"name": name, "value": value} for name, value in headers],
            },
        }
        return json.dumps(event, ensure_ascii=False)

    async def announce(
        self,
        plan: Plan,
        call_id: str,
        headers: Sequence[tuple[str, str]],
        delivered: Callable[[Delivery], None],
    ) -> None:
        """Deliver all events of a plan.

        Args:
            plan: The plan.
            call_id: The call.
            headers: The INVITE's headers.
            delivered: Called after each attempt.
        """
        if plan.delay:
            await sleep(self._clock, plan.delay)
        await asyncio.gather(
            *(self._deliver(plan, type, call_id, headers, delivered) for type in plan.events)
        )

    async def aclose(self) -> None:
        """Close the connections to receivers."""
        if self._client is not None:
            await self._client.aclose()

    async def _deliver(
        self,
        plan: Plan,
        type: EventType,
        call_id: str,
        headers: Sequence[tuple[str, str]],
        delivered: Callable[[Delivery], None],
    ) -> None:
        body = self.event(type, call_id, headers, plan.age).encode()
        webhook_id = self._ids.new("wh", 32)
        for _ in range(1 + plan.duplicates):
            for attempt in range(plan.attempts):
                if attempt:
                    await sleep(self._clock, PAUSES[min(attempt, len(PAUSES)) - 1])
                delivery = await self._attempt(plan, type, webhook_id, body)
                delivered(delivery)
                if delivery.acknowledged:
                    break

    async def _attempt(self, plan: Plan, type: str, webhook_id: str, body: bytes) -> Delivery:
        signed = sign(body, plan.secret, webhook_id=webhook_id, timestamp=time.time() - plan.age)
        headers = {
            **signed,
            "content-type": "application/json",
            "user-agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)",
        }
        client = self._ready()
        try:
            with unlogged():  # the receiver's address may carry a token
                async with (
                    asyncio.timeout(ATTEMPT_SECONDS),
                    client.stream("POST", plan.to, content=body, headers=headers) as response,
                ):
                    status = response.status_code  # whose body may be of any length, and is not read
        except Exception as error:  # a receiver may answer with anything
            return Delivery(webhook_id=webhook_id, type=type, error=error.__class__.__name__)
        return Delivery(webhook_id=webhook_id, type=type, status=status)

    def _ready(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            # No proxy from the environment: requests to this machine must stay on it.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._client = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, trust_env=False, limits=limits)
        return self._client


def check_target(to: object) -> str:
    """Return a receiver's URL.

    Raises:
        TypeError: It is not a str.
        ValueError: It is not an http or https URL with a host.
    """
    import httpx

    if not isinstance(to, str):
        raise TypeError(f"to: expected a URL as str, got {type(to).__name__}")
    try:
        url = httpx.URL(to)
    except httpx.InvalidURL as error:
        raise ValueError(f"to: not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("to: allowed is an http or https URL with a host")
    return to
