"""The WebSocket routes: sessions that last as long as their connection, and sidebands of calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from starlette.websockets import WebSocket

from realtime_simulator._calls.registry import CallRegistry
from realtime_simulator._core.problem import INTERNAL_ERROR, ApiProblem, invalid_value
from realtime_simulator._engine.config import (
    check_served,
    known_models,
    unsupported_model,
)
from realtime_simulator._engine.refusals import TABLE, transcription_models
from realtime_simulator._records.session import SessionLog
from realtime_simulator._server import handshake
from realtime_simulator._server.connection import Connection
from realtime_simulator._server.credentials import Credentials
from realtime_simulator._server.dialects import Beta, Dialect, receiver
from realtime_simulator._server.handshake import Handshake, refuse
from realtime_simulator._server.voice_live import VoiceLive
from realtime_simulator._server.xai import Xai
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.services import Services

logger: logging.Logger = logging.getLogger("realtime_simulator")


@attrs.frozen
class WebSocketRoutes:
    """The WebSocket routes.

    Args:
        services: The services that sessions share.
        calls: The calls that sidebands attach to.
        credentials: Checks keys.
    """

    services: Services
    calls: CallRegistry
    credentials: Credentials

    async def realtime(self, websocket: WebSocket) -> None:
        """Serve a conversation, a transcription session or a call's sideband."""
        await self._begin(websocket, translates=False)

    async def translations(self, websocket: WebSocket) -> None:
        """Serve a translation session."""
        await self._begin(websocket, translates=True)

    async def _begin(self, websocket: WebSocket, *, translates: bool) -> None:
        call: SessionDriver | None = None
        try:
            asked = self._read(websocket, translation=translates)
            if asked.call_id is not None and translates:
                raise invalid_value("Calls have no translation sessions.", "call_id")
            if asked.call_id is not None:
                call = self.calls.find_realtime(asked.call_id).driver
        except ApiProblem as problem:
            await self._refuse(websocket, problem)
            return
        await websocket.accept(asked.subprotocol)
        connection = Connection(websocket)
        driver = self._open(asked, translates=translates) if call is None else call
        websocket.state.record.session = driver.log.id
        await self._serve(connection, driver, own=call is None)

    def _open(self, asked: Handshake, *, translates: bool) -> SessionDriver:
        """Return a new session: of the client secret, of a transcription, or of the model."""
        initial: Mapping[str, Any] | None = asked.secret.session if asked.secret is not None else None
        if initial is None and asked.transcription and not translates:
            initial = {"type": "transcription"}
        session_id = self.services.ids.new("sess")
        session = self.services.new_session(session_id, initial, model=asked.model, translates=translates)
        log = SessionLog(session_id, transport="websocket")
        driver = SessionDriver(session, log, self.services)
        self.services.records.add(log)
        logger.info("session %s: begun (%s)", session_id, session.config.kind)
        return driver

    def _read(self, websocket: WebSocket, *, translation: bool) -> Handshake:
        profile = self.services.profile
        asked = handshake.read(
            websocket.headers,
            websocket.query_params,
            websocket.scope["subprotocols"],
            self.credentials,
            check_model=self._check_model,
            translation=translation,
            takes_beta=profile.takes_beta,
        )
        kind = asked.secret.session.get("type") if asked.secret is not None else None
        if profile.only_conversations and (translation or asked.transcription or kind == "transcription"):
            raise invalid_value(f"The profile {profile.name} has conversations alone.", "intent")
        return asked

    async def _refuse(self, websocket: WebSocket, problem: ApiProblem) -> None:
        """Refuse as the service does: after the handshake, with an error and its close code.

        Unknown calls are refused at the handshake, and so are keys by Azure's service.
        """
        is_early = problem.status == 401 and self.services.profile.refuses_keys_early
        if problem.status == 404 or is_early:
            await refuse(websocket, problem)
            return
        await websocket.accept(handshake.answered(websocket.scope["subprotocols"]))
        connection = Connection(websocket)
        websocket.state.record.error = problem.envelope()["error"]
        connection.send({"event_id": self.services.ids.new("event"), **problem.event()})
        reason = problem.type if problem.code is None else f"{problem.type}.{problem.code}"
        connection.close(handshake.UNAUTHORIZED if problem.status == 401 else handshake.BAD_REQUEST, reason)
        await connection.run(_ignore)
        await connection.finish()

    def _check_model(self, model: str) -> None:
        if self.services.profile.lists_names and model not in self.services.settings.models:
            check_served(model, self.services.clock.unix())
            if model in transcription_models():
                raise TABLE["session_model"].problem(got=model)
            if model not in known_models():
                raise unsupported_model(
                    model,
                    "The simulator accepts the models of the API description, and those of `models` "
                    "(--model NAME).",
                )

    async def _serve(self, connection: Connection, driver: SessionDriver, *, own: bool) -> None:
        """Connect a session with a connection, in the dialect of the service that is simulated."""
        ids = self.services.ids
        dialect = self._dialect()
        if dialect is None:
            await serve(connection, driver, connection.send, driver.receive, own=own)
            return

        def send(event: Mapping[str, Any]) -> None:
            for one in dialect.outgoing(event):
                connection.send(one)

        receive = receiver(dialect, driver.receive, connection.send, ids)
        await serve(connection, driver, send, receive, own=own)

    def _dialect(self) -> Dialect | None:
        """Return the dialect of a new connection; None for the current names."""
        match self.services.profile.name:
            case "beta":
                return Beta()
            case "azure-voice-live":
                return VoiceLive()
            case "xai":
                return Xai(self.services.ids, self.services.clock)
        return None


def _ignore(message: str | bytes) -> None:
    pass


async def serve(
    connection: Connection,
    driver: SessionDriver,
    send: Callable[[Mapping[str, Any]], None],
    receive: Callable[[str | bytes], None],
    *,
    own: bool,
    greet: bool | None = None,
) -> None:
    """Connect a session with a connection until one of them ends.

    Args:
        connection: The connection.
        driver: The session's driver.
        send: Sends an event of the session.
        receive: Receives the connection's messages.
        own: Whether the session was made for the connection and ends with it.
        greet: Whether the session greets it; as `own` if None.
    """
    driver.attach(send, greet=own if greet is None else greet, sideband=not own, on_end=connection.close)
    try:
        await connection.run(receive)
    except Exception:
        logger.exception("session %s: the simulator failed; the connection closes", driver.log.id)
        connection.close(INTERNAL_ERROR, "internal error")
    finally:
        driver.detach(send)
        if own:
            driver.end(1000, "client closed")
        await connection.finish()
