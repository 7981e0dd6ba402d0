"""Offers: checks before a call is made with one, and the repair of line ends.

A rule stands here if a peer of the API's kind refuses the offer for it, or if the call would be made and stay
silent. What the API tolerates is not reported: offers without candidates, with `.local` candidates alone,
without a data channel, with video, offers that only send or only receive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import overload

from ..errors import SdpError
from ._description import Media, Reading, SessionDescription, decode, read, rtpmaps
from ._values import (
    MOST,
    STATIC_CODECS,
    Candidate,
    CandidateError,
    Fingerprint,
    Problem,
    is_address,
    parse_candidate,
    shown,
)

Codecs = dict[int, tuple[list[int | None], dict[int, tuple[str, int, int]]]]
"""The payload types and rtpmaps of an offer's sections of audio and video, by the section's line."""

_SPOKEN = ("audio", "video")
_FINGERPRINT = re.compile(r"[^ ]+ +[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*+ *")
# What peers write; no number that fits is out of range.
_USUAL = re.compile(
    r"[^ ]+ [1-9] [^ ]+ [0-3]?[0-9]{1,9} (?![0.:]+ )([0-9A-Fa-f.:]{1,45}) "
    r"(?:[1-5]?[0-9]{1,4}|6[0-4][0-9]{3}) typ [^ ].*",
    re.DOTALL,
)
_CODECS = {("opus", 48000), ("pcmu", 8000), ("pcma", 8000)}


def check_offer(text: str | bytes) -> list[Problem]:
    """Find problems for which the API would refuse an offer, or the call would be silent.

    Args:
        text: The offer exactly as it would be sent.

    Returns:
        The problems by their lines, at most 100; empty when the API would accept the offer. Nothing is
        raised, whatever the text is.

    Example:
        ```python
        print([problem.code for problem in check_offer(offer.strip())])  # ['no_final_crlf']
        ```

    Source: RFC 8866 (form), RFC 9429 §5 and RFC 9143 (what an offer needs), RFC 8839 (ICE), RFC 8122
    (fingerprints); what the API answers to such offers.
    """
    try:
        decoded = decode(text)
    except SdpError as error:
        return [
            Problem(
                error.line or 1,
                "not_text",
                str(error),
                "Hand over the offer as it came: a str, or its bytes in UTF-8.",
            )
        ]
    found = read(decoded)
    if not found.description.session._rows:
        return found.problems
    problems = [*found.problems, *islice(_check_line_ends(found), MOST)]
    problems += islice(_check_form(found.description), MOST)
    # What an offer that can't be read lacks is unknown.
    if not found.problems:
        offer = found.description
        live = [media for media in offer.media if media.port or "bundle-only" in media._index]
        codecs = {
            media.line: (media.payload_types, rtpmaps(media._index))
            for media in offer.media
            if media.kind in _SPOKEN
        }
        for rule in _RULES:
            problems += islice(rule(offer, live, codecs), MOST)
    problems.sort(key=lambda problem: problem.line)
    return problems[:MOST]


def _check_role(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    """An offer has actpass: the answer chooses (RFC 8842 §5.2, RFC 9429 §5.2.1)."""
    for section in (offer.session, *live):
        for line, role in section._index.get("setup", ()):
            if role in ("active", "passive"):
                yield Problem(
                    line,
                    "is_answer",
                    f"`a=setup:{role}` belongs to answers; an offer has `a=setup:actpass`",
                    "An answer was passed as the offer: send what createOffer made, not createAnswer.",
                )
                return


def _check_audio(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    sections = [media for media in offer.media if media.kind == "audio"]
    if not sections:
        yield Problem(
            offer.media[0].line if offer.media else 1,
            "no_audio",
            f"there is no audio section (m=audio) among the offer's {len(offer.media)}; a call needs one",
            "Add audio before createOffer: addTrack(track), or addTransceiver('audio').",
        )
        return
    # One that carries a voice is enough.
    first: list[Problem] | None = None
    for media in sections:
        problems = _voice_problems(media, offer, *codecs[media.line])
        if not problems:
            return
        first = first or problems
    yield from first or ()


def _voice_problems(
    media: Media,
    offer: SessionDescription,
    numbers: list[int | None],
    mapped: dict[int, tuple[str, int, int]],
) -> list[Problem]:
    problems = []
    if media.is_rejected:
        problems.append(
            Problem(
                media.line,
                "audio_rejected",
                "the audio section has port 0, which removes it from the call; a port such as 9 is needed",
                "The transceiver was stopped, or this is an answer that refused audio.",
            )
        )
    if ("inactive" in media._index or "inactive" in offer.session._index) and media.direction == "inactive":
        problems.append(
            Problem(
                media.line_of("inactive") or offer.session.line_of("inactive") or media.line,
                "audio_inactive",
                "audio is `inactive`, so the call would be silent; sendrecv, sendonly or recvonly is needed",
                "Set the audio transceiver's direction to sendrecv before createOffer.",
            )
        )
    listed = []
    for number in dict.fromkeys(numbers):
        codec = None if number is None else mapped.get(number) or STATIC_CODECS.get(number)
        if codec is None:
            continue
        if (codec[0].lower(), codec[1]) in _CODECS:
            break
        listed.append(codec)
    else:
        names = ", ".join(dict.fromkeys([codec[0] for codec in listed][:8]))
        problems.append(
            Problem(
                media.line,
                "no_supported_codec",
                f"the audio section offers {shown(names) if names else 'no known codec'}; "
                "the API speaks opus/48000/2, PCMU/8000 and PCMA/8000",
                "Keep one of the three in setCodecPreferences, and its number in the m= line.",
            )
        )
    return problems


def _check_names(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    """Each section has a mid of its own, and BUNDLE names no other (RFC 9429 §5.2.1, RFC 9143 §7.2)."""
    seen: set[str] = set()
    for media in offer.media:
        mid = media.get("mid")
        if not mid:
            if media.port or "bundle-only" in media._index:
                yield Problem(
                    media.line,
                    "no_mid",
                    f"the {media.name} section has no `a=mid:…`; every section of an offer needs one",
                    "Send what createOffer made, unaltered.",
                )
        elif mid in seen:
            yield Problem(
                media.line_of("mid") or media.line,
                "duplicate_mid",
                f"two sections have the mid {shown(mid)}; each section needs a unique one",
                "Two offers were joined, or a section was copied.",
            )
        else:
            seen.add(mid)
    for line, value in offer.session._index.get("group", ()):
        semantics, *mids = (value or "").split(" ")
        if semantics == "BUNDLE" and not seen.issuperset(mids):
            unknown = next((mid for mid in mids if mid and mid not in seen), None)
            if unknown is None:
                continue
            yield Problem(
                line,
                "unknown_bundle_mid",
                f"BUNDLE names the mid {shown(unknown)}, which no section has; only sections of the "
                "offer may be named",
                "A section was removed from the offer: remove its mid from `a=group:BUNDLE` too.",
            )


def _transports(offer: SessionDescription, live: list[Media]) -> list[Media]:
    """Return the sections whose transport counts: the first of each BUNDLE group, and those in none."""
    mids = [media._index["mid"][0][1] if "mid" in media._index else None for media in live]
    by_mid = {mid: media for mid, media in zip(mids, live, strict=True) if mid}
    first: dict[str | None, Media | None] = {}  # of the group, by the mids in it
    for group in offer.bundle_groups:
        tagged = next((by_mid[mid] for mid in group if mid in by_mid), None)
        first.update(dict.fromkeys(group, tagged))
    return [media for mid, media in zip(mids, live, strict=True) if first.get(mid, media) is media]


def _check_transports(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    above = offer.session
    is_shared_good: bool | None = None
    for media in _transports(offer, live):
        prints = media._own_fingerprints or above._own_fingerprints
        for name, code in _TRANSPORT:
            found = media._index.get(name) or above._index.get(name)
            if not (prints and prints[0] if name == "fingerprint" else found and found[0][1]):
                yield Problem(
                    media.line,
                    code,
                    f"neither the {media.name} section nor the session has `a={name}:…`; no "
                    "connection forms without it",
                    "Send a browser's or aiortc's offer unaltered; one for SIP or unencrypted RTP won't do.",
                )
        if media._own_fingerprints:
            is_good = _has_well_formed(prints)
        else:  # judged once: all sections may share them
            is_shared_good = _has_well_formed(prints) if is_shared_good is None else is_shared_good
            is_good = is_shared_good
        if prints and prints[0] and not is_good:
            yield Problem(
                media.line_of("fingerprint") or above.line_of("fingerprint") or media.line,
                "bad_fingerprint",
                f"the fingerprint is {shown(prints[0])}; a hash such as `sha-256` "
                "and pairs of hexadecimal digits with colons between are needed",
                "The line was cut or altered; send what createOffer made.",
            )


_TRANSPORT = (("ice-ufrag", "no_ice_ufrag"), ("ice-pwd", "no_ice_pwd"), ("fingerprint", "no_fingerprint"))


def _has_well_formed(fingerprints: tuple[Fingerprint, ...]) -> bool:
    return any(map(_FINGERPRINT.fullmatch, fingerprints))


def _check_codecs(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    """Payload types are numbers that have a fixed meaning or a rtpmap (RFC 8866 §6.6, RFC 3551 §6)."""
    for media in live:
        if media.kind not in _SPOKEN or "RTP/" not in media.protocol:
            continue
        numbers, mapped = codecs[media.line]
        if mapped.keys() >= set(numbers):
            continue
        for number, text in dict(zip(numbers, media.formats, strict=True)).items():
            if number is None or number > 127:
                yield Problem(
                    media.line,
                    "bad_payload_type",
                    f"the {media.name} section lists the payload type {shown(text)}; a number from 0 "
                    "to 127 is needed",
                    "Edit codecs with setCodecPreferences instead of in the text.",
                )
            elif number not in mapped and number not in STATIC_CODECS:
                yield Problem(
                    media.line,
                    "codec_without_rtpmap",
                    f"the {media.name} section lists payload type {number} and has no "
                    f"`a=rtpmap:{number} …` for it",
                    "A codec was removed by hand: remove its number from the m= line too.",
                )


_CANDIDATES = 1_000  # unusual ones of a section that are looked at; each takes far longer than a usual one


def _unusual_candidates(found: Sequence[tuple[int, str | None]]) -> list[tuple[int, str | None]]:
    """Return those that `parse_candidate` has to look at.

    It would accept all others, with an address to connect to; this is far quicker.

    Args:
        found: Line and value of each candidate.
    """
    return [
        (line, value)
        for line, value in found
        if (match := _USUAL.fullmatch(value or "")) is None or not is_address(match[1])
    ]


def _check_candidates(offer: SessionDescription, live: list[Media], codecs: Codecs) -> Iterator[Problem]:
    """A line that can't be read is lost; if all are, the whole offer is refused (RFC 8839 §5.1)."""
    for media in live:
        found = media._index.get("candidate", ())
        unusual = _unusual_candidates(found)
        is_reachable = len(unusual) < len(found)
        readable: list[Candidate] = []
        broken: list[tuple[int, CandidateError]] = []
        for line, value in unusual[:_CANDIDATES]:
            try:
                readable.append(parse_candidate(value or "", line))
            except CandidateError as error:
                broken.append((line, error))
        for line, reason in broken[:MOST]:
            yield Problem(
                line,
                "candidate_without_address" if reason.no_address else "bad_candidate",
                f"{reason}; an IP address or a name in `.local` is needed"
                if reason.no_address
                else str(reason),
                "Remove the whole line: the API accepts an offer without candidates.",
                fatal=not (is_reachable or readable),
            )
        if readable and not is_reachable and all(candidate.is_unspecified for candidate in readable):
            yield Problem(
                readable[0].line,
                "candidate_without_address",
                f"each of the {media.name} section's candidates has the address {readable[0].address}, "
                "which is not an address to connect to; an IP address or a name in `.local` is needed",
                "Remove these lines: the API accepts an offer without candidates.",
                fatal=False,
            )


