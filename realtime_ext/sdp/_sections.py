"""A description's sections: what all of them have, and the media sections.

Attributes that can't be read are left out of the typed views and stay in `attributes`: what the API or a
browser adds tomorrow must not make an offer unreadable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from ._lines import shown, words
from ._structure import MediaLine, Row
from ._values import (
    STATIC_CODECS,
    Attribute,
    Candidate,
    CandidateError,
    Codec,
    Fingerprint,
    Password,
    parse_candidate,
    parse_int,
    parse_parameters,
    parse_rtpmap,
)

__all__ = ["Direction", "Media", "Section"]

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")

_NOTHING: dict[str, list[tuple[int, str | None]]] = {}
_KINDS = frozenset({"audio", "video", "text", "application", "message", "image"})


def index_rows(rows: Iterable[Row]) -> dict[str, list[tuple[int, str | None]]]:
    """Sort a section's a= lines by their names: line number and value of each, in their order."""
    index: dict[str, list[tuple[int, str | None]]] = {}
    for number, line in rows:
        if line[0] == "a":
            name, colon, value = line[2:].partition(":")
            if name == "ice-pwd":
                value = Password(value)
            index.setdefault(name, []).append((number, value if colon else None))
    return index


def _fingerprints(index: dict[str, list[tuple[int, str | None]]]) -> tuple[Fingerprint, ...]:
    found = index.get("fingerprint")
    return () if found is None else tuple(Fingerprint(value) for _, value in found if value is not None)


