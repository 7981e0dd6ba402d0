"""Settings for vcrpy: scrub what is recorded, and match multipart by its parts.

The simulator's scrubber, with which sessions are recorded, is fitted to vcrpy's hooks here (extra
`simulator`). vcrpy itself is not imported; its requests and responses are passed in.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from realtime_simulator.scrub import (
    MultipartError,
    Part,
    Scrubber,
    canonical_json,
    compose_multipart,
    parse_multipart,
)

_ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET")
_REMOVED = b"(removed: its content encoding cannot be read here, so neither can what is secret in it)"


def vcr_settings(*, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Return keyword arguments for `vcr.VCR` that keep secrets out of cassettes.

    Before anything is written, these are replaced in requests and responses, compressed ones too: keys in
    headers and bodies, `ek_` and webhook secrets, ICE passwords, tokens in queries and URLs, the
    authorization and headers of MCP tools, cookies, organization, project and end user. What was replaced
    can still be replayed: SDP stays parseable, JSON keeps its form. Compressed bodies are stored as plain
    ones. Multipart bodies get one fixed boundary, and JSON inside them one order of keys, so that vcrpy's
    own matcher `body`, which is among those chosen, compares parts.

    Args:
        secrets: Further exact values to replace. The API key and the webhook secret in the environment, and
            the credentials of recorded requests, need not be named.

    Returns:
        New settings for `vcr.VCR(**vcr_settings())`, or the value of the fixture `vcr_config` of
        pytest-recording and pytest-vcr. `record_mode` and the folder are yours to choose. To add a hook of
        your own, pass vcrpy a list: `before_record_request=[settings["before_record_request"], mine]`.

    Raises:
        TypeError: `secrets` are not strings.
        ValueError: One of them is blank.

    Example:
        ```python
        @pytest.fixture(scope="module")
        def vcr_config():
            return vcr_settings() | {"record_mode": "none"}
        ```

    Source: https://vcrpy.readthedocs.io/en/latest/advanced.html
    """
    hooks = _Hooks(Scrubber(secrets))
    for name in ("vcr.cassette", "vcr.request", "vcr.stubs.httpx_stubs"):
        logging.getLogger(name).addFilter(_scrub_record)  # vcrpy logs what it records, before any hook
    return {
        "match_on": ("method", "scheme", "host", "port", "path", "query", "body"),
        "before_record_request": hooks.request,
        "before_record_response": hooks.response,
    }


def match_parts(sent: Any, recorded: Any) -> None:
    """Compare two requests' bodies: multipart by parts, all else as it is.

    The boundary, the order of differently named parts and the layout of JSON don't count. `vcr_settings`
    doesn't need it; it is for recordings that were made otherwise: `my_vcr.register_matcher("parts",
    match_parts)`.

    Args:
        sent: vcrpy's request that was made.
        recorded: vcrpy's request from the cassette.

    Raises:
        AssertionError: They differ; the message names the parts, and shows none.
    """
    ours, theirs = (
        _parts(_bytes(request.body) or b"", _header_text(request.headers.get("content-type", "")))
        for request in (sent, recorded)
    )
    if ours is None or theirs is None:
        if _bytes(sent.body) != _bytes(recorded.body):
            raise AssertionError("the bodies differ")
        return
    names = sorted({part.name or "" for part in (*ours, *theirs)})
    different = [name for name in names if _named(ours, name) != _named(theirs, name)]
    if different:
        raise AssertionError(f"the parts differ: {', '.join(different)}")


class _Hooks:
    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    def request(self, request: Any) -> Any:
        self._look_around()
        headers = {
            name: self._scrubber.header(name, _header_text(value)) for name, value in request.headers.items()
        }
        body = _bytes(request.body)
        if body:
            kind = _find(headers, "content-type")
            body, kind = self._scrubber.body(_decompressed(body, headers), kind)
            parts = _parts(body, kind)
            if parts is not None:
                body, kind = compose_multipart(parts, kind)
            _replace(headers, "content-type", kind)
            _replace(headers, "content-length", str(len(body)))
        # A new one, for vcrpy remembers of a body whether it was a file or an iterator.
        return type(request)(request.method, self._scrubber.url(request.uri), body, headers)

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        self._look_around()
        headers = {
            name: [self._scrubber.header(name, text) for text in map(_header_text, _several(values))]
            for name, values in response["headers"].items()
        }
        body = _bytes(response["body"]["string"])
        if body:
            kind = _find(headers, "content-type")
            body, _ = self._scrubber.body(_decompressed(body, headers), kind)
            _replace(headers, "content-length", [str(len(body))])
        return {**response, "headers": headers, "body": {**response["body"], "string": body}}

    def _look_around(self) -> None:
        for name in _ENVIRONMENT:
            self._scrubber.remember(os.environ.get(name, ""))


def _parts(body: bytes, content_type: str) -> Sequence[Part] | None:
    """Return multipart's parts sorted by name, their JSON written in one way; None for other bodies.

    Parts of the same name keep their order.
    """
    if not content_type.lower().lstrip().startswith("multipart/"):
        return None
    try:
        parts = parse_multipart(body, content_type)
    except MultipartError:
        return None
    same = (Part(part.headers, canonical_json(part.content)) for part in parts)
    return sorted(same, key=lambda part: part.name or "")


def _named(parts: Iterable[Part], name: str) -> list[tuple[str, bytes]]:
    return [
        (part.header("content-type").lower(), part.content) for part in parts if (part.name or "") == name
    ]


def _decompressed(body: bytes, headers: dict[str, Any]) -> bytes:
    """Return a body as plain bytes and remove its encoding from the headers.

    httpx decodes what its clients request. Another encoding would hide secrets, so such a body is not kept.
    """
    coding = _find(headers, "content-encoding")
    for name in [name for name in headers if name.lower() == "content-encoding"]:
        del headers[name]
    if coding.strip().lower() in ("", "identity"):
        return body
    import httpx

    try:
        plain = httpx.Response(200, headers={"content-encoding": coding}, content=body).content
    except httpx.DecodingError:
        # Some libraries hand vcrpy the plain body with the headers of the compressed one.
        return _REMOVED if body.startswith(b"\x1f\x8b") or not _is_text(body) else body
    return body if plain == body and _is_text(body) else _REMOVED if plain == body else plain


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes(body: Any) -> Any:
    """Return a body as bytes, whatever the library passed to vcrpy; None stays None."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if hasattr(body, "read"):
        return _bytes(body.read())
    pieces = list(body)
    return bytes(pieces) if pieces and isinstance(pieces[0], int) else b"".join(map(_bytes, pieces))


def _header_text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _several(values: Any) -> Sequence[Any]:
    return [values] if isinstance(values, str | bytes) else list(values)


def _find(headers: Mapping[str, Any], name: str) -> str:
    values = (_several(value) for key, value in headers.items() if key.lower() == name)
    return ", ".join(_header_text(item) for value in values for item in value)


def _replace(headers: dict[str, Any], name: str, value: Any) -> None:
    for key in [key for key in headers if key.lower() == name]:
        headers[key] = value


def _scrub_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = Scrubber().text(record.getMessage()), ()
    return True
