"""Pass sessions and HTTP on to an API, and record them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_simulator._core.outgoing import SILENT, unlogged
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._recordings.tape import Side, message_value
from realtime_simulator._server import body, thread as server
from realtime_simulator._server.handshake import SUBPROTOCOL, subprotocol_key
from realtime_simulator.scrub import Scrubber

if TYPE_CHECKING:
    import httpx
    from websockets.asyncio.client import ClientConnection

    from realtime_simulator._recordings import recording, tape

logger: logging.Logger = logging.getLogger("realtime_simulator")
_PASSED_ON = (
    "openai-organization",
    "openai-project",
    "openai-safety-identifier",
    "openai-beta",
    "openai-service-tier",
    "content-type",
)
_PASSED_BACK = ("content-type", "location", "retry-after", "x-request-id")
_KEPT = ("content-type", "location", "access-control-allow-origin", "access-control-expose-headers")
_SECONDS = 60.0
# The places of addresses in SDP: candidates, connections and origins.
_CANDIDATE = re.compile(r"(a=candidate:\S+ \d+ \w+ \d+ )\S+( \d+)(?: (typ \w+)(?: raddr \S+ rport \d+)?)?")
_ADDRESS = re.compile(r"(\bIN IP[46] )[0-9a-fA-F.:]+")


class Recorder:
    """An ASGI application between clients and an API.

    Args:
        upstream: The API's base URL, up to and with its `/v1`.
        own_key: The key that is replaced by `upstream_key`; clients' other keys are forwarded unchanged.
        upstream_key: The API's key; None if clients send their own.
        tape: The writer of sessions.
    """

    def __init__(
        self, upstream: str, own_key: str, upstream_key: str | None, tape: tape.Writer | recording.Writer
    ) -> None:
        self._upstream = upstream.rstrip("/")
        self._own_key = own_key
        self._upstream_key = upstream_key
        self._tape = tape
        self._scrubber = Scrubber([own_key, *([upstream_key] if upstream_key else [])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "websocket":
                await self._converse(WebSocket(scope, receive, send))
            else:
                response = await self._fetch(Request(scope, receive))
                await response(scope, receive, send)
        except ApiProblem as problem:
            answer = JSONResponse(problem.envelope(), problem.status, problem.headers)
            await answer(scope, receive, send)

    def close(self) -> None:
        """Close the tape."""
        self._tape.end()

    # HTTP

    async def _fetch(self, request: Request) -> Response:
        import httpx

        content = await body.read(request)
        url = self._upstream + _rest(request.scope)
        local = _is_loopback(self._upstream)
        try:
            with unlogged():
                async with httpx.AsyncClient(timeout=_SECONDS, trust_env=not local) as client:
                    answer = await client.request(
                        request.method, url, content=content, headers=self._headers(request.headers)
                    )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        self._write(request, content, answer)
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Response(answer.content, answer.status_code, headers)

    def _write(self, request: Request, content: bytes, answer: httpx.Response) -> None:
        """Write a request and its answer, without secrets and addresses."""
        clean = self._scrubber
        kinds = (request.headers.get("content-type", ""), answer.headers.get("content-type", ""))
        asked, kind = clean.body(content, kinds[0])
        answered, _ = clean.body(answer.content, kinds[1])
        kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
        self._tape.exchange(
            {
                "method": request.method,
                "uri": clean.url(self._upstream + _rest(request.scope)),
                "headers": {"content-type": kind} if kind else {},
                "body": _without_addresses(asked.decode("utf-8", "replace")),
            },
            {
                "status": {"code": answer.status_code, "message": answer.reason_phrase},
                "headers": {name: clean.header(name, value) for name, value in kept.items()},
                "body": {"string": _without_addresses(answered.decode("utf-8", "replace"))},
            },
        )

    def _headers(self, headers: Headers) -> dict[str, str]:
        passed = {name: headers[name] for name in _PASSED_ON if name in headers}
        key = self._key(headers, ())
        return {**passed, **({"authorization": f"Bearer {key}"} if key else {})}

    def _key(self, headers: Headers, subprotocols: tuple[str, ...]) -> str | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            key = headers.get("api-key", "")
        key = subprotocol_key(subprotocols) or key
        if key == self._own_key and self._upstream_key is not None:
            return self._upstream_key
        if key:
            self._scrubber.remember(key)
        return key or None

    # WebSocket

    async def _converse(self, websocket: WebSocket) -> None:
        from websockets.exceptions import InvalidStatus, WebSocketException

        path, query = f"/v1{_inside(websocket.scope['path'])}", dict(websocket.query_params)
        offered = tuple(websocket.scope["subprotocols"])
        headers = self._headers(websocket.headers)
        if (key := self._key(websocket.headers, offered)) is not None:
            headers["authorization"] = f"Bearer {key}"
        session = self._tape.begin(path, self._scrubber.value(query))
        begun = time.monotonic()
        try:
            upstream = await self._connect(_rest(websocket.scope), headers)
        except InvalidStatus as refused:
            content = bytes(refused.response.body or b"")
            self._tape.refused(
                session, refused.response.status_code, self._scrubber.value(message_value(content))
            )
            await websocket.send_denial_response(
                Response(content, refused.response.status_code, media_type="application/json")
            )
            return
        except (WebSocketException, OSError, TimeoutError) as error:
            raise _unreachable(error) from error
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        logger.info("recording session %s", session)

        def write(side: Side, message: str | bytes) -> None:
            value = self._scrubber.value(message_value(message))
            self._tape.message(session, time.monotonic() - begun, side, value)

        forth = asyncio.get_running_loop().create_task(_forth(websocket, upstream, write))
        back = asyncio.get_running_loop().create_task(_back(websocket, upstream, write))
        try:
            done, _ = await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            by: Side = "server" if back in done else "client"
            code, reason = (back if back in done else forth).result()
            self._tape.close(session, time.monotonic() - begun, code, self._scrubber.text(reason), by)
            if by == "client":
                await upstream.close(code if code != 1006 and code != 1005 else 1000, reason)
            elif code == 1006:
                server.reset(websocket.scope)
            else:
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await websocket.close(1000 if code == 1005 else code, reason)
        finally:
            for task in (forth, back):
                task.cancel()
            try:
                await asyncio.wait({forth, back})
                await upstream.close()
            finally:
                upstream.transport.abort()  # the simulator may stop meanwhile

    async def _connect(self, rest: str, headers: Mapping[str, str]) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.version import version

        options: dict[str, Any] = {}
        if int(version.partition(".")[0]) >= 15 and _is_loopback(self._upstream):
            options["proxy"] = None
        url = "ws" + self._upstream.removeprefix("http") + rest
        # The library's own logger would write headers, and so keys.
        return await connect(
            url, additional_headers=headers, max_size=None, logger=SILENT, ping_interval=None, **options
        )


async def _forth(websocket: WebSocket, upstream: ClientConnection, write: Any) -> tuple[int, str]:
    """Forward the client's messages; return its close code and reason."""
    from websockets.exceptions import ConnectionClosed

    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or 1005), str(message.get("reason") or "")
        content = message["bytes"] if message.get("text") is None else message["text"]
        write("client", content)
        with contextlib.suppress(ConnectionClosed):  # the other direction reports it
            await upstream.send(content)


