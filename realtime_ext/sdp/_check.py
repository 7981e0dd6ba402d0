"""Say what is wrong with an offer before it costs a call.

A rule stands here if a peer of the API's kind refuses what it names, or if the call would be made and stay
silent. What the API tolerates is no problem: offers without candidates, with `.local` candidates alone,
without a data channel, with video, offers that only send or only receive. Rules about the text as such are in
`_text_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from ..errors import SdpError
from ._description import SessionDescription, describe
from ._lines import decode, shown
from ._plain import is_plain
from ._problem import Problem
from ._sections import Media
from ._structure import MOST, read
from ._text_rules import check_form, check_line_ends
from ._values import (
    STATIC_CODECS,
    Candidate,
    CandidateError,
    Fingerprint,
    parse_candidate,
    parse_int,
    parse_rtpmap,
)

__all__ = ["check_offer"]

_CODECS = {("opus", 48000), ("pcmu", 8000), ("pcma", 8000)}


def check_offer(text: str | bytes) -> list[Problem]:
    """Find what makes the API refuse an offer, or the call silent.

    Args:
        text: The offer exactly as it would be sent.

    Returns:
        The problems by their lines, at most 100; empty when the API would take the offer. Nothing is raised,
        whatever the text is.

    Example:
        >>> [problem.code for problem in check_offer(offer.strip())]
        ['no_final_crlf']

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
    return [] if is_plain(decoded) else find_problems(decoded)


def find_problems(text: str) -> list[Problem]:
    """Apply all rules to a text that UTF-8 can hold. It takes several times as long as `is_plain`."""
    structure = read(text)
    if not structure.session:
        return list(structure.faults)
    problems = [*structure.faults, *islice(check_line_ends(structure), MOST)]
    problems += islice(check_form(structure), MOST)
    # Of an offer that can't be read nobody knows what it lacks.
    if not structure.faults:
        offer = describe(structure)
        for rule in _RULES:
            problems += islice(rule(offer), MOST)
    return sorted(problems, key=lambda problem: problem.line)[:MOST]


def _live(offer: SessionDescription) -> Iterator[Media]:
    return (media for media in offer.media if not media.is_rejected)


def _check_role(offer: SessionDescription) -> Iterator[Problem]:
    """An offer says actpass and leaves the choice to the answer (RFC 8842 §5.2, RFC 9429 §5.2.1)."""
    for section in (offer.session, *_live(offer)):
        for line, role in section.numbered("setup"):
            if role in ("active", "passive"):
                yield Problem(
                    line,
                    "is_answer",
                    f"`a=setup:{role}` stands in answers; an offer has `a=setup:actpass`",
                    "An answer was passed as the offer: send what createOffer made, not createAnswer.",
                )
                return


def _check_audio(offer: SessionDescription) -> Iterator[Problem]:
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
    if all(any(_check_voice(media, offer)) for media in sections):
        yield from _check_voice(sections[0], offer)


def _check_voice(media: Media, offer: SessionDescription) -> Iterator[Problem]:
    if media.is_rejected:
        yield Problem(
            media.line,
            "audio_rejected",
            "the audio section has port 0, which takes it out of the call; a port such as 9 is needed",
            "The transceiver was stopped, or this is an answer that refused audio.",
        )
    if media.direction == "inactive":
        yield Problem(
            media.line_of("inactive") or offer.session.line_of("inactive") or media.line,
            "audio_inactive",
            "audio is `inactive`: nobody would hear anything; sendrecv, sendonly or recvonly is needed",
            "Set the audio transceiver's direction to sendrecv before createOffer.",
        )
    if not any((codec.name.lower(), codec.clock_rate) in _CODECS for codec in media.codecs):
        names = ", ".join(dict.fromkeys(codec.name for codec in islice(media.codecs, 8)))
        yield Problem(
            media.line,
            "no_supported_codec",
            f"the audio section offers {shown(names) if names else 'no known codec'}; "
            "the API speaks opus/48000/2, PCMU/8000 and PCMA/8000",
            "Leave one of the three in setCodecPreferences, and its number in the m= line.",
        )