_Rule = Callable[[SessionDescription, list[Media], Codecs], Iterator[Problem]]
_RULES: tuple[_Rule, ...] = (
    _check_role,
    _check_audio,
    _check_names,
    _check_transports,
    _check_codecs,
    _check_candidates,
)


_REPAIR = (
    "Something rewrote the offer's line ends (a file, a form, a text template); repair() puts CRLF back."
)

# The order of RFC 8866 §9. Below an m= line readers accept any order.
_SESSION = {
    letter: place
    for place, letters in enumerate(("v", "o", "s", "i", "u", "e", "p", "c", "b", "trz", "k", "a"))
    for letter in letters
}
_MEDIA = frozenset("icbk")
_ORIGIN = re.compile(r"[^ ]+ +[0-9]{1,20} +[0-9]{1,20} +IN +IP[46] +[^ ]+ *")


def _check_line_ends(found: Reading) -> Iterator[Problem]:
    """Each line ends with CRLF, the last one too (RFC 8866 §9)."""
    crlf = found.ends.count("\r\n")
    for end, name, code in (("\n", "LF", "lf_line_ends"), ("\r", "CR", "cr_line_ends")):
        count = 0 if crlf == len(found.ends) else found.ends.count(end)
        if count:
            yield Problem(
                found.ends.index(end) + 1,
                code,
                f"{count} of {len(found.lines) - (not found.lines[-1])} lines end with {name} alone, "
                "this is the first; CRLF is needed",
                _REPAIR,
            )
    if found.lines[-1]:
        yield Problem(
            len(found.lines),
            "no_final_crlf",
            "the last line has no line end; the API refuses an offer that doesn't close with CRLF",
            "Something trimmed the offer: .strip(), a form parser, a web framework. Send it "
            "unaltered, or repair() it.",
        )


