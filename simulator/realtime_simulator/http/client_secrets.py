"""POST /realtime/client_secrets."""

from __future__ import annotations

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime_simulator import schema
from realtime_simulator.credentials import DEFAULT_SECONDS, Credentials
from realtime_simulator.engine.config import SessionConfig
from realtime_simulator.engine.ids import Ids
from realtime_simulator.http import body
from realtime_simulator.http.calls import check_session


@attrs.frozen
class ClientSecretRoutes:
    """The routes of client secrets.

    Args:
        credentials: Who mints them.
        ids: Where session ids come from.
    """

    credentials: Credentials
    ids: Ids

    async def create(self, request: Request) -> Response:
        """Mint a client secret that carries a session."""
        self.credentials.require_project_key(request.headers)
        asked = await body.read_json_object(request, optional=True)
        if asked.get("session") is not None:
            check_session(asked["session"])
        schema.check("RealtimeCreateClientSecretRequest", asked)
        session = asked.get("session") or {"type": "realtime"}
        seconds = (asked.get("expires_after") or {}).get("seconds", DEFAULT_SECONDS)
        secret = self.credentials.mint(session, seconds)
        shown = SessionConfig(self.ids.new("sess"), secret.expires_at, session).view()
        return JSONResponse({"value": secret.value, "expires_at": secret.expires_at, "session": shown})
