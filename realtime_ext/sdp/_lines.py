"""Text and its lines: decode what was handed in, cut it at line ends, quote it without giving secrets away.

A line ends with CRLF, LF or CR (RFC 8866 §9 wants the first and lets readers take the second) and with
nothing
else: `str.splitlines` would also cut at U+2028, U+0085, VT and FF, which are ordinary characters here.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import SdpError
from ..secrets import MASK, mask

__all__ = ["LINE_END", "decode", "masked", "shown", "split", "words"]

LINE_END = re.compile(r"(\r\n|\r|\n)")

# What is quoted need not be a whole line, so the name alone marks what follows as secret.
_SECRET = re.compile(r"(ice-pwd|crypto|inline)([:=\s]*)\S+", re.IGNORECASE)
_LONGEST = 40
_LOOKED_AT = 400


def decode(text: Any) -> str:
    """Turn what a caller handed in into text that can be written out again.

    Args:
        text: A str, or bytes in UTF-8.

    Raises:
        SdpError: Neither of these, or not UTF-8.
    """
    if isinstance(text, str):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            start = error.start
        else:
            return text
        raise SdpError(
            f"SDP is text in UTF-8; character {start + 1} is half a surrogate pair, which UTF-8 cannot hold",
            line=_line_at(text[:start]),
        )
    if isinstance(text, bytes | bytearray | memoryview):
        data = bytes(text)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            # Not chained: that error holds the whole text, and with it the ICE password.
            start = error.start
        raise SdpError(
            f"SDP is text in UTF-8; byte {start + 1} is 0x{data[start]:02x}, which is not UTF-8 there",
            line=_line_at(data[:start].decode()),
        )
    raise SdpError(f"SDP is given as str or bytes, not as {type(text).__name__}")


def _line_at(before: str) -> int:
    return 1 + sum(1 for _ in LINE_END.finditer(before))


def split(text: str) -> tuple[list[str], list[str]]:
    """Cut text into its lines and their ends.

    Returns:
        The lines without their ends, and the ends; one line more than ends. The last line is empty where the
        text closes with a line end.
    """
    pieces = LINE_END.split(text)
    return pieces[0::2], pieces[1::2]


def words(text: str | None) -> tuple[str, ...]:
    """Take apart a text at its spaces, and at nothing else."""
    return tuple(filter(None, (text or "").split(" ")))


def shown(text: str) -> str:
    """Quote foreign text in a message: short, escaped, with passwords and keys masked."""
    safe = _without_secrets(text[:_LOOKED_AT])
    cut = len(text) > _LOOKED_AT or len(safe) > _LONGEST
    return repr(safe[:_LONGEST] + "…" if cut else safe)


def masked(value: object) -> str:
    """Give a value's repr with passwords and keys masked: where lines ran together they may be anywhere."""
    return _without_secrets(repr(value))


def _without_secrets(text: str) -> str:
    return mask(_SECRET.sub(rf"\1\2{MASK}", text))
