"""Sessions: builders for the three kinds and for the Live API, and one check for builders, models and dicts.

    session = SessionBuilder("gpt-realtime-2.1").voice("marin").server_vad(idle_timeout_ms=6000).build()

Limits come from `realtime_api.schemas` alone. This package must not send anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._builders import SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder, with_tools
from ._check import check_response, resolve, resolve_lifetime, resolve_update
from ._coerce import SessionInput, merge
from ._live_builder import LiveSessionBuilder, with_backend_tools

if TYPE_CHECKING:
    from ._types import (
        ConversationLike,
        LiveSessionChanges,
        LiveSessionLike,
        OlderConversationLike,
        OlderTranscriptionLike,
        SessionChanges,
        SessionLike,
        TranscriptionLike,
        TranslationLike,
    )

__all__ = [
    "ConversationLike",
    "LiveSessionBuilder",
    "LiveSessionChanges",
    "LiveSessionLike",
    "OlderConversationLike",
    "OlderTranscriptionLike",
    "SessionBuilder",
    "SessionChanges",
    "SessionInput",
    "SessionLike",
    "TranscriptionLike",
    "TranscriptionSessionBuilder",
    "TranslationLike",
    "TranslationSessionBuilder",
    "check_response",
    "merge",
    "resolve",
    "resolve_lifetime",
    "resolve_update",
    "with_backend_tools",
    "with_tools",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # The types of arguments name generated models, which load on first use.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _types

        return getattr(_types, name)
