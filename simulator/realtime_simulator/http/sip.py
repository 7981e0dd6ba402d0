"""What is done about an incoming call: POST /realtime/calls/{call_id}/accept, /reject and /refer."""

from __future__ import annotations

from typing import cast

import attrs
from starlette.requests import Request
from starlette.responses import Response

from realtime_simulator import schema
from realtime_simulator.credentials import Credentials
from realtime_simulator.faults.faults import Drawing
from realtime_simulator.http import body
from realtime_simulator.http.calls import check_session
from realtime_simulator.problem import ApiProblem
from realtime_simulator.sip.desk import Desk

_TARGETS = ("tel:", "sip:", "sips:")


@attrs.frozen
class SipRoutes:
    """The routes of incoming calls.

    Args:
        desk: The calls.
        credentials: Who may act on them.
    """

    desk: Desk
    credentials: Credentials

    async def accept(self, request: Request) -> Response:
        """Answer a call; the body is the session."""
        self.credentials.require_project_key(request.headers)
        call_id, drawing = request.path_params["call_id"], cast(Drawing, request.state.faults)
        if (failure := drawing.draw("accept_then_fail")) is not None:
            await body.read(request)
            self.desk.fail_later(call_id, failure["seconds"])
            return Response(status_code=200)
        session = check_session(await body.read_json_object(request), at="")
        self.desk.accept(call_id, session)
        if (hangup := drawing.draw("peer_hangup")) is not None:
            self.desk.hang_up_later(call_id, hangup["seconds"])
        return Response(status_code=200)

    async def reject(self, request: Request) -> Response:
        """Turn a call down."""
        self.credentials.require_project_key(request.headers)
        asked = await body.read_json_object(request, optional=True)
        schema.check("RealtimeCallRejectRequest", asked)
        await self.desk.reject(request.path_params["call_id"], asked.get("status_code"))
        return Response(status_code=200)

    async def refer(self, request: Request) -> Response:
        """Pass a caller on."""
        self.credentials.require_project_key(request.headers)
        asked = await body.read_json_object(request)
        schema.check("RealtimeCallReferRequest", asked)
        target = asked["target_uri"]
        scheme = next((scheme for scheme in _TARGETS if target.lower().startswith(scheme)), None)
        if scheme is None or len(target) == len(scheme) or any(char <= " " for char in target):
            raise ApiProblem(
                f"Invalid value for 'target_uri': got {target[:80]!r}, allowed is a 'tel:' or 'sip:' URI.",
                code="invalid_value",
                param="target_uri",
            )
        self.desk.refer(request.path_params["call_id"], target)
        return Response(status_code=200)
