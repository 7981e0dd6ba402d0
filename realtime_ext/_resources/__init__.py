"""What hangs on the clients: `calls`, `client_secrets`, `sessions` and their like."""

from .calls import AsyncCalls, Calls
from .client_secrets import (
    AsyncClientSecrets,
    AsyncTranslationClientSecrets,
    ClientSecrets,
    TranslationClientSecrets,
)
from .sessions import AsyncSessions, AsyncTranscriptionSessions, Sessions, TranscriptionSessions
from .webhooks import Webhooks

__all__ = [
    "AsyncCalls",
    "AsyncClientSecrets",
    "AsyncSessions",
    "AsyncTranscriptionSessions",
    "AsyncTranslationClientSecrets",
    "Calls",
    "ClientSecrets",
    "Sessions",
    "TranscriptionSessions",
    "TranslationClientSecrets",
    "Webhooks",
]
