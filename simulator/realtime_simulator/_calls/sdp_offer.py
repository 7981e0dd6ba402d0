"""Whether an SDP offer is one that the API accepts, and which parts of it the peer connection uses.

An offer comes from outside: everything in it is bounded before aiortc reads it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from realtime_simulator._core.problem import ApiProblem

MAX_BYTES = 200_000
MAX_LINES = 4_000
MAX_MEDIA = 16
MAX_CANDIDATES = 32
"""Candidates that are used; further ones are dropped."""
_MEDIA = re.compile(r"m=(audio|video|application) \d{1,5}(/\d+)? [A-Z/]+ \S.*")
_LINE = re.compile(r"[a-z]=.*")
_OPUS = re.compile(r"a=rtpmap:\d+ opus/48000/2", re.IGNORECASE)
_G711 = re.compile(r"a=rtpmap:\d+ PCM[UA]/8000(/1)?", re.IGNORECASE)
_DIRECTIONS = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}


def check(body: bytes) -> str:
    """Return an offer as text.

    Args:
        body: What came in place of the offer, byte for byte.

    Raises:
        ApiProblem: 400 `invalid_offer`; the message names the line.
    """
    if len(body) > MAX_BYTES:
        raise _invalid(f"an offer has at most {MAX_BYTES} bytes, this one has {len(body)}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("it is not UTF-8") from None
    if not text.endswith("\n"):
        raise _invalid("EOF")
    if "\0" in text:
        raise _invalid("it has a NUL byte")
    lines = _lines(text)
    if len(lines) > MAX_LINES:
        raise _invalid(f"an offer has at most {MAX_LINES} lines, this one has {len(lines)}")
    _check_lines(lines)
    return text


def _check_lines(lines: list[str]) -> None:
    if lines[0] != "v=0":
        raise _invalid("line 1 must be 'v=0'")
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise _invalid(f"line {number} is not '<letter>=<value>'")
    for letter in "ost":
        if not any(line.startswith(f"{letter}=") for line in lines):
            raise _invalid(f"there is no '{letter}=' line")
    media = [(number, line) for number, line in enumerate(lines, 1) if line.startswith("m=")]
    if len(media) > MAX_MEDIA:
        raise _invalid(f"an offer has at most {MAX_MEDIA} media sections, this one has {len(media)}")
    for number, line in media:
        if not _MEDIA.fullmatch(line):
            raise _invalid(f"line {number} is not a media section that is understood")
    if not any(line.startswith("m=audio ") for _, line in media):
        raise _invalid("there is no audio section")
    for attribute in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        if not any(line.startswith(f"a={attribute}:") for line in lines):
            raise _invalid(f"there is no 'a={attribute}'")
    if "a=rtcp-mux" not in lines:
        raise _invalid("there is no 'a=rtcp-mux'; RTP and RTCP share a port here")
    if not any(_OPUS.fullmatch(line) or _G711.fullmatch(line) for line in lines):
        raise _invalid("the audio section offers none of opus/48000/2, PCMU/8000 and PCMA/8000")
    if any(line.startswith("a=setup:passive") for line in lines) and not any(
        line.startswith(("a=setup:actpass", "a=setup:active")) for line in lines
    ):
        raise _invalid("an offer's 'a=setup' is actpass or active")


def for_peer(text: str, *, loopback_only: bool = True) -> str:
    """Return an offer as the peer connection should read it.

    Candidates that hide behind `.local` names cost a second of waiting each and can't be resolved here; those
    of other machines must not be talked to. Without them the connection forms through the browser's own
    checks, so the end of candidates is kept back too. And aiortc wants to read a direction where sendrecv
    goes without saying (RFC 8866 §6.7).

    Args:
        text: An offer that `check` has passed.
        loopback_only: Keep loopback addresses only; otherwise every address that is one.
    """
    lines = list(_followed(text, loopback_only))
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    session = lines[: starts[0]]
    direction = next((line for line in session if line in _DIRECTIONS), "a=sendrecv")
    followed = session
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        section = lines[start:end]
        if not _DIRECTIONS.intersection(section):
            section.append(direction)
        followed += section
    return "\r\n".join([*followed, ""])


def _followed(text: str, loopback_only: bool) -> Iterator[str]:
    candidates = 0
    for line in _lines(text):
        if line.startswith("a=end-of-candidates"):
            continue
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES or not _reachable(line, loopback_only):
                continue
        yield line


def _lines(text: str) -> list[str]:
    """The lines of an offer; CRLF, LF and CR end them, but U+2028 and its like don't."""
    return re.split(r"\r\n|\n|\r", text)[:-1]


def _reachable(line: str, loopback_only: bool) -> bool:
    fields = line.split()
    if len(fields) < 8 or fields[2].lower() != "udp":
        return False
    try:
        address = ipaddress.ip_address(fields[4])
    except ValueError:
        return False
    if not fields[5].isdigit() or not 0 < int(fields[5]) < 65536:
        return False
    return address.is_loopback or not loopback_only


def _invalid(reason: str) -> ApiProblem:
    return ApiProblem(f"Invalid SDP offer: failed to unmarshal SDP: {reason}", code="invalid_offer")
