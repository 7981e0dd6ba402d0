"""Mend an offer's line ends, and touch nothing else."""

from __future__ import annotations

import re
from typing import overload

from ..errors import SdpError

__all__ = ["repair"]

_TEXT = re.compile(r"\r\n|\r|\n")
_BYTES = re.compile(rb"\r\n|\r|\n")


@overload
def repair(text: str) -> str: ...
@overload
def repair(text: bytes) -> bytes: ...
def repair(text: str | bytes) -> str | bytes:
    """Give every line CRLF as its end, the last one too.

    Whether the text is an offer at all doesn't matter; `check_offer` tells. Repairing twice changes nothing
    more, and an empty text stays empty.

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
        mended = _TEXT.sub("\r\n", text)
        return mended if not mended or mended.endswith("\r\n") else mended + "\r\n"
    if isinstance(text, bytes):
        raw = _BYTES.sub(b"\r\n", text)
        return raw if not raw or raw.endswith(b"\r\n") else raw + b"\r\n"
    raise SdpError(f"SDP is given as str or bytes, not as {type(text).__name__}")
