"""Sessions: builders for the three kinds, and the one check that builders, models and dicts go through.

    session = SessionBuilder("gpt-realtime").voice("marin").server_vad(idle_timeout_ms=6000).build()

Limits come from `realtime_api.schemas` alone. This package must not send anything.
"""

from ._beta import beta_response_fields
from ._conversation import SessionBuilder
from ._given import SessionLike, SupportsToDict
from ._merge import merge
from ._resolve import resolve, resolve_update
from ._transcription import TranscriptionSessionBuilder
from ._translation import TranslationSessionBuilder

__all__ = [
    "SessionBuilder",
    "SessionLike",
    "SupportsToDict",
    "TranscriptionSessionBuilder",
    "TranslationSessionBuilder",
    "beta_response_fields",
    "merge",
    "resolve",
    "resolve_update",
]
