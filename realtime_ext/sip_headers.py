"""SIP headers of an incoming call, as its webhook carries them.

The job: look header fields up whatever their case or compact form, keep every repetition, and read the
addresses in From, To, P-Asserted-Identity and Diversion. Header values come from whoever is calling, so
nothing here trusts them: control characters are refused, and an address that cannot be read is left out
instead of ending the call's handler.

Sources: RFC 3261 §7.3 (fields, compact forms); RFC 3325 §9.1 (P-Asserted-Identity); RFC 5806 §4 (Diversion).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .sip_address import CONTROL, TOKEN, SipAddress, split

__all__ = ["SipAddress", "SipHeaders"]

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
    `multi_items` give them one by one. Compact names are the long ones' equals: `headers["f"]` is
    `headers["From"]`. Its repr shows names only, since values are callers' numbers and names.

    Args:
        fields: A webhook event's `data.sip_headers`; or dicts with `name` and `value`, pairs of strings, or a
            mapping from name to value or list of values.

    Raises:
        ValueError: A name is no SIP token, a value holds CR, LF or another control character, or a field has
            not the shape of one.

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
        """Who is calling, as the caller says; None where the field is missing or unreadable."""
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
        """Who forwarded the call, the latest first (RFC 5806); `params` says why (`reason`)."""
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
            for part in split(value, ","):
                try:
                    found.append(SipAddress.parse(part))
                except ValueError:
                    continue
        return tuple(found)

    def get_list(self, name: str) -> list[str]:
        """Give every value of a field, in order; an empty list where there is none.

        Args:
            name: The field's name in any case, or its compact form.

        Raises:
            TypeError: The name is not a str.
        """
        if not isinstance(name, str):
            raise TypeError(f"name: expected a header name, which is a str, got {type(name).__name__}")
        return list(self._index.get(_key(name), ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """Give every field as it came: name as written, value, order and repetitions kept."""
        return list(self._fields)

    def to_list(self) -> list[dict[str, str]]:
        """Give the fields in the shape that webhooks carry: `{"name": …, "value": …}` each."""
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
        return f"{type(self).__name__}({[name for name, _ in self._fields]})"


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
        if not TOKEN.fullmatch(name):
            raise ValueError(
                f"SIP header {position}: {name[:80]!r} is not a header name (letters, digits, -.!%*_+`'~)"
            )
        if CONTROL.search(value):
            raise ValueError(
                f"SIP header {name}: control characters such as CR and LF are not allowed in its value"
            )
        yield name, value
