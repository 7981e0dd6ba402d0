"""Types of arguments that accept a session as a builder, a generated model or a plain dict.

Dicts are the `TypedDict`s of `realtime_api.params`, so that editors complete keys and report misspelt ones.
At run time all three forms are checked alike. Importing this module loads generated models, so others
import it for type checkers alone.
"""

from __future__ import annotations

from typing import TypeAlias

from realtime_api import models, params

from ._builders import SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder
from ._live_builder import LiveSessionBuilder

ConversationLike: TypeAlias = (
    SessionBuilder | models.RealtimeSessionCreateRequestGA | params.RealtimeSessionCreateRequestGAParam
)
"""A conversation session."""
TranscriptionLike: TypeAlias = (
    TranscriptionSessionBuilder
    | models.RealtimeTranscriptionSessionCreateRequestGA
    | params.RealtimeTranscriptionSessionCreateRequestGAParam
)
"""A transcription session."""
TranslationLike: TypeAlias = (
    TranslationSessionBuilder
    | models.RealtimeTranslationSessionCreateRequest
    | params.RealtimeTranslationSessionCreateRequestParam
)
"""A translation session."""
OlderConversationLike: TypeAlias = (
    ConversationLike | models.RealtimeSessionCreateRequest | params.RealtimeSessionCreateRequestParam
)
"""A conversation session, also of the older form."""
OlderTranscriptionLike: TypeAlias = (
    TranscriptionLike
    | models.RealtimeTranscriptionSessionCreateRequest
    | params.RealtimeTranscriptionSessionCreateRequestParam
)
"""A transcription session, also of the older form."""
LiveSessionLike: TypeAlias = (
    LiveSessionBuilder
    | models.LiveSessionCreateParams
    | models.LiveMediaSessionCreateParams
    | params.LiveSessionCreateParamsParam
    | params.LiveMediaSessionCreateParamsParam
)
"""A session of the Live API."""
LiveSessionChanges: TypeAlias = (
    LiveSessionBuilder | models.LiveSessionUpdateParams | params.LiveSessionUpdateParamsParam
)
"""An update of a session of the Live API: only what changes."""
SessionLike: TypeAlias = ConversationLike | TranscriptionLike | TranslationLike
"""A session of any kind."""
SessionChanges: TypeAlias = (
    SessionLike
    | params.RealtimeSessionCreateRequestGAChangesParam
    | params.RealtimeTranscriptionSessionCreateRequestGAChangesParam
    | models.RealtimeTranslationSessionUpdateRequest
    | params.RealtimeTranslationSessionUpdateRequestParam
)
"""An update of a session: only what changes."""
