"""Multipart bodies (RFC 7578, RFC 2046 §5.1.1), parsed and composed byte for byte.

A form library is not used, because an SDP offer must arrive exactly as it was sent, with its last CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

__all__ = ["MultipartError", "Part", "compose_multipart", "parse_multipart"]

BOUNDARY = "cassette-boundary-of-realtime-ext"
"""The boundary of composed bodies: always the same, so that recordings can be compared."""
MAX_HEADER_BYTES = 8192
"""The header lines of one part may have this many bytes."""
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
_NAME = re.compile(r'(?:^|[;\s])name=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class MultipartError(ValueError):
    """A body that is not well-formed multipart."""


@attrs.frozen
class Part:
    """One part of a body.

    Args:
        headers: Its header lines, in order, as names and values.
        content: Its bytes.
    """

    headers: tuple[tuple[str, str], ...]
    content: bytes = attrs.field(repr=False)

    def header(self, name: str) -> str:
        """Return the value of a header; empty if there is none.

        Args:
            name: The header's name in lower case.
        """
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def name(self) -> str | None:
        """The form field's name; None if there is none."""
        found = _NAME.search(self.header("content-disposition"))
        if found is None:
            return None
        name = found[1] if found[1] is not None else found[2]
        return name.encode("latin-1").decode("utf-8", "replace")


def parse_multipart(body: bytes, content_type: str, *, most: int | None = None) -> list[Part]:
    """Return the parts of a body, in order.

    Parts need no Content-Type (browsers' FormData sends none), may have file names (Blobs do), and keep
    every byte between their blank line and the CRLF that belongs to the delimiter.

    Args:
        body: The body.
        content_type: The Content-Type, which names the boundary.
        most: How many parts are allowed; None for any number.

    Raises:
        MultipartError: The body is not well formed, or has too many parts.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise MultipartError("The multipart Content-Type names no usable boundary.")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    # The preamble may be empty: then the first delimiter has no CRLF of its own.
    _, *sections = (b"\r\n" + body).split(delimiter)
    if not sections or not sections[-1].startswith(b"--"):
        raise MultipartError("The multipart body does not end with its closing boundary.")
    if most is not None and len(sections) - 1 > most:
        raise MultipartError(f"A multipart body has at most {most} parts.")
    return [_part(section) for section in sections[:-1]]


def _part(section: bytes) -> Part:
    # After the boundary: optional blanks, CRLF, header lines, a blank line, the content.
    head, found, content = section.partition(b"\r\n\r\n")
    after_boundary, *lines = head.decode("latin-1").split("\r\n")
    if not found or after_boundary.strip(" \t") or len(head) > MAX_HEADER_BYTES:
        raise MultipartError("A part of the multipart body has no well-formed headers.")
    pairs = (line.partition(":") for line in lines)
    return Part(tuple((name.strip(), value.strip()) for name, _, value in pairs), content)


def compose_multipart(parts: Iterable[Part], content_type: str) -> tuple[bytes, str]:
    """Return a body of these parts with the boundary of recordings, and its Content-Type.

    Args:
        parts: The parts, in order.
        content_type: The Content-Type that they came with.
    """
    pieces = []
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers)
        pieces.append(f"--{BOUNDARY}\r\n{head}\r\n".encode("latin-1") + part.content + b"\r\n")
    kind = content_type.partition(";")[0].strip()
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()]), f"{kind}; boundary={BOUNDARY}"
