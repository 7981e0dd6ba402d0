"""Types of arguments that accept a generated model or a plain dict, for type checkers alone.

Dicts are the `TypedDict`s of `realtime_api.params`, so that editors complete keys and report misspelt ones.
At run time the method that gets the argument checks both forms alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from realtime_api import models, params

    from .call import Call

    # Conversation items, and the parameters of responses.
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

    # A call: its id, the call itself, or the data of its webhook.
    CallLike: TypeAlias = str | Call | models.RealtimeCallIncomingData
