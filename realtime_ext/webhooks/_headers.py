"""The three headers that a webhook is signed with, found in whatever a web framework calls its headers.

It reads mappings (dict in any case, httpx, Starlette, Django, aiohttp, multidict), a WSGI environ, an ASGI
scope's list of byte pairs, and lists of pairs. It judges nothing but presence: times and signatures are
`_signature`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from ..errors import WebhookVerificationError

__all__ = ["HeadersLike", "SignedHeaders", "read_headers"]

HeadersLike: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
# PEP 3333 names a header in the environ: HTTP_, upper case, underscores. A header of its own name goes first.
_WSGI_NAMES = {f"HTTP_{name.upper().replace('-', '_')}": name for name in (_ID, _TIMESTAMP, _SIGNATURE)}


@attrs.frozen
class SignedHeaders:
    """What a delivery says of itself, unproven: `signatures` are the header's parts, versions included."""

    webhook_id: str
    timestamp: str
    signatures: tuple[str, ...]


def read_headers(headers: HeadersLike) -> SignedHeaders:
    """Find the webhook headers.

    Args:
        headers: The delivery's headers, names in any case, text or bytes.

    Returns:
        The id, the timestamp, and all signatures of all signature headers.

    Raises:
        WebhookVerificationError: A header is missing, empty, or there twice with different values; or
            `headers` has not the shape of headers.
    """
    found: dict[str, list[str]] = {_ID: [], _TIMESTAMP: [], _SIGNATURE: []}
    environ: dict[str, list[str]] = {_ID: [], _TIMESTAMP: [], _SIGNATURE: []}
    for key, value in _pairs(headers):
        name = _text(key)
        if name is None:
            continue
        target, name = (environ, _WSGI_NAMES[name]) if name in _WSGI_NAMES else (found, name.lower())
        if name in target:
            target[name].extend(_texts(name, value))
    values = {name: found[name] or environ[name] for name in found}
    missing = [name for name, texts in values.items() if not any(texts)]
    if missing:
        raise WebhookVerificationError(f"webhook headers are missing or empty: {', '.join(missing)}")
    signatures = (part.rstrip(",") for text in values[_SIGNATURE] for part in text.split())
    return SignedHeaders(
        _single(_ID, values[_ID]), _single(_TIMESTAMP, values[_TIMESTAMP]), tuple(signatures)
    )


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


def _single(name: str, texts: list[str]) -> str:
    if len(set(texts)) != 1:
        raise WebhookVerificationError(f"{name} is there {len(texts)} times with different values")
    return texts[0]
