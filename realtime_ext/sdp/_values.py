"""The values that attributes hold: codecs, candidates, fingerprints, the origin.

Each `parse_…` takes one attribute's text. What it can't read it answers with None or a CandidateError;
whether that is a problem is for `_check` to say.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from ..secrets import MASK
from ._lines import masked

__all__ = [
    "SECRET_ATTRIBUTES",
    "STATIC_CODECS",
    "Attribute",
    "Candidate",
    "CandidateError",
    "Codec",
    "Fingerprint",
    "Origin",
    "Password",
    "parse_candidate",
    "parse_int",
    "parse_parameters",
    "parse_rtpmap",
]

SECRET_ATTRIBUTES = frozenset({"ice-pwd", "crypto", "key-mgmt"})

STATIC_CODECS: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        0: ("PCMU", 8000),
        3: ("GSM", 8000),
        8: ("PCMA", 8000),
        9: ("G722", 8000),
        13: ("CN", 8000),
        18: ("G729", 8000),
    }
)
"""Audio payload types that mean a codec without a rtpmap (RFC 3551 §6): name and clock rate in Hz."""

_RTPMAP = re.compile(r"([0-9]{1,3}) +([^/ ]+)/([0-9]{1,9})(?:/([0-9]{1,3}))? *")
_FINGERPRINT = re.compile(r"[^ ]+ +[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})* *")
_INT = re.compile(r"[0-9]{1,18}")


class Password(str):
    """A key or password: a str in every way, but for its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


@attrs.frozen
class Attribute:
    """One a= line: `name` alone, or `name:value`. A value that is a key or password has a masked repr."""

    name: str = attrs.field(repr=masked)
    value: str | None = attrs.field(repr=masked)
    line: int

    @classmethod
    def parse(cls, line: int, text: str) -> Attribute:
        """Take apart the text after `a=`."""
        name, colon, value = text.partition(":")
        if colon and name.strip().lower() in SECRET_ATTRIBUTES:
            value = Password(value)
        return cls(name, value if colon else None, line)


@attrs.frozen
class Origin:
    """The o= line (RFC 8866 §5.2)."""

    username: str = attrs.field(repr=masked)
    session_id: str = attrs.field(repr=masked)
    session_version: str = attrs.field(repr=masked)
    network_type: str = attrs.field(repr=masked)
    address_type: str = attrs.field(repr=masked)
    address: str = attrs.field(repr=masked)


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
    name: str = attrs.field(repr=masked)
    clock_rate: int
    channels: int = 1
    parameters: Mapping[str, str | None] = attrs.field(factory=dict, hash=False, repr=masked)


class Fingerprint(str):
    """A certificate's fingerprint as written, `sha-256 AB:CD:…` (RFC 8122 §5)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return masked(str(self))

    @property
    def algorithm(self) -> str:
        """The hash, in lower case: `sha-256`."""
        return self.partition(" ")[0].lower()

    @property
    def digest(self) -> str:
        """The digest as written: pairs of hexadecimal digits, separated by colons."""
        return self.partition(" ")[2].strip(" ")

    @property
    def is_well_formed(self) -> bool:
        """Whether it is a hash's name and pairs of hexadecimal digits with colons between."""
        return bool(_FINGERPRINT.fullmatch(self))


