"""Reading request bodies: bounded in size and time, JSON and multipart parsed byte for byte.

Multipart is parsed here and not by a form library, because an SDP offer must arrive exactly as it was sent:
its last CRLF is part of it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import attrs
from starlette.requests import ClientDisconnect, Request

from realtime_simulator.engine import messages
from realtime_simulator.problem import ApiProblem

MAX_BYTES = 1024 * 1024
MAX_DRAINED_BYTES = 16 * MAX_BYTES
MAX_SECONDS = 20.0
MAX_PARTS = 16
_MAX_PART_HEADERS = 8192
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[;\s])name=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


async def read(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        ApiProblem: 413 for more than 1 MiB, 408 for a sender that takes more than 20 s.
    """
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size <= MAX_BYTES:
                    body += piece
                # A client that is still sending does not read the refusal, so most of the rest is let in.
                elif size > MAX_DRAINED_BYTES:
                    break
            if size > MAX_BYTES:
                raise ApiProblem(
                    f"The request body is larger than {MAX_BYTES} bytes.",
                    status=413,
                    code="request_too_large",
                    headers={"connection": "close"},
                )
    except TimeoutError:
        raise ApiProblem(
            f"The request body did not arrive within {MAX_SECONDS:g} seconds.",
            status=408,
            code="request_timeout",
            headers={"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise ApiProblem("The client went away.", status=400) from None
    request.state.record.body = bytes(body)
    return bytes(body)


def media_type(request: Request) -> str:
    """Return the body's media type in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_json(body: bytes, what: str = "request body") -> Any:
    """Return a JSON value.

    Args:
        body: JSON in UTF-8.
        what: Its name for the message.

    Raises:
        ApiProblem: 400: it isn't JSON, is nested too deeply, or has half a character in it.
    """
    try:
        return messages.read_json(body, what)
    except ApiProblem as problem:
        raise ApiProblem(problem.message) from None


async def read_json_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Return a request's JSON object.

    Args:
        request: The request.
        optional: Whether an empty body stands for an empty object.

    Raises:
        ApiProblem: The body isn't a JSON object.
    """
    body = await read(request)
    if optional and not body.strip():
        return {}
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise unsupported(kind, "application/json")
    value = parse_json(body)
    if not isinstance(value, dict):
        raise ApiProblem("The request body must be a JSON object.", code="invalid_type")
    return value


def unsupported(kind: str, allowed: str) -> ApiProblem:
    """Return the refusal of a media type."""
    return ApiProblem(
        f"Unsupported content type: '{kind[:80]}'. This method takes '{allowed}'.",
        code="unsupported_content_type",
    )


@attrs.frozen
class Part:
    """One part of a multipart body."""

    name: str
    content: bytes = attrs.field(repr=False)


def parse_multipart(body: bytes, content_type: str) -> Mapping[str, Part]:
    """Return the parts of a multipart/form-data body by name (RFC 7578).

    Parts need no Content-Type (browsers' FormData sends none), may have file names (Blobs do), and keep
    every byte between their blank line and the CRLF that belongs to the delimiter (RFC 2046 §5.1.1).

    Args:
        body: The body.
        content_type: The request's Content-Type, which names the boundary.

    Raises:
        ApiProblem: 400: the body isn't well formed, has too many parts, or one twice.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise ApiProblem("The multipart Content-Type names no usable boundary.")
    delimiter = b"\r\n--" + (match[1] or match[2]).encode("latin-1", "replace")
    # The preamble may be empty: then the first delimiter has no CRLF of its own.
    sections = (b"\r\n" + body).split(delimiter)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        raise ApiProblem("The multipart body does not end with its closing boundary.")
    if len(sections) - 2 > MAX_PARTS:
        raise ApiProblem(f"A multipart body has at most {MAX_PARTS} parts.")
    parts: dict[str, Part] = {}
    for section in sections[1:-1]:
        part = _part(section)
        if part.name in parts:
            raise ApiProblem(f"The part '{part.name}' was sent twice.", code="invalid_value", param=part.name)
        parts[part.name] = part
    return parts


def _part(section: bytes) -> Part:
    # After the boundary: optional blanks, CRLF, header lines, a blank line, the content.
    head, found, content = section.partition(b"\r\n\r\n")
    if not found or head.partition(b"\r\n")[0].strip(b" \t") or len(head) > _MAX_PART_HEADERS:
        raise ApiProblem("A part of the multipart body has no well-formed headers.")
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition" and (match := _NAME.search(value)):
            return Part(
                (match[1] if match[1] is not None else match[2]).decode("utf-8", "replace")[:80], content
            )
    raise ApiProblem("A part of the multipart body has no name.")
