"""The ASGI application: routes, and around them request ids, CORS, records and the error envelope."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.responses import REQUEST_LIMIT
from realtime_simulator._records.store import Records, RequestRecord
from realtime_simulator._server.handshake import refuse
from realtime_simulator._server.operations import Operations

logger: logging.Logger = logging.getLogger("realtime_simulator")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_STARTS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
_BODIES = ("http.response.body", "websocket.http.response.body")
_MAX_KEPT = 1024 * 1024
"""The bytes of an answer's body that are recorded."""
_OPEN = ("/realtime/calls", "/live/sessions")
"""The paths whose answers any page may read."""
_EXPOSED = "Location, Retry-After, X-Request-Id, X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests"


class WebSockets(Protocol):
    """What serves WebSockets."""

    async def realtime(self, websocket: WebSocket) -> None: ...
    async def translations(self, websocket: WebSocket) -> None: ...


class LiveWebSockets(Protocol):
    """What serves WebSockets of the Live API."""

    async def session(self, websocket: WebSocket) -> None: ...
    async def attach(self, websocket: WebSocket) -> None: ...
    async def fork(self, websocket: WebSocket) -> None: ...


def build(
    operations: Operations,
    websockets: WebSockets,
    live: LiveWebSockets,
    records: Records,
    ids: Ids,
    with_faults: Callable[[ASGIApp], ASGIApp],
) -> ASGIApp:
    """Return the application.

    Args:
        operations: The HTTP operations.
        websockets: The routes of WebSockets.
        live: Those of the Live API.
        records: The records of requests.
        ids: The source of request ids.
        with_faults: Wraps the routes in the middleware for faults.
    """
    app = Starlette(
        routes=[
            *operations.routes(),
            WebSocketRoute("/v1/realtime", websockets.realtime),
            WebSocketRoute("/v1/realtime/translations", websockets.translations),
            WebSocketRoute("/v1/live/sessions", live.session),
            WebSocketRoute("/v1/live/sessions/{session_id}/attach", live.attach),
            WebSocketRoute("/v1/live/sessions/{session_id}/fork", live.fork),
            WebSocketRoute("/{path:path}", _unknown),
        ],
        exception_handlers={ApiProblem: _problem, HTTPException: _http, Exception: _crash},
    )
    app.router.redirect_slashes = False
    return Frame(with_faults(app), records, ids, operations.clock)


async def _unknown(websocket: WebSocket) -> None:
    path = websocket.url.path[:200]
    await refuse(websocket, ApiProblem(f"Invalid URL (GET {path})", status=404))


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)
    return JSONResponse(error.envelope(), status_code=error.status, headers=error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    if error.status_code == 405:
        problem = ApiProblem(
            f"Not allowed: {request.method} on {path}.", status=405, code="method_not_allowed"
        )
    else:
        problem = ApiProblem(f"Invalid URL ({request.method} {path})", status=error.status_code)
    return JSONResponse(problem.envelope(), status_code=problem.status, headers=error.headers)


async def _crash(request: Request, error: Exception) -> Response:
    problem = ApiProblem("The simulator failed; its log has the reason.", status=500, type="server_error")
    return JSONResponse(problem.envelope(), status_code=500)


class Frame:
    """ASGI middleware for all requests: ids, CORS, records.

    Args:
        app: The application inside.
        records: The records of requests.
        ids: The source of request ids.
        clock: The clock.
    """

    def __init__(self, app: ASGIApp, records: Records, ids: Ids, clock: Clock) -> None:
        self._app = app
        self._records = records
        self._ids = ids
        self._clock = clock
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = Headers(scope=scope)
        record = RequestRecord(
            method=scope.get("method", "GET"),
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=dict(headers),
            request_id=self._ids.new("req", 32),
            time=self._clock.unix(),
        )
        self._requests += 1
        self._records.add(record)
        scope.setdefault("state", {})["record"] = record

        async def framed(message: Message) -> None:
            if message["type"] in _STARTS:
                record.status = message.get("status", 101)
                message.setdefault("headers", [])
                out = MutableHeaders(scope=message)
                out["x-request-id"] = record.request_id
                out["openai-processing-ms"] = str(round((time.perf_counter() - begun) * 1000))
                out.setdefault("x-ratelimit-limit-requests", str(REQUEST_LIMIT))
                out.setdefault("x-ratelimit-remaining-requests", str(max(0, REQUEST_LIMIT - self._requests)))
                if "origin" in headers or record.path.partition("?")[0].endswith(_OPEN):
                    out["access-control-allow-origin"] = "*"
                    out["access-control-expose-headers"] = _EXPOSED
                record.response_headers = dict(out)
                call_id = scope.get("path_params", {}).get("call_id")
                record.session = record.session or self._records.session_of(call_id)
                self._records.changed()
                logger.debug("%s %s -> %s", record.method, record.path[:200], record.status)
            elif message["type"] in _BODIES:
                record.response_body = (record.response_body + message.get("body", b""))[:_MAX_KEPT]
                if record.status >= 400 and not message.get("more_body", False):
                    record.error = _error(record.response_body)
            await send(message)

        if record.method == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers=_preflight(headers))(scope, receive, framed)
            record.ended = self._clock.unix()
            return
        try:
            await self._app(scope, receive, framed)
        finally:
            record.ended = self._clock.unix()
            self._records.changed()


def _error(body: bytes) -> dict[str, Any] | None:
    """Return the error in an answer's body; None where it has none, such as a gateway's page."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return error if isinstance(error, dict) else None


def _preflight(headers: Mapping[str, Any]) -> dict[str, str]:
    asked = str(headers.get("access-control-request-headers", "")).split(",")
    allowed = [name.strip() for name in asked if _TOKEN.fullmatch(name.strip())]
    return {
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": ", ".join(allowed[:50]) or "authorization, content-type",
        "access-control-max-age": "600",
        "vary": "Origin, Access-Control-Request-Headers",
    }
