"""Session descriptions, read without loss: the whole, its sections, and the values that attributes hold.

`read` cuts a text into sections and finds every syntax error on the way; `_offers` validates attribute
values. Attributes that can't be read are left out of the typed views and stay in `attributes`: additions by
the API or a browser must not make an offer unreadable.

A line ends with CRLF, LF or CR (RFC 8866 §9 wants the first and lets readers accept the second) and with
nothing else: `str.splitlines` would also cut at U+2028, U+0085, VT and FF, which are ordinary characters.
"""

from __future__ import annotations

import operator
import re
import string
from typing import Any, Literal

import attrs

from ..errors import SdpError
from ._values import (
    LINE_END,
    MOST,
    STATIC_CODECS,
    Attribute,
    Candidate,
    CandidateError,
    Codec,
    Fingerprint,
    Index,
    Password,
    Problem,
    parameters_of,
    parse_candidate,
    parse_int,
    shown,
)

MOST_SECTIONS = 1_000
"""How many media sections are read; reading more would take long, and no call has them."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""The direction of a media section."""
Row = tuple[int, str]
"""A line's number, counted from 1, and the line without its end."""

_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
_KINDS = frozenset({"audio", "video", "text", "application", "message", "image"})
_RTPMAP = re.compile(r"([0-9]{1,3}) +([^/ ]+)/([0-9]{1,9})(?:/([0-9]{1,3}))? *")
_LETTERS = frozenset(string.ascii_letters)
_LINE = operator.attrgetter("line")
_MEDIA = re.compile(r"([^ ]+) +([0-9]{1,5})(?:/[0-9]{1,5})? +([^ ]+) +([^ ].*)", re.DOTALL)
_REQUIRED = {"o": "the origin", "s": "the session's name", "t": "the session's time, `t=0 0` in an offer"}
_SECRET_ATTRIBUTES = frozenset({"ice-pwd", "crypto", "key-mgmt"})


def decode(text: Any) -> str:
    """Return text that can be written out again.

    Args:
        text: A str, or bytes in UTF-8.

    Raises:
        SdpError: Neither of these, or not UTF-8.
    """
    if isinstance(text, str):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            start = error.start
        else:
            return text
        raise SdpError(
            f"SDP is text in UTF-8; character {start + 1} is half a surrogate pair, which UTF-8 cannot hold",
            line=_line_at(text[:start]),
        )
    if isinstance(text, bytes | bytearray | memoryview):
        data = bytes(text)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            # Not chained: that error holds the whole text, and with it the ICE password.
            start = error.start
        raise SdpError(
            f"SDP is text in UTF-8; byte {start + 1} is 0x{data[start]:02x}, which is not UTF-8 there",
            line=_line_at(data[:start].decode()),
        )
    raise SdpError(f"SDP is given as str or bytes, not as {type(text).__name__}")


def _line_at(before: str) -> int:
    return 1 + sum(1 for _ in LINE_END.finditer(before))


def _words(text: str | None) -> tuple[str, ...]:
    """Split a text at its spaces, and at nothing else."""
    return tuple(filter(None, (text or "").split(" ")))


def rtpmaps(index: Index) -> dict[int, tuple[str, int, int]]:
    """Return name, clock rate and channels of a section's codecs, by payload type.

    The first of a number counts, and what can't be read is left out.
    """
    found: dict[int, tuple[str, int, int]] = {}
    for _, value in index.get("rtpmap", ()):
        match = _RTPMAP.fullmatch(value or "")
        if match is None:
            continue
        written, name, rate, channels = match.groups()
        if (number := int(written)) <= 127:
            found.setdefault(number, (name, int(rate), int(channels) if channels else 1))
    return found


@attrs.frozen(repr=False)
class Section:
    """The lines of one section, below its first."""

    _rows: tuple[Row, ...]
    """The lines other than attributes."""
    _index: Index
    """Line number and value of each attribute, by its name."""
    _own_fingerprints: tuple[Fingerprint, ...] = attrs.field(eq=False)
    """The fingerprints that this section itself states."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Every a= line, known or not."""
        made = []
        for name, found in self._index.items():
            is_secret = name.strip().lower() in _SECRET_ATTRIBUTES
            for line, value in found:
                made.append(
                    Attribute(name, Password(value) if is_secret and value is not None else value, line)
                )
        return tuple(sorted(made, key=_LINE))

    def has(self, name: str) -> bool:
        """Whether there is an attribute of this name here."""
        return name in self._index

    def get(self, name: str) -> str | None:
        """Return the value of the first attribute of this name here; None if there is none, or no value."""
        found = self._index.get(name)
        return None if found is None else found[0][1]

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return the values of all attributes of this name here that have one."""
        return tuple([value for _, value in self._index.get(name, ()) if value is not None])

    def line_of(self, name: str) -> int | None:
        """Return the line of the first attribute of this name here, counted from 1."""
        found = self._index.get(name)
        return None if found is None else found[0][0]

    def numbered(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return line and value of all attributes of this name here; a missing value as ""."""
        return tuple([(number, value or "") for number, value in self._index.get(name, ())])

    @property
    def own_direction(self) -> Direction | None:
        """The direction that this section itself states: the first one counts."""
        stated = [(self._index[name][0][0], name) for name in _DIRECTIONS if name in self._index]
        return min(stated)[1] if stated else None


