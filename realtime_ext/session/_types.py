"""Types of arguments that accept a session as a builder, a generated model or a plain dict.

They exist for type checkers alone. Dicts are the `TypedDict`s of `realtime_api.params`, so that editors
complete keys and report misspelt ones. At run time all three forms are checked alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from realtime_api import models, params

    from ._builders import SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder

    ConversationLike: TypeAlias = (
        SessionBuilder | models.RealtimeSessionCreateRequestGA | params.RealtimeSessionCreateRequestGAParam
    )
    TranscriptionLike: TypeAlias = (
        TranscriptionSessionBuilder
        | models.RealtimeTranscriptionSessionCreateRequestGA
        | params.RealtimeTranscriptionSessionCreateRequestGAParam
    )
    TranslationLike: TypeAlias = (
        TranslationSessionBuilder
        | models.RealtimeTranslationSessionCreateRequest
        | params.RealtimeTranslationSessionCreateRequestParam
    )
    OlderConversationLike: TypeAlias = (
        ConversationLike | models.RealtimeSessionCreateRequest | params.RealtimeSessionCreateRequestParam
    )
    OlderTranscriptionLike: TypeAlias = (
        TranscriptionLike
        | models.RealtimeTranscriptionSessionCreateRequest
        | params.RealtimeTranscriptionSessionCreateRequestParam
    )
    SessionLike: TypeAlias = ConversationLike | TranscriptionLike | TranslationLike
    SessionChanges: TypeAlias = (
        SessionLike
        | params.RealtimeSessionCreateRequestGAChangesParam
        | params.RealtimeTranscriptionSessionCreateRequestGAChangesParam
        | models.RealtimeTranslationSessionUpdateRequest
        | params.RealtimeTranslationSessionUpdateRequestParam
    )
