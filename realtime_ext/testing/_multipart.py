"""Multipart bodies taken apart and put together, for comparing and scrubbing recorded requests.

Source: RFC 7578, RFC 2046 §5.1.1
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

__all__ = ["BOUNDARY", "Part", "compose", "parse"]

BOUNDARY = "cassette-boundary-of-realtime-ext"
"""What separates the parts in recordings, so that they don't depend on the random one that was sent."""

_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
_NAME = re.compile(r'(?:^|[;\s])name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


@attrs.frozen
class Part:
    """One part.

    Args:
        headers: Its header lines, in order, as names and values.
        content: Its bytes.
    """

    headers: tuple[tuple[str, str], ...]
    content: bytes

    def header(self, name: str) -> str:
        """Return a header's value; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def name(self) -> str:
        """The form field's name; empty if there is none."""
        found = _NAME.search(self.header("content-disposition"))
        return (found[1] or found[2] or "") if found else ""


def parse(body: bytes, content_type: str) -> list[Part] | None:
    """Take a multipart body apart.

    Args:
        body: The body.
        content_type: The Content-Type header, which names the boundary.

    Returns:
        The parts in order; None if this is no well-formed multipart body.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not content_type.lower().lstrip().startswith("multipart/"):
        return None
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    _, *sections = (b"\r\n" + body).split(delimiter)
    if not sections or not sections[-1].startswith(b"--"):
        return None
    parts = []
    for section in sections[:-1]:
        head, found, content = section.partition(b"\r\n\r\n")
        if not found:
            return None
        lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        parts.append(Part(tuple((name.strip(), value.strip()) for name, _, value in lines), content))
    return parts


def compose(parts: Iterable[Part], content_type: str) -> tuple[bytes, str]:
    """Put parts together with the boundary of recordings.

    Args:
        parts: The parts, in order.
        content_type: The Content-Type that they came with.

    Returns:
        The body, and its Content-Type.
    """
    pieces = []
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers)
        pieces.append(f"--{BOUNDARY}\r\n{head}\r\n".encode("latin-1") + part.content + b"\r\n")
    kind = content_type.partition(";")[0].strip()
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()]), f"{kind}; boundary={BOUNDARY}"