def _check_names(offer: SessionDescription) -> Iterator[Problem]:
    """Each section has a mid of its own, and BUNDLE names no other (RFC 9429 §5.2.1, RFC 9143 §7.2)."""
    seen: set[str] = set()
    for media in offer.media:
        if not media.mid:
            if not media.is_rejected:
                yield Problem(
                    media.line,
                    "no_mid",
                    f"the {media.name} section has no `a=mid:…`; every section of an offer needs one",
                    "Send what createOffer made, unaltered.",
                )
        elif media.mid in seen:
            yield Problem(
                media.line_of("mid") or media.line,
                "duplicate_mid",
                f"two sections have the mid {shown(media.mid)}; each needs one of its own",
                "Two offers were joined, or a section was copied.",
            )
        else:
            seen.add(media.mid)
    for line, value in offer.session.numbered("group"):
        semantics, *mids = value.split(" ")
        unknown = next((mid for mid in mids if mid and mid not in seen), None)
        if semantics == "BUNDLE" and unknown is not None:
            yield Problem(
                line,
                "unknown_bundle_mid",
                f"BUNDLE names the mid {shown(unknown)}, which no section has; only sections of the "
                "offer may be named",
                "A section was removed from the offer: take its mid out of `a=group:BUNDLE` too.",
            )


def _transports(offer: SessionDescription) -> Iterator[Media]:
    """The sections whose transport counts: the first in use of each BUNDLE group, and those in none."""
    group_of = {mid: number for number, group in enumerate(offer.bundle_groups) for mid in group}
    by_mid = {media.mid: media for media in _live(offer) if media.mid}
    tagged = {
        number: next((by_mid[mid] for mid in group if mid in by_mid), None)
        for number, group in enumerate(offer.bundle_groups)
    }
    for media in _live(offer):
        number = group_of.get(media.mid or "")
        if number is None or tagged[number] is media:
            yield media


def _has_well_formed(fingerprints: tuple[Fingerprint, ...]) -> bool:
    return any(fingerprint.is_well_formed for fingerprint in fingerprints)


def _check_transports(offer: SessionDescription) -> Iterator[Problem]:
    shared = _has_well_formed(offer.session.own_fingerprints)
    for media in _transports(offer):
        for name, code, value in (
            ("ice-ufrag", "no_ice_ufrag", media.ice_ufrag),
            ("ice-pwd", "no_ice_pwd", media.ice_pwd),
            ("fingerprint", "no_fingerprint", media.fingerprint),
        ):
            if not value:
                yield Problem(
                    media.line,
                    code,
                    f"neither the {media.name} section nor the session has `a={name}:…`; no "
                    "connection forms without it",
                    "Send a browser's or aiortc's offer unaltered; one for SIP or unencrypted RTP won't do.",
                )
        own = media.own_fingerprints
        if media.fingerprint and not (_has_well_formed(own) if own else shared):
            yield Problem(
                media.line_of("fingerprint") or offer.session.line_of("fingerprint") or media.line,
                "bad_fingerprint",
                f"the fingerprint is {shown(media.fingerprint)}; a hash such as `sha-256` "
                "and pairs of hexadecimal digits with colons between are needed",
                "The line was cut or altered; send what createOffer made.",
            )


def _check_codecs(offer: SessionDescription) -> Iterator[Problem]:
    """Payload types are numbers that have a fixed meaning or a rtpmap (RFC 8866 §6.6, RFC 3551 §6)."""
    for media in _live(offer):
        if media.kind not in ("audio", "video") or "RTP/" not in media.protocol:
            continue
        mapped = {codec.payload_type for value in media.get_all("rtpmap") if (codec := parse_rtpmap(value))}
        for text in dict.fromkeys(media.formats):
            number = parse_int(text)
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
                    "A codec was taken out by hand: take its number out of the m= line too.",
                )


def _check_candidates(offer: SessionDescription) -> Iterator[Problem]:
    """A line that can't be read is lost; if all are, the whole offer is refused (RFC 8839 §5.1)."""
    for media in _live(offer):
        readable: list[Candidate] = []
        broken: list[tuple[int, CandidateError]] = []
        for line, value in media.numbered("candidate"):
            try:
                readable.append(parse_candidate(value, line))
            except CandidateError as error:
                broken.append((line, error))
        for line, fault in broken[:MOST]:
            yield Problem(
                line,
                "candidate_without_address" if fault.no_address else "bad_candidate",
                f"{fault}; an IP address or a name in `.local` is needed" if fault.no_address else str(fault),
                "Leave the whole line out: the API takes an offer without candidates.",
                fatal=not readable,
            )
        nowhere = [candidate for candidate in readable if candidate.is_unspecified]
        if nowhere and len(nowhere) == len(readable):
            yield Problem(
                nowhere[0].line,
                "candidate_without_address",
                f"each of the {media.name} section's candidates has the address {nowhere[0].address}, "
                "where nobody can be reached; an IP address or a name in `.local` is needed",
                "Leave these lines out: the API takes an offer without candidates.",
                fatal=False,
            )


_RULES: tuple[Callable[[SessionDescription], Iterator[Problem]], ...] = (
    _check_role,
    _check_audio,
    _check_names,
    _check_transports,
    _check_codecs,
    _check_candidates,
)