@attrs.frozen
class Candidate:
    """An address at which the offerer may be reached (RFC 8839 §5.1).

    Attributes:
        address: An IP address, or a name in `.local` that stands for one (mDNS).
        type: `host`, `srflx`, `prflx`, `relay`, or one that came later.
        related_address, related_port: `raddr` and `rport`.
        extensions: Everything else, by name: `tcptype`, `generation`, `ufrag`, …
        line: Its line, counted from 1.
    """

    foundation: str = attrs.field(repr=masked)
    component: int
    transport: str = attrs.field(repr=masked)
    priority: int
    address: str = attrs.field(repr=masked)
    port: int
    type: str = attrs.field(repr=masked)
    related_address: str | None = attrs.field(default=None, repr=masked)
    related_port: int | None = None
    extensions: Mapping[str, str] = attrs.field(factory=dict, hash=False, repr=masked)
    line: int = attrs.field(default=0, eq=False)

    @property
    def tcp_type(self) -> str | None:
        """`active`, `passive` or `so` of a TCP candidate (RFC 6544 §4.5)."""
        return self.extensions.get("tcptype")

    @property
    def is_mdns(self) -> bool:
        """Whether a name in `.local` hides the address, as browsers do before a microphone is allowed."""
        return _is_mdns(self.address)

    @property
    def is_unspecified(self) -> bool:
        """Whether the address is 0.0.0.0 or ::, at which nobody can be reached."""
        return not self.is_mdns and ipaddress.ip_address(self.address).is_unspecified


class CandidateError(ValueError):
    """A candidate line that can't be read. `no_address` says that the address is what it lacks."""

    def __init__(self, message: str, *, no_address: bool = False) -> None:
        super().__init__(message)
        self.no_address = no_address


def parse_candidate(value: str, line: int = 0) -> Candidate:
    """Read the text after `a=candidate:`.

    Raises:
        CandidateError: It isn't one; the message says what is missing or wrong, without the text itself.
    """
    fields = value.split(" ")
    while fields and not fields[-1]:
        fields.pop()
    if not fields:
        raise CandidateError("the candidate is empty", no_address=True)
    if fields[5:6] == ["typ"] or (len(fields) > 4 and not fields[4]):
        raise CandidateError("the candidate has no address in fifth place", no_address=True)
    if len(fields) < 8 or fields[6] != "typ":
        raise CandidateError(
            "the candidate is not `<foundation> <component> <transport> <priority> <address> <port> "
            "typ <type>`"
        )
    foundation, _, transport, _, address = fields[:5]
    component = _number("component", fields[1], 1, 256)
    priority = _number("priority", fields[3], 0, 2**32 - 1)
    port = _number("port", fields[5], 0, 65535)
    if not _is_address(address):
        raise CandidateError("the candidate's address is neither an IP address nor a name in `.local`")
    rest = fields[8:] if len(fields) % 2 == 0 else [*fields[8:], ""]
    extensions = dict(zip(rest[0::2], rest[1::2], strict=True))
    related_port = extensions.pop("rport", None)
    return Candidate(
        foundation,
        component,
        transport,
        priority,
        address,
        port,
        fields[7],
        extensions.pop("raddr", None),
        None if related_port is None else parse_int(related_port),
        extensions,
        line,
    )


def _number(name: str, text: str, least: int, most: int) -> int:
    number = parse_int(text)
    if number is None or not least <= number <= most:
        raise CandidateError(f"the candidate's {name} must be a number from {least} to {most}")
    return number


def _is_mdns(address: str) -> bool:
    return address.lower().endswith(".local") and len(address) > len(".local")


def _is_address(address: str) -> bool:
    if _is_mdns(address):
        return True
    if len(address) > 64:
        return False
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def parse_int(text: str | None) -> int | None:
    """Read a number of up to 18 ASCII digits; None if it isn't one."""
    return int(text) if text is not None and _INT.fullmatch(text) else None


def parse_rtpmap(value: str) -> Codec | None:
    """Read the text after `a=rtpmap:`; None if it isn't one."""
    match = _RTPMAP.fullmatch(value)
    if match is None or int(match[1]) > 127:
        return None
    return Codec(int(match[1]), match[2], int(match[3]), int(match[4] or 1))


def parse_parameters(value: str) -> Mapping[str, str | None]:
    """Read a fmtp's parameters: `minptime=10;useinbandfec=1`. The first of a name counts."""
    parameters: dict[str, str | None] = {}
    for part in value.split(";"):
        name, equals, content = part.strip(" ").partition("=")
        if name:
            parameters.setdefault(name, content if equals else None)
    return parameters
