"""Client resources: `calls`, `client_secrets`, `live`, …; and the methods that open connections."""

from .calls import AsyncCalls, Calls
from .client_secrets import (
    AsyncClientSecrets,
    AsyncTranslationClientSecrets,
    ClientSecrets,
    TranslationClientSecrets,
)
from .connections import AsyncConnections, Connections
from .live import AsyncLive, AsyncLiveCalls, Live, LiveCalls
from .sessions import AsyncSessions, AsyncTranscriptionSessions, Sessions, TranscriptionSessions
from .webhooks import Webhooks

__all__ = [
    "AsyncCalls",
    "AsyncClientSecrets",
    "AsyncConnections",
    "AsyncLive",
    "AsyncLiveCalls",
    "AsyncSessions",
    "AsyncTranscriptionSessions",
    "AsyncTranslationClientSecrets",
    "Calls",
    "ClientSecrets",
    "Connections",
    "Live",
    "LiveCalls",
    "Sessions",
    "TranscriptionSessions",
    "TranslationClientSecrets",
    "Webhooks",
]
