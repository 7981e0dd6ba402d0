"""Session descriptions: read them without loss, check offers before they are sent, repair their line ends.

    offer = sdp.SessionDescription.parse(text)     # str(offer) == text
    sdp.check_offer(text)                          # -> [] when the API would accept it
    sdp.repair(text)                               # CRLF line ends, nothing else

The package reads text and makes no connection. An offer that is sent must stay as it is, byte for byte, so
nothing here generates SDP.

Sources: RFC 8866 (SDP), RFC 9429 (what browsers' offers hold), RFC 8839 (ICE), RFC 8122 and RFC 8842 (DTLS),
RFC 8841 (data channels), RFC 9143 (BUNDLE).
"""

from __future__ import annotations

from ._description import Direction, Media, Section, SessionDescription
from ._offers import check_offer, repair
from ._values import Attribute, Candidate, Codec, Fingerprint, Problem

__all__ = [
    "Attribute",
    "Candidate",
    "Codec",
    "Direction",
    "Fingerprint",
    "Media",
    "Problem",
    "Section",
    "SessionDescription",
    "check_offer",
    "repair",
]


def __dir__() -> list[str]:
    return __all__
