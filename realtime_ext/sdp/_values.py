"""Values in a session description: attributes, codecs, candidates, fingerprints, and problems.

Quotes of a text from elsewhere are short, without keys and passwords.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import attrs

from .._core.secrets import MASK, mask

MOST = 100
"""How many problems are reported of one text."""

STATIC_CODECS: Mapping[int, tuple[str, int, int]] = MappingProxyType(
    {
        0: ("PCMU", 8000, 1),
        3: ("GSM", 8000, 1),
        8: ("PCMA", 8000, 1),
        9: ("G722", 8000, 1),
        13: ("CN", 8000, 1),
        18: ("G729", 8000, 1),
    }
)
"""Audio payload types that mean a codec without a rtpmap (RFC 3551 §6): name, clock rate in Hz, channels."""

Index = dict[str, list[tuple[int, str | None]]]
"""A section's attributes by name: line number and value of each, in their order."""

LINE_END = re.compile(r"(\r\n|\r|\n)")
# A quotation need not be a whole line, so the name alone marks the rest as secret.
_SECRET = re.compile(r"(ice-pwd|crypto|inline)([:=\s]*)\S+", re.IGNORECASE)
_LONGEST = 40
_LOOKED_AT = 400


@attrs.frozen
class Problem:
    """Why the API would refuse an offer, or why the call that it makes would stay silent.

    Attributes:
        line: The line it concerns, counted from 1; for a missing line, its place.
        code: A short name in snake_case for programs to hold on to, such as `no_final_crlf`.
        message: The problem and the requirement. ICE passwords are masked.
        hint: The usual cause and the fix.
        fatal: False where only that line is lost and the call can still be made without it.
    """

    line: int
    code: str
    message: str
    hint: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} [{self.code}]"


def shown(text: str) -> str:
    """Quote text from elsewhere for a message: short, escaped, with passwords and keys masked."""
    safe = _without_secrets(text[:_LOOKED_AT])
    cut = len(text) > _LOOKED_AT or len(safe) > _LONGEST
    return repr(safe[:_LONGEST] + "…" if cut else safe)


def _masked(value: object) -> str:
    # Where lines ran together a password may be anywhere.
    return _without_secrets(repr(value))


def _without_secrets(text: str) -> str:
    return mask(_SECRET.sub(rf"\1\2{MASK}", text))


def parse_int(text: str | None) -> int | None:
    """Read a number of up to 18 ASCII digits; None if it isn't one."""
    return int(text) if text and len(text) <= 18 and text.isascii() and text.isdigit() else None


class Password(str):
    """A key or password: a str in every way, but for its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


class Fingerprint(str):
    """A certificate's fingerprint as written, `sha-256 AB:CD:…` (RFC 8122 §5)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _masked(str(self))

    @property
    def algorithm(self) -> str:
        """The hash, in lower case: `sha-256`."""
        return self.partition(" ")[0].lower()

    @property
    def digest(self) -> str:
        """The digest as written: pairs of hexadecimal digits, separated by colons."""
        return self.partition(" ")[2].strip(" ")


@attrs.frozen
class Attribute:
    """One a= line: `name` alone, or `name:value`.

    Attributes:
        name: The text before the colon.
        value: The text behind it; None without a colon. A key or password has a masked repr.
        line: Its line, counted from 1.
    """

    name: str = attrs.field(repr=_masked)
    value: str | None = attrs.field(repr=_masked)
    line: int


@attrs.frozen
class Codec:
    """A payload type of an audio or video section, with its rtpmap and fmtp (RFC 8866 §6.6, §6.15).

    Attributes:
        payload_type: 0–127.
        name: As written: `opus`, `PCMU`; names are compared without regard to case.
        clock_rate: In Hz.
        channels: The rtpmap's third part; 1 if it has none.
        parameters: The fmtp's, by name; a part without `=` has the value None.
    """

    payload_type: int
    name: str = attrs.field(repr=_masked)
    clock_rate: int
    channels: int = 1
    parameters: Mapping[str, str | None] = attrs.field(factory=dict, hash=False, repr=_masked)


