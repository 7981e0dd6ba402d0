"""Output of the programs, which quotes documents from elsewhere."""

from __future__ import annotations

import re
import sys

#: Control characters, marks and separators that reorder or break lines, and half characters.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def inert(text: str) -> str:
    """Return text that no terminal interprets: active characters as JSON writes them, such as ``\\u001b``."""
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write(*lines: str) -> None:
    """Print lines, inert."""
    print(inert("\n".join(lines)), flush=True)


def write_error(*lines: str) -> None:
    """Print lines to standard error, inert."""
    print(inert("\n".join(lines)), file=sys.stderr, flush=True)
