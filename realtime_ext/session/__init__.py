"""Sessions: builders for the three kinds, and one check for builders, models and dicts.

    session = SessionBuilder("gpt-realtime").voice("marin").server_vad(idle_timeout_ms=6000).build()

Limits come from `realtime_api.schemas` alone. This package must not send anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._builders import SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder, with_tools
from ._check import check_response, resolve, resolve_update
from ._coerce import SessionInput, merge

if TYPE_CHECKING:
    from ._types import (
        ConversationLike as ConversationLike,
        OlderConversationLike as OlderConversationLike,
        OlderTranscriptionLike as OlderTranscriptionLike,
        SessionChanges as SessionChanges,
        SessionLike as SessionLike,
        TranscriptionLike as TranscriptionLike,
        TranslationLike as TranslationLike,
    )

__all__ = [
    "SessionBuilder",
    "SessionInput",
    "TranscriptionSessionBuilder",
    "TranslationSessionBuilder",
    "check_response",
    "merge",
    "resolve",
    "resolve_update",
    "with_tools",
]
