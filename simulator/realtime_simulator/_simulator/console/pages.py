"""Serve the console page at `/` and its files below `/console/`.

They hold no data of the simulator: the page reads its content from the control endpoint, with the key.
"""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

STATIC: Path = Path(__file__).parent / "static"
_PREFIX = "/console/"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# No foreign resources, no inline code, no markup from text (Trusted Types), no framing.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


def is_page(method: str, path: str) -> bool:
    """Return whether a request is for the page or one of its files."""
    return method in ("GET", "HEAD") and (path == "/" or path.startswith(_PREFIX))


def application() -> ASGIApp:
    """Return the ASGI application."""
    files = {_PREFIX + file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}
    files["/"] = files.pop(f"{_PREFIX}index.html")

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        file = files.get(scope["path"])
        response = (
            PlainTextResponse("There is no such file.", 404, HEADERS)
            if file is None
            else FileResponse(file, headers=HEADERS, media_type=_TYPES[file.suffix])
        )
        await response(scope, receive, send)

    return serve
