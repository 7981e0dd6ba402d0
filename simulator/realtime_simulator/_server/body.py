"""Read request bodies: bounded in size and time, JSON or multipart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from realtime_simulator._core import multipart, schema
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine import messages

MAX_BYTES = 1024 * 1024
MAX_DRAINED_BYTES = 16 * MAX_BYTES
MAX_SECONDS = 20.0
MAX_PARTS = 16


async def read(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        ApiProblem: 413 for more than 1 MiB, 408 if it takes more than 20 s.
    """
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size <= MAX_BYTES:
                    body += piece
                # A client that is still sending does not read the refusal, so most of the rest is consumed.
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


async def read_checked(request: Request, name: str, *, optional: bool = False) -> dict[str, Any]:
    """Return a request's JSON object, checked against the schema of a name.

    Raises:
        ApiProblem: As for `read_json_object`, or with the faulty field.
    """
    fields = await read_json_object(request, optional=optional)
    schema.check(name, fields)
    return fields


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


def parse_multipart(body: bytes, content_type: str) -> Mapping[str, bytes]:
    """Return the parts of a multipart/form-data body by name.

    Args:
        body: The body.
        content_type: The request's Content-Type, which names the boundary.

    Raises:
        ApiProblem: 400: the body isn't well formed, has too many parts, or one twice.
    """
    try:
        parts = multipart.parse_multipart(body, content_type, most=MAX_PARTS)
    except multipart.MultipartError as error:
        raise ApiProblem(str(error)) from error
    contents: dict[str, bytes] = {}
    for part in parts:
        if part.name is None:
            raise ApiProblem("A part of the multipart body has no name.")
        name = part.name[:80]
        if name in contents:
            raise invalid_value(f"The part '{name}' was sent twice.", name)
        contents[name] = part.content
    return contents
