"""Client resources: `calls`, `client_secrets`, `live`, …; and the methods that open connections."""

from ._async import (
    AsyncCalls,
    AsyncClientSecrets,
    AsyncLive,
    AsyncLiveCalls,
    AsyncSessions,
    AsyncTranscriptionSessions,
    AsyncTranslationClientSecrets,
)
from ._sync import (
    Calls,
    ClientSecrets,
    Live,
    LiveCalls,
    Sessions,
    TranscriptionSessions,
    TranslationClientSecrets,
)
from .connections import AsyncConnections, Connections
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
