"""Client resources: `calls`, `client_secrets`, `sessions`, …; and the methods that open connections."""

from .calls import AsyncCalls, Calls
from .client_secrets import (
    AsyncClientSecrets,
    AsyncTranslationClientSecrets,
    ClientSecrets,
    TranslationClientSecrets,
)
from .connections import AsyncConnections, Connections
from .sessions import AsyncSessions, AsyncTranscriptionSessions, Sessions, TranscriptionSessions
from .webhooks import Webhooks

__all__ = [
    "AsyncCalls",
    "AsyncClientSecrets",
    "AsyncConnections",
    "AsyncSessions",
    "AsyncTranscriptionSessions",
    "AsyncTranslationClientSecrets",
    "Calls",
    "ClientSecrets",
    "Connections",
    "Sessions",
    "TranscriptionSessions",
    "TranslationClientSecrets",
    "Webhooks",
]