async def _back(websocket: WebSocket, upstream: ClientConnection, write: Any) -> tuple[int, str]:
    """Forward the API's messages; return its close code and reason."""
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            content = await upstream.recv()
            write("server", content)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the other direction reports it
                if isinstance(content, str):
                    await websocket.send_text(content)
                else:
                    await websocket.send_bytes(content)
    except ConnectionClosed as closed:
        return (1006, "") if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)


def _without_addresses(text: str) -> str:
    """Return SDP without the addresses of machines, and other text unchanged."""
    if "a=fingerprint:" not in text:
        return text
    return _ADDRESS.sub(r"\g<1>0.0.0.0", _CANDIDATE.sub(r"\g<1>192.0.2.1\g<2> \g<3>", text))


def _rest(scope: Scope) -> str:
    """The part after the base URL: the path after `/v1`, and the query."""
    path = _inside(scope["raw_path"].decode("latin-1"))
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _inside(path: str) -> str:
    """Return a path without the `/v1` that clients may omit."""
    return path.removeprefix("/v1") if f"{path}/".startswith("/v1/") else path


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _unreachable(error: BaseException) -> ApiProblem:
    return ApiProblem(
        f"The API that is recorded cannot be reached: {type(error).__name__}.",
        status=502,
        type="server_error",
    )
