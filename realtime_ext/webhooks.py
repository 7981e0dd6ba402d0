"""Webhooks: verify that a delivery came from the API, and read its event.

The job: check `webhook-signature` over the body's exact bytes (the Standard Webhooks scheme), refuse what is
too old or too new, and turn the body into a generated event. It does no I/O apart from reading
`OPENAI_WEBHOOK_SECRET` when a call names no secret, and it reads nothing in a body that it has not verified.

Whatever is wrong with a delivery is a `WebhookVerificationError`: answer it with status 400. Whatever is
wrong with the set-up (no secret, a malformed one, a negative tolerance) is a `ValueError`: it would refuse
every delivery alike.

Webhooks are delivered at least once, in any order, for up to 72 hours: answer fast, drop duplicates
(`Deduplicator`), and accept the call elsewhere, since the caller hangs up while a webhook is being handled.

Only version `v1` of a signature counts. Several secrets are tried for rotation and several signatures for the
sender's; every pair is compared, in constant time, so that timing shows nothing. No secret and no computed
signature is in any message.

Source: https://www.standardwebhooks.com and https://platform.openai.com/docs/guides/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets as random_bytes
import threading
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ._core import json as _json
from ._core.call import Announcement, Api, announcement
from ._core.schema import check, place
from ._core.secrets import Secret, mask
from .errors import WebhookVerificationError
from .events import UnknownEvent

if TYPE_CHECKING:
    from realtime_api.models import (
        WebhookLiveCallIncoming,
        WebhookLiveTransportConnected,
        WebhookLiveTransportIncoming,
        WebhookRealtimeCallIncoming,
    )

__all__ = [
    "Announcement",
    "Api",
    "Deduplicator",
    "HeadersLike",
    "SecretsLike",
    "WebhookEvent",
    "WebhookVerificationError",
    "announcement",
    "call_key",
    "sign",
    "unwrap",
    "verify",
]


def __dir__() -> list[str]:
    return __all__


HeadersLike: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""Headers as web frameworks have them: a mapping, or pairs of str or bytes."""
SecretsLike: TypeAlias = str | Secret | Iterable[str | Secret]
"""A webhook secret, or several."""
# pyright reads no type from joined strings.
WebhookEvent: TypeAlias = "WebhookRealtimeCallIncoming | WebhookLiveTransportIncoming | WebhookLiveTransportConnected | WebhookLiveCallIncoming | UnknownEvent"  # noqa: E501
"""The event of a delivery."""


def unwrap(
    body: str | bytes,
    headers: HeadersLike,
    secret: SecretsLike | None = None,
    tolerance: float | timedelta = 300,
    *,
    clock: Callable[[], float | datetime] | None = None,
) -> WebhookEvent:
    """Verify a delivery and read its event.

    The arguments are those of `verify`.

    Returns:
        A `Webhook…` class of `realtime_api.models`. Events of other types come as `UnknownEvent`, and so does
        an event that misses a field of its class, with `reason` saying what.

    Raises:
        WebhookVerificationError: The delivery is not genuine or not recent; or, though genuine, its body is
            not a JSON object with a `type`, so that there is no event to return.
        ValueError: No secret, an empty or malformed one, or a negative tolerance.

    Example:
        ```python
        event = webhooks.unwrap(await request.body(), request.headers)
        if isinstance(event, WebhookRealtimeCallIncoming):
            queue.put(event.data.call_id)
        ```
    """
    signer = _Signer(secret)
    del secret  # a traceback may show locals
    _verify(signer, body, headers, tolerance, clock)
    try:
        data = _json.decode(body if isinstance(body, str) else bytes(body).decode())
    except UnicodeDecodeError as error:
        raise WebhookVerificationError("the webhook is genuine, but its body is not UTF-8") from error
    except ValueError as error:
        raise WebhookVerificationError(f"the webhook is genuine, but its body is {error}") from error
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or not kind:
        raise WebhookVerificationError(
            "the webhook is genuine, but its body is not a JSON object with a type"
        )
    from realtime_api.events import WEBHOOK_EVENTS

    model: Any = WEBHOOK_EVENTS.get(kind)
    if model is None:
        return UnknownEvent(kind, data)
    try:
        # A call without its id, say, could not be answered: better no class than one that lacks what it
        # promises.
        missing = [found.message for found in check(place(model.__name__), data) if found.kind == "missing"]
        if missing:
            return UnknownEvent("", data, "; ".join(missing))
        return cast("WebhookEvent", model.from_dict(data))
    except Exception as error:
        return UnknownEvent("", data, mask(str(error) or type(error).__name__))


