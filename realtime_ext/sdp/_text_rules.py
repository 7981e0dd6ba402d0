"""The rules about an offer's text as such: how its lines end, their letters and their order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._lines import shown
from ._problem import Problem
from ._structure import Structure

__all__ = ["check_form", "check_line_ends"]

_REPAIR = (
    "Something rewrote the offer's line ends (a file, a form, a text template); repair() puts CRLF back."
)

# The order of RFC 8866 §9. Below an m= line readers take any order.
_SESSION = {
    letter: place
    for place, letters in enumerate(("v", "o", "s", "i", "u", "e", "p", "c", "b", "trz", "k", "a"))
    for letter in letters
}
_MEDIA = frozenset("icbka")
_ORIGIN = re.compile(r"[^ ]+ +[0-9]{1,20} +[0-9]{1,20} +IN +IP[46] +[^ ]+ *")


def check_line_ends(structure: Structure) -> Iterator[Problem]:
    """Each line ends with CRLF, the last one too (RFC 8866 §9)."""
    for end, name, code in (("\n", "LF", "lf_line_ends"), ("\r", "CR", "cr_line_ends")):
        count = structure.ends.count(end)
        if count:
            yield Problem(
                structure.ends.index(end) + 1,
                code,
                f"{count} of {len(structure.lines) - (not structure.lines[-1])} lines end with {name} alone, "
                "this is the first; CRLF is needed",
                _REPAIR,
            )
    if structure.lines[-1]:
        yield Problem(
            len(structure.lines),
            "no_final_crlf",
            "the last line has no line end; the API refuses an offer that doesn't close with CRLF",
            "Something trimmed the offer: .strip(), a form parser, a web framework. Send it "
            "unaltered, or repair() it.",
        )


def check_form(structure: Structure) -> Iterator[Problem]:
    """Lines have the letters and the order of RFC 8866, and the origin has six parts."""
    place = -1
    for number, line in structure.session:
        letter = line[0]
        if letter not in _SESSION:
            yield _unknown(number, letter)
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
    for _, rows in structure.media:
        for number, line in rows:
            if line[0] in _MEDIA:
                continue
            if line[0] in _SESSION:
                yield _misplaced(number, line[0], "belongs to the session, above the first m= line")
            else:
                yield _unknown(number, line[0])


def _unknown(number: int, letter: str) -> Problem:
    return Problem(
        number,
        "unknown_line",
        f"SDP has no line `{letter}=`; its letters are v o s i u e p c b t r z k a m",
        "Readers must refuse what they don't know: take the line out.",
    )


def _misplaced(number: int, letter: str, place: str) -> Problem:
    return Problem(
        number,
        "misplaced_line",
        f"the line `{letter}=` {place}: the order is v o s i u e p c b t k a, then the media sections",
        "Lines were sorted or inserted by hand; send what createOffer made, unaltered.",
    )
