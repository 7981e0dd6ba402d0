"""POST /realtime/sessions, /realtime/transcription_sessions: sessions with the client secret inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime_simulator import schema
from realtime_simulator.credentials import Credentials
from realtime_simulator.engine.config import REALTIME, TRANSCRIPTION, SessionConfig
from realtime_simulator.engine.ids import Ids
from realtime_simulator.http import body, older
from realtime_simulator.http.calls import check_session
from realtime_simulator.problem import ApiProblem

SECRET_SECONDS = 60
"""What the older form's secrets last."""
# What clients of the older form send, and the API takes, although the description leaves it out.
_UNDESCRIBED = ("model", "input_audio_noise_reduction")
# Where null stands for "off", or for nothing said.
_NULLABLE = (
    "turn_detection",
    "input_audio_transcription",
    "input_audio_noise_reduction",
    "tracing",
    "prompt",
    "client_secret",
)


@attrs.frozen
class SessionRoutes:
    """The routes of sessions that are made ahead of their connection.

    Args:
        credentials: Who mints the secrets.
        ids: Where session ids come from.
    """

    credentials: Credentials
    ids: Ids

    async def create(self, request: Request) -> Response:
        """Make a conversation session."""
        asked = await self._read(request)
        if "type" in asked:
            session = _present(asked, REALTIME)
        else:
            session = older.conversation_from_older(_checked(asked, "RealtimeSessionCreateRequest"))
        secret, shown = self._mint(session)
        return JSONResponse(older.conversation_view(shown, secret))

    async def create_transcription(self, request: Request) -> Response:
        """Make a transcription session."""
        asked = await self._read(request)
        if "type" in asked:
            session = _present(asked, TRANSCRIPTION)
        else:
            name = "RealtimeTranscriptionSessionCreateRequest"
            session = older.transcription_from_older(_checked(asked, name))
        secret, shown = self._mint(session)
        return JSONResponse(older.transcription_view(shown, secret))

    async def _read(self, request: Request) -> dict[str, Any]:
        self.credentials.require_project_key(request.headers)
        return await body.read_json_object(request, optional=True)

    def _mint(self, session: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        secret = self.credentials.mint(session, SECRET_SECONDS)
        shown = SessionConfig(self.ids.new("sess"), secret.expires_at, session).view()
        return {"value": secret.value, "expires_at": secret.expires_at}, shown


def _present(asked: dict[str, Any], kind: str) -> Mapping[str, Any]:
    """Check a body in the present form."""
    if asked["type"] != kind:
        raise ApiProblem(
            f"Invalid value for 'type': got {str(asked['type'])[:80]!r}, allowed is {kind!r}.",
            code="invalid_value",
            param="type",
        )
    return check_session(asked, at="")


def _checked(asked: dict[str, Any], name: str) -> Mapping[str, Any]:
    """Check a body in the older form."""
    described = {
        key: value
        for key, value in asked.items()
        if key not in _UNDESCRIBED and not (value is None and key in _NULLABLE)
    }
    schema.check(name, described)
    if asked.get("input_audio_noise_reduction") is not None:
        field = "input_audio_noise_reduction"
        schema.check("RealtimeNoiseReduction", asked[field], at=field)
    if not isinstance(asked.get("model", ""), str):
        raise ApiProblem(
            "Invalid value for 'model': allowed is a string.", code="invalid_type", param="model"
        )
    for field in ("input_audio_format", "output_audio_format"):
        if asked.get(field, older.FORMATS[0]) not in older.FORMATS:
            raise ApiProblem(
                f"Invalid value for '{field}': got {str(asked[field])[:80]!r}, allowed is one of "
                + ", ".join(map(repr, older.FORMATS))
                + ".",
                code="invalid_value",
                param=field,
            )
    return asked
