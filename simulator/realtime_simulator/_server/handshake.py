"""The handshake of a WebSocket: its key, and the session that it requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine.refusals import TABLE
from realtime_simulator._server.credentials import ClientSecret, Credentials

SUBPROTOCOL = "realtime"
UNAUTHORIZED, BAD_REQUEST = 3000, 4000
REFUSED = (UNAUTHORIZED, BAD_REQUEST)
"""The close codes of a connection that is refused after its handshake."""
_KEY_PREFIX = "openai-insecure-api-key."
_BETA_PREFIX = "openai-beta."


@attrs.frozen(kw_only=True)
class Handshake:
    """A handshake that may be answered.

    Args:
        model: The `model` of the address, or None.
        call_id: The call to attach to, or None.
        transcription: Whether a transcription session is requested.
        secret: The client secret that it came with; None for the project's key.
        subprotocol: The subprotocol to answer, or None.
    """

    model: str | None
    call_id: str | None
    transcription: bool
    secret: ClientSecret | None
    subprotocol: str | None


def read(
    headers: Headers,
    query: QueryParams,
    subprotocols: Sequence[str],
    credentials: Credentials,
    *,
    check_model: Callable[[str], None],
    translation: bool = False,
    takes_beta: bool = False,
) -> Handshake:
    """Parse a handshake.

    A browser can't set headers, so it sends its key as a subprotocol: `openai-insecure-api-key.<key>`.

    Args:
        headers: Its headers.
        query: Its query.
        subprotocols: The subprotocols that it offers.
        credentials: The accepted keys.
        check_model: Raises ApiProblem for a model that is not served.
        translation: Whether its address is that of translation sessions.
        takes_beta: Whether the service still uses the beta's names.

    Raises:
        ApiProblem: 401 for the key, 400 for the query; beta headers too.
    """
    is_beta = "openai-beta" in headers or any(name.startswith(_BETA_PREFIX) for name in subprotocols)
    if is_beta and not takes_beta:
        raise TABLE["beta"].problem()
    in_subprotocol = subprotocol_key(subprotocols)
    secret = (
        credentials.identify(headers) if in_subprotocol is None else credentials.check_key(in_subprotocol)
    )
    kind = secret.session.get("type", "realtime") if secret is not None else None
    if kind is not None and (kind == "translation") != translation:
        raise invalid_value(
            f"This client secret opens {kind} sessions; they have an address of their own.", "session.type"
        )
    intent = query.get("intent")
    if intent not in (None, "transcription", "conversation"):
        raise invalid_value(
            f"Invalid value for 'intent': got {intent[:80]!r}, allowed is 'transcription'.", "intent"
        )
    model = query.get("model") or None
    if model is not None and "transcription" in (intent, kind):
        raise TABLE["transcription_query"].problem()
    if model is not None:
        check_model(model)
    call_id = query.get("call_id")
    if call_id is not None and secret is not None:
        raise ApiProblem(
            "A client secret cannot attach to a call; this needs an API key.",
            status=401,
            code="invalid_api_key",
        )
    if model is None and call_id is None and intent != "transcription" and secret is None:
        raise ApiProblem(
            "You must provide a model parameter, for example "
            "wss://api.openai.com/v1/realtime?model=gpt-realtime-1.5",
            code="missing_model",
        )
    return Handshake(
        model=model,
        call_id=call_id,
        transcription=intent == "transcription",
        secret=secret,
        subprotocol=answered(subprotocols),
    )


def subprotocol_key(subprotocols: Sequence[str]) -> str | None:
    """Return the key that a browser sends as a subprotocol; None if there is none."""
    return next((one.removeprefix(_KEY_PREFIX) for one in subprotocols if one.startswith(_KEY_PREFIX)), None)


def answered(subprotocols: Sequence[str]) -> str | None:
    """Return the subprotocol to answer, or None."""
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


async def refuse(websocket: WebSocket, problem: ApiProblem) -> None:
    """Answer a handshake with an HTTP error."""
    response = JSONResponse(problem.envelope(), status_code=problem.status, headers=problem.headers)
    await websocket.send_denial_response(response)