@attrs.frozen(repr=False)
class Media(Section):
    """One media section. Attributes that it lacks are the session's where SDP defines it so.

    Attributes:
        line: The line of its m=, counted from 1.
        kind: `audio`, `video`, `application`, …
        port: As written: 9 in most offers, 0 for a section that is not used or only bundled.
        protocol: Such as `UDP/TLS/RTP/SAVPF` or `UDP/DTLS/SCTP`.
        formats: Payload types, or `webrtc-datachannel`.
    """

    line: int
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    _session: Section = attrs.field(eq=False)

    def __repr__(self) -> str:
        return f"<Media {self.name} {self.direction}, mid {shown(self.mid or '')}, line {self.line}>"

    @property
    def payload_types(self) -> list[int | None]:
        """The formats as numbers; None for one that is not a number."""
        # As parse_int, which takes longer to call than to run.
        return [
            int(text) if len(text) <= 18 and text.isascii() and text.isdigit() else None
            for text in self.formats
        ]

    @property
    def name(self) -> str:
        """Its kind for a message: quoted and cut short where it isn't one of those that are registered."""
        return self.kind if self.kind in _KINDS else shown(self.kind)

    def _inherited(self, name: str) -> str | None:
        return self.get(name) if name in self._index else self._session.get(name)

    @property
    def mid(self) -> str | None:
        """Its name in BUNDLE groups (RFC 5888 §4)."""
        return self.get("mid")

    @property
    def direction(self) -> Direction:
        """The direction from the offerer's view; `sendrecv` unless another is stated (RFC 8866 §6.7)."""
        return self.own_direction or self._session.own_direction or "sendrecv"

    @property
    def is_rejected(self) -> bool:
        """Whether port 0 removes the section, unless it is only bundled (RFC 9429 §5.2.1, RFC 9143 §6)."""
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
        return self._own_fingerprints or self._session._own_fingerprints

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The first fingerprint."""
        return next(iter(self.fingerprints), None)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The codecs that the m= line lists, in the order of preference; read anew at each call."""
        mapped = rtpmaps(self._index)
        if self.kind == "audio":
            mapped = {**STATIC_CODECS, **mapped}
        texts: dict[int, list[str]] = {}
        for value in self.get_all("fmtp"):
            number_text, _, text = value.partition(" ")
            if (number := parse_int(number_text)) in mapped:
                texts.setdefault(number, []).append(text)
        parameters = {number: parameters_of(";".join(parts)) for number, parts in texts.items()}
        made = {number: Codec(number, *named, parameters.get(number, {})) for number, named in mapped.items()}
        return tuple(made[number] for number in self.payload_types if number is not None and number in made)


