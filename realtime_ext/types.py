"""The official package's names for the Realtime API's types, as the generated classes that they stand for.

The job: let code and habits move over. Each name is a class of `realtime_api.models`, or a union of them, and
is loaded on first use. Names whose meaning changed between the API's versions mean what they mean in the
official package: `RealtimeSessionCreateRequest` is the session object of today, which the API's description
calls `RealtimeSessionCreateRequestGA`. Types of this package's own do not belong here.

Source: https://platform.openai.com/docs/api-reference/realtime
"""

# ruff: noqa: E501  (a table reads better with one entry a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_api import models as _models

    AudioTranscription = _models.AudioTranscription
    ClientSecretCreateResponse = _models.RealtimeCreateClientSecretResponse
    ConversationCreatedEvent = _models.RealtimeServerEventConversationCreated
    ConversationItem = _models.RealtimeConversationItem
    ConversationItemAdded = _models.RealtimeServerEventConversationItemAdded
    ConversationItemCreateEvent = _models.RealtimeClientEventConversationItemCreate
    ConversationItemCreatedEvent = _models.RealtimeServerEventConversationItemCreated
    ConversationItemDeleteEvent = _models.RealtimeClientEventConversationItemDelete
    ConversationItemDeletedEvent = _models.RealtimeServerEventConversationItemDeleted
    ConversationItemDone = _models.RealtimeServerEventConversationItemDone
    ConversationItemInputAudioTranscriptionCompletedEvent = (
        _models.RealtimeServerEventConversationItemInputAudioTranscriptionCompleted
    )
    ConversationItemInputAudioTranscriptionDeltaEvent = (
        _models.RealtimeServerEventConversationItemInputAudioTranscriptionDelta
    )
    ConversationItemInputAudioTranscriptionFailedEvent = (
        _models.RealtimeServerEventConversationItemInputAudioTranscriptionFailed
    )
    ConversationItemInputAudioTranscriptionSegment = (
        _models.RealtimeServerEventConversationItemInputAudioTranscriptionSegment
    )
    ConversationItemRetrieveEvent = _models.RealtimeClientEventConversationItemRetrieve
    ConversationItemTruncateEvent = _models.RealtimeClientEventConversationItemTruncate
    ConversationItemTruncatedEvent = _models.RealtimeServerEventConversationItemTruncated
    ConversationItemWithReference = _models.RealtimeConversationItemWithReference
    InputAudioBufferAppendEvent = _models.RealtimeClientEventInputAudioBufferAppend
    InputAudioBufferClearEvent = _models.RealtimeClientEventInputAudioBufferClear
    InputAudioBufferClearedEvent = _models.RealtimeServerEventInputAudioBufferCleared
    InputAudioBufferCommitEvent = _models.RealtimeClientEventInputAudioBufferCommit
    InputAudioBufferCommittedEvent = _models.RealtimeServerEventInputAudioBufferCommitted
    InputAudioBufferDtmfEventReceivedEvent = _models.RealtimeServerEventInputAudioBufferDtmfEventReceived
    InputAudioBufferSpeechStartedEvent = _models.RealtimeServerEventInputAudioBufferSpeechStarted
    InputAudioBufferSpeechStoppedEvent = _models.RealtimeServerEventInputAudioBufferSpeechStopped
    InputAudioBufferTimeoutTriggered = _models.RealtimeServerEventInputAudioBufferTimeoutTriggered
    LogProbProperties = _models.LogProbProperties
    McpListToolsCompleted = _models.RealtimeServerEventMCPListToolsCompleted
    McpListToolsFailed = _models.RealtimeServerEventMCPListToolsFailed
    McpListToolsInProgress = _models.RealtimeServerEventMCPListToolsInProgress
    NoiseReductionType = _models.NoiseReductionType
    OutputAudioBufferClearEvent = _models.RealtimeClientEventOutputAudioBufferClear
    RateLimitsUpdatedEvent = _models.RealtimeServerEventRateLimitsUpdated
    RealtimeAudioConfig = _models.RealtimeAudioConfig
    RealtimeAudioConfigInput = _models.RealtimeAudioConfigInput
    RealtimeAudioConfigOutput = _models.RealtimeAudioConfigOutput
    RealtimeAudioFormats = _models.RealtimeAudioFormats
    RealtimeAudioInputTurnDetection = _models.RealtimeTurnDetection
    RealtimeClientEvent = _models.RealtimeClientEvent
    RealtimeConversationItemAssistantMessage = _models.RealtimeConversationItemMessageAssistant
    RealtimeConversationItemFunctionCall = _models.RealtimeConversationItemFunctionCall
    RealtimeConversationItemFunctionCallOutput = _models.RealtimeConversationItemFunctionCallOutput
    RealtimeConversationItemSystemMessage = _models.RealtimeConversationItemMessageSystem
    RealtimeConversationItemUserMessage = _models.RealtimeConversationItemMessageUser
    RealtimeError = _models.RealtimeError
    RealtimeErrorEvent = _models.RealtimeServerEventError
    RealtimeFunctionTool = _models.RealtimeFunctionTool
    RealtimeMcpApprovalRequest = _models.RealtimeMCPApprovalRequest
    RealtimeMcpApprovalResponse = _models.RealtimeMCPApprovalResponse
    RealtimeMcpListTools = _models.RealtimeMCPListTools
    RealtimeMcpProtocolError = _models.RealtimeMCPProtocolError
    RealtimeMcpToolCall = _models.RealtimeMCPToolCall
    RealtimeMcpToolExecutionError = _models.RealtimeMCPToolExecutionError
    RealtimeMcphttpError = _models.RealtimeMCPHTTPError
    RealtimeReasoning = _models.RealtimeReasoning
    RealtimeReasoningEffort = _models.RealtimeReasoningEffort
    RealtimeResponse = _models.RealtimeResponse
    RealtimeResponseCreateAudioOutput = _models.RealtimeResponseCreateAudioOutput
    RealtimeResponseCreateMcpTool = _models.MCPTool
    RealtimeResponseCreateParams = _models.RealtimeResponseCreateParams
    RealtimeResponseStatus = _models.RealtimeResponseStatus
    RealtimeResponseUsage = _models.RealtimeResponseUsage
    RealtimeResponseUsageInputTokenDetails = _models.RealtimeResponseUsageInputTokenDetails
    RealtimeResponseUsageOutputTokenDetails = _models.RealtimeResponseUsageOutputTokenDetails
    RealtimeServerEvent = _models.RealtimeServerEvent
    RealtimeSession = _models.RealtimeSession
    RealtimeSessionClientSecret = _models.RealtimeSessionClientSecret
    RealtimeSessionCreateRequest = _models.RealtimeSessionCreateRequestGA
    RealtimeSessionCreateResponse = _models.RealtimeSessionCreateResponseGA
    RealtimeToolChoiceConfig = _models.RealtimeToolChoiceConfig
    RealtimeToolsConfig = list[_models.RealtimeToolsConfigUnion]
    RealtimeToolsConfigUnion = _models.RealtimeToolsConfigUnion
    RealtimeTracingConfig = _models.RealtimeTracingConfig
    RealtimeTranscriptionSessionAudio = _models.RealtimeTranscriptionSessionAudio
    RealtimeTranscriptionSessionAudioInput = _models.RealtimeTranscriptionSessionAudioInput
    RealtimeTranscriptionSessionAudioInputTurnDetection = _models.RealtimeTurnDetection
    RealtimeTranscriptionSessionCreateRequest = _models.RealtimeTranscriptionSessionCreateRequestGA
    RealtimeTranscriptionSessionCreateResponse = _models.RealtimeTranscriptionSessionCreateResponseGA
    RealtimeTranscriptionSessionTurnDetection = _models.RealtimeTranscriptionSessionTurnDetection
    RealtimeTranslationClientEvent = _models.RealtimeTranslationClientEvent
    RealtimeTranslationClientSecretCreateResponse = _models.RealtimeTranslationClientSecretCreateResponse
    RealtimeTranslationInputAudioBufferAppendEvent = (
        _models.RealtimeTranslationClientEventInputAudioBufferAppend
    )
    RealtimeTranslationInputTranscriptDeltaEvent = (
        _models.RealtimeTranslationServerEventSessionInputTranscriptDelta
    )
    RealtimeTranslationOutputAudioDeltaEvent = _models.RealtimeTranslationServerEventSessionOutputAudioDelta
    RealtimeTranslationOutputTranscriptDeltaEvent = (
        _models.RealtimeTranslationServerEventSessionOutputTranscriptDelta
    )
    RealtimeTranslationServerEvent = _models.RealtimeTranslationServerEvent
    RealtimeTranslationSession = _models.RealtimeTranslationSession
    RealtimeTranslationSessionCloseEvent = _models.RealtimeTranslationClientEventSessionClose
    RealtimeTranslationSessionClosedEvent = _models.RealtimeTranslationServerEventSessionClosed
    RealtimeTranslationSessionCreatedEvent = _models.RealtimeTranslationServerEventSessionCreated
    RealtimeTranslationSessionUpdateEvent = _models.RealtimeTranslationClientEventSessionUpdate
    RealtimeTranslationSessionUpdateRequest = _models.RealtimeTranslationSessionUpdateRequest
    RealtimeTranslationSessionUpdatedEvent = _models.RealtimeTranslationServerEventSessionUpdated
    RealtimeTruncation = _models.RealtimeTruncation
    RealtimeTruncationRetentionRatio = _models.RealtimeTruncationRetentionRatio
    ResponseAudioDeltaEvent = _models.RealtimeServerEventResponseAudioDelta
    ResponseAudioDoneEvent = _models.RealtimeServerEventResponseAudioDone
    ResponseAudioTranscriptDeltaEvent = _models.RealtimeServerEventResponseAudioTranscriptDelta
    ResponseAudioTranscriptDoneEvent = _models.RealtimeServerEventResponseAudioTranscriptDone
    ResponseCancelEvent = _models.RealtimeClientEventResponseCancel
    ResponseContentPartAddedEvent = _models.RealtimeServerEventResponseContentPartAdded
    ResponseContentPartDoneEvent = _models.RealtimeServerEventResponseContentPartDone
    ResponseCreateEvent = _models.RealtimeClientEventResponseCreate
    ResponseCreatedEvent = _models.RealtimeServerEventResponseCreated
    ResponseDoneEvent = _models.RealtimeServerEventResponseDone
    ResponseFunctionCallArgumentsDeltaEvent = _models.RealtimeServerEventResponseFunctionCallArgumentsDelta
    ResponseFunctionCallArgumentsDoneEvent = _models.RealtimeServerEventResponseFunctionCallArgumentsDone
    ResponseMcpCallArgumentsDelta = _models.RealtimeServerEventResponseMCPCallArgumentsDelta
    ResponseMcpCallArgumentsDone = _models.RealtimeServerEventResponseMCPCallArgumentsDone
    ResponseMcpCallCompleted = _models.RealtimeServerEventResponseMCPCallCompleted
    ResponseMcpCallFailed = _models.RealtimeServerEventResponseMCPCallFailed
    ResponseMcpCallInProgress = _models.RealtimeServerEventResponseMCPCallInProgress
    ResponseOutputItemAddedEvent = _models.RealtimeServerEventResponseOutputItemAdded
    ResponseOutputItemDoneEvent = _models.RealtimeServerEventResponseOutputItemDone
    ResponseTextDeltaEvent = _models.RealtimeServerEventResponseTextDelta
    ResponseTextDoneEvent = _models.RealtimeServerEventResponseTextDone
    SessionCreatedEvent = _models.RealtimeServerEventSessionCreated
    SessionUpdateEvent = _models.RealtimeClientEventSessionUpdate
    SessionUpdatedEvent = _models.RealtimeServerEventSessionUpdated
    TranscriptionSessionUpdate = _models.RealtimeClientEventTranscriptionSessionUpdate
    TranscriptionSessionUpdatedEvent = _models.RealtimeServerEventTranscriptionSessionUpdated

