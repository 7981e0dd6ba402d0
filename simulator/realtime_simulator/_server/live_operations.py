"""The HTTP operations of the Live API: sessions over WebRTC and SIP, forks, recordings, ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from realtime_simulator._calls.registry import CallRegistry
from realtime_simulator._calls.sip import IncomingCalls, SipCall
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._live.session import LiveSession
from realtime_simulator._records.session import SessionLog
from realtime_simulator._server import body
from realtime_simulator._sessions.live_sessions import LiveSessions, hang_up, no_session


def _call_id(session_id: str) -> str:
    """Return the id that a SIP call has in the Realtime API."""
    return session_id.replace("live_", "rtc_", 1)


@attrs.frozen(kw_only=True)
class LiveOperations:
    """The HTTP operations of the Live API.

    Args:
        calls: The calls.
        incoming: The SIP calls among them.
        sessions: The sessions.
    """

    calls: CallRegistry
    incoming: IncomingCalls
    sessions: LiveSessions

    async def create_live(self, request: Request) -> Response:
        """Create a session from an offer, or one that calls a number."""
        fields = await body.read_checked(request, "LiveSessionCreateRequest")
        if fields["transport"]["type"] == "webrtc":
            return await self._answer(request, fields, fields["session"])
        drawing: Drawing = request.state.faults
        if (refused := drawing.draw("live_not_enabled")) is not None:
            raise ApiProblem(refused["message"], status=403, code=refused["code"])
        session_id = self.sessions.new_id()
        engine = self.sessions.begin(session_id, "sip", fields["session"], drawing=drawing)
        log = SessionLog(session_id, transport="sip")
        failure = drawing.draw("live_unanswered")
        self.sessions.add(self.incoming.dial(_call_id(session_id), engine, log, failure))
        request.state.record.session = session_id
        return JSONResponse({"session": {"id": session_id}, "transport": {"type": "sip"}}, status_code=201)

    async def accept_live_session(self, request: Request, session_id: str) -> Response:
        """Accept a SIP call."""
        fields = await body.read_checked(request, "LiveCallAcceptRequest")
        drawing: Drawing = request.state.faults
        call = self._ringing(session_id)
        if self.incoming.fails(call.record.id, drawing):
            return Response(status_code=200)
        engine = self.sessions.begin(session_id, "sip", fields["session"], drawing=drawing)
        self.sessions.add(call.accept(engine, SessionLog(session_id, transport="sip")))
        request.state.record.session = session_id
        self.calls.draw_hangup(call.record.id, drawing)
        return Response(status_code=200)

    async def reject_live_session(self, request: Request, session_id: str) -> Response:
        """Reject a SIP call."""
        fields = await body.read_checked(request, "LiveCallRejectRequest")
        call = self._ringing(session_id)
        await self.incoming.reject(call.record.id, fields["status_code"])
        return Response(status_code=200)

    async def refer_live_session(self, request: Request, session_id: str) -> Response:
        """Refer the other party of a SIP call."""
        fields = await body.read_checked(request, "LiveCallReferRequest")
        driver = self.sessions.find(session_id)
        call_id = self.calls.id_of(driver)
        if call_id is None:
            raise no_session()
        request.state.record.session = driver.log.id
        self.incoming.find(call_id).refer(fields["target_uri"])
        return Response(status_code=200)

    def _ringing(self, session_id: str) -> SipCall:
        """Return the call that rings under a session's id.

        Raises:
            ApiProblem: 404: there is none; 409: it was accepted or rejected before, for either API.
        """
        try:
            return self.incoming.ringing(_call_id(session_id), "decided")
        except ApiProblem as problem:
            if problem.status == 409 or self.incoming.rejected(_call_id(session_id)):
                raise ApiProblem(
                    "A decision on this call has been made.",
                    status=409,
                    code="decision_already_made",
                    param="session_id",
                ) from None
            raise no_session() from None

    async def fork_live_session(self, request: Request, session_id: str) -> Response:
        """Create a session that continues a stored one, from an offer."""
        fields = await body.read_checked(request, "LiveForkRequest")
        try:
            source = self.sessions.source(session_id)
        except ApiProblem as problem:
            return PlainTextResponse(problem.message, problem.status)
        return await self._answer(request, fields, fields.get("session") or {}, source)

    async def hangup_live_session(self, request: Request, session_id: str) -> Response:
        """End a session."""
        await body.read(request)
        driver = self.sessions.find(session_id)
        request.state.record.session = session_id
        call_id = self.calls.id_of(driver)
        if call_id is None:
            driver.act(hang_up)
        else:
            await self.calls.end(call_id, "hangup")
        return Response(status_code=200)

    async def download_live_session_recording(self, request: Request, session_id: str) -> Response:
        """Return the sound of a stored session that has ended, as a WAV file."""
        recording = self.sessions.source(session_id).output.recording
        if recording is None:
            raise no_session()
        request.state.record.session = session_id
        return Response(recording.wav(), media_type="application/binary")

    async def _answer(
        self,
        request: Request,
        fields: Mapping[str, Any],
        session: Mapping[str, Any],
        source: LiveSession | None = None,
    ) -> Response:
        drawing: Drawing = request.state.faults
        session_id = self.sessions.new_id()
        engine = self.sessions.begin(session_id, "webrtc", session, source=source, drawing=drawing)
        log = SessionLog(session_id, transport="webrtc")
        offer = fields["transport"]["sdp"].encode()
        call = await self.calls.answer(session_id, offer, engine, log, drawing, self.sessions.add)
        request.state.record.session = session_id
        made = {"session": {"id": session_id}, "transport": {"type": "webrtc", "sdp": call.answer}}
        return JSONResponse(made, status_code=201)
