"""The headers of a made-up INVITE. Only builds and checks them; nothing is parsed here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

HeadersGiven = Mapping[str, str] | Iterable[tuple[str, str]]
MAX_HEADERS = 64
MAX_VALUE = 8192
CALLER = "sip:+14155550100@sip.example.com"
CALLEE = "sip:proj_simulator@sip.api.openai.com;transport=tls"
# RFC 3261 §25.1 "token".
_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,128}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def build_headers(given: HeadersGiven | None, call_id: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of an INVITE.

    Args:
        given: Headers by name, or pairs where names repeat; they come after those that every INVITE has, and
            take the place of those with the same name.
        call_id: The SIP Call-ID, which is not the API's call id.

    Raises:
        ValueError: A name is no SIP token, a value has control characters, or there are too many.
        TypeError: A name or a value isn't a str.

    Source: RFC 3261 §8.1.1 and §25.1
    """
    pairs = list(given.items() if isinstance(given, Mapping) else given or ())
    if len(pairs) > MAX_HEADERS:
        raise ValueError(f"headers: at most {MAX_HEADERS} are allowed, got {len(pairs)}")
    for name, value in pairs:
        _check(name, value)
    own = {name.lower() for name, _ in pairs}
    usual = (
        ("From", f"<{CALLER}>;tag={call_id[-8:]}"),
        ("To", f"<{CALLEE}>"),
        ("Call-ID", call_id),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
        ("Contact", f"<{CALLER}>"),
    )
    return (*((name, value) for name, value in usual if name.lower() not in own), *pairs)


def _check(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(
            f"headers: names and values are str, got {type(name).__name__}: {type(value).__name__}"
        )
    if not _NAME.fullmatch(name):
        raise ValueError(f"headers: {name[:80]!r} is not the name of a SIP header")
    if _CONTROL.search(value):
        raise ValueError(f"headers: the value of {name!r} has control characters, which are not allowed")
    if len(value) > MAX_VALUE:
        raise ValueError(
            f"headers: the value of {name!r} has {len(value)} characters, allowed are {MAX_VALUE}"
        )