@attrs.frozen(repr=False)
class SessionDescription:
    """An offer or answer, read without loss.

    Nothing is rewritten: `str` returns the text as it came, whatever its line ends, and two descriptions are
    equal when their texts are. Values that belong to the connection as a whole (`ice_ufrag`, `fingerprint`,
    …) are the session's own, or else those of the first media section that has them, beginning with the one
    whose transport the BUNDLE group uses.

    Example:
        >>> offer = SessionDescription.parse(text)
        >>> offer.audio.codecs[0].name, offer.audio.direction
        ('opus', 'sendrecv')
    """

    text: str
    """The text as it came."""
    media: tuple[Media, ...] = attrs.field(eq=False)
    """The media sections in their order."""
    session: Section = attrs.field(eq=False)
    """The lines above the media sections."""

    @classmethod
    def parse(cls, text: str | bytes) -> SessionDescription:
        """Read a session description.

        Args:
            text: The description; bytes are UTF-8. CRLF, LF and CR end a line; blank lines are passed over.

        Returns:
            The description. Attributes are not judged here: that is `check_offer`'s work.

        Raises:
            SdpError: It is not SDP: the first line is not `v=0`, a line is not a letter and `=`, the lines o,
                s or t are missing, an m= line can't be read, or there are NUL characters. `line` is where.

        Source: RFC 8866 §5 and §9.
        """
        found = read(decode(text))
        if found.problems:
            first = found.problems[0]
            raise SdpError(f"line {first.line}: {first.message}", line=first.line)
        return found.description

    def __str__(self) -> str:
        return self.text

    def __bytes__(self) -> bytes:
        return self.text.encode()

    def __repr__(self) -> str:
        kinds = [f"{media.name} {media.direction}" for media in self.media[:8]]
        if len(self.media) > len(kinds):
            kinds.append(f"{len(self.media) - len(kinds)} more")
        return f"<SessionDescription of {len(self.text)} characters: {', '.join(kinds) or 'no media'}>"

    def _first(self, kind: str) -> Media | None:
        return next((media for media in self.media if media.kind == kind), None)

    @property
    def audio(self) -> Media | None:
        """The first audio section."""
        return self._first("audio")

    @property
    def application(self) -> Media | None:
        """The first application section, which carries the data channels."""
        return self._first("application")

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The session's own a= lines; those of a media section are in `media[…].attributes`."""
        return self.session.attributes

    @property
    def bundle_groups(self) -> tuple[tuple[str, ...], ...]:
        """The mids of each BUNDLE group (RFC 9143 §5)."""
        groups = [_words(value) for value in self.session.get_all("group")]
        return tuple([group[1:] for group in groups if group[:1] == ("BUNDLE",)])

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids of the first BUNDLE group; empty if there is none."""
        return next(iter(self.bundle_groups), ())

    def _whole(self, name: str) -> str | None:
        if self.session.has(name):
            return self.session.get(name)
        tagged = self.bundle[:1]
        ordered = sorted(self.media, key=lambda media: (media.mid,) != tagged)
        return next((media.get(name) for media in ordered if media.has(name)), None)

    @property
    def ice_ufrag(self) -> str | None:
        """The ICE user name fragment."""
        return self._whole("ice-ufrag")

    @property
    def ice_pwd(self) -> str | None:
        """The ICE password; its repr is masked."""
        return self._whole("ice-pwd")

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint of the certificate."""
        value = self._whole("fingerprint")
        return None if value is None else Fingerprint(value)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates of all media sections, in their order."""
        return tuple(candidate for media in self.media for candidate in media.candidates)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The codecs of all media sections, in their order; `audio.codecs` has those of the call's audio."""
        return tuple(codec for media in self.media for codec in media.codecs)


@attrs.frozen(repr=False)
class Reading:
    """The parts of a text that could be parsed, and why it is not SDP if it isn't.

    Args:
        description: The sections; where there are problems, as much of them as could be read.
        lines: The lines without their ends; the last is empty where the text closes with a line end.
        ends: The line ends, one less than lines.
        problems: At most MOST problems, by their lines.
    """

    description: SessionDescription
    lines: list[str]
    ends: list[str]
    problems: list[Problem]


def read(text: str) -> Reading:
    """Cut text into sections.

    Args:
        text: Anything at all; nothing is raised. Blank lines are passed over.

    Source: RFC 8866 §5 and §9.
    """
    lines = text.split("\r\n")
    ends = ["\r\n"] * (len(lines) - 1)
    if not len(ends) == text.count("\n") == text.count("\r"):
        pieces = LINE_END.split(text)
        lines, ends = pieces[0::2], pieces[1::2]
    other = None if text.startswith(("v=0\r", "v=0\n")) else _not_sdp(text, lines)
    if other is not None:
        return Reading(SessionDescription(text, (), Section((), {}, ())), lines, ends, [other])
    problems: list[Problem] = []
    rows: list[Row] = []
    index: Index = {}
    above = rows, index
    sections: list[tuple[int, re.Match[str], list[Row], Index]] = []
    has_nul = "\0" in text
    for number, line in enumerate(lines, 1):
        letter, equals, content = line.partition("=")
        if letter == "a" and equals and not (has_nul and "\0" in line):  # most lines are attributes
            name, colon, value = content.partition(":")
            if name in index:
                index[name].append((number, value if colon else None))
            else:
                index[name] = [(number, value if colon else None)]
            continue
        if not line:
            continue
        reject = None
        if not equals or letter not in _LETTERS or (has_nul and "\0" in line):
            reject = _bad_line
        elif letter == "m":
            rows, index = [], {}
            match = _MEDIA.fullmatch(line, 2)
            if match is None or int(match[2]) > 65535:
                reject = _bad_media
            elif len(sections) == MOST_SECTIONS:
                problems.append(_too_many_sections(number))
                break
            else:
                sections.append((number, match, rows, index))
        else:
            rows.append((number, line))
        if reject is not None and len(problems) < MOST:
            problems.append(reject(number, line))
    session = Section(tuple(above[0]), above[1], _mark_secrets(above[1]))
    media = []
    for number, match, rows, index in sections:
        kind, port, protocol, formats = match.groups()
        listed = tuple(filter(None, formats.split(" ")))
        given = tuple(rows), index, _mark_secrets(index), number, kind, int(port), protocol, listed
        media.append(Media(*given, session))
    # A line that can't be read may be the one that is missing.
    problems = problems or _missing(session)
    return Reading(SessionDescription(text, tuple(media), session), lines, ends, problems)