_VERSION = "v1,"
_PREFIX = "whsec_"
_ENVIRONMENT = "OPENAI_WEBHOOK_SECRET"
# Seconds since 1970, in digits alone: int() would also accept blanks, signs, underscores and other scripts'
# digits.
_SECONDS = re.compile(r"[0-9]{1,12}")
_ID_ALLOWED = "printable ASCII without blanks, dots and quotes"
# Without dots, which separate the signed parts: one signature would fit another id and time as well.
_WEBHOOK_ID = re.compile(r"""[^\s.'"\x00-\x1f\x7f-\U0010ffff]+""")


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
        body: The request's body exactly as it came, before any JSON parsing; str is encoded as UTF-8.
        headers: The request's headers: a mapping in any case, a WSGI environ, or a list of pairs (str or
            bytes).
        secret: The webhook's secret, `whsec_…`, or several while one replaces another; any of them may match.
            A secret without that prefix is the key itself. None: `OPENAI_WEBHOOK_SECRET`.
        tolerance: How far the delivery's time may lie in the past or in the future, in seconds; 0 or more.
        clock: Returns the current time, as seconds since 1970 or as an aware datetime; the system's unless
            given.

    Raises:
        WebhookVerificationError: A header is missing or malformed, the time is outside the tolerance, the
            body is not str or bytes, or no v1 signature matches.
        TypeError: `clock` is not callable, or does not return a time.
        ValueError: No secret, an empty or malformed one, or a negative tolerance.

    Source: https://www.standardwebhooks.com, "Signature scheme" and "Webhook headers".
    """
    signer = _Signer(secret)
    del secret  # a traceback may show locals
    _verify(signer, body, headers, tolerance, clock)


def _verify(
    signer: _Signer,
    body: str | bytes,
    headers: HeadersLike,
    tolerance: float | timedelta,
    clock: Callable[[], float | datetime] | None,
) -> None:
    signer.check()
    allowed = _tolerance(tolerance)
    content = _content(body)
    webhook_id, timestamp, signatures = _signed_headers(headers)
    if not _WEBHOOK_ID.fullmatch(webhook_id):
        raise WebhookVerificationError(f"webhook-id is not {_ID_ALLOWED}")
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookVerificationError("webhook-timestamp is not a whole number of seconds since 1970")
    age = math.floor(_now(clock)) - int(timestamp)
    if abs(age) > allowed:
        direction = "past" if age > 0 else "future"
        raise WebhookVerificationError(
            f"webhook-timestamp lies {abs(age)} s in the {direction}; {allowed:g} s are allowed"
        )
    candidates = [
        part.removeprefix(_VERSION).encode("utf-8", "replace")
        for part in signatures
        if part.startswith(_VERSION)
    ]
    if not candidates:
        raise WebhookVerificationError("webhook-signature holds no v1 signature")
    if not signer.fits(candidates, webhook_id, timestamp, content):
        raise WebhookVerificationError(
            "no webhook signature matches: wrong secret, or the body was changed on the way"
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
        secret: As for `verify`; several make one signature each, as a sender does that rotates its secret.
        webhook_id: The delivery's id, printable ASCII without blanks, dots and quotes; a random one unless
            given.
        timestamp: Seconds since 1970 (fractions are dropped) or an aware datetime; now unless given.

    Returns:
        The headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.

    Raises:
        ValueError: No secret, an empty or malformed one, or a body, id or timestamp that cannot be sent.
    """
    signer = _Signer(secret)
    del secret
    signer.check()
    try:
        content = _content(body)
    except WebhookVerificationError as error:
        raise ValueError(str(error)) from error
    name = f"wh_{random_bytes.token_hex(16)}" if webhook_id is None else webhook_id
    if not isinstance(name, str) or not _WEBHOOK_ID.fullmatch(name):
        raise ValueError(f"webhook_id: {name!r} is not {_ID_ALLOWED}")
    moment = time.time() if timestamp is None else timestamp
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"timestamp: {timestamp!r} has no time zone; expected an aware datetime")
    seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 10**12:
        raise ValueError(f"timestamp: {timestamp!r} is not a number of seconds since 1970")
    written = str(math.floor(seconds))
    signatures = (signature.decode() for signature in signer.signatures(name, written, content))
    return {
        "webhook-id": name,
        "webhook-timestamp": written,
        "webhook-signature": " ".join(f"{_VERSION}{signature}" for signature in signatures),
    }


