"""POST /realtime/calls and what acts on a call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import Response

from realtime_simulator import schema
from realtime_simulator.calls import Calls
from realtime_simulator.credentials import Credentials
from realtime_simulator.engine.config import REQUEST_SCHEMAS
from realtime_simulator.faults.faults import Drawing
from realtime_simulator.faults.sdp import without_way
from realtime_simulator.http import body
from realtime_simulator.problem import ApiProblem
from realtime_simulator.records import Call

SDP = "application/sdp"
MULTIPART = "multipart/form-data"


def check_session(session: Any, at: str = "session") -> Mapping[str, Any]:
    """Return a session object that the API would take.

    Raises:
        ApiProblem: 400 with the faulty field.
    """
    kind = session.get("type") if isinstance(session, dict) else None
    name = REQUEST_SCHEMAS.get(kind if isinstance(kind, str) else "", REQUEST_SCHEMAS["realtime"])
    schema.check(name, session, at=at)
    checked: Mapping[str, Any] = session
    return checked


def _answer(call: Call, drawing: Drawing) -> Response:
    """Answer a call, unless a fault has it otherwise."""
    location = {"location": f"/v1/realtime/calls/{call.id}"}
    if drawing.draw("no_location") is not None:
        location = {}
    text = call.answer
    if drawing.draw("ice_failure") is not None:
        text = call.answer = without_way(text)
    if (other := drawing.draw("json_not_sdp")) is not None:
        body = json.dumps({"id": call.id, "object": "realtime.call"})
        return Response(body, status_code=201, headers=location, media_type=other["content_type"])
    return Response(text.encode(), status_code=201, headers=location, media_type=SDP)


@attrs.frozen
class CallRoutes:
    """The routes of calls.

    Args:
        calls: The calls.
        credentials: Who may make and end them.
    """

    calls: Calls
    credentials: Credentials

    async def create(self, request: Request) -> Response:
        """Make a call from an offer: multipart, or raw with a client secret."""
        secret = self.credentials.identify(request.headers)
        carried = secret.session if secret is not None else None
        if carried is not None and carried.get("type") not in REQUEST_SCHEMAS:
            raise ApiProblem(
                f"This client secret opens {carried.get('type')} sessions, not calls.",
                code="invalid_value",
                param="session.type",
            )
        kind = body.media_type(request)
        if kind == SDP and secret is None:
            raise body.unsupported(kind, MULTIPART)
        if kind not in (SDP, MULTIPART):
            raise body.unsupported(kind, MULTIPART)
        content = await body.read(request)
        if kind == SDP:
            offer, session = content, carried
        else:
            offer, session = self._form(content, request.headers["content-type"], carried)
        call = await self.calls.create(offer, session, request.query_params.get("model"))
        drawing: Drawing = request.state.faults
        if (hangup := drawing.draw("peer_hangup")) is not None:
            self.calls.end_later(call.id, hangup["seconds"], "peer")
        return _answer(call, drawing)

    def _form(
        self, content: bytes, content_type: str, carried: Mapping[str, Any] | None
    ) -> tuple[bytes, Mapping[str, Any] | None]:
        parts = body.parse_multipart(content, content_type)
        for name in parts:
            if name not in ("sdp", "session"):
                raise ApiProblem(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        if "sdp" not in parts:
            raise ApiProblem(
                "Missing required parameter: 'sdp'.", code="missing_required_parameter", param="sdp"
            )
        session = carried
        if "session" in parts:
            session = check_session(body.parse_json(parts["session"], "part 'session'"))
        return parts["sdp"], session

    async def hangup(self, request: Request) -> Response:
        """End a call."""
        self.credentials.require_project_key(request.headers)
        await body.read(request)
        await self.calls.hangup(request.path_params["call_id"])
        return Response(status_code=200)
