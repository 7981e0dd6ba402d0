"""Types of arguments: values that may be a generated model or a plain dict, calls, time limits.

Dicts are the `TypedDict`s of `realtime_api.params`, so that editors complete keys and report misspelt ones.
The method that gets the argument checks both forms alike at run time. Importing this module loads generated
models, so others import it for type checkers alone.
"""

from __future__ import annotations

from typing import TypeAlias

import httpx
from realtime_api import models, params

from .call import Call, LiveCall

ItemLike: TypeAlias = models.RealtimeConversationItem | params.RealtimeConversationItemParam
"""An item of the conversation."""
InputItemLike: TypeAlias = models.RealtimeResponseInputItem | params.RealtimeResponseInputItemParam
"""An item of the input of a response beside the conversation."""
ResponseLike: TypeAlias = models.RealtimeResponseCreateParams | params.RealtimeResponseCreateParamsParam
"""The parameters of a response."""
AudioOutputLike: TypeAlias = (
    models.RealtimeResponseCreateAudioOutput | params.RealtimeResponseCreateAudioOutputParam
)
"""The voice and format of a response."""
ToolLike: TypeAlias = models.RealtimeToolsConfigUnion | params.RealtimeToolsConfigUnionParam
"""A function or an MCP server."""
ToolChoiceLike: TypeAlias = models.RealtimeToolChoiceConfig | params.RealtimeToolChoiceConfigParam
"""Whether and which tool is called."""
ReasoningLike: TypeAlias = models.RealtimeReasoning | params.RealtimeReasoningParam
"""How much the model thinks before it answers."""
PromptLike: TypeAlias = models.ResponsePrompt | params.ResponsePromptParam
"""A stored prompt."""
ClientEventLike: TypeAlias = (
    models.RealtimeClientEvent
    | models.RealtimeTranslationClientEvent
    | params.RealtimeClientEventParam
    | params.RealtimeTranslationClientEventParam
)
"""An event to be sent on a connection of the Realtime API."""
LiveClientEventLike: TypeAlias = (
    models.LiveClientEvent
    | models.LiveSidebandClientEvent
    | params.LiveClientEventParam
    | params.LiveSidebandClientEventParam
)
"""An event to be sent on a connection of the Live API."""
CallLike: TypeAlias = str | Call | models.RealtimeCallIncomingData
"""A call: its id, the call itself, or the data of its webhook."""
LiveCallLike: TypeAlias = str | LiveCall | models.LiveTransportIncomingData
"""A Live session: its id, its call, or the data of its webhook."""
LiveTrunkLike: TypeAlias = models.LiveSIPTrunk | params.LiveSIPTrunkParam
"""The provider's trunk for an outgoing telephone call."""
Timeout: TypeAlias = float | httpx.Timeout
"""A time limit: seconds, or an `httpx.Timeout`."""
