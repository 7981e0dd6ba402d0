"""POST /realtime/translations/client_secrets."""

from __future__ import annotations

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime_simulator import schema
from realtime_simulator.credentials import DEFAULT_SECONDS, Credentials
from realtime_simulator.engine.ids import Ids
from realtime_simulator.http import body

TYPE = "translation"
_DEFAULT_LANGUAGE = "en"


@attrs.frozen
class TranslationRoutes:
    """The routes of translation sessions.

    Args:
        credentials: Who mints the secrets.
        ids: Where session ids come from.
    """

    credentials: Credentials
    ids: Ids

    async def create_client_secret(self, request: Request) -> Response:
        """Mint a client secret that carries a translation session."""
        self.credentials.require_project_key(request.headers)
        asked = await body.read_json_object(request)
        schema.check("RealtimeTranslationClientSecretCreateRequest", asked)
        seconds = (asked.get("expires_after") or {}).get("seconds", DEFAULT_SECONDS)
        session = {**asked["session"], "type": TYPE}
        secret = self.credentials.mint(session, seconds)
        audio = session.get("audio", {})
        shown = {
            "id": self.ids.new("sess"),
            "type": TYPE,
            "expires_at": secret.expires_at,
            "model": session["model"],
            "audio": {
                "input": {"transcription": None, "noise_reduction": None, **audio.get("input", {})},
                "output": {"language": _DEFAULT_LANGUAGE, **audio.get("output", {})},
            },
        }
        return JSONResponse({"value": secret.value, "expires_at": secret.expires_at, "session": shown})