def _check_form(offer: SessionDescription) -> Iterator[Problem]:
    """Lines have the letters and the order of RFC 8866, and the origin has six parts."""
    place = -1
    attributes, _ = min(offer.session._index.values(), default=[(0, None)])[0]  # the first one's line
    for number, line in offer.session._rows:
        letter = line[0]
        if 0 < attributes < number:
            place = _SESSION["a"]
        if letter not in _SESSION:
            yield _unknown_line(number, letter)
        elif _SESSION[letter] < place or (_SESSION[letter] == place and letter in "vos"):
            yield _misplaced(number, letter, "comes before the lines above it")
        else:
            place = _SESSION[letter]
        if letter == "o" and not _ORIGIN.fullmatch(line, 2):
            yield Problem(
                number,
                "bad_origin",
                f"the origin is {shown(line)}; `o=<user> <number> <number> IN <IP4 or IP6> <address>` "
                "is needed",
                "Send what createOffer made, unaltered.",
            )
    for media in offer.media:
        for number, line in media._rows:
            if line[0] in _MEDIA:
                continue
            if line[0] in _SESSION:
                yield _misplaced(number, line[0], "belongs to the session, above the first m= line")
            else:
                yield _unknown_line(number, line[0])


def _unknown_line(number: int, letter: str) -> Problem:
    return Problem(
        number,
        "unknown_line",
        f"SDP has no line `{letter}=`; its letters are v o s i u e p c b t r z k a m",
        "Receivers must reject unknown lines of this kind: remove the line.",
    )


