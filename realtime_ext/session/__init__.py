"""Sessions: builders for the three kinds, and the one check that builders, models and dicts go through.

    session = SessionBuilder("gpt-realtime").voice("marin").server_vad(idle_timeout_ms=6000).build()

Limits come from `realtime_api.schemas` alone. This package must not send anything.
"""

from .builders import SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder, with_tools
from .check import beta_response_fields, check_model, encode, resolve, resolve_update
from .given import SessionLike, SupportsToDict, merge

__all__ = [
    "SessionBuilder",
    "SessionLike",
    "SupportsToDict",
    "TranscriptionSessionBuilder",
    "TranslationSessionBuilder",
    "beta_response_fields",
    "check_model",
    "encode",
    "merge",
    "resolve",
    "resolve_update",
    "with_tools",
]