def _now(clock: Callable[[], float | datetime] | None) -> float:
    if clock is not None and not callable(clock):
        raise TypeError(f"clock: expected a callable that returns the time, got {type(clock).__name__}")
    now = time.time() if clock is None else clock()
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise TypeError("clock: returned a datetime without time zone; expected an aware one")
        return now.timestamp()
    if isinstance(now, bool) or not isinstance(now, int | float) or not math.isfinite(now):
        raise TypeError(f"clock: expected seconds since 1970 or an aware datetime, it returned {now!r}")
    return now


class _Signer:
    """The keys of one or several secrets, which no repr shows; making one does not raise.

    Args:
        secret: As for `verify`.
    """

    __slots__ = ("_keys", "_problem")

    def __init__(self, secret: SecretsLike | None) -> None:
        self._problem: str | None = None
        self._keys: list[bytes] = []
        try:
            self._keys = _keys(secret)
        except ValueError as error:  # not to be raised here: the frames hold the secret
            self._problem = str(error)

    def check(self) -> None:
        """Raise ValueError if the secret can't be used."""
        if self._problem is not None:
            raise ValueError(self._problem)

    def signatures(self, webhook_id: str, timestamp: str, content: bytes) -> list[bytes]:
        """Sign, with each key."""
        message = b".".join((webhook_id.encode("utf-8", "replace"), timestamp.encode(), content))
        return [b64encode(hmac.digest(key, message, hashlib.sha256)) for key in self._keys]

    def fits(self, candidates: list[bytes], webhook_id: str, timestamp: str, content: bytes) -> bool:
        """Whether one of the signatures is one of these, compared in constant time."""
        own = self.signatures(webhook_id, timestamp, content)
        matches = [hmac.compare_digest(ours, theirs) for ours in own for theirs in candidates]
        return any(matches)  # all were compared


def _content(body: str | bytes) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if not isinstance(body, str):
        raise WebhookVerificationError(
            f"body must be the bytes or str that came over the wire, not {type(body).__name__}: "
            "a parsed body no longer has the signed bytes"
        )
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise WebhookVerificationError("body is not text that UTF-8 can write; pass its bytes") from error


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


_HEADERS = _ID_HEADER, _TIME_HEADER, _SIGNATURE_HEADER = (
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
)
# PEP 3333 names a header in the environ: HTTP_, upper case, underscores. A header of its own name goes first.
_WSGI_NAMES = {
    f"HTTP_{name.upper().replace('-', '_')}": name for name in (_ID_HEADER, _TIME_HEADER, _SIGNATURE_HEADER)
}


def _signed_headers(headers: HeadersLike) -> tuple[str, str, list[str]]:
    """Return a delivery's id, timestamp and signatures, versions included; none is proven yet.

    Raises:
        WebhookVerificationError: A header is missing, empty, or duplicated with different values; or
            `headers` has not the shape of headers.
    """
    found: dict[str, list[str]] = {name: [] for name in _HEADERS}
    environ: dict[str, list[str]] = {name: [] for name in _HEADERS}
    for key, value in _pairs(headers):
        name = _text(key)
        if name is None:
            continue
        target, name = (environ, _WSGI_NAMES[name]) if name in _WSGI_NAMES else (found, name.lower())
        if name in target:
            target[name].extend(_texts(name, value))
    values = {name: found[name] or environ[name] for name in _HEADERS}
    missing = [name for name, texts in values.items() if not any(texts)]
    if missing:
        raise WebhookVerificationError(f"webhook headers are missing or empty: {', '.join(missing)}")
    for name in (_ID_HEADER, _TIME_HEADER):
        if len(set(values[name])) != 1:
            raise WebhookVerificationError(f"{name} is duplicated with different values")
    signatures = [part.rstrip(",") for text in values[_SIGNATURE_HEADER] for part in text.split()]
    return values[_ID_HEADER][0], values[_TIME_HEADER][0], signatures


