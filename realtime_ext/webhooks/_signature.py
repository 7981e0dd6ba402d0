"""Signing and checking deliveries: HMAC-SHA256 over `id.timestamp.body`, as Standard Webhooks defines it.

Only version `v1` counts. Several secrets are tried for rotation and several signatures for the sender's;
every pair is compared, in constant time, so that timing tells nothing. No secret and no computed signature is
in any message.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets as random_bytes
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from ..errors import WebhookVerificationError
from ..secrets import Secret
from ._headers import HeadersLike, read_headers

__all__ = ["SecretsLike", "sign", "verify"]

SecretsLike: TypeAlias = str | Secret | Iterable[str | Secret]

_VERSION = "v1,"
_PREFIX = "whsec_"
_ENVIRONMENT = "OPENAI_WEBHOOK_SECRET"
# Seconds since 1970, in digits alone: int() would also take blanks, signs, underscores and other scripts'
# digits.
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_WEBHOOK_ID = re.compile(r"[!-~]+")


def verify(
    body: str | bytes,
    headers: HeadersLike,
    secret: SecretsLike | None = None,
    tolerance: float | timedelta = 300,
    *,
    clock: Callable[[], float | datetime] | None = None,
) -> None:
    """Check that a delivery was signed with the secret, and lately.

    Args:
        body: The request's body exactly as it came, before any JSON parsing; str is taken as UTF-8.
        headers: The request's headers: a mapping in any case, a WSGI environ, or a list of pairs (str or
            bytes).
        secret: The webhook's secret, `whsec_…`, or several while one replaces another; any of them may match.
            A secret without that prefix is taken as the key itself. None: `OPENAI_WEBHOOK_SECRET`.
        tolerance: How far the delivery's time may lie in the past or in the future, in seconds; 0 or more.
        clock: Gives the current time, as seconds since 1970 or as an aware datetime; the system's unless
            given.

    Raises:
        WebhookVerificationError: A header is missing or malformed, the time is outside the tolerance, the
            body is not str or bytes, or no v1 signature fits.
        TypeError: `clock` is no callable, or gives no time.
        ValueError: No secret, an empty or malformed one, or a negative tolerance.

    Source: https://www.standardwebhooks.com, "Signature scheme" and "Webhook headers".
    """
    keys = _keys(secret)
    allowed = _tolerance(tolerance)
    content = _content(body)
    signed = read_headers(headers)
    if not _TIMESTAMP.fullmatch(signed.timestamp):
        raise WebhookVerificationError("webhook-timestamp is not a whole number of seconds since 1970")
    seconds = _now(clock)
    age = math.floor(seconds) - int(signed.timestamp)
    if abs(age) > allowed:
        direction = "past" if age > 0 else "future"
        raise WebhookVerificationError(
            f"webhook-timestamp lies {abs(age)} s in the {direction}; {allowed:g} s are allowed"
        )
    candidates = [
        part.removeprefix(_VERSION).encode("utf-8", "replace")
        for part in signed.signatures
        if part.startswith(_VERSION)
    ]
    if not candidates:
        raise WebhookVerificationError("webhook-signature holds no v1 signature")
    expected = [_signature(key, signed.webhook_id, signed.timestamp, content) for key in keys]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in candidates]
    if not any(matches):
        raise WebhookVerificationError(
            "no webhook signature fits: another secret, or a body that is not byte for byte what was sent"
        )


def sign(
    body: str | bytes,
    secret: SecretsLike | None = None,
    *,
    webhook_id: str | None = None,
    timestamp: float | datetime | None = None,
) -> dict[str, str]:
    """Sign a body as the API signs its deliveries; for tests, simulators and relays.

    Args:
        body: The request's body, exactly as it will be sent.
        secret: As for `verify`; several give one signature each, as a sender does that rotates its secret.
        webhook_id: The delivery's id, printable ASCII without blanks; a random one unless given.
        timestamp: Seconds since 1970 (fractions are dropped) or an aware datetime; now unless given.

    Returns:
        The headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.

    Raises:
        ValueError: No secret, an empty or malformed one, or a body, id or timestamp that cannot be sent.
    """
    keys = _keys(secret)
    try:
        content = _content(body)
    except WebhookVerificationError as fault:
        raise ValueError(str(fault)) from fault
    name = f"wh_{random_bytes.token_hex(16)}" if webhook_id is None else webhook_id
    if not isinstance(name, str) or not _WEBHOOK_ID.fullmatch(name):
        raise ValueError(f"webhook_id: {name!r} is not printable ASCII without blanks")
    moment = time.time() if timestamp is None else timestamp
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"timestamp: {timestamp!r} has no time zone; expected an aware datetime")
    seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 10**12:
        raise ValueError(f"timestamp: {timestamp!r} is not a number of seconds since 1970")
    written = str(math.floor(seconds))
    signatures = (_signature(key, name, written, content).decode() for key in keys)
    return {
        "webhook-id": name,
        "webhook-timestamp": written,
        "webhook-signature": " ".join(f"{_VERSION}{signature}" for signature in signatures),
    }


def _now(clock: Callable[[], float | datetime] | None) -> float:
    if clock is not None and not callable(clock):
        raise TypeError(f"clock: expected a callable that gives the time, got {type(clock).__name__}")
    now = time.time() if clock is None else clock()
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise TypeError("clock: gave a datetime without time zone; expected an aware one")
        return now.timestamp()
    if isinstance(now, bool) or not isinstance(now, int | float) or not math.isfinite(now):
        raise TypeError(f"clock: expected seconds since 1970 or an aware datetime, it gave {now!r}")
    return now


def _signature(key: bytes, webhook_id: str, timestamp: str, content: bytes) -> bytes:
    message = b".".join((webhook_id.encode("utf-8", "replace"), timestamp.encode(), content))
    return b64encode(hmac.digest(key, message, hashlib.sha256))


def _content(body: str | bytes) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if not isinstance(body, str):
        raise WebhookVerificationError(
            f"body must be the bytes or str that came over the wire, not {type(body).__name__}: "
            "a parsed body has lost what was signed"
        )
    try:
        return body.encode()
    except UnicodeEncodeError as fault:
        raise WebhookVerificationError("body is not text that UTF-8 can write; pass its bytes") from fault


def _keys(secret: SecretsLike | None) -> list[bytes]:
    if secret is None:
        secret = os.environ.get(_ENVIRONMENT)
        if secret is None:
            raise ValueError(f"no webhook secret: pass secret= or set {_ENVIRONMENT}")
    if isinstance(secret, bytes | bytearray | memoryview | Mapping):
        raise ValueError(f"secret: expected a webhook secret (str) or several, got {type(secret).__name__}")
    several = list(secret) if isinstance(secret, Iterable) and not isinstance(secret, str) else [secret]
    if not several:
        raise ValueError("no webhook secret: the list of secrets is empty")
    return [_key(one) for one in several]


def _key(secret: str | Secret) -> bytes:
    if isinstance(secret, Secret):
        secret = secret.reveal()
    if not isinstance(secret, str):
        raise ValueError(f"secret: a webhook secret must be str, not {type(secret).__name__}")
    text = secret.strip()
    if not text:
        raise ValueError("the webhook secret is empty")
    if not text.startswith(_PREFIX):
        return text.encode("utf-8", "surrogatepass")
    try:
        key = b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        # Not chained: what could not be decoded is a secret.
        raise ValueError(f"the webhook secret is malformed: padded base64 must follow {_PREFIX}") from None
    if not key:
        raise ValueError(f"the webhook secret is empty after {_PREFIX}")
    return key


def _tolerance(tolerance: float | timedelta) -> float:
    seconds = tolerance.total_seconds() if isinstance(tolerance, timedelta) else tolerance
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"tolerance: {tolerance!r} is not a number of seconds that is 0 or more")
    return seconds
