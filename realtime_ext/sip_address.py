"""SIP addresses: the display name, URI and parameters that From, To, Contact and their like carry.

The job: read and write RFC 3261's name-addr and addr-spec. It refuses control characters both ways, so that
no name or URI can smuggle a header into a message, and it takes time linear in the text's length.

Source: RFC 3261 §20 and §25.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["SipAddress"]

# RFC 3261 §25.1 "token", and the start that makes a URI a URI (RFC 3986 §3.1).
TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
# HTAB is the one control character that white space in a header may be.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS = " \t"


def _check_display_name(_: Any, __: Any, value: str | None) -> None:
    if value is not None and CONTROL.search(value):
        raise ValueError("display_name: control characters such as CR and LF are not allowed")


def _check_uri(_: Any, __: Any, value: str) -> None:
    if CONTROL.search(value):
        raise ValueError("uri: control characters such as CR and LF are not allowed")
    scheme = _SCHEME.match(value)
    if not scheme or scheme.end() == len(value) or any(char in ' \t<>"' for char in value):
        raise ValueError(
            f"uri: {value[:80]!r} is not a URI such as 'sip:alice@example.com' or 'tel:+14155550123'"
        )


def _check_params(_: Any, __: Any, value: Mapping[str, str | None]) -> None:
    for name, text in value.items():
        if not TOKEN.fullmatch(name):
            raise ValueError(f"params: {name[:80]!r} is not a parameter name")
        if text is not None and CONTROL.search(text):
            raise ValueError(f"params: {name!r} has control characters, which are not allowed")


@attrs.frozen(kw_only=True)
class SipAddress:
    """An address in a SIP header: who, and under which URI.

    Args:
        uri: The URI as written, such as `sip:+14155550123@carrier.example;user=phone` or `tel:+14155550123`.
        display_name: The name shown to people, unquoted; None where there is none.
        params: Parameters of the header field after the address, such as `tag` in From or `reason` in
            Diversion; lower-case names, None for a parameter without a value.

    Raises:
        ValueError: A part holds control characters, or `uri` is no URI.

    Source: RFC 3261 §25.1, name-addr and addr-spec.
    """

    uri: str = attrs.field(validator=_check_uri)
    display_name: str | None = attrs.field(default=None, validator=_check_display_name)
    params: Mapping[str, str | None] = attrs.field(factory=dict, validator=_check_params, hash=False)

    @property
    def scheme(self) -> str:
        """The URI's scheme in lower case: `sip`, `sips` or `tel` as a rule."""
        return self.uri.partition(":")[0].lower()

    @property
    def user(self) -> str | None:
        """The user of a sip URI or the number of a tel URI; None where the URI names a host alone."""
        rest = self.uri.partition(":")[2]
        if self.scheme == "tel":
            return rest.partition(";")[0]
        user, at, _ = rest.partition("@")
        return user.partition(":")[0].partition(";")[0] if at else None

    @classmethod
    def parse(cls, text: str) -> SipAddress:
        """Read one address, with or without display name and angle brackets.

        Without brackets, everything after the first semicolon is the header's parameters, not the URI's (RFC
        3261 §20).

        Args:
            text: One header value, such as `"Alice" <sip:alice@example.com>;tag=9f`.

        Returns:
            The address.

        Raises:
            ValueError: The text is not one address, or holds control characters.
        """
        addresses = split(_check_text(text), ",")
        if len(addresses) != 1:
            raise ValueError(f"expected one SIP address, found {len(addresses)} separated by commas")
        return cls._read(addresses[0])

    @classmethod
    def parse_list(cls, text: str) -> tuple[SipAddress, ...]:
        """Read addresses separated by commas.

        Args:
            text: A header value such as `<sip:alice@example.com>, <tel:+14155550123>`.

        Returns:
            The addresses, in order.

        Raises:
            ValueError: One of them is not an address, or holds control characters.
        """
        return tuple(cls._read(part) for part in split(_check_text(text), ","))

    @classmethod
    def _read(cls, text: str) -> SipAddress:
        text = text.strip(_BLANKS)
        name: str | None = None
        if text.startswith('"'):
            name, end = _read_quoted(text, 0)
            text = text[end:].lstrip(_BLANKS)
            if not text.startswith("<"):
                raise ValueError("a SIP address with a quoted name needs its URI in angle brackets")
        before, bracket, after = text.partition("<")
        if bracket:
            if name is None:
                name = before.strip(_BLANKS)
            uri, closed, rest = after.partition(">")
            if not closed:
                raise ValueError("a SIP address has an angle bracket that is never closed")
        else:
            uri, semicolon, rest = text.partition(";")
            rest = semicolon + rest
        return cls(uri=uri.strip(_BLANKS), display_name=name or None, params=_read_params(rest))

    def __str__(self) -> str:
        """The address as a header value, the name quoted and the URI in brackets."""
        name = f"{_quote(self.display_name)} " if self.display_name else ""
        params = (
            f";{key}" if value is None else f";{key}={value if TOKEN.fullmatch(value) else _quote(value)}"
            for key, value in self.params.items()
        )
        return f"{name}<{self.uri}>{''.join(params)}"


def _check_text(text: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"a SIP address is read from str, not from {type(text).__name__}")
    return text


def split(text: str, separator: str) -> list[str]:
    """Split at a character that stands outside quotes and angle brackets."""
    parts: list[str] = []
    start = 0
    quoted = bracketed = escaped = False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"' and not bracketed:
            quoted = True
        elif char in "<>":
            bracketed = char == "<"
        elif char == separator and not bracketed:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def _read_quoted(text: str, start: int) -> tuple[str, int]:
    """Undo the quoting of the quoted-string that begins at `start`; also give the index behind it."""
    pieces: list[str] = []
    index = start + 1
    while index < len(text):
        char = text[index]
        if char == '"':
            return "".join(pieces), index + 1
        if char == "\\" and index + 1 < len(text):
            index += 1
            char = text[index]
        pieces.append(char)
        index += 1
    raise ValueError("a SIP address has a quote that is never closed")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_params(text: str) -> dict[str, str | None]:
    first, *parts = split(text, ";")
    if first.strip(_BLANKS):
        raise ValueError(
            f"a SIP address is followed by {first[:80]!r}; only ';name=value' parameters may follow"
        )
    params: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = (piece.strip(_BLANKS) for piece in part.partition("="))
        if value.startswith('"'):
            value, end = _read_quoted(part := value, 0)
            if end != len(part):
                raise ValueError(f"params: {name[:80]!r} has text behind its closing quote")
        params.setdefault(name.lower(), value if equals else None)
    return params
