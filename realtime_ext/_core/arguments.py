"""Checks of headers, keys, queries, time limits and URLs.

It must not do I/O, and httpx stays unloaded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .secrets import Secret, hidden

if TYPE_CHECKING:
    from .argument_types import Timeout as Timeout

QueryValue = str | int | float | bool
"""The value of a query parameter."""

# RFC 9110 §5.6.2 token, and §5.5 field-value without the obsolete high octets.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_KEY = re.compile(r"[\x21-\x7e]+")
_LONGEST_TIMEOUT = 10**9  # seconds; a socket's own limit lies some way above


def check_header(field: str, value: object) -> str:
    """Check a value that goes out as a header.

    Args:
        field: The argument's name, for the message.
        value: Visible ASCII, with blanks and tabs inside.

    Returns:
        The value.

    Raises:
        TypeError: It is not a str.
        ValueError: It is empty, or has line breaks, control or non-ASCII characters; it is not shown.
    """
    if not isinstance(value, str):
        raise TypeError(f"{field}: expected a str, got {type(value).__name__}")
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError(
            f"{field}: not usable as a header value: it must be printable ASCII, not empty, and without line "
            "breaks or blanks around it"
        )
    return value


def check_key(field: str, value: object) -> Secret:
    """Check a key or token: a header value without any blank.

    Raises:
        TypeError: It is not a str.
        ValueError: It has blanks, line breaks, control or non-ASCII characters. The message doesn't show it.
    """
    value = hidden(value)
    if not isinstance(value, Secret):
        raise TypeError(f"{field}: expected a str, got {type(value).__name__}")
    if not _KEY.fullmatch(value.reveal()):
        raise ValueError(
            f"{field}: must be printable ASCII, not empty, without blanks or line breaks (was it read from a "
            "file together with the line end?)"
        )
    return value


def check_headers(field: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Check a mapping of headers.

    Args:
        field: The argument's name, for the message.
        headers: Names and values; None stands for none. A value may be empty.

    Returns:
        The headers, with lower-case names.

    Raises:
        TypeError: It is not a mapping, or a value is not a str.
        ValueError: A name or value cannot go out.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(
            f"{field}: expected a mapping of header names to values, got {type(headers).__name__}"
        )
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{field}: {name!r} is not a header name")
        checked[name.lower()] = value if value == "" else check_header(f"{field}[{name!r}]", value)
    return checked


def check_query(field: str, query: Mapping[str, QueryValue] | None) -> dict[str, QueryValue]:
    """Check a mapping of query parameters; None stands for none.

    Raises:
        TypeError: It is not a mapping, or a value has a type that a query cannot hold.
        ValueError: A name is not a str, or empty.
    """
    if query is None:
        return {}
    if not isinstance(query, Mapping):
        raise TypeError(f"{field}: expected a mapping of names to values, got {type(query).__name__}")
    for name, value in query.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{field}: {name!r} is not a parameter name; expected a str that is not empty")
        if not isinstance(value, str | int | float):
            raise TypeError(
                f"{field}[{name!r}]: expected a str, int, float or bool, got {type(value).__name__}"
            )
        try:
            f"{name}{value}".encode()
        except ValueError as error:  # a lone surrogate, or thousands of digits
            raise ValueError(f"{field}[{name!r}]: expected what can be written as UTF-8") from error
    return dict(query)


def check_timeout(field: str, timeout: Timeout | None) -> Timeout | None:
    """Check a time limit: seconds above 0 (infinity for none), an httpx.Timeout, or None.

    Raises:
        TypeError: It is neither.
        ValueError: It is 0, negative, not a number, or more than a socket can wait.
    """
    if timeout is None or type(timeout).__name__ == "Timeout":
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"{field}: expected seconds or an httpx.Timeout, got {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError(f"{field}: expected more than 0 seconds, got {timeout!r}")
    if _LONGEST_TIMEOUT < timeout < math.inf:
        raise ValueError(
            f"{field}: expected {_LONGEST_TIMEOUT} seconds at most, or infinity for no limit; got more"
        )
    return timeout


def check_seconds(field: str, seconds: float | None, *, or_zero: bool = False) -> float | None:
    """Check a time limit of something that is waited for: seconds (infinity for no limit), or None.

    Args:
        field: The argument's name, for the message.
        seconds: The limit.
        or_zero: Whether 0 is allowed: only to look, and not to wait.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative, not a number, or 0 where that can't work.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{field}: expected seconds or None, got {type(seconds).__name__}")
    if not (seconds > 0 or (or_zero and seconds == 0)):
        allowed = "0 or more" if or_zero else "more than 0"
        raise ValueError(f"{field}: expected {allowed} seconds, or None for no limit, got {seconds!r}")
    return seconds


def check_url(field: str, url: str, schemes: Sequence[str]) -> str:
    """Check a base URL.

    Args:
        field: The argument's name, for the message.
        url: Scheme, host, perhaps port and path.
        schemes: The schemes that are allowed.

    Returns:
        The URL without a slash at its end.

    Raises:
        TypeError: It is not a str.
        ValueError: It is not such a URL, or has a user, query or fragment, none of which is then shown.
    """
    allowed = f"expected {' or '.join(schemes)}://host/path"
    if not isinstance(url, str):
        raise TypeError(f"{field}: {allowed}, got {type(url).__name__}")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{field}: {allowed}; {error}") from error
    if "@" in parts.netloc:
        raise ValueError(f"{field}: a user or password in the URL is not allowed; use default_headers")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError(f"{field}: a query or fragment is not allowed; use default_query")
    printable = re.fullmatch(r"[\x21-\x7e]+", url) is not None
    if parts.scheme.lower() not in schemes or not parts.hostname or not port_is_valid or not printable:
        raise ValueError(f"{field}: {allowed}, got {url!r}")
    return url.rstrip("/")