def _pairs(headers: HeadersLike) -> Iterator[tuple[Any, Any]]:
    # httpx joins repeated headers in items(); multi_items() keeps them apart.
    items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
    pairs = items() if callable(items) else headers
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise WebhookVerificationError(
            f"webhook headers must be a mapping or (name, value) pairs, not {type(headers).__name__}"
        )
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise WebhookVerificationError(
                f"webhook headers must be (name, value) pairs, and one of them is {type(pair).__name__}"
            )
        yield pair[0], pair[1]


def _texts(name: str, value: Any) -> Iterator[str]:
    # Some gateways hand over a list of values for each name.
    for item in value if isinstance(value, list | tuple) else (value,):
        text = _text(item)
        if text is None:
            raise WebhookVerificationError(f"{name} must be text or bytes, not {type(item).__name__}")
        yield text


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    # ASGI and HTTP's own rule: header bytes are Latin-1.
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else None


def call_key(event: WebhookEvent) -> str | None:
    """Return what all announcements of one phone call have in common.

    A call is announced for the Realtime API (`realtime.call.incoming`, with a `call_id`) and for the Live API
    (`live.transport.incoming`, with a `session_id`), and the first accept decides. An app that answers by one
    of them ignores the other's events; one that takes whichever comes first compares this key.

    Args:
        event: The event of a delivery.

    Returns:
        The SIP Call-ID; without one, caller, callee and time; None for events that announce no call.

    Raises:
        TypeError: It is not an event of `unwrap`.
    """
    if not hasattr(event, "to_dict"):
        raise TypeError(f"event: expected an event that unwrap returned, got {type(event).__name__}")
    try:
        announced = announcement(event.to_dict())
    except (TypeError, ValueError):
        return None
    return None if announced is None else announced.key


class Deduplicator:
    """Remembers which deliveries and which calls it was asked about.

    The API delivers at least once, and one call can arrive under two webhook ids; answering it twice fails at
    best. Events of the Realtime API and of the Live API about one call have different call ids: see
    `call_key`. Several processes need a shared store instead: any object with the same `seen` can stand in
    this one's place, for instance over Redis, `not redis.set(key, 1, nx=True, ex=259_200)` for each id.

    Safe to use from several threads.

    Args:
        max_entries: How many webhook ids, and as many call ids, are kept; the longest unasked go first. 1 or
            more.

    Raises:
        ValueError: `max_entries` is below 1.

    Example:
        ```python
        if deduplicator.seen(request.headers["webhook-id"], event.data.call_id):
            return Response(status_code=200)
        ```
    """

    def __init__(self, max_entries: int = 10_000) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries: expected 1 or more, got {max_entries}")
        self._max_entries = max_entries
        self._webhooks: OrderedDict[str, None] = OrderedDict()
        self._calls: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, webhook_id: str, call_id: str | None = None) -> bool:
        """Return whether this delivery or this call was seen before, and remember both.

        Args:
            webhook_id: The `webhook-id` header.
            call_id: The call's id where the event has one: `data.call_id`, or `data.session_id` in live
                events.

        Returns:
            False the first time; True when either id was asked about before.

        Raises:
            TypeError: An id is not a str.
            ValueError: An id is empty.
        """
        for field, value in (("webhook_id", webhook_id), ("call_id", call_id)):
            if not isinstance(value, str) and (field == "webhook_id" or value is not None):
                raise TypeError(f"{field}: expected a str, got {type(value).__name__}")
        if not webhook_id or call_id == "":
            raise ValueError("webhook_id and call_id must not be empty; pass no call_id where there is none")
        with self._lock:
            known_webhook = self._remember(self._webhooks, webhook_id)
            known_call = call_id is not None and self._remember(self._calls, call_id)
        return known_webhook or known_call

    def _remember(self, entries: OrderedDict[str, None], key: str) -> bool:
        known = key in entries
        entries[key] = None
        entries.move_to_end(key)
        if len(entries) > self._max_entries:
            entries.popitem(last=False)
        return known
