"""What methods accept where a builder, a generated class and a plain dict are all right, for type checkers.

Dicts are `TypedDict`s of `realtime_api.params`, so that editors complete them and find what is misspelt. At
run time all three are checked alike by what uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from realtime_api import models, params

    from .call import Call
    from .session import (
        SessionBuilder,
        TranscriptionSessionBuilder,
        TranslationSessionBuilder,
    )

    # Sessions, by their kind.
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

    # What goes into a conversation, and what is asked of the model.
    ItemLike: TypeAlias = models.RealtimeConversationItem | params.RealtimeConversationItemParam
    InputItemLike: TypeAlias = models.RealtimeResponseInputItem | params.RealtimeResponseInputItemParam
    ResponseLike: TypeAlias = models.RealtimeResponseCreateParams | params.RealtimeResponseCreateParamsParam
    AudioOutputLike: TypeAlias = (
        models.RealtimeResponseCreateAudioOutput | params.RealtimeResponseCreateAudioOutputParam
    )
    ToolLike: TypeAlias = models.RealtimeToolsConfigUnion | params.RealtimeToolsConfigUnionParam
    ToolChoiceLike: TypeAlias = models.RealtimeToolChoiceConfig | params.RealtimeToolChoiceConfigParam
    ReasoningLike: TypeAlias = models.RealtimeReasoning | params.RealtimeReasoningParam
    PromptLike: TypeAlias = models.ResponsePrompt | params.ResponsePromptParam
    ClientEventLike: TypeAlias = (
        models.RealtimeClientEvent
        | models.RealtimeTranslationClientEvent
        | params.RealtimeClientEventParam
        | params.RealtimeTranslationClientEventParam
    )

    # What names a call: its id, the call itself, or the data of the webhook that announced it.
    CallLike: TypeAlias = str | Call | models.RealtimeCallIncomingData
