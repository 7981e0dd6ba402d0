"""The WebSocket routes of the Live API: sessions, their sidebands, and forks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from starlette.websockets import WebSocket

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._server.connection import Connection
from realtime_simulator._server.credentials import Credentials
from realtime_simulator._server.handshake import refuse
from realtime_simulator._server.websockets import serve
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.live_sessions import LiveSessions

_REPEATED_SECONDS = 3.0
_OWN_ONLY = ("session.start", "session.input_audio.append")


@attrs.frozen
class LiveRoutes:
    """The WebSocket routes of the Live API.

    Args:
        sessions: The sessions.
        credentials: Checks keys.
        ids: The source of event ids.
    """

    sessions: LiveSessions
    credentials: Credentials
    ids: Ids

    async def session(self, websocket: WebSocket) -> None:
        """Serve a session of its own."""
        await self._open(websocket, None)

    async def fork(self, websocket: WebSocket) -> None:
        """Serve a session that continues a stored one."""
        await self._open(websocket, websocket.path_params["session_id"])

    async def attach(self, websocket: WebSocket) -> None:
        """Serve a sideband of a running session."""
        try:
            self.credentials.require_project_key(websocket.headers)
            driver = self.sessions.find(websocket.path_params["session_id"])
        except ApiProblem as problem:
            await refuse(websocket, problem)
            return
        await websocket.accept()
        connection = Connection(websocket)
        websocket.state.record.session = driver.log.id
        replayed = [] if websocket.state.faults.draw("live_no_replay") is not None else driver.log.events
        since = driver.unix - _REPEATED_SECONDS
        for one in list(replayed):
            if one.direction == "sent" and one.time >= since and "audio" not in one.event["type"]:
                connection.send(one.event)
        await serve(connection, driver, connection.send, self._receiver(driver, connection), own=False)

    async def _open(self, websocket: WebSocket, source: str | None) -> None:
        try:
            self.credentials.require_project_key(websocket.headers)
            driver = self.sessions.open(source, websocket.state.faults)
        except ApiProblem as problem:
            await refuse(websocket, problem)
            return
        await websocket.accept()
        websocket.state.record.session = driver.log.id
        connection = Connection(websocket)
        await serve(connection, driver, connection.send, driver.receive, own=True, greet=False)

    def _receiver(self, driver: SessionDriver, connection: Connection) -> Callable[[str | bytes], None]:
        """Return the receiver of a sideband's messages, which refuses what is for the session's own."""

        def receive(message: str | bytes) -> None:
            kind = _type(message)
            if kind in _OWN_ONLY:
                problem = invalid_value(f"A sideband cannot send {kind}.", "type")
                connection.send(driver.session.stamped(problem.event()))
            else:
                driver.receive(message)

        return receive


def _type(message: str | bytes) -> Any:
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return event.get("type") if isinstance(event, Mapping) else None
