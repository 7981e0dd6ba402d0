"""A whole session description: what people import."""

from __future__ import annotations

import attrs

from ..errors import SdpError
from ._lines import decode, words
from ._sections import Direction, Media, Section
from ._structure import Structure, read
from ._values import Attribute, Candidate, Codec, Fingerprint, Origin, Password

__all__ = ["SessionDescription", "describe"]


@attrs.frozen(repr=False)
class SessionDescription:
    """An offer or answer, read without loss.

    Nothing is rewritten: `str` gives back the text as it came, whatever its line ends, and two descriptions
    are equal when their texts are. Values that belong to the connection as a whole (`ice_ufrag`,
    `fingerprint`, …) are the session's own, or else those of the first media section that has them, beginning
    with the one whose transport the BUNDLE group uses.

    Example:
        >>> offer = SessionDescription.parse(text)
        >>> offer.audio.codecs[0].name, offer.audio.direction
        ('opus', 'sendrecv')
    """

    text: str
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
            SdpError: It is no SDP: the first line is not `v=0`, a line is not a letter and `=`, the lines o,
            s or t
                are missing, an m= line can't be read, or there are NUL characters. `line` says where.

        Source: RFC 8866 §5 and §9.
        """
        structure = read(decode(text))
        if structure.faults:
            first = structure.faults[0]
            raise SdpError(f"line {first.line}: {first.message}", line=first.line)
        return describe(structure)

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
    def video(self) -> Media | None:
        """The first video section."""
        return self._first("video")

    @property
    def application(self) -> Media | None:
        """The first application section, which carries the data channels."""
        return self._first("application")

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The session's own a= lines; those of a media section are in `media[…].attributes`."""
        return self.session.attributes

    @property
    def origin(self) -> Origin | None:
        """The o= line; None if it hasn't six parts."""
        parts = words(self.session.text_of("o"))
        return Origin(*parts) if len(parts) == 6 else None

    @property
    def name(self) -> str:
        """The s= line, which is `-` in most offers."""
        return self.session.text_of("s") or ""

    @property
    def direction(self) -> Direction | None:
        """The direction that holds for media sections which state none."""
        return self.session.own_direction

    @property
    def mids(self) -> tuple[str, ...]:
        """The names of the media sections that have one."""
        return tuple(media.mid for media in self.media if media.mid is not None)

    @property
    def bundle_groups(self) -> tuple[tuple[str, ...], ...]:
        """The mids of each BUNDLE group (RFC 9143 §5)."""
        groups = (words(value) for value in self.session.get_all("group"))
        return tuple(group[1:] for group in groups if group[:1] == ("BUNDLE",))

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
        password = self._whole("ice-pwd")
        return None if password is None else Password(password)

    @property
    def ice_options(self) -> tuple[str, ...]:
        """Such as `trickle`."""
        return words(self._whole("ice-options"))

    @property
    def ice_lite(self) -> bool:
        """Whether the sender only answers connectivity checks (RFC 8839 §5.3)."""
        return self.session.has("ice-lite")

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint of the certificate."""
        value = self._whole("fingerprint")
        return None if value is None else Fingerprint(value)

    @property
    def setup(self) -> str | None:
        """The DTLS role."""
        return self._whole("setup")

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates of all media sections, in their order."""
        return tuple(candidate for media in self.media for candidate in media.candidates)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The codecs of all media sections, in their order; `audio.codecs` has those of the call's audio."""
        return tuple(codec for media in self.media for codec in media.codecs)


def describe(structure: Structure) -> SessionDescription:
    """Make a description of what could be read."""
    session = Section.of(structure.session)
    return SessionDescription(
        structure.text, tuple(Media.below(session, head, rows) for head, rows in structure.media), session
    )