def _mark_secrets(index: Index) -> tuple[Fingerprint, ...]:
    """Turn passwords and fingerprints into what masks them; return the fingerprints."""
    if "ice-pwd" in index:
        index["ice-pwd"] = [(n, None if value is None else Password(value)) for n, value in index["ice-pwd"]]
    if "fingerprint" not in index:
        return ()
    found = [(n, None if value is None else Fingerprint(value)) for n, value in index["fingerprint"]]
    index["fingerprint"] = [*found]
    return tuple([value for _, value in found if value is not None])


def _bad_line(number: int, line: str) -> Problem:
    if line[1:2] == "=" and line[0].isascii() and line[0].isalpha():
        return Problem(
            number,
            "nul_character",
            f"character {line.index(chr(0)) + 1} of the line is NUL, which SDP may not hold",
            "The text was read from a buffer that is too long, or decoded with the wrong character set.",
        )
    # No more than two characters are quoted: they should be `x=`, and what follows may be a secret.
    return Problem(
        number,
        "bad_line",
        f"the line begins with {line[:2]!r}; every line of SDP begins with a letter and `=`",
        "A line was wrapped or indented, or some other text was joined to the offer.",
    )


def _bad_media(number: int, line: str) -> Problem:
    return Problem(
        number,
        "bad_media_line",
        f"the media line is {shown(line)}; `m=<media> <port, at most 65535> <protocol> <format> …` is needed",
        "Removing the last codec of a section makes a line without formats: keep one, or remove the section.",
    )


def _too_many_sections(number: int) -> Problem:
    return Problem(
        number,
        "too_many_sections",
        f"it has more than {MOST_SECTIONS:,} media sections; a call needs two at most",
        "It was made to be slow to read, or something adds sections in a loop.",
    )


def _missing(session: Section) -> list[Problem]:
    present = {line[0] for _, line in session._rows}
    missing = [letter for letter in _REQUIRED if letter not in present]
    if not missing:
        return []
    last = max(session._rows[-1][0], *(found[-1][0] for found in session._index.values()), 1)
    return [
        Problem(
            last,
            "missing_line",
            f"there is no `{letter}=` line ({_REQUIRED[letter]}) before the media sections",
            "The offer was cut off or built by hand; send what createOffer made, unaltered.",
        )
        for letter in missing
    ]


_SEND_IT = (
    "Send the `sdp` of the description that createOffer made, once it has been set as the local description."
)


def _not_sdp(text: str, lines: list[str]) -> Problem | None:
    """Return why a text is not SDP at all, by what is often sent in its place; else None."""
    if not text.strip():
        found = "blank" if text else "empty"
        return Problem(1, "empty", f"the offer is {found}; SDP begins with the line `v=0`", _SEND_IT)
    number, first = next((number, line) for number, line in enumerate(lines, 1) if line)
    if first.startswith("v="):
        return _wrong_version(number, first)
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(("{", "[", '"')):
        return Problem(
            number,
            "json",
            "this is JSON; SDP begins with the line `v=0`",
            "Send the value of the description's `sdp` field, decoded, without the JSON around it.",
        )
    if start.startswith("<"):
        return Problem(
            number,
            "html",
            "this is HTML or XML; SDP begins with the line `v=0`",
            "It is probably an error page: look at the status of the request that fetched the offer.",
        )
    if first.startswith("\ufeff"):
        return Problem(
            number,
            "byte_order_mark",
            "a byte order mark (U+FEFF) comes first; SDP begins with the line `v=0`",
            "Read the file as utf-8-sig, or drop its first character.",
        )
    # No more than two characters are quoted: they should be `v=`, and what follows may be a secret.
    return Problem(
        number,
        "not_sdp",
        f"this is not SDP: it begins with {first[:2]!r} instead of `v=0`",
        f"{_SEND_IT} Alter nothing.",
    )


def _wrong_version(number: int, first: str) -> Problem | None:
    version = first[2:].strip(" \t")
    if version == "0":
        return None
    if "\\n" in first or "\\r" in first:
        return Problem(
            number,
            "escaped_line_ends",
            "line ends are written out as a backslash and a letter; the characters CR and LF are needed",
            "The offer was escaped, as in JSON or a shell variable; decode it before it is sent.",
        )
    return Problem(
        number,
        "bad_version",
        f"the version is {shown(version)}; SDP has version 0 alone, so the line must be `v=0`",
        "If the whole offer is on one line, its line ends were lost in transit.",
    )
