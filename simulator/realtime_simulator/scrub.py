"""Scrub recordings of sessions and of HTTP: without secrets they can be committed and still be replayed.

A secret is recognized by its shape, by the name of the field, header or parameter that holds it, or because
it was seen as a credential before. Scrubbing is idempotent.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from realtime_simulator._core.multipart import MultipartError, Part, compose_multipart, parse_multipart

__all__ = [
    "ICE_PASSWORD",
    "MASK",
    "MultipartError",
    "Part",
    "Scrubber",
    "canonical_json",
    "compose_multipart",
    "parse_multipart",
]

MASK = "***"
ICE_PASSWORD = "redactedredactedredacted"
"""Replaces every ICE password: 22 letters or more keep a description parseable (RFC 8839 §5.4)."""

_END_OF_VALUE = r"\s\"'<>\\"
# Each alternative keeps a prefix, whose last letter is never part of the secret.
_SHAPES = re.compile(
    rf"(?P<ice>\ba=ice-pwd:)(?:\\/|[^{_END_OF_VALUE}])+"
    rf"|(?P<keep>\bBearer\s+(?=[^{_END_OF_VALUE},;&]{{8}})"  # shorter ones are words, as in "bearer of news"
    rf"|\ba=crypto:\d+\s+\S+\s+inline:"
    rf"|\bopenai-insecure-api-key\."
    rf"|[?&](?:api[-_]?key|key|sig|signature|[a-z_-]*token|[a-z_-]*secret|password)=)[^{_END_OF_VALUE},;&#|]+"
    rf"|(?P<login>\b[a-z][a-z0-9+.-]{{0,20}}://)[^{_END_OF_VALUE}/@?#]+(?=@)"
    r"|\b(?P<prefix>ek_|whsec_)[A-Za-z0-9_\-+/]+={0,2}"
    r"|\b(?P<key>sk-)[A-Za-z0-9_\-]{8,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*",  # a JSON Web Token
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:authorization|cookie2?|api[-_]?key|(?:access|refresh|id|security|auth|bearer)?[-_]?token"
    r"|secret|signature|sig|password|passwd|pwd|credentials?)$",
    re.IGNORECASE,
)
# Headers that name the payer and the end user: no keys, but private.
_PRIVATE_HEADERS = frozenset({"openai-organization", "openai-project", "openai-safety-identifier"})
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key"})
_SCHEME = re.compile(r"(bearer|basic|digest)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_SHORTEST_REMEMBERED = 8  # characters; a shorter one would be found in ordinary words


def __dir__() -> list[str]:
    return sorted(__all__)


class Scrubber:
    """Removes secrets from headers, URLs, bodies and JSON values.

    Args:
        secrets: Exact values to remove everywhere, besides values that look like a secret.

    Raises:
        TypeError: One is not a str.
        ValueError: One is empty.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        if isinstance(secrets, str | bytes) or not isinstance(secrets, Iterable):
            kind = type(secrets).__name__
            raise TypeError(f"secrets: expected several strings, such as a list, got a single {kind}")
        self._known: set[str] = set()
        for value in secrets:
            if not isinstance(value, str):
                raise TypeError(f"secrets: expected strings, got {type(value).__name__}")
            if not value.strip():
                raise ValueError("secrets: expected strings that are not blank, got a blank one")
            self._known.add(value)

    def remember(self, value: str) -> None:
        """Remove this exact value from now on; values under 8 characters are ignored."""
        if len(value) >= _SHORTEST_REMEMBERED and MASK not in value:
            self._known.add(value)

    def text(self, text: str) -> str:
        """Scrub any text: SDP, a URL, an error page."""
        for secret in sorted(self._known, key=len, reverse=True):
            for form in {secret, quote(secret, safe="")}:
                text = text.replace(form, MASK)
        return _SHAPES.sub(_replacement, text)

    def header(self, name: str, value: str) -> str:
        """Scrub one header's value; the scheme of an Authorization header stays."""
        lower = name.lower()
        scheme = _SCHEME.fullmatch(value)
        if lower in _CREDENTIAL_HEADERS:
            self.remember(scheme[2] if scheme else value)
        if lower in _PRIVATE_HEADERS:
            return MASK
        if _SECRET_NAME.search(lower):
            return f"{scheme[1]} {MASK}" if scheme else MASK
        return self.text(value)

    def url(self, url: str) -> str:
        """Scrub a URL: user and password, and query parameters that hold tokens."""
        base, found, query = url.partition("?")
        pairs = [self._pair(pair) for pair in query.split("&")]
        return self.text(base) + found + "&".join(pairs)

    def body(self, body: bytes, content_type: str) -> tuple[bytes, str]:
        """Scrub a body by its type: multipart, JSON, a form, or other text.

        Args:
            body: The body, not compressed.
            content_type: Its Content-Type; JSON is recognized without it.

        Returns:
            The body, and its Content-Type: multipart has the boundary of recordings. JSON and forms that
            hold no secret are unchanged.
        """
        if content_type.lower().lstrip().startswith("multipart/"):
            with contextlib.suppress(MultipartError):
                return compose_multipart(map(self._part, parse_multipart(body, content_type)), content_type)
        text, encoding = _decoded(body)
        try:
            value = json.loads(text) if text.lstrip()[:1] in ("{", "[", '"') else None
        except (ValueError, RecursionError):
            value = None
        if value is not None:
            clean = self.value(value)
            # Numbers may not survive being read and written, so what needs no change gets none.
            return (body if clean == value else _json(clean).encode()), content_type
        if content_type.lower().startswith("application/x-www-form-urlencoded"):
            text = "&".join(self._pair(pair) for pair in text.split("&"))
        return self.text(text).encode(encoding), content_type

    def value(self, value: Any) -> Any:
        """Return a JSON value without its secrets; the value itself is not changed."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, Mapping):
            return {name: self._field(value, name) for name in value}
        return value

    def _part(self, part: Part) -> Part:
        content = MASK.encode() if _SECRET_NAME.search(part.name or "") else part.content
        content, _ = self.body(content, part.header("content-type"))
        return Part(tuple((name, self.header(name, value)) for name, value in part.headers), content)

    def _pair(self, pair: str) -> str:
        name, found, value = pair.partition("=")
        if (
            found
            and value
            and (_SECRET_NAME.search(unquote(name)) or unquote(name).lower() in ("key", "sig"))
        ):
            return f"{name}={MASK}"
        return self.text(pair)

    def _field(self, fields: Mapping[str, Any], name: str) -> Any:
        value = fields[name]
        if isinstance(value, str) and value:
            # `token` also names the pieces of a transcript, which come with their probability.
            named = _SECRET_NAME.search(name) and not (name == "token" and "logprob" in fields)
            # A client secret is {"value": …, "expires_at": …}.
            if named or (name == "value" and "expires_at" in fields):
                return _masked(value)
        if name == "headers" and isinstance(value, Mapping):  # sent to MCP servers, under any name
            return {key: MASK if isinstance(item, str) else self.value(item) for key, item in value.items()}
        return self.value(value)


def canonical_json(content: bytes) -> bytes:
    """Write JSON in a canonical form, so that equal values have equal bytes; other bytes are unchanged."""
    try:
        return _json(json.loads(content), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return content


def _json(value: Any, *, sort_keys: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    # A lone surrogate has no UTF-8 form.
    return text if text.isprintable() or _encodable(text) else json.dumps(value, sort_keys=sort_keys)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(body: bytes) -> tuple[str, str]:
    try:
        return body.decode(), "utf-8"
    except UnicodeDecodeError:
        return body.decode("latin-1"), "latin-1"  # every byte has a character, and comes back as it was


def _masked(value: str) -> str:
    prefix = re.match("ek_|whsec_|sk-", value)
    return (prefix[0] if prefix else "") + MASK


def _replacement(found: re.Match[str]) -> str:
    if found["ice"]:
        return found["ice"] + ICE_PASSWORD
    return (found["keep"] or found["login"] or found["prefix"] or found["key"] or "") + MASK