# The same again for the run time, where a class is loaded when its name is first used.
_MODELS = {
    "AudioTranscription": "AudioTranscription",
    "ClientSecretCreateResponse": "RealtimeCreateClientSecretResponse",
    "ConversationCreatedEvent": "RealtimeServerEventConversationCreated",
    "ConversationItem": "RealtimeConversationItem",
    "ConversationItemAdded": "RealtimeServerEventConversationItemAdded",
    "ConversationItemCreateEvent": "RealtimeClientEventConversationItemCreate",
    "ConversationItemCreatedEvent": "RealtimeServerEventConversationItemCreated",
    "ConversationItemDeleteEvent": "RealtimeClientEventConversationItemDelete",
    "ConversationItemDeletedEvent": "RealtimeServerEventConversationItemDeleted",
    "ConversationItemDone": "RealtimeServerEventConversationItemDone",
    "ConversationItemInputAudioTranscriptionCompletedEvent": "RealtimeServerEventConversationItemInputAudioTranscriptionCompleted",
    "ConversationItemInputAudioTranscriptionDeltaEvent": "RealtimeServerEventConversationItemInputAudioTranscriptionDelta",
    "ConversationItemInputAudioTranscriptionFailedEvent": "RealtimeServerEventConversationItemInputAudioTranscriptionFailed",
    "ConversationItemInputAudioTranscriptionSegment": "RealtimeServerEventConversationItemInputAudioTranscriptionSegment",
    "ConversationItemRetrieveEvent": "RealtimeClientEventConversationItemRetrieve",
    "ConversationItemTruncateEvent": "RealtimeClientEventConversationItemTruncate",
    "ConversationItemTruncatedEvent": "RealtimeServerEventConversationItemTruncated",
    "ConversationItemWithReference": "RealtimeConversationItemWithReference",
    "InputAudioBufferAppendEvent": "RealtimeClientEventInputAudioBufferAppend",
    "InputAudioBufferClearEvent": "RealtimeClientEventInputAudioBufferClear",
    "InputAudioBufferClearedEvent": "RealtimeServerEventInputAudioBufferCleared",
    "InputAudioBufferCommitEvent": "RealtimeClientEventInputAudioBufferCommit",
    "InputAudioBufferCommittedEvent": "RealtimeServerEventInputAudioBufferCommitted",
    "InputAudioBufferDtmfEventReceivedEvent": "RealtimeServerEventInputAudioBufferDtmfEventReceived",
    "InputAudioBufferSpeechStartedEvent": "RealtimeServerEventInputAudioBufferSpeechStarted",
    "InputAudioBufferSpeechStoppedEvent": "RealtimeServerEventInputAudioBufferSpeechStopped",
    "InputAudioBufferTimeoutTriggered": "RealtimeServerEventInputAudioBufferTimeoutTriggered",
    "LogProbProperties": "LogProbProperties",
    "McpListToolsCompleted": "RealtimeServerEventMCPListToolsCompleted",
    "McpListToolsFailed": "RealtimeServerEventMCPListToolsFailed",
    "McpListToolsInProgress": "RealtimeServerEventMCPListToolsInProgress",
    "NoiseReductionType": "NoiseReductionType",
    "OutputAudioBufferClearEvent": "RealtimeClientEventOutputAudioBufferClear",
    "RateLimitsUpdatedEvent": "RealtimeServerEventRateLimitsUpdated",
    "RealtimeAudioConfig": "RealtimeAudioConfig",
    "RealtimeAudioConfigInput": "RealtimeAudioConfigInput",
    "RealtimeAudioConfigOutput": "RealtimeAudioConfigOutput",
    "RealtimeAudioFormats": "RealtimeAudioFormats",
    "RealtimeAudioInputTurnDetection": "RealtimeTurnDetection",
    "RealtimeClientEvent": "RealtimeClientEvent",
    "RealtimeConversationItemAssistantMessage": "RealtimeConversationItemMessageAssistant",
    "RealtimeConversationItemFunctionCall": "RealtimeConversationItemFunctionCall",
    "RealtimeConversationItemFunctionCallOutput": "RealtimeConversationItemFunctionCallOutput",
    "RealtimeConversationItemSystemMessage": "RealtimeConversationItemMessageSystem",
    "RealtimeConversationItemUserMessage": "RealtimeConversationItemMessageUser",
    "RealtimeError": "RealtimeError",
    "RealtimeErrorEvent": "RealtimeServerEventError",
    "RealtimeFunctionTool": "RealtimeFunctionTool",
    "RealtimeMcpApprovalRequest": "RealtimeMCPApprovalRequest",
    "RealtimeMcpApprovalResponse": "RealtimeMCPApprovalResponse",
    "RealtimeMcpListTools": "RealtimeMCPListTools",
    "RealtimeMcpProtocolError": "RealtimeMCPProtocolError",
    "RealtimeMcpToolCall": "RealtimeMCPToolCall",
    "RealtimeMcpToolExecutionError": "RealtimeMCPToolExecutionError",
    "RealtimeMcphttpError": "RealtimeMCPHTTPError",
    "RealtimeReasoning": "RealtimeReasoning",
    "RealtimeReasoningEffort": "RealtimeReasoningEffort",
    "RealtimeResponse": "RealtimeResponse",
    "RealtimeResponseCreateAudioOutput": "RealtimeResponseCreateAudioOutput",
    "RealtimeResponseCreateMcpTool": "MCPTool",
    "RealtimeResponseCreateParams": "RealtimeResponseCreateParams",
    "RealtimeResponseStatus": "RealtimeResponseStatus",
    "RealtimeResponseUsage": "RealtimeResponseUsage",
    "RealtimeResponseUsageInputTokenDetails": "RealtimeResponseUsageInputTokenDetails",
    "RealtimeResponseUsageOutputTokenDetails": "RealtimeResponseUsageOutputTokenDetails",
    "RealtimeServerEvent": "RealtimeServerEvent",
    "RealtimeSession": "RealtimeSession",
    "RealtimeSessionClientSecret": "RealtimeSessionClientSecret",
    "RealtimeSessionCreateRequest": "RealtimeSessionCreateRequestGA",
    "RealtimeSessionCreateResponse": "RealtimeSessionCreateResponseGA",
    "RealtimeToolChoiceConfig": "RealtimeToolChoiceConfig",
    "RealtimeToolsConfigUnion": "RealtimeToolsConfigUnion",
    "RealtimeTracingConfig": "RealtimeTracingConfig",
    "RealtimeTranscriptionSessionAudio": "RealtimeTranscriptionSessionAudio",
    "RealtimeTranscriptionSessionAudioInput": "RealtimeTranscriptionSessionAudioInput",
    "RealtimeTranscriptionSessionAudioInputTurnDetection": "RealtimeTurnDetection",
    "RealtimeTranscriptionSessionCreateRequest": "RealtimeTranscriptionSessionCreateRequestGA",
    "RealtimeTranscriptionSessionCreateResponse": "RealtimeTranscriptionSessionCreateResponseGA",
    "RealtimeTranscriptionSessionTurnDetection": "RealtimeTranscriptionSessionTurnDetection",
    "RealtimeTranslationClientEvent": "RealtimeTranslationClientEvent",
    "RealtimeTranslationClientSecretCreateResponse": "RealtimeTranslationClientSecretCreateResponse",
    "RealtimeTranslationInputAudioBufferAppendEvent": "RealtimeTranslationClientEventInputAudioBufferAppend",
    "RealtimeTranslationInputTranscriptDeltaEvent": "RealtimeTranslationServerEventSessionInputTranscriptDelta",
    "RealtimeTranslationOutputAudioDeltaEvent": "RealtimeTranslationServerEventSessionOutputAudioDelta",
    "RealtimeTranslationOutputTranscriptDeltaEvent": "RealtimeTranslationServerEventSessionOutputTranscriptDelta",
    "RealtimeTranslationServerEvent": "RealtimeTranslationServerEvent",
    "RealtimeTranslationSession": "RealtimeTranslationSession",
    "RealtimeTranslationSessionCloseEvent": "RealtimeTranslationClientEventSessionClose",
    "RealtimeTranslationSessionClosedEvent": "RealtimeTranslationServerEventSessionClosed",
    "RealtimeTranslationSessionCreatedEvent": "RealtimeTranslationServerEventSessionCreated",
    "RealtimeTranslationSessionUpdateEvent": "RealtimeTranslationClientEventSessionUpdate",
    "RealtimeTranslationSessionUpdateRequest": "RealtimeTranslationSessionUpdateRequest",
    "RealtimeTranslationSessionUpdatedEvent": "RealtimeTranslationServerEventSessionUpdated",
    "RealtimeTruncation": "RealtimeTruncation",
    "RealtimeTruncationRetentionRatio": "RealtimeTruncationRetentionRatio",
    "ResponseAudioDeltaEvent": "RealtimeServerEventResponseAudioDelta",
    "ResponseAudioDoneEvent": "RealtimeServerEventResponseAudioDone",
    "ResponseAudioTranscriptDeltaEvent": "RealtimeServerEventResponseAudioTranscriptDelta",
    "ResponseAudioTranscriptDoneEvent": "RealtimeServerEventResponseAudioTranscriptDone",
    "ResponseCancelEvent": "RealtimeClientEventResponseCancel",
    "ResponseContentPartAddedEvent": "RealtimeServerEventResponseContentPartAdded",
    "ResponseContentPartDoneEvent": "RealtimeServerEventResponseContentPartDone",
    "ResponseCreateEvent": "RealtimeClientEventResponseCreate",
    "ResponseCreatedEvent": "RealtimeServerEventResponseCreated",
    "ResponseDoneEvent": "RealtimeServerEventResponseDone",
    "ResponseFunctionCallArgumentsDeltaEvent": "RealtimeServerEventResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDoneEvent": "RealtimeServerEventResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta": "RealtimeServerEventResponseMCPCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone": "RealtimeServerEventResponseMCPCallArgumentsDone",
    "ResponseMcpCallCompleted": "RealtimeServerEventResponseMCPCallCompleted",
    "ResponseMcpCallFailed": "RealtimeServerEventResponseMCPCallFailed",
    "ResponseMcpCallInProgress": "RealtimeServerEventResponseMCPCallInProgress",
    "ResponseOutputItemAddedEvent": "RealtimeServerEventResponseOutputItemAdded",
    "ResponseOutputItemDoneEvent": "RealtimeServerEventResponseOutputItemDone",
    "ResponseTextDeltaEvent": "RealtimeServerEventResponseTextDelta",
    "ResponseTextDoneEvent": "RealtimeServerEventResponseTextDone",
    "SessionCreatedEvent": "RealtimeServerEventSessionCreated",
    "SessionUpdateEvent": "RealtimeClientEventSessionUpdate",
    "SessionUpdatedEvent": "RealtimeServerEventSessionUpdated",
    "TranscriptionSessionUpdate": "RealtimeClientEventTranscriptionSessionUpdate",
    "TranscriptionSessionUpdatedEvent": "RealtimeServerEventTranscriptionSessionUpdated",
}

__all__ = sorted([*_MODELS, "RealtimeToolsConfig"])  # pyright: ignore[reportUnsupportedDunderAll]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from realtime_api import models

        if name == "RealtimeToolsConfig":
            found = list[models.RealtimeToolsConfigUnion]
        else:
            found = getattr(models, _MODELS[name])
        return globals().setdefault(name, found)

    def __dir__() -> list[str]:
        return __all__
