"""Recognise what people send in place of SDP: nothing, JSON, an error page, an escaped offer."""

from __future__ import annotations

from ._lines import shown
from ._problem import Problem

__all__ = ["recognise"]

_SEND_IT = (
    "Send the `sdp` of the description that createOffer made, once it has been set as the local description."
)


def recognise(text: str, lines: list[str]) -> Problem | None:
    """Tell why a text is no SDP at all.

    Args:
        text: The text.
        lines: Its lines, without their ends.

    Returns:
        The problem, or None if the first line that isn't blank is `v=0`.
    """
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
        "If the whole offer stands in one line, its line ends were lost on the way.",
    )
