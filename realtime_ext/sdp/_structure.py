"""From text to session section and media sections, with every fault of form on the way.

This knows lines, their letters and the m= line (RFC 8866 §5 and §9), not what attributes mean.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import attrs

from ._lines import shown, split
from ._problem import Problem
from ._strangers import recognise

__all__ = ["MOST", "MediaLine", "Row", "Structure", "read"]

Row = tuple[int, str]
"""A line's number, counted from 1, and the line without its end."""

MOST = 100
"""How many problems are reported of one text."""

_MEDIA = re.compile(r"([^ ]+) +([0-9]{1,5})(?:/([0-9]{1,5}))? +([^ ]+) +([^ ].*)", re.DOTALL)
_REQUIRED = {"o": "the origin", "s": "the session's name", "t": "the session's time, `t=0 0` in an offer"}


class MediaLine(NamedTuple):
    """An m= line taken apart. (A tuple, for hostile texts have hundreds of thousands.)"""

    line: int
    kind: str
    port: int
    port_count: int | None
    protocol: str
    formats: str


@attrs.frozen(repr=False)
class Structure:
    """The sections of a text; where there are faults, as much of them as could be read."""

    text: str
    lines: list[str]
    ends: list[str]
    session: tuple[Row, ...] = ()
    media: tuple[tuple[MediaLine, tuple[Row, ...]], ...] = ()
    faults: tuple[Problem, ...] = ()


def read(text: str) -> Structure:
    """Cut text into sections.

    Args:
        text: Anything at all; nothing is raised.

    Returns:
        The sections, and why the text is no SDP if it is none: at most MOST faults, by their lines. Blank
        lines are passed over.
    """
    lines, ends = split(text)
    stranger = recognise(text, lines)
    if stranger is not None:
        return Structure(text, lines, ends, faults=(stranger,))
    faults: list[Problem] = []
    session: list[Row] = []
    rows = session
    sections: list[tuple[MediaLine, list[Row]]] = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        fault = _fault(number, line)
        if fault is None and line[0] == "m":
            match = _MEDIA.fullmatch(line, 2)
            rows = []
            if match is None or int(match[2]) > 65535:
                fault = _bad_media(number, line)
            else:
                sections.append((_media_line(number, match), rows))
        elif fault is None:
            rows.append((number, line))
        if fault is not None and len(faults) < MOST:
            faults.append(fault)
    # A line that can't be read may be the one that is missing.
    faults = faults or _missing(session)
    media = tuple((head, tuple(below)) for head, below in sections)
    return Structure(text, lines, ends, tuple(session), media, tuple(faults))


def _media_line(number: int, match: re.Match[str]) -> MediaLine:
    kind, port, count, protocol, formats = match.groups()
    return MediaLine(number, kind, int(port), int(count) if count else None, protocol, formats)


def _fault(number: int, line: str) -> Problem | None:
    if len(line) < 2 or line[1] != "=" or not (line[0].isascii() and line[0].isalpha()):
        # No more than two characters are quoted: they should be `x=`, and what follows may be a secret.
        return Problem(
            number,
            "bad_line",
            f"the line begins with {line[:2]!r}; every line of SDP begins with a letter and `=`",
            "A line was wrapped or indented, or some other text was joined to the offer.",
        )
    if "\0" in line:
        return Problem(
            number,
            "nul_character",
            f"character {line.index(chr(0)) + 1} of the line is NUL, which SDP may not hold",
            "The text was taken from a buffer that is too long, or decoded with the wrong character set.",
        )
    return None


def _bad_media(number: int, line: str) -> Problem:
    return Problem(
        number,
        "bad_media_line",
        f"the media line is {shown(line)}; `m=<media> <port, at most 65535> <protocol> <format> …` is needed",
        "Taking the last codec out of a section leaves a line without formats: leave one, or remove "
        "the section.",
    )


def _missing(session: list[Row]) -> list[Problem]:
    present = {line[0] for _, line in session}
    return [
        Problem(
            session[-1][0],
            "missing_line",
            f"there is no `{letter}=` line ({meaning}) before the media sections",
            "The offer was cut off or built by hand; send what createOffer made, unaltered.",
        )
        for letter, meaning in _REQUIRED.items()
        if letter not in present
    ]