def parameters_of(value: str) -> Mapping[str, str | None]:
    # A fmtp's: `minptime=10;useinbandfec=1`. The first of a name counts.
    parameters: dict[str, str | None] = {}
    for part in value.split(";"):
        name, equals, content = part.strip(" ").partition("=")
        if name:
            parameters.setdefault(name, content if equals else None)
    return parameters


@attrs.frozen
class Candidate:
    """An address at which the offerer may be reached (RFC 8839 §5.1).

    Attributes:
        foundation, component, transport, priority, port: As written.
        address: An IP address, or a name in `.local` that stands for one (mDNS).
        type: `host`, `srflx`, `prflx`, `relay`, or one that came later.
        related_address, related_port: `raddr` and `rport`; None where they are not stated.
        extensions: Everything else, by name: `tcptype`, `generation`, `ufrag`, …
        line: Its line, counted from 1.
    """

    foundation: str = attrs.field(repr=_masked)
    component: int
    transport: str = attrs.field(repr=_masked)
    priority: int
    address: str = attrs.field(repr=_masked)
    port: int
    type: str = attrs.field(repr=_masked)
    related_address: str | None = attrs.field(default=None, repr=_masked)
    related_port: int | None = None
    extensions: Mapping[str, str] = attrs.field(factory=dict, hash=False, repr=_masked)
    line: int = attrs.field(default=0, eq=False)

    @property
    def is_mdns(self) -> bool:
        """Whether a name in `.local` hides the address, as browsers do before a microphone is allowed."""
        return _is_mdns(self.address)

    @property
    def is_unspecified(self) -> bool:
        """Whether the address is 0.0.0.0 or ::, which can't be connected to."""
        return not self.is_mdns and ipaddress.ip_address(self.address).is_unspecified


class CandidateError(ValueError):
    """A candidate line that can't be read; `no_address` if its address is missing."""

    def __init__(self, message: str, *, no_address: bool = False) -> None:
        super().__init__(message)
        self.no_address = no_address


def parse_candidate(value: str, line: int = 0) -> Candidate:
    """Read the text after `a=candidate:`.

    Raises:
        CandidateError: It isn't one; the message names the missing or invalid field, without the text itself.
    """
    fields = value.rstrip(" ").split(" ")
    if fields == [""]:
        raise CandidateError("the candidate is empty", no_address=True)
    if fields[5:6] == ["typ"] or (len(fields) > 4 and not fields[4]):
        raise CandidateError("the candidate has no address in fifth place", no_address=True)
    if len(fields) < 8 or fields[6] != "typ":
        raise CandidateError(
            "the candidate is not `<foundation> <component> <transport> <priority> <address> <port> "
            "typ <type>`"
        )
    numbers = []
    for name, place, least, most in (("component", 1, 1, 256), ("priority", 3, 0, 2**32 - 1), _PORT):
        number = parse_int(fields[place])
        if number is None or not least <= number <= most:
            raise CandidateError(f"the candidate's {name} must be a number from {least} to {most}")
        numbers.append(number)
    component, priority, port = numbers
    address = fields[4]
    if not (is_address(address) if len(address) <= 64 else _is_mdns(address)):
        raise CandidateError("the candidate's address is neither an IP address nor a name in `.local`")
    rest = fields[8:] if len(fields) % 2 == 0 else [*fields[8:], ""]
    extensions = dict(zip(rest[0::2], rest[1::2], strict=True))
    related_port = extensions.pop("rport", None)
    return Candidate(
        fields[0],
        component,
        fields[2],
        priority,
        fields[4],
        port,
        fields[7],
        extensions.pop("raddr", None),
        None if related_port is None else parse_int(related_port),
        extensions,
        line,
    )


_PORT = ("port", 5, 0, 65535)


def _is_mdns(address: str) -> bool:
    return len(address) > len(".local") and address.lower().endswith(".local")


@lru_cache(maxsize=256)  # an offer has the same few addresses again and again
def is_address(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return _is_mdns(address)
    return True