def _misplaced(number: int, letter: str, place: str) -> Problem:
    return Problem(
        number,
        "misplaced_line",
        f"the line `{letter}=` {place}: the order is v o s i u e p c b t k a, then the media sections",
        "Lines were sorted or inserted by hand; send what createOffer made, unaltered.",
    )


_TEXT = re.compile(r"\r\n|\r|\n")
_BYTES = re.compile(rb"\r\n|\r|\n")


@overload
def repair(text: str) -> str: ...
@overload
def repair(text: bytes) -> bytes: ...
def repair(text: str | bytes) -> str | bytes:
    """End every line with CRLF, the last one too.

    Whether the text is an offer at all is for `check_offer`. Repairing twice changes nothing more, and an
    empty text stays empty.

    Args:
        text: An offer whose line ends something has rewritten or trimmed.

    Returns:
        The same text, of the same type, with CRLF wherever a line ends with CRLF, LF or CR, and at its end.

    Raises:
        SdpError: It is neither str nor bytes.

    Example:
        >>> repair("v=0\\ns=-")
        'v=0\\r\\ns=-\\r\\n'

    Source: RFC 8866 §9.
    """
    if isinstance(text, str):
        repaired = _TEXT.sub("\r\n", text)
        return repaired if not repaired or repaired.endswith("\r\n") else repaired + "\r\n"
    if isinstance(text, bytes):
        raw = _BYTES.sub(b"\r\n", text)
        return raw if not raw or raw.endswith(b"\r\n") else raw + b"\r\n"
    raise SdpError(f"SDP is given as str or bytes, not as {type(text).__name__}")
