"""SIP for apps: the header fields and addresses of an incoming call, and the target of a transfer.

The job: look header fields up whatever their case or compact form, keep every repetition, read and write
addresses, and check the target of a transfer. Header values come from the caller: control characters
are refused both ways, so that no name or URI can smuggle a header into a message, an address that cannot be
read is left out instead of ending the call's handler, and reading takes time linear in the text's length.

Sources: RFC 3261 §7.3 (fields, compact forms), §20 and §25.1 (addresses); RFC 3325 §9.1
(P-Asserted-Identity); RFC 5806 §4 (Diversion); RFC 3966 §3 (tel URIs).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from ._core.secrets import MASK

__all__ = ["SipAddress", "SipHeaders", "check_target_uri"]


def __dir__() -> list[str]:
    return __all__


# RFC 3261 §25.1 "token", and the start that makes a URI a URI (RFC 3986 §3.1).
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# HTAB is the one control character that white space in a header may be.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS = " \t"


def _check_display_name(_: Any, __: Any, value: str | None) -> None:
    if value is not None and _CONTROL.search(value):
        raise ValueError("display_name: control characters such as CR and LF are not allowed")


def _check_uri(_: Any, __: Any, value: str) -> None:
    if _CONTROL.search(value):
        raise ValueError("uri: control characters such as CR and LF are not allowed")
    scheme = _SCHEME.match(value)
    if not scheme or scheme.end() == len(value) or any(char in ' \t<>"' for char in value):
        raise ValueError(
            f"uri: {value[:80]!r} is not a URI such as 'sip:alice@example.com' or 'tel:+14155550123'"
        )


def _check_params(_: Any, __: Any, value: Mapping[str, str | None]) -> None:
    for name, text in value.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"params: {name[:80]!r} is not a parameter name")
        if text is not None and _CONTROL.search(text):
            raise ValueError(f"params: {name!r} has control characters, which are not allowed")


def _masked(value: object) -> str:
    return repr(value and MASK)


def _names(params: Mapping[str, str | None]) -> str:
    return repr(list(params))


def _masked_uri(uri: object) -> str:
    scheme, colon, _ = str(uri).partition(":")
    return repr(f"{scheme if colon else ''}:{MASK}")


@attrs.frozen(kw_only=True)
class SipAddress:
    """An address in a SIP header: who, and under which URI.

    Args:
        uri: The URI as written, such as `sip:+14155550123@carrier.example;user=phone` or `tel:+14155550123`.
        display_name: The name shown to people, unquoted; None where there is none.
        params: Parameters of the header field after the address, such as `tag` in From or `reason` in
            Diversion; lower-case names, None for a parameter without a value.

    Its repr shows neither number nor name, since reprs end up in logs.

    Raises:
        ValueError: A part holds control characters, or `uri` is not a URI.

    Source: RFC 3261 §25.1, name-addr and addr-spec.
    """

    uri: str = attrs.field(validator=_check_uri, repr=_masked_uri)
    display_name: str | None = attrs.field(default=None, validator=_check_display_name, repr=_masked)
    params: Mapping[str, str | None] = attrs.field(
        factory=dict, validator=_check_params, hash=False, repr=_names
    )

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
        addresses = _split(_check_text(text), ",")
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
        return tuple(cls._read(part) for part in _split(_check_text(text), ","))

    @classmethod
    def _read(cls, text: str) -> SipAddress:
        text = text.strip(_BLANKS)
        name: str | None = None
        if text.startswith('"'):
            name, end = _read_quoted(text)
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
            f";{key}" if value is None else f";{key}={value if _TOKEN.fullmatch(value) else _quote(value)}"
            for key, value in self.params.items()
        )
        return f"{name}<{self.uri}>{''.join(params)}"


def _check_text(text: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"a SIP address is read from str, not from {type(text).__name__}")
    return text


def _split(text: str, separator: str) -> list[str]:
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


def _read_quoted(text: str) -> tuple[str, int]:
    """Undo the quoting of the quoted-string that a text begins with; also return the index behind it."""
    found = _QUOTED.match(text)
    if found is None:
        raise ValueError("a SIP address has a quote that is never closed")
    return _QUOTED_PAIR.sub(r"\1", found[1]), found.end()


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_params(text: str) -> dict[str, str | None]:
    first, *parts = _split(text, ";")
    if first.strip(_BLANKS):
        raise ValueError(
            f"a SIP address is followed by {first[:80]!r}; only ';name=value' parameters may follow"
        )
    params: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = (piece.strip(_BLANKS) for piece in part.partition("="))
        if value.startswith('"'):
            value, end = _read_quoted(part := value)
            if end != len(part):
                raise ValueError(f"params: {name[:80]!r} has text after its closing quote")
        params.setdefault(name.lower(), value if equals else None)
    return params


# One-letter names that RFC 3261 §7.3.3 and its extensions define.
_COMPACT_FORMS: Mapping[str, str] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}


class SipHeaders(Mapping[str, str]):
    """The header fields of a SIP message: names in any case, every repetition kept, order kept.

    It behaves as `httpx.Headers` does: `headers["via"]` joins repeated fields with a comma, `get_list` and
    `multi_items` return them one by one. Compact names are the long ones' equals: `headers["f"]` is
    `headers["From"]`. Its repr shows names only, since values are callers' numbers and names.

    Args:
        fields: A webhook event's `data.sip_headers`; or dicts with `name` and `value`, pairs of strings, or a
            mapping from name to value or list of values.

    Raises:
        ValueError: A name is not a SIP token, a value holds CR, LF or another control character, or a field
            is malformed.

    Example:
        ```python
        event = webhooks.unwrap(body, headers)
        caller = sip.SipHeaders(event.data.sip_headers).from_
        if caller:
            print(caller.display_name, caller.uri)
        ```

    Source: RFC 3261 §7.3.
    """

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[Any] | Mapping[str, Any] = ()) -> None:
        self._fields: tuple[tuple[str, str], ...] = tuple(_read_fields(fields))
        self._index: dict[str, list[str]] = {}
        for name, value in self._fields:
            self._index.setdefault(_key(name), []).append(value)

    @property
    def from_(self) -> SipAddress | None:
        """Who is calling, as the caller states it; None where the field is missing or unreadable."""
        return next(iter(self.addresses("from")), None)

    @property
    def to(self) -> SipAddress | None:
        """Whom the caller dialled; None where the field is missing or unreadable."""
        return next(iter(self.addresses("to")), None)

    @property
    def p_asserted_identity(self) -> tuple[SipAddress, ...]:
        """The caller's identities as a trusted network vouches for them (RFC 3325): at most a sip and a tel
        URI."""
        return self.addresses("p-asserted-identity")

    @property
    def diversion(self) -> tuple[SipAddress, ...]:
        """Who forwarded the call, the latest first (RFC 5806); `params` has why (`reason`)."""
        return self.addresses("diversion")

    def addresses(self, name: str) -> tuple[SipAddress, ...]:
        """Read the addresses of a field, over all its repetitions.

        Args:
            name: The field's name in any case, such as `Contact` or `Referred-By`.

        Returns:
            What could be read, in order; the text of the rest is in `get_list(name)`.

        Raises:
            TypeError: The name is not a str.
        """
        found: list[SipAddress] = []
        for value in self.get_list(name):
            for part in _split(value, ","):
                try:
                    found.append(SipAddress.parse(part))
                except ValueError:
                    continue
        return tuple(found)

    def get_list(self, name: str) -> list[str]:
        """Return every value of a field, in order; an empty list where there is none.

        Args:
            name: The field's name in any case, or its compact form.

        Raises:
            TypeError: The name is not a str.
        """
        if not isinstance(name, str):
            raise TypeError(f"name: expected a header name, which is a str, got {type(name).__name__}")
        return list(self._index.get(_key(name), ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """Return every field as it came: name as written, value, order and repetitions kept."""
        return list(self._fields)

    def to_list(self) -> list[dict[str, str]]:
        """Return the fields in the shape that webhooks carry: `{"name": …, "value": …}` each."""
        return [{"name": name, "value": value} for name, value in self._fields]

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._index[_key(name)])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        return self._index == other._index if isinstance(other, SipHeaders) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = getattr(self, "_fields", ())  # none where one was refused
        return f"{type(self).__name__}({[name for name, _ in fields]})"


def _key(name: str) -> str:
    lowered = name.lower()
    return _COMPACT_FORMS.get(lowered, lowered)


def _read_fields(fields: Iterable[Any] | Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(fields, SipHeaders):
        yield from fields.multi_items()
        return
    if isinstance(fields, str | bytes) or not isinstance(fields, Iterable):
        raise ValueError(f"SIP headers are a list of fields, not {type(fields).__name__}")
    if isinstance(fields, Mapping):
        fields = [
            (name, value)
            for name, values in fields.items()
            for value in (values if isinstance(values, list | tuple) else [values])
        ]
    for position, field in enumerate(fields):
        if isinstance(field, Mapping):
            name, value = field.get("name"), field.get("value")
        elif isinstance(field, tuple | list) and len(field) == 2:
            name, value = field
        else:
            name, value = getattr(field, "name", None), getattr(field, "value", None)
        if not isinstance(name, str) or not isinstance(value, str):
            raise ValueError(f"SIP header {position}: expected a name and a value, both str")
        if not _TOKEN.fullmatch(name):
            raise ValueError(
                f"SIP header {position}: {name[:80]!r} is not a header name (letters, digits, -.!%*_+`'~)"
            )
        if _CONTROL.search(value):
            raise ValueError(
                f"SIP header {name}: control characters such as CR and LF are not allowed in its value"
            )
        yield name, value


# RFC 3966 §3: digits and visual separators, then parameters.
_TEL = re.compile(
    r"tel:(?P<number>\+?[0-9A-Fa-f*#\-.()]+)(?P<params>(?:;[A-Za-z0-9\-]+(?:=[!-:<-~]+)?)*)", re.I | re.A
)
_TEL_GLOBAL = re.compile(r"\+[\-.()]*[0-9][0-9\-.()]*")
_TEL_LOCAL = re.compile(r"[\-.()]*[0-9A-Fa-f*#][0-9A-Fa-f*#\-.()]*")
_PHONE_CONTEXT = re.compile(r";phone-context=", re.I | re.A)

# RFC 3261 §25.1: SIP-URI, with its user, host, port, parameters and headers. Each part excludes what ends it.
_ESCAPED = r"%[0-9A-Fa-f]{2}"
_SIP = re.compile(
    rf"(?P<scheme>sips?):"
    rf"(?:(?P<user>(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|{_ESCAPED})+)(?::(?:[A-Za-z0-9\-_.!~*'()&=+$,]|{_ESCAPED})*)?@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)"
    rf"(?::(?P<port>[0-9]{{1,5}}))?"
    rf"(?:;(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$=]|{_ESCAPED})+)*"
    rf"(?:\?(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$=&]|{_ESCAPED})+)?",
    re.I | re.A,
)
_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?")

_ALLOWED_TARGETS = "expected tel:+14155550123 (RFC 3966), or sip:user@host or sips:user@host (RFC 3261)"


def check_target_uri(uri: object) -> str:
    """Check the target of a transfer.

    Args:
        uri: A `tel:` URI, global (`+` and digits) or local with `;phone-context=`; or a `sip:` or `sips:`
            one.

    Returns:
        The URI as given.

    Raises:
        TypeError: It is not a str.
        ValueError: It is not such a URI.

    Source: RFC 3966 §3; RFC 3261 §19.1 and §25.1
    """
    if not isinstance(uri, str):
        raise TypeError(f"target_uri: {_ALLOWED_TARGETS}, got {type(uri).__name__}")
    found = _TEL.fullmatch(uri)
    if found:
        number = found["number"]
        if _TEL_GLOBAL.fullmatch(number):
            return uri
        if _TEL_LOCAL.fullmatch(number) and _PHONE_CONTEXT.search(found["params"]):
            return uri
        raise ValueError(f"target_uri: {_ALLOWED_TARGETS}; without +, ;phone-context= too; got {uri[:200]!r}")
    found = _SIP.fullmatch(uri)
    if found and _is_host(found["host"]) and int(found["port"] or 1) in range(1, 65536):
        return uri
    raise ValueError(f"target_uri: {_ALLOWED_TARGETS}, got {uri[:200]!r}")


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return ipaddress.ip_address(host[1:-1]).version == 6
        except ValueError:
            return False
    return all(_HOST_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
