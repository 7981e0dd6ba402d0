"""Tell at a glance that an offer is good: most are, and a call shouldn't wait for all of `_check`.

What is plain has no problem; what isn't may have one, or is only unusual. So nothing is reported here, and
each test is at least as strict as the rules for which it stands, those of `_structure`, `_text_rules` and
`_check`.
"""

from __future__ import annotations

import re

from ._values import STATIC_CODECS, Fingerprint

__all__ = ["is_plain"]

_Attributes = dict[str, list[str]]
"""A section's lines by what stands before their first colon, such as `a=mid`: what stands behind it."""

_PORT = "(?:[1-5]?[0-9]{1,4}|6[0-4][0-9]{3})"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_GROUP = "[0-9A-Fa-f]{1,4}"

_HEAD = re.compile(r"v=0\r\no=[^ \r]+ [0-9]{1,20} [0-9]{1,20} IN IP[46] [^ \r]+\r\ns=[^\r]*\r\nt=")
_MEDIA = re.compile(rf"m=(audio|video|application) (?!0){_PORT} [^ ]+ ([^ ].*)")
_RTPMAP = re.compile(r"(1[01][0-9]|12[0-7]|[1-9]?[0-9]) ([^/ ]+/[0-9]{1,9})(?:/[0-9]{1,3})?")
_CANDIDATE = re.compile(rf"[^ ]+ [1-9] [^ ]+ [0-3]?[0-9]{{1,9}} ([^ ]+) {_PORT} typ [^ ]")
# Not all that ipaddress takes: no zones, and nothing that begins with 0, for it might be unspecified.
_ADDRESS = re.compile(
    rf"(?!0)(?:{_OCTET}(?:\.{_OCTET}){{3}}|{_GROUP}(?::{_GROUP}){{7}}|(?:{_GROUP}:){{1,4}}(?::{_GROUP}){{1,3}})"
    r"|[^ ]+\.local"
)

_STATIC = {str(number): f"{name}/{rate}" for number, (name, rate) in STATIC_CODECS.items()}
_LONGEST = 300  # characters of a fingerprint: all sections may share one of the session's
_SPOKEN = {"opus/48000", "pcmu/8000", "pcma/8000"}


def is_plain(text: str) -> bool:
    """Tell whether an offer is certain to have no problem.

    Args:
        text: An offer, or any text that UTF-8 can hold.

    Returns:
        Whether `check_offer` needs to look no further; False says nothing.
    """
    lines = text.split("\r\n")
    ends = len(lines) - 1
    if (
        lines.pop()
        or "\0" in text
        or not ends == text.count("\r") == text.count("\n")
        or not _HEAD.match(text)
    ):
        return False
    session: _Attributes = {}
    sections: list[tuple[str, _Attributes]] = []
    own, letters = session, ["a="]
    for line in lines[4:]:
        name, _, value = line.partition(":")
        if name in own:
            own[name].append(value)
        elif name[:2] in letters:
            own[name] = [value]
        elif name[:2] == "m=":
            own, letters = {}, ["a=", "c="]
            sections.append((line, own))
        else:
            return False
    return _is_offering(session) and _has_names(session, sections) and _has_voice(session, sections)


def _is_offering(own: _Attributes) -> bool:
    return all(role == "actpass" for role in own.get("a=setup", ()))


def _has_names(session: _Attributes, sections: list[tuple[str, _Attributes]]) -> bool:
    mids = {own.get("a=mid", [""])[0] for _, own in sections}
    groups = session.get("a=group", ())
    return (
        len(mids) == len(sections)
        and "" not in mids
        and all(mids.issuperset(g.split(" ")[1:]) for g in groups)
    )


def _has_voice(session: _Attributes, sections: list[tuple[str, _Attributes]]) -> bool:
    """Tell whether each section can be used, and one for audio."""
    heard = False
    for line, own in sections:
        media = _MEDIA.fullmatch(line)
        if media is None or not _is_offering(own) or not _is_reachable(own, session):
            return False
        kind, formats = media.groups()
        if kind == "application":
            continue
        codecs = _codecs(own.get("a=rtpmap", []), formats.split(" "))
        if codecs is None:
            return False
        inactive = "a=inactive" in own or "a=inactive" in session
        heard |= kind == "audio" and not inactive and not codecs.isdisjoint(_SPOKEN)
    return heard


def _is_reachable(own: _Attributes, session: _Attributes) -> bool:
    ufrag, pwd, fingerprint = (
        (own.get(name) or session.get(name) or [""])[0]
        for name in ("a=ice-ufrag", "a=ice-pwd", "a=fingerprint")
    )
    if not ufrag or not pwd or len(fingerprint) > _LONGEST or not Fingerprint(fingerprint).is_well_formed:
        return False
    candidates = [_CANDIDATE.match(value) for value in own.get("a=candidate", ())]
    addresses = {candidate and candidate[1] for candidate in candidates}
    return all(address and _ADDRESS.fullmatch(address) for address in addresses)


def _codecs(rtpmaps: list[str], formats: list[str]) -> set[str] | None:
    """Give a section's codecs in lower case; None if one is unknown, or a number is mapped twice."""
    mapped = {match[1]: match[2] for match in map(_RTPMAP.fullmatch, rtpmaps) if match}
    if len(mapped) < len(rtpmaps) or not set(formats) <= mapped.keys() | _STATIC.keys():
        return None
    return {(mapped.get(number) or _STATIC[number]).lower() for number in formats}
