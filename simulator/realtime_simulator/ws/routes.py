"""GET /realtime as a WebSocket: its own session, or beside a call's."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from realtime_simulator.calls import Calls
from realtime_simulator.credentials import Credentials
from realtime_simulator.engine.ids import Ids
from realtime_simulator.live import LiveSession
from realtime_simulator.problem import ApiProblem
from realtime_simulator.ws import handshake
from realtime_simulator.ws.connection import Connection
from realtime_simulator.ws.handshake import Handshake
from realtime_simulator.ws.sessions import Sessions


@attrs.frozen
class WebSocketRoutes:
    """The WebSocket routes.

    Args:
        sessions: Where sessions of WebSockets are opened.
        calls: The calls that sidebands attach to.
        credentials: Who may connect.
        ids: Where ids come from.
    """

    sessions: Sessions
    calls: Calls
    credentials: Credentials
    ids: Ids

    async def realtime(self, websocket: WebSocket) -> None:
        """Serve a conversation, a transcription session or a call's sideband."""
        try:
            asked = self._read(websocket, translation=False)
            call = self.calls.find(asked.call_id).live if asked.call_id is not None else None
        except ApiProblem as problem:
            await refuse(websocket, problem)
            return
        connection = await self._accept(websocket, asked)
        if asked.beta:
            await self._refuse_beta(connection)
        elif call is not None:
            await _serve(connection, call, own=False)
        else:
            await _serve(connection, self.sessions.open(asked), own=True)

    async def translations(self, websocket: WebSocket) -> None:
        """Serve a translation session."""
        try:
            asked = self._read(websocket, translation=True)
            if asked.call_id is not None:
                raise ApiProblem("Calls have no translation sessions.", code="invalid_value", param="call_id")
        except ApiProblem as problem:
            await refuse(websocket, problem)
            return
        connection = await self._accept(websocket, asked)
        if asked.beta:
            await self._refuse_beta(connection)
        else:
            await _serve(connection, self.sessions.open_translation(asked), own=True)

    async def unknown(self, websocket: WebSocket) -> None:
        """Refuse an address that is none of the API's."""
        path = websocket.url.path[:200]
        await refuse(websocket, ApiProblem(f"Invalid URL (GET {path})", status=404))

    def _read(self, websocket: WebSocket, *, translation: bool) -> Handshake:
        return handshake.read(
            websocket.headers,
            websocket.query_params,
            websocket.scope["subprotocols"],
            self.credentials,
            translation=translation,
        )

    async def _accept(self, websocket: WebSocket, asked: Handshake) -> Connection:
        await websocket.accept(asked.subprotocol)
        return Connection(websocket)

    async def _refuse_beta(self, connection: Connection) -> None:
        problem = ApiProblem(
            "The beta shape of the Realtime API is no longer served. Leave the OpenAI-Beta header out.",
            code=handshake.BETA_CODE,
        )
        connection.send({"event_id": self.ids.new("event"), **problem.event()})
        connection.close(handshake.BETA_CLOSE, f"{problem.type}.{problem.code}")
        await connection.run(_ignore)
        await connection.finish()


async def refuse(websocket: WebSocket, problem: ApiProblem) -> None:
    """Answer a handshake with an HTTP error."""
    response = JSONResponse(problem.envelope(), status_code=problem.status, headers=problem.headers)
    await websocket.send_denial_response(response)


def _ignore(message: str | bytes) -> None:
    pass


async def _serve(connection: Connection, live: LiveSession, *, own: bool) -> None:
    """Connect a session with a connection until one of them ends.

    Args:
        connection: The connection.
        live: The session.
        own: Whether the session was made for the connection and ends with it.
    """
    receive: Callable[[str | bytes], None] = live.receive
    live.attach(connection.send, greet=own, on_end=connection.close)
    try:
        await connection.run(receive)
    finally:
        live.detach(connection.send)
        if own:
            live.end(1000, "client closed")
        await connection.finish()
