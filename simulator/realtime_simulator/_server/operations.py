"""The HTTP operations: calls, client secrets, and sessions that are created before their connection."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime_simulator._calls.registry import CallRegistry
from realtime_simulator._calls.sip import IncomingCalls
from realtime_simulator._core import schema
from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.operations import OPERATIONS, Operation
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._core.profile import Profile
from realtime_simulator._engine import refusals
from realtime_simulator._engine.config import (
    REALTIME,
    REQUEST_SCHEMAS,
    TRANSCRIPTION,
    TRANSLATION,
    SessionConfig,
    TranslationConfig,
    check_served,
)
from realtime_simulator._engine.messages import without_null_parts
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._records.store import Call
from realtime_simulator._server import body, older_sessions
from realtime_simulator._server.credentials import DEFAULT_SECONDS, Credentials
from realtime_simulator._server.live_operations import LiveOperations

SDP = "application/sdp"
MULTIPART = "multipart/form-data"
OLDER_SECRET_SECONDS = 60
"""How long the client secrets in older sessions are valid."""
_REFER_SCHEMES = ("tel:", "sip:", "sips:")
# Fields of older sessions that the API accepts although its description lacks them.
_UNDESCRIBED = ("model", "input_audio_noise_reduction")
# Fields in which null means "off" or absent.
_NULLABLE = (
    "turn_detection",
    "input_audio_transcription",
    "input_audio_noise_reduction",
    "tracing",
    "prompt",
    "client_secret",
)


@attrs.frozen(kw_only=True)
class Operations:
    """The HTTP operations over the parts of a simulator.

    Args:
        calls: The calls.
        incoming: The SIP calls among them.
        credentials: Checks keys and mints client secrets.
        ids: The source of session ids.
        clock: The clock, by which models end.
        profile: The service that is simulated.
        live: The operations of the Live API.
    """

    calls: CallRegistry
    incoming: IncomingCalls
    credentials: Credentials
    ids: Ids
    clock: Clock
    profile: Profile
    live: LiveOperations

    def routes(self) -> list[Route]:
        """Return the routes of the operations, and of the beta's address."""
        return [
            *(Route(one.path, self._serving(one), methods=[one.method]) for one in OPERATIONS),
            Route("/v1/realtime", self.refuse_beta, methods=["POST"]),
        ]

    def _serving(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        part = self if hasattr(self, operation.name) else self.live
        perform: Callable[..., Awaitable[Response]] = getattr(part, operation.name)

        async def serve(request: Request) -> Response:
            if not operation.by_secret:
                self.credentials.require_project_key(request.headers)
            return await perform(request, **request.path_params)

        return serve

    # Calls

    async def create_realtime_call(self, request: Request) -> Response:
        """Create a call from an offer: multipart, or raw with a client secret."""
        secret = self.credentials.identify(request.headers)
        carried = secret.session if secret is not None else None
        if carried is not None and carried.get("type") not in REQUEST_SCHEMAS:
            raise invalid_value(
                f"This client secret opens {carried.get('type')} sessions, not calls.", "session.type"
            )
        kind = body.media_type(request)
        if kind != MULTIPART and (kind != SDP or secret is None):
            raise body.unsupported(kind, MULTIPART)
        content = await body.read(request)
        if kind == SDP:
            offer, session = content, carried
        else:
            offer, session = _read_form(content, request.headers["content-type"], carried)
        return await self._answer(request, offer, session)

    async def create_realtime_translation_call(self, request: Request) -> Response:
        """Create a call that translates, from an offer alone; a client secret for translations carries its
        session."""
        secret = self.credentials.identify(request.headers)
        if secret is None or secret.session.get("type") != TRANSLATION:
            raise ApiProblem(
                "A translation call is created with a client secret for translations.",
                status=401,
                code="invalid_api_key",
            )
        kind = body.media_type(request)
        if kind != SDP:
            raise body.unsupported(kind, SDP)
        return await self._answer(request, await body.read(request), secret.session)

    async def refuse_beta(self, request: Request) -> Response:
        """Refuse an offer at the address that the beta had for it."""
        self.credentials.identify(request.headers)
        await body.read(request)
        raise refusals.TABLE["beta"].problem()

    async def _answer(self, request: Request, offer: bytes, session: Mapping[str, Any] | None) -> Response:
        model = request.query_params.get("model")
        self._check_models(session or {}, model)
        drawing: Drawing = request.state.faults
        call = await self.calls.create(offer, session, model, drawing)
        request.state.record.session = call.session.id
        return _call_response(call, drawing)

    async def hangup_realtime_call(self, request: Request, call_id: str) -> Response:
        """End a call."""
        await body.read(request)
        call = self.calls.find_realtime(call_id)
        await self.calls.end(call.record.id, "hangup")
        return Response(status_code=200)

    async def accept_realtime_call(self, request: Request, call_id: str) -> Response:
        """Accept a SIP call; the body is the session."""
        drawing: Drawing = request.state.faults
        if self.incoming.fails(call_id, drawing):
            await body.read(request)
            return Response(status_code=200)
        # The body is the session itself; refusals still name its fields as those of `session`.
        session = check_session(await body.read_json_object(request))
        self._check_models(session)
        self.incoming.accept(call_id, session)
        self.calls.draw_hangup(call_id, drawing)
        return Response(status_code=200)

    async def reject_realtime_call(self, request: Request, call_id: str) -> Response:
        """Reject a SIP call."""
        fields = await body.read_checked(request, "RealtimeCallRejectRequest", optional=True)
        await self.incoming.reject(call_id, fields.get("status_code"))
        return Response(status_code=200)

    async def refer_realtime_call(self, request: Request, call_id: str) -> Response:
        """Refer a SIP call."""
        fields = await body.read_checked(request, "RealtimeCallReferRequest")
        target = fields["target_uri"]
        scheme = next((scheme for scheme in _REFER_SCHEMES if target.lower().startswith(scheme)), None)
        if scheme is None or len(target) == len(scheme) or any(char <= " " for char in target):
            raise invalid_value(
                f"Invalid value for 'target_uri': got {target[:80]!r}, allowed is a 'tel:' or 'sip:' URI.",
                "target_uri",
            )
        self.incoming.find(call_id).refer(target)
        return Response(status_code=200)

    # Client secrets

    async def create_realtime_client_secret(self, request: Request) -> Response:
        """Mint a client secret that carries a session."""
        fields = await body.read_json_object(request, optional=True)
        if fields.get("session") is not None:
            check_session(fields["session"])
        others = {name: value for name, value in fields.items() if name != "session" or value is None}
        schema.check("RealtimeCreateClientSecretRequest", others)
        session = fields.get("session") or {"type": REALTIME}
        return self._secret_response(fields, session, SessionConfig)

    async def create_realtime_translation_client_secret(self, request: Request) -> Response:
        """Mint a client secret that carries a translation session."""
        fields = await body.read_checked(request, "RealtimeTranslationClientSecretCreateRequest")
        session = {**fields["session"], "type": TRANSLATION}
        return self._secret_response(fields, session, TranslationConfig)

    def _secret_response(
        self,
        fields: Mapping[str, Any],
        session: Mapping[str, Any],
        config: type[SessionConfig] | type[TranslationConfig],
    ) -> Response:
        self._check_models(session)
        seconds = (fields.get("expires_after") or {}).get("seconds", DEFAULT_SECONDS)
        secret = self.credentials.mint(session, seconds)
        # The session itself has not begun, and so has no end.
        shown = config(self.ids.new("sess"), 0, session).view()
        return JSONResponse({"value": secret.value, "expires_at": secret.expires_at, "session": shown})

    # Sessions with a client secret inside, of the older form

    async def create_realtime_session(self, request: Request) -> Response:
        """Create a conversation session."""
        fields = await body.read_json_object(request, optional=True)
        if "type" in fields:
            session = _present(fields, REALTIME)
        else:
            checked = _check_older(fields, "RealtimeSessionCreateRequest")
            session = older_sessions.conversation_from_older(checked)
        secret, shown = self._mint_older(session)
        return JSONResponse(older_sessions.conversation_view(shown, secret))

    async def create_realtime_transcription_session(self, request: Request) -> Response:
        """Create a transcription session."""
        fields = await body.read_json_object(request, optional=True)
        if "type" in fields:
            session = _present(fields, TRANSCRIPTION)
        else:
            checked = _check_older(fields, "RealtimeTranscriptionSessionCreateRequest")
            session = older_sessions.transcription_from_older(checked)
        secret, shown = self._mint_older(session)
        return JSONResponse(older_sessions.transcription_view(shown, secret))

    def _mint_older(self, session: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        self._check_models(session)
        secret = self.credentials.mint(session, OLDER_SECRET_SECONDS)
        shown = SessionConfig(self.ids.new("sess"), secret.expires_at, session).view()
        return {"value": secret.value, "expires_at": secret.expires_at}, shown

    def _check_models(self, session: Mapping[str, Any], model: str | None = None) -> None:
        """Refuse a session whose model, or whose transcription model, has ended, and what the service refuses
        although it is well formed."""
        transcription = ((session.get("audio") or {}).get("input") or {}).get("transcription") or {}
        for name in (session.get("model") or model, transcription.get("model")):
            check_served(name, self.clock.unix())
        if session.get("type") in REQUEST_SCHEMAS:
            refusals.check_session(session, profile=self.profile)


def check_session(session: Any, at: str = "session") -> Mapping[str, Any]:
    """Return a session object that the API would accept.

    Args:
        session: The client's session object.
        at: Its dotted path in the request; `""` for the whole body.

    Raises:
        ApiProblem: 400 with the faulty field.
    """
    kind = session.get("type") if isinstance(session, dict) else None
    name = REQUEST_SCHEMAS.get(kind if isinstance(kind, str) else "", REQUEST_SCHEMAS[REALTIME])
    try:
        asked = without_null_parts(session) if isinstance(session, dict) else session
        schema.check(name, asked, at=at)
    except ApiProblem as problem:
        raise refusals.reworded(problem, {at: session} if at else session) from None
    checked: Mapping[str, Any] = session
    return checked


def _read_form(
    content: bytes, content_type: str, carried: Mapping[str, Any] | None
) -> tuple[bytes, Mapping[str, Any] | None]:
    """Return offer and session of a multipart body; the session of the client secret if it has none."""
    parts = body.parse_multipart(content, content_type)
    for name in parts:
        if name not in ("sdp", "session"):
            raise ApiProblem(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    if "sdp" not in parts:
        raise ApiProblem("Missing required parameter: 'sdp'.", code="missing_required_parameter", param="sdp")
    session = carried
    if "session" in parts:
        session = check_session(body.parse_json(parts["session"], "part 'session'"))
    return parts["sdp"], session


def _call_response(call: Call, drawing: Drawing) -> Response:
    """Return the answer to an offer; faults may change it."""
    location = {"location": f"/v1/realtime/calls/{call.id}"}
    if drawing.draw("no_location") is not None:
        location = {}
    if (other := drawing.draw("json_not_sdp")) is not None:
        content = json.dumps({"id": call.id, "object": "realtime.call"})
        return Response(content, status_code=201, headers=location, media_type=other["content_type"])
    # Not application/sdp, which the description states.
    return Response(call.answer.encode(), status_code=201, headers=location, media_type="text/plain")


def _present(fields: dict[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a body in the present form, checked."""
    if fields["type"] != kind:
        raise invalid_value(
            f"Invalid value for 'type': got {str(fields['type'])[:80]!r}, allowed is {kind!r}.", "type"
        )
    return check_session(fields, at="")


def _check_older(fields: dict[str, Any], name: str) -> Mapping[str, Any]:
    """Return a body in the older form, checked."""
    described = {
        key: value
        for key, value in fields.items()
        if key not in _UNDESCRIBED and not (value is None and key in _NULLABLE)
    }
    schema.check(name, described)
    if fields.get("input_audio_noise_reduction") is not None:
        field = "input_audio_noise_reduction"
        schema.check("RealtimeNoiseReduction", fields[field], at=field)
    if not isinstance(model := fields.get("model", ""), str):
        raise ApiProblem(
            f"Invalid type for 'model': expected a string, but got {schema.type_of(model)} instead.",
            code="invalid_type",
            param="model",
        )
    formats = older_sessions.FORMATS
    for field in ("input_audio_format", "output_audio_format"):
        if fields.get(field, formats[0]) not in formats:
            raise invalid_value(
                f"Invalid value for '{field}': got {str(fields[field])[:80]!r}, allowed is one of "
                + ", ".join(map(repr, formats))
                + ".",
                field,
            )
    return fields
