"""Several projects in one simulator: each has its own key, calls, sessions, client secrets and limits."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from realtime_simulator._calls.registry import CallRegistry
from realtime_simulator._calls.sip import IncomingCalls
from realtime_simulator._server.credentials import Credentials, key_of
from realtime_simulator._server.handshake import subprotocol_key


@attrs.frozen(kw_only=True)
class Project:
    """One project.

    Args:
        name: Its name; empty for the one of `api_key`.
        credentials: Its keys.
        calls: Its calls.
        incoming: The SIP calls among them.
        api: Serves its requests.
    """

    name: str
    credentials: Credentials
    calls: CallRegistry
    incoming: IncomingCalls
    api: ASGIApp


def by_key(projects: Sequence[Project]) -> ASGIApp:
    """Return the application that gives each request to the project of its key.

    Args:
        projects: The projects; the first one refuses unknown keys.
    """

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = projects[0]
        if scope["type"] in ("http", "websocket"):
            key = subprotocol_key(scope.get("subprotocols") or ()) or key_of(Headers(scope=scope))
            chosen = next((one for one in projects if one.credentials.knows(key)), chosen)
            scope.setdefault("state", {})["project"] = chosen.name
        await chosen.api(scope, receive, send)

    return choose
