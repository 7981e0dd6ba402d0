"""SDP answers as comparable facts: sections, codecs and attributes, without values that are new each time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_RTPMAP = re.compile(r"rtpmap:(\d+) ([^/]+)/(.+)")
_FMTP = re.compile(r"fmtp:(\d+) (.+)")
_VALUES = ("mid", "sctp-port", "max-message-size", "msid", "group")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_NEW_EACH_TIME = ("candidate", "rtpmap", "fmtp", "ssrc", "setup", *_VALUES, *_DIRECTIONS)


def facts(answer: str) -> Mapping[str, Any]:
    """Return the facts of an SDP answer.

    Args:
        answer: The answer; anything else has no media.
    """
    sections: list[list[str]] = [[]]
    for line in answer.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return {"session": _attributes(sections[0]), "media": [_media(section) for section in sections[1:]]}


def _attributes(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            if name in _VALUES:
                found[name] = value
            elif name not in _NEW_EACH_TIME:
                found[name] = True
    return found


def _media(lines: list[str]) -> dict[str, Any]:
    kind, _, protocol, *formats = lines[0][2:].split()
    attributes = [line[2:] for line in lines if line.startswith("a=")]
    names = {found[1]: (found[2], found[3]) for line in attributes if (found := _RTPMAP.match(line))}
    settings = {found[1]: found[2] for line in attributes if (found := _FMTP.match(line))}
    media: dict[str, Any] = {"kind": kind, "protocol": protocol, **_attributes(lines)}
    media["codecs"] = [
        {"name": names[number][0], "rate": names[number][1], "fmtp": settings.get(number)}
        for number in formats
        if number in names
    ]
    media["direction"] = next((line for line in attributes if line in _DIRECTIONS), None)
    # An answerer may choose either.
    media["setup"] = any(line in ("setup:active", "setup:passive") for line in attributes)
    media["candidates"] = {
        line.split()[2].lower(): True
        for line in attributes
        if line.startswith("candidate:") and len(line.split()) > 2
    }
    media["cname"] = next((line.partition("cname:")[2] for line in attributes if " cname:" in line), None)
    return media