@attrs.frozen(repr=False)
class Section:
    """The lines of one section. `rows` are those below its first."""

    rows: tuple[Row, ...]
    _index: dict[str, list[tuple[int, str | None]]] = attrs.field(eq=False)
    own_fingerprints: tuple[Fingerprint, ...] = attrs.field(eq=False)
    """The fingerprints that this section itself states: made once, for all media sections may share them."""

    @classmethod
    def of(cls, rows: tuple[Row, ...]) -> Section:
        """Make the session's own section."""
        index = index_rows(rows)
        return cls(rows, index, _fingerprints(index))

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Every a= line, known or not."""
        return tuple(Attribute.parse(number, line[2:]) for number, line in self.rows if line[0] == "a")

    def has(self, name: str) -> bool:
        """Tell whether there is an attribute of this name here."""
        return name in self._index

    def get(self, name: str) -> str | None:
        """Give the value of the first attribute of this name here; None if there is none, or no value."""
        found = self._index.get(name)
        return None if found is None else found[0][1]

    def get_all(self, name: str) -> tuple[str, ...]:
        """Give the values of all attributes of this name here that have one."""
        return tuple(value for _, value in self._index.get(name, ()) if value is not None)

    def line_of(self, name: str) -> int | None:
        """Give the line of the first attribute of this name here, counted from 1."""
        found = self._index.get(name)
        return None if found is None else found[0][0]

    def numbered(self, name: str) -> tuple[tuple[int, str], ...]:
        """Give line and value of all attributes of this name here; a missing value as ""."""
        return tuple((number, value or "") for number, value in self._index.get(name, ()))

    def text_of(self, letter: str) -> str | None:
        """Give the text of the first line with this letter here."""
        return next((line[2:] for _, line in self.rows if line[0] == letter), None)

    @property
    def own_direction(self) -> Direction | None:
        """The direction that this section itself states: the first one counts."""
        stated = [(line, name) for name in _DIRECTIONS if (line := self.line_of(name)) is not None]
        return min(stated)[1] if stated else None


@attrs.frozen(repr=False)
class Media(Section):
    """One media section. What it doesn't state itself, it takes from the session where SDP says so."""

    _head: MediaLine
    _session: Section = attrs.field(eq=False)

    @classmethod
    def below(cls, session: Section, head: MediaLine, rows: tuple[Row, ...]) -> Media:
        """Make a media section that inherits from a session."""
        index = index_rows(rows) if rows else _NOTHING
        return cls(rows, index, _fingerprints(index), head, session)

    def __repr__(self) -> str:
        return f"<Media {self.name} {self.direction}, mid {shown(self.mid or '')}, line {self.line}>"

    @property
    def line(self) -> int:
        """The line of its m=, counted from 1."""
        return self._head.line

    @property
    def kind(self) -> str:
        """`audio`, `video`, `application`, …"""
        return self._head.kind

    @property
    def port(self) -> int:
        """As written: 9 in most offers, 0 for a section that is not used or only bundled."""
        return self._head.port

    @property
    def port_count(self) -> int | None:
        """The number of ports, where one is written behind the port."""
        return self._head.port_count

    @property
    def protocol(self) -> str:
        """Such as `UDP/TLS/RTP/SAVPF` or `UDP/DTLS/SCTP`."""
        return self._head.protocol

    @property
    def formats(self) -> tuple[str, ...]:
        """Payload types, or `webrtc-datachannel`."""
        return words(self._head.formats)

    @property
    def name(self) -> str:
        """Its kind for a message: quoted and cut short where it isn't one of those that are registered."""
        return self.kind if self.kind in _KINDS else shown(self.kind)

    def _inherited(self, name: str) -> str | None:
        return self.get(name) if self.has(name) else self._session.get(name)

    @property
    def mid(self) -> str | None:
        """Its name in BUNDLE groups (RFC 5888 §4)."""
        return self.get("mid")

    @property
    def direction(self) -> Direction:
        """What the offerer wants to do; `sendrecv` if neither section nor session says (RFC 8866 §6.7)."""
        return self.own_direction or self._session.own_direction or "sendrecv"

    @property
    def is_rejected(self) -> bool:
        """Whether port 0 takes the section out, unless it is only bundled (RFC 9429 §5.2.1, RFC 9143 §6)."""
        return self.port == 0 and not self.has("bundle-only")

    @property
    def ice_ufrag(self) -> str | None:
        """The ICE user name fragment (RFC 8839 §5.4)."""
        return self._inherited("ice-ufrag")

    @property
    def ice_pwd(self) -> str | None:
        """The ICE password (RFC 8839 §5.4); its repr is masked."""
        return self._inherited("ice-pwd")

    @property
    def ice_options(self) -> tuple[str, ...]:
        """Such as `trickle` and `renomination` (RFC 8839 §5.6)."""
        return words(self._inherited("ice-options"))

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates that can be read, `.local` ones too; read anew at each call."""
        found = []
        for line, value in self.numbered("candidate"):
            try:
                found.append(parse_candidate(value, line))
            except CandidateError:
                continue
        return tuple(found)

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """The fingerprints of the offerer's certificate: the section's, or else the session's."""
        return self.own_fingerprints or self._session.own_fingerprints

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The first fingerprint."""
        return next(iter(self.fingerprints), None)

    @property
    def setup(self) -> str | None:
        """The DTLS role: `actpass` in offers, `active` or `passive` in answers (RFC 8842 §5)."""
        return self._inherited("setup")

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The codecs that the m= line lists, in the order of preference; read anew at each call."""
        mapped: dict[int, Codec] = {}
        for value in self.get_all("rtpmap"):
            codec = parse_rtpmap(value)
            if codec is not None:
                mapped.setdefault(codec.payload_type, codec)
        if self.kind == "audio":
            for number, (name, rate) in STATIC_CODECS.items():
                mapped.setdefault(number, Codec(number, name, rate))
        texts: dict[int, list[str]] = {}
        for value in self.get_all("fmtp"):
            number_text, _, text = value.partition(" ")
            payload_type = parse_int(number_text)
            if payload_type in mapped:
                texts.setdefault(payload_type, []).append(text)
        for payload_type, parts in texts.items():
            mapped[payload_type] = attrs.evolve(
                mapped[payload_type], parameters=parse_parameters(";".join(parts))
            )
        listed = (parse_int(text) for text in self.formats)
        return tuple(mapped[number] for number in listed if number is not None and number in mapped)

    @property
    def msid(self) -> str | None:
        """Stream and track id as written (RFC 8830 §2)."""
        return self.get("msid")

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTP and RTCP share a port (RFC 5761 §5.1.1)."""
        return self.has("rtcp-mux")

    @property
    def end_of_candidates(self) -> bool:
        """Whether no candidate follows (RFC 8840 §4.3)."""
        return self.has("end-of-candidates") or self._session.has("end-of-candidates")

    @property
    def sctp_port(self) -> int | None:
        """The SCTP port of a data channel section (RFC 8841 §5)."""
        return parse_int(self.get("sctp-port"))

    @property
    def max_message_size(self) -> int | None:
        """The largest message in bytes, 0 for any size (RFC 8841 §6); None if not stated: 64 KiB."""
        return parse_int(self.get("max-message-size"))

    @property
    def connection(self) -> str | None:
        """The text of its c= line, or else of the session's: `IN IP4 0.0.0.0`."""
        return self.text_of("c") or self._session.text_of("c")
