"""ASGI middleware for faults of requests and connections.

It is inside the frame, so that faulty answers have request ids and are recorded, and outside of the
routes.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime_simulator._core.clock import Clock, sleep
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.operations import fault_labels
from realtime_simulator._core.problem import ApiProblem, no_call
from realtime_simulator._engine.responses import REQUEST_LIMIT
from realtime_simulator._faults.alterations import Cut, EventFaults, apply_to_text
from realtime_simulator._faults.catalog import HEADER, Drawing, Faults, parse_header
from realtime_simulator._records.store import Records
from realtime_simulator._server import thread as server

_PAGE = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {phrase}</h1></center>\r\n<hr><center>gateway</center>\r\n</body>\r\n</html>\r\n"
)
_LIVE = re.compile(r"/v1/live/sessions(?:/([^/]+)/(attach|fork))?")
_PHRASES = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
# Lets the client read half a body before the reset drops unread data.
_READING_SECONDS = 0.05


class FaultMiddleware:
    """The middleware.

    Args:
        app: The application inside.
        faults: The requested faults.
        clock: The clock.
        ids: The source of the added events' ids.
        records: The records of calls.
    """

    def __init__(self, app: ASGIApp, faults: Faults, clock: Clock, ids: Ids, records: Records) -> None:
        self._app = app
        self._faults = faults
        self._clock = clock
        self._ids = ids
        self._records = records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        labels = (scope.get("state", {}).get("project", ""), *_labels(scope))
        try:
            drawing = Drawing(self._faults, labels, parse_header(headers.get(HEADER, "")))
        except ValueError as error:
            problem = ApiProblem(f"The header {HEADER} is wrong: {error}", code="invalid_value")
            await JSONResponse(problem.envelope(), problem.status)(scope, receive, send)
            return
        scope.setdefault("state", {})["faults"] = drawing
        if drawing.draw("connection_reset") is not None:
            server.reset(scope)
            return
        if (slow := drawing.draw("slow")) is not None:
            await sleep(self._clock, slow["seconds"])
        if (stall := drawing.draw("stall")) is not None:
            await self._stall(stall["seconds"], receive)
            server.reset(scope)
            return
        response = _replacement(drawing) or self._too_early(scope, drawing)
        if response is not None:
            await response(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(drawing, scope, receive, send)
        else:
            await self._app(scope, receive, _FaultySend(drawing, scope, send))

    async def _stall(self, seconds: float | None, receive: Receive) -> None:
        """Wait until the time is up or the client disconnects."""
        gone = asyncio.get_running_loop().create_task(_gone(receive))
        up = None if seconds is None else asyncio.get_running_loop().create_task(sleep(self._clock, seconds))
        waiting = {gone} if up is None else {gone, up}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _too_early(self, scope: Scope, drawing: Drawing) -> Response | None:
        """Return the answer to a sideband that connects too early."""
        if "sideband" not in drawing.labels:
            return None
        call_id = drawing.labels[-1]
        begun = next((call.begun for call in self._records.calls if call.id == call_id), None)
        if begun is None:
            return None
        age = (self._clock.monotonic() - begun) * 1000
        if drawing.draw("sideband_404", lambda settings: age < settings["milliseconds"]) is None:
            return None
        problem = no_call()
        return JSONResponse(problem.envelope(), problem.status)

    async def _serve_websocket(self, drawing: Drawing, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket whose events may be altered."""
        path = scope["path"]
        union = "RealtimeTranslationServerEvent" if path.endswith("/translations") else "RealtimeServerEvent"
        if _LIVE.match(path):
            union = "LiveSidebandServerEvent" if path.endswith("/attach") else "LiveServerEvent"
        faults = EventFaults(drawing, self._ids, union)
        over = False

        async def faulty(message: Message) -> None:
            nonlocal over
            if over:
                return
            text = message.get("text") if message["type"] == "websocket.send" else None
            if text is None:
                await send(message)
                return
            out: list[str] = []
            cut: Cut | None = None
            try:
                apply_to_text(faults, text, out.append)
            except Cut as met:
                cut, over = met, True
            for one in out:
                await send({"type": "websocket.send", "text": one})
            if cut is not None and cut.close is not None:
                code, reason = cut.close
                await send({"type": "websocket.close", "code": code, "reason": reason})
            elif cut is not None:
                server.reset(scope)

        await self._app(scope, receive, faulty)


class _FaultySend:
    """Sends an answer, or the first half of it and a reset."""

    def __init__(self, drawing: Drawing, scope: Scope, send: Send) -> None:
        self._drawing = drawing
        self._scope = scope
        self._send = send
        self._half = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._half = self._drawing.draw("reset_mid_body") is not None
        elif self._half and message["type"] == "http.response.body":
            body = message.get("body", b"")
            await self._send({**message, "body": body[: max(1, len(body) // 2)], "more_body": True})
            await asyncio.sleep(_READING_SECONDS)
            server.reset(self._scope)
            return
        await self._send(message)


def _replacement(drawing: Drawing) -> Response | None:
    """Return an answer that replaces the real one."""
    if (limit := drawing.draw("rate_limit")) is not None:
        return _rate_limited(limit)
    if drawing.draw("quota") is not None:
        problem = ApiProblem(
            "You exceeded your current quota, please check your plan and billing details. For more "
            "information on this error, read the docs: "
            "https://platform.openai.com/docs/guides/error-codes/api-errors.",
            status=429,
            type="insufficient_quota",
            code="insufficient_quota",
        )
        return JSONResponse(problem.envelope(), problem.status)
    if (refusal := drawing.draw("refused")) is not None:
        problem = ApiProblem(
            refusal["message"],
            status=int(refusal["status"]),
            type=refusal["type"],
            code=refusal["code"] or None,
            param=refusal["param"] or None,
        )
        return JSONResponse(problem.envelope(), problem.status)
    if drawing.draw("gateway_520") is not None:
        return Response(status_code=520)
    if (failure := drawing.draw("server_error")) is not None:
        return _failed(int(failure["status"]), failure["body"])
    return None


def _rate_limited(settings: Mapping[str, Any]) -> Response:
    seconds = settings["retry_after"]
    written = {
        "seconds": f"{seconds:g}",
        "date": email.utils.formatdate(time.time() + seconds, usegmt=True),
        "none": None,
    }[settings["retry_after_form"]]
    problem = ApiProblem(
        f"Rate limit reached for requests. Please try again in {seconds:g}s.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
    )
    headers = {
        "x-ratelimit-limit-requests": str(REQUEST_LIMIT),
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": f"{seconds:g}s",
    }
    if written is not None:
        headers["retry-after"] = written
    return JSONResponse(problem.envelope(), problem.status, headers)


def _failed(status: int, body: str) -> Response:
    if body == "html":
        return HTMLResponse(_PAGE.format(status=status, phrase=_PHRASES.get(status, "Error")), status)
    if body == "empty":
        return Response(status_code=status)
    problem = ApiProblem("The server had an error.", status=status, type="server_error")
    return JSONResponse(problem.envelope(), status)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def _labels(scope: Scope) -> tuple[str, ...]:
    if scope["type"] == "websocket":
        if (found := _LIVE.fullmatch(scope["path"])) is not None:
            return ("sideband", found[1]) if found[2] == "attach" else ("connect",)
        call_id = parse_qs(scope["query_string"].decode("latin-1")).get("call_id")
        return ("sideband", call_id[0]) if call_id else ("connect",)
    return fault_labels(scope["path"])
