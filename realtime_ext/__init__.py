"""A client for OpenAI's Realtime API: sessions, calls over WebRTC and SIP, events, webhooks.

    from realtime_ext import RealtimeClient, SessionBuilder

    with RealtimeClient() as client:
        call = client.calls.create(offer, SessionBuilder("gpt-realtime-2.1").voice("marin"))
        print(call.id, call.sdp_answer)

Names are loaded on first use (PEP 562), so that the import is quick and needs no extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import audio, errors, events, sdp, sip, tools, types, usage, webhooks
    from ._core.call import Call, LiveCall, LiveRecording
    from ._core.version import __version__
    from ._resources.client_secrets import ClientSecret
    from .client import AsyncRealtimeClient, RealtimeClient
    from .connection import AsyncConnection, Connection, Reconnect, Turn
    from .errors import (
        APIConnectionError,
        APIResponseError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        ConnectionClosedError,
        InternalServerError,
        MissingApiKeyError,
        ModelDeprecationWarning,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RealtimeError,
        SdpError,
        SessionConfigError,
        SessionConfigWarning,
        SessionExpired,
        SessionProblem,
        ToolArgumentError,
        TurnLost,
        UnprocessableEntityError,
        WebhookVerificationError,
    )
    from .events import Reconnected, SessionExpiring, TalkedOver
    from .session import (
        LiveSessionBuilder,
        SessionBuilder,
        TranscriptionSessionBuilder,
        TranslationSessionBuilder,
    )
    from .sip import SipHeaders

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncConnection",
    "AsyncRealtimeClient",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "ClientSecret",
    "ConflictError",
    "Connection",
    "ConnectionClosedError",
    "InternalServerError",
    "LiveCall",
    "LiveRecording",
    "LiveSessionBuilder",
    "MissingApiKeyError",
    "ModelDeprecationWarning",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RealtimeClient",
    "RealtimeError",
    "Reconnect",
    "Reconnected",
    "SdpError",
    "SessionBuilder",
    "SessionConfigError",
    "SessionConfigWarning",
    "SessionExpired",
    "SessionExpiring",
    "SessionProblem",
    "SipHeaders",
    "TalkedOver",
    "ToolArgumentError",
    "TranscriptionSessionBuilder",
    "TranslationSessionBuilder",
    "Turn",
    "TurnLost",
    "UnprocessableEntityError",
    "WebhookVerificationError",
    "__version__",
    "audio",
    "errors",
    "events",
    "sdp",
    "sip",
    "tools",
    "types",
    "usage",
    "webhooks",
]

_MODULES = frozenset({"audio", "errors", "events", "sdp", "sip", "tools", "types", "usage", "webhooks"})
_PLACES = {
    "AsyncConnection": "connection",
    "AsyncRealtimeClient": "client",
    "Call": "_core.call",
    "ClientSecret": "_resources.client_secrets",
    "Connection": "connection",
    "LiveCall": "_core.call",
    "LiveRecording": "_core.call",
    "LiveSessionBuilder": "session",
    "RealtimeClient": "client",
    "Reconnect": "connection",
    "Reconnected": "events",
    "SessionBuilder": "session",
    "SessionExpiring": "events",
    "SipHeaders": "sip",
    "TalkedOver": "events",
    "TranscriptionSessionBuilder": "session",
    "TranslationSessionBuilder": "session",
    "Turn": "connection",
    "__version__": "_core.version",
}


if not TYPE_CHECKING:  # with it in sight, type checkers would take every misspelt name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_PLACES.get(name, 'errors')}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
