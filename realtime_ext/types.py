"""Every class of the API that an app meets, by its own name and by the official package's.

The job: one place to import from, and let code and habits move over. Each class has one name of its own, which
reprs and type checkers show: that of the API's description (`RealtimeServerEventResponseDone`). The official
package's names (`ResponseDoneEvent`) stand for the same classes. `<Name>Param` is the `TypedDict` of what is sent,
for plain dicts. Where the two disagree about a name, it means what it means in the official package:
`RealtimeSessionCreateRequest` is the session object of today, which the API's description calls
`RealtimeSessionCreateRequestGA`. All are loaded on first use.

Source: https://platform.openai.com/docs/api-reference/realtime
"""

# ruff: noqa: E501  (a table reads better with one entry a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_api import models as _models, params as _params
    from realtime_api.models import (
        AudioTranscription as AudioTranscription,
        AudioTranscriptionResponse as AudioTranscriptionResponse,
        CallableToolAllowedCaller as CallableToolAllowedCaller,
        ClientSecretExpiresAfter as ClientSecretExpiresAfter,
        CustomVoice as CustomVoice,
        Error as Error,
        ErrorResponse as ErrorResponse,
        FileInputDetail as FileInputDetail,
        ImageDetail as ImageDetail,
        InputFileContent as InputFileContent,
        InputImageContent as InputImageContent,
        InputTextContent as InputTextContent,
        LiveCallIncomingData as LiveCallIncomingData,
        LogProbProperties as LogProbProperties,
        MCPAllowedTools as MCPAllowedTools,
        MCPListToolsTool as MCPListToolsTool,
        MCPRequireApproval as MCPRequireApproval,
        MCPTool as MCPTool,
        MCPToolApprovalFilter as MCPToolApprovalFilter,
        MCPToolFilter as MCPToolFilter,
        Metadata as Metadata,
        NoiseReductionType as NoiseReductionType,
        Prompt as Prompt,
        PromptCacheBreakpointConfig as PromptCacheBreakpointConfig,
        RealtimeAssistantContent as RealtimeAssistantContent,
        RealtimeAudioConfig as RealtimeAudioConfig,
        RealtimeAudioConfigInput as RealtimeAudioConfigInput,
        RealtimeAudioConfigOutput as RealtimeAudioConfigOutput,
        RealtimeAudioFormatPcm as RealtimeAudioFormatPcm,
        RealtimeAudioFormatPcma as RealtimeAudioFormatPcma,
        RealtimeAudioFormatPcmu as RealtimeAudioFormatPcmu,
        RealtimeAudioFormats as RealtimeAudioFormats,
        RealtimeCallCreateRequest as RealtimeCallCreateRequest,
        RealtimeCallIncomingData as RealtimeCallIncomingData,
        RealtimeCallReferRequest as RealtimeCallReferRequest,
        RealtimeCallRejectRequest as RealtimeCallRejectRequest,
        RealtimeClientEvent as RealtimeClientEvent,
        RealtimeClientEventConversationItemCreate as RealtimeClientEventConversationItemCreate,
        RealtimeClientEventConversationItemDelete as RealtimeClientEventConversationItemDelete,
        RealtimeClientEventConversationItemRetrieve as RealtimeClientEventConversationItemRetrieve,
        RealtimeClientEventConversationItemTruncate as RealtimeClientEventConversationItemTruncate,
        RealtimeClientEventInputAudioBufferAppend as RealtimeClientEventInputAudioBufferAppend,
        RealtimeClientEventInputAudioBufferClear as RealtimeClientEventInputAudioBufferClear,
        RealtimeClientEventInputAudioBufferCommit as RealtimeClientEventInputAudioBufferCommit,
        RealtimeClientEventOutputAudioBufferClear as RealtimeClientEventOutputAudioBufferClear,
        RealtimeClientEventResponseCancel as RealtimeClientEventResponseCancel,
        RealtimeClientEventResponseCreate as RealtimeClientEventResponseCreate,
        RealtimeClientEventSessionUpdate as RealtimeClientEventSessionUpdate,
        RealtimeClientEventTranscriptionSessionUpdate as RealtimeClientEventTranscriptionSessionUpdate,
        RealtimeContentPart as RealtimeContentPart,
        RealtimeConversation as RealtimeConversation,
        RealtimeConversationItem as RealtimeConversationItem,
        RealtimeConversationItemFunctionCall as RealtimeConversationItemFunctionCall,
        RealtimeConversationItemFunctionCallOutput as RealtimeConversationItemFunctionCallOutput,
        RealtimeConversationItemMessageAssistant as RealtimeConversationItemMessageAssistant,
        RealtimeConversationItemMessageSystem as RealtimeConversationItemMessageSystem,
        RealtimeConversationItemMessageUser as RealtimeConversationItemMessageUser,
        RealtimeConversationItemWithReference as RealtimeConversationItemWithReference,
        RealtimeCreateClientSecretRequest as RealtimeCreateClientSecretRequest,
        RealtimeCreateClientSecretResponse as RealtimeCreateClientSecretResponse,
        RealtimeError as RealtimeError,
        RealtimeFunctionTool as RealtimeFunctionTool,
        RealtimeLegacyAudio as RealtimeLegacyAudio,
        RealtimeLegacyAudioInput as RealtimeLegacyAudioInput,
        RealtimeLegacyAudioOutput as RealtimeLegacyAudioOutput,
        RealtimeLegacyNoiseReduction as RealtimeLegacyNoiseReduction,
        RealtimeLegacyTranscription as RealtimeLegacyTranscription,
        RealtimeLegacyTurnDetection as RealtimeLegacyTurnDetection,
        RealtimeLegacyTurnDetectionRequest as RealtimeLegacyTurnDetectionRequest,
        RealtimeMCPApprovalRequest as RealtimeMCPApprovalRequest,
        RealtimeMCPApprovalResponse as RealtimeMCPApprovalResponse,
        RealtimeMCPHTTPError as RealtimeMCPHTTPError,
        RealtimeMCPListTools as RealtimeMCPListTools,
        RealtimeMCPProtocolError as RealtimeMCPProtocolError,
        RealtimeMCPToolCall as RealtimeMCPToolCall,
        RealtimeMCPToolCallError as RealtimeMCPToolCallError,
        RealtimeMCPToolExecutionError as RealtimeMCPToolExecutionError,
        RealtimeNoiseReduction as RealtimeNoiseReduction,
        RealtimeRateLimit as RealtimeRateLimit,
        RealtimeReasoning as RealtimeReasoning,
        RealtimeReasoningEffort as RealtimeReasoningEffort,
        RealtimeReferenceContent as RealtimeReferenceContent,
        RealtimeResponse as RealtimeResponse,
        RealtimeResponseAudio as RealtimeResponseAudio,
        RealtimeResponseAudioOutput as RealtimeResponseAudioOutput,
        RealtimeResponseCreateAudioOutput as RealtimeResponseCreateAudioOutput,
        RealtimeResponseCreateAudioOutputConfig as RealtimeResponseCreateAudioOutputConfig,
        RealtimeResponseCreateParams as RealtimeResponseCreateParams,
        RealtimeResponseInputItem as RealtimeResponseInputItem,
        RealtimeResponseStatus as RealtimeResponseStatus,
        RealtimeResponseStatusError as RealtimeResponseStatusError,
        RealtimeResponseUsage as RealtimeResponseUsage,
        RealtimeResponseUsageCachedTokensDetails as RealtimeResponseUsageCachedTokensDetails,
        RealtimeResponseUsageInputTokenDetails as RealtimeResponseUsageInputTokenDetails,
        RealtimeResponseUsageOutputTokenDetails as RealtimeResponseUsageOutputTokenDetails,
        RealtimeSemanticVad as RealtimeSemanticVad,
        RealtimeServerEvent as RealtimeServerEvent,
        RealtimeServerEventConversationCreated as RealtimeServerEventConversationCreated,
        RealtimeServerEventConversationItemAdded as RealtimeServerEventConversationItemAdded,
        RealtimeServerEventConversationItemCreated as RealtimeServerEventConversationItemCreated,
        RealtimeServerEventConversationItemDeleted as RealtimeServerEventConversationItemDeleted,
        RealtimeServerEventConversationItemDone as RealtimeServerEventConversationItemDone,
        RealtimeServerEventConversationItemInputAudioTranscriptionCompleted as RealtimeServerEventConversationItemInputAudioTranscriptionCompleted,
        RealtimeServerEventConversationItemInputAudioTranscriptionDelta as RealtimeServerEventConversationItemInputAudioTranscriptionDelta,
        RealtimeServerEventConversationItemInputAudioTranscriptionFailed as RealtimeServerEventConversationItemInputAudioTranscriptionFailed,
        RealtimeServerEventConversationItemInputAudioTranscriptionSegment as RealtimeServerEventConversationItemInputAudioTranscriptionSegment,
        RealtimeServerEventConversationItemRetrieved as RealtimeServerEventConversationItemRetrieved,
        RealtimeServerEventConversationItemTruncated as RealtimeServerEventConversationItemTruncated,
        RealtimeServerEventError as RealtimeServerEventError,
        RealtimeServerEventInputAudioBufferCleared as RealtimeServerEventInputAudioBufferCleared,
        RealtimeServerEventInputAudioBufferCommitted as RealtimeServerEventInputAudioBufferCommitted,
        RealtimeServerEventInputAudioBufferDtmfEventReceived as RealtimeServerEventInputAudioBufferDtmfEventReceived,
        RealtimeServerEventInputAudioBufferSpeechStarted as RealtimeServerEventInputAudioBufferSpeechStarted,
        RealtimeServerEventInputAudioBufferSpeechStopped as RealtimeServerEventInputAudioBufferSpeechStopped,
        RealtimeServerEventInputAudioBufferTimeoutTriggered as RealtimeServerEventInputAudioBufferTimeoutTriggered,
        RealtimeServerEventMCPListToolsCompleted as RealtimeServerEventMCPListToolsCompleted,
        RealtimeServerEventMCPListToolsFailed as RealtimeServerEventMCPListToolsFailed,
        RealtimeServerEventMCPListToolsInProgress as RealtimeServerEventMCPListToolsInProgress,
        RealtimeServerEventOutputAudioBufferCleared as RealtimeServerEventOutputAudioBufferCleared,
        RealtimeServerEventOutputAudioBufferStarted as RealtimeServerEventOutputAudioBufferStarted,
        RealtimeServerEventOutputAudioBufferStopped as RealtimeServerEventOutputAudioBufferStopped,
        RealtimeServerEventRateLimitsUpdated as RealtimeServerEventRateLimitsUpdated,
        RealtimeServerEventResponseAudioDelta as RealtimeServerEventResponseAudioDelta,
        RealtimeServerEventResponseAudioDone as RealtimeServerEventResponseAudioDone,
        RealtimeServerEventResponseAudioTranscriptDelta as RealtimeServerEventResponseAudioTranscriptDelta,
        RealtimeServerEventResponseAudioTranscriptDone as RealtimeServerEventResponseAudioTranscriptDone,
        RealtimeServerEventResponseContentPartAdded as RealtimeServerEventResponseContentPartAdded,
        RealtimeServerEventResponseContentPartDone as RealtimeServerEventResponseContentPartDone,
        RealtimeServerEventResponseCreated as RealtimeServerEventResponseCreated,
        RealtimeServerEventResponseDone as RealtimeServerEventResponseDone,
        RealtimeServerEventResponseFunctionCallArgumentsDelta as RealtimeServerEventResponseFunctionCallArgumentsDelta,
        RealtimeServerEventResponseFunctionCallArgumentsDone as RealtimeServerEventResponseFunctionCallArgumentsDone,
        RealtimeServerEventResponseMCPCallArgumentsDelta as RealtimeServerEventResponseMCPCallArgumentsDelta,
        RealtimeServerEventResponseMCPCallArgumentsDone as RealtimeServerEventResponseMCPCallArgumentsDone,
        RealtimeServerEventResponseMCPCallCompleted as RealtimeServerEventResponseMCPCallCompleted,
        RealtimeServerEventResponseMCPCallFailed as RealtimeServerEventResponseMCPCallFailed,
        RealtimeServerEventResponseMCPCallInProgress as RealtimeServerEventResponseMCPCallInProgress,
        RealtimeServerEventResponseOutputItemAdded as RealtimeServerEventResponseOutputItemAdded,
        RealtimeServerEventResponseOutputItemDone as RealtimeServerEventResponseOutputItemDone,
        RealtimeServerEventResponseTextDelta as RealtimeServerEventResponseTextDelta,
        RealtimeServerEventResponseTextDone as RealtimeServerEventResponseTextDone,
        RealtimeServerEventSessionCreated as RealtimeServerEventSessionCreated,
        RealtimeServerEventSessionUpdated as RealtimeServerEventSessionUpdated,
        RealtimeServerEventTranscriptionSessionUpdated as RealtimeServerEventTranscriptionSessionUpdated,
        RealtimeServerVad as RealtimeServerVad,
        RealtimeSession as RealtimeSession,
        RealtimeSessionAudio as RealtimeSessionAudio,
        RealtimeSessionAudioInput as RealtimeSessionAudioInput,
        RealtimeSessionAudioOutput as RealtimeSessionAudioOutput,
        RealtimeSessionClientSecret as RealtimeSessionClientSecret,
        RealtimeSessionCreateRequestGA as RealtimeSessionCreateRequestGA,
        RealtimeSessionCreateResponseGA as RealtimeSessionCreateResponseGA,
        RealtimeSessionRequestUnion as RealtimeSessionRequestUnion,
        RealtimeSessionUnion as RealtimeSessionUnion,
        RealtimeSystemContent as RealtimeSystemContent,
        RealtimeToolChoiceConfig as RealtimeToolChoiceConfig,
        RealtimeToolsConfigUnion as RealtimeToolsConfigUnion,
        RealtimeTracingConfig as RealtimeTracingConfig,
        RealtimeTracingConfiguration as RealtimeTracingConfiguration,
        RealtimeTranscriptionError as RealtimeTranscriptionError,
        RealtimeTranscriptionSessionAudio as RealtimeTranscriptionSessionAudio,
        RealtimeTranscriptionSessionAudioInput as RealtimeTranscriptionSessionAudioInput,
        RealtimeTranscriptionSessionCreateRequestGA as RealtimeTranscriptionSessionCreateRequestGA,
        RealtimeTranscriptionSessionCreateResponseGA as RealtimeTranscriptionSessionCreateResponseGA,
        RealtimeTranscriptionSessionResponseAudio as RealtimeTranscriptionSessionResponseAudio,
        RealtimeTranscriptionSessionResponseAudioInput as RealtimeTranscriptionSessionResponseAudioInput,
        RealtimeTranscriptionSessionTurnDetection as RealtimeTranscriptionSessionTurnDetection,
        RealtimeTranscriptionSessionTurnDetectionRequest as RealtimeTranscriptionSessionTurnDetectionRequest,
        RealtimeTranscriptionUsage as RealtimeTranscriptionUsage,
        RealtimeTranslationAudio as RealtimeTranslationAudio,
        RealtimeTranslationAudioInput as RealtimeTranslationAudioInput,
        RealtimeTranslationAudioOutput as RealtimeTranslationAudioOutput,
        RealtimeTranslationClientEvent as RealtimeTranslationClientEvent,
        RealtimeTranslationClientEventInputAudioBufferAppend as RealtimeTranslationClientEventInputAudioBufferAppend,
        RealtimeTranslationClientEventSessionClose as RealtimeTranslationClientEventSessionClose,
        RealtimeTranslationClientEventSessionUpdate as RealtimeTranslationClientEventSessionUpdate,
        RealtimeTranslationClientSecretCreateRequest as RealtimeTranslationClientSecretCreateRequest,
        RealtimeTranslationClientSecretCreateResponse as RealtimeTranslationClientSecretCreateResponse,
        RealtimeTranslationNoiseReduction as RealtimeTranslationNoiseReduction,
        RealtimeTranslationServerEvent as RealtimeTranslationServerEvent,
        RealtimeTranslationServerEventSessionClosed as RealtimeTranslationServerEventSessionClosed,
        RealtimeTranslationServerEventSessionCreated as RealtimeTranslationServerEventSessionCreated,
        RealtimeTranslationServerEventSessionInputTranscriptDelta as RealtimeTranslationServerEventSessionInputTranscriptDelta,
        RealtimeTranslationServerEventSessionOutputAudioDelta as RealtimeTranslationServerEventSessionOutputAudioDelta,
        RealtimeTranslationServerEventSessionOutputTranscriptDelta as RealtimeTranslationServerEventSessionOutputTranscriptDelta,
        RealtimeTranslationServerEventSessionUpdated as RealtimeTranslationServerEventSessionUpdated,
        RealtimeTranslationSession as RealtimeTranslationSession,
        RealtimeTranslationSessionCreateRequest as RealtimeTranslationSessionCreateRequest,
        RealtimeTranslationSessionUpdateRequest as RealtimeTranslationSessionUpdateRequest,
        RealtimeTranslationTranscription as RealtimeTranslationTranscription,
        RealtimeTruncation as RealtimeTruncation,
        RealtimeTruncationRetentionRatio as RealtimeTruncationRetentionRatio,
        RealtimeTruncationTokenLimits as RealtimeTruncationTokenLimits,
        RealtimeTurnDetection as RealtimeTurnDetection,
        RealtimeUserContent as RealtimeUserContent,
        ResponseItemReference as ResponseItemReference,
        ResponsePrompt as ResponsePrompt,
        ResponsePromptVariable as ResponsePromptVariable,
        ResponsePromptVariables as ResponsePromptVariables,
        SipHeader as SipHeader,
        ToolChoiceFunction as ToolChoiceFunction,
        ToolChoiceMCP as ToolChoiceMCP,
        ToolChoiceOptions as ToolChoiceOptions,
        TranscriptionLanguage as TranscriptionLanguage,
        TranscriptTextUsageDuration as TranscriptTextUsageDuration,
        TranscriptTextUsageInputTokenDetails as TranscriptTextUsageInputTokenDetails,
        TranscriptTextUsageTokens as TranscriptTextUsageTokens,
        VoiceIdsOrCustomVoice as VoiceIdsOrCustomVoice,
        VoiceIdsShared as VoiceIdsShared,
        WebhookLiveCallIncoming as WebhookLiveCallIncoming,
        WebhookRealtimeCallIncoming as WebhookRealtimeCallIncoming,
    )
    from realtime_api.params import (
        AudioTranscriptionParam as AudioTranscriptionParam,
        CallableToolAllowedCallerParam as CallableToolAllowedCallerParam,
        ClientSecretExpiresAfterParam as ClientSecretExpiresAfterParam,
        CustomVoiceParam as CustomVoiceParam,
        FileInputDetailParam as FileInputDetailParam,
        ImageDetailParam as ImageDetailParam,
        InputFileContentParam as InputFileContentParam,
        InputImageContentParam as InputImageContentParam,
        InputTextContentParam as InputTextContentParam,
        MCPAllowedToolsParam as MCPAllowedToolsParam,
        MCPListToolsToolParam as MCPListToolsToolParam,
        MCPRequireApprovalParam as MCPRequireApprovalParam,
        MCPToolApprovalFilterParam as MCPToolApprovalFilterParam,
        MCPToolFilterParam as MCPToolFilterParam,
        MCPToolParam as MCPToolParam,
        MetadataParam as MetadataParam,
        NoiseReductionTypeParam as NoiseReductionTypeParam,
        PromptCacheBreakpointConfigParam as PromptCacheBreakpointConfigParam,
        PromptParam as PromptParam,
        RealtimeAssistantContentParam as RealtimeAssistantContentParam,
        RealtimeAudioConfigInputParam as RealtimeAudioConfigInputParam,
        RealtimeAudioConfigOutputParam as RealtimeAudioConfigOutputParam,
        RealtimeAudioConfigParam as RealtimeAudioConfigParam,
        RealtimeAudioFormatPcmaParam as RealtimeAudioFormatPcmaParam,
        RealtimeAudioFormatPcmParam as RealtimeAudioFormatPcmParam,
        RealtimeAudioFormatPcmuParam as RealtimeAudioFormatPcmuParam,
        RealtimeAudioFormatsParam as RealtimeAudioFormatsParam,
        RealtimeCallCreateRequestParam as RealtimeCallCreateRequestParam,
        RealtimeCallReferRequestParam as RealtimeCallReferRequestParam,
        RealtimeCallRejectRequestParam as RealtimeCallRejectRequestParam,
        RealtimeClientEventConversationItemCreateParam as RealtimeClientEventConversationItemCreateParam,
        RealtimeClientEventConversationItemDeleteParam as RealtimeClientEventConversationItemDeleteParam,
        RealtimeClientEventConversationItemRetrieveParam as RealtimeClientEventConversationItemRetrieveParam,
        RealtimeClientEventConversationItemTruncateParam as RealtimeClientEventConversationItemTruncateParam,
        RealtimeClientEventInputAudioBufferAppendParam as RealtimeClientEventInputAudioBufferAppendParam,
        RealtimeClientEventInputAudioBufferClearParam as RealtimeClientEventInputAudioBufferClearParam,
        RealtimeClientEventInputAudioBufferCommitParam as RealtimeClientEventInputAudioBufferCommitParam,
        RealtimeClientEventOutputAudioBufferClearParam as RealtimeClientEventOutputAudioBufferClearParam,
        RealtimeClientEventParam as RealtimeClientEventParam,
        RealtimeClientEventResponseCancelParam as RealtimeClientEventResponseCancelParam,
        RealtimeClientEventResponseCreateParam as RealtimeClientEventResponseCreateParam,
        RealtimeClientEventSessionUpdateParam as RealtimeClientEventSessionUpdateParam,
        RealtimeConversationItemFunctionCallOutputParam as RealtimeConversationItemFunctionCallOutputParam,
        RealtimeConversationItemFunctionCallParam as RealtimeConversationItemFunctionCallParam,
        RealtimeConversationItemMessageAssistantParam as RealtimeConversationItemMessageAssistantParam,
        RealtimeConversationItemMessageSystemParam as RealtimeConversationItemMessageSystemParam,
        RealtimeConversationItemMessageUserParam as RealtimeConversationItemMessageUserParam,
        RealtimeConversationItemParam as RealtimeConversationItemParam,
        RealtimeCreateClientSecretRequestParam as RealtimeCreateClientSecretRequestParam,
        RealtimeFunctionToolParam as RealtimeFunctionToolParam,
        RealtimeLegacyNoiseReductionParam as RealtimeLegacyNoiseReductionParam,
        RealtimeLegacyTranscriptionParam as RealtimeLegacyTranscriptionParam,
        RealtimeLegacyTurnDetectionRequestParam as RealtimeLegacyTurnDetectionRequestParam,
        RealtimeMCPApprovalRequestParam as RealtimeMCPApprovalRequestParam,
        RealtimeMCPApprovalResponseParam as RealtimeMCPApprovalResponseParam,
        RealtimeMCPHTTPErrorParam as RealtimeMCPHTTPErrorParam,
        RealtimeMCPListToolsParam as RealtimeMCPListToolsParam,
        RealtimeMCPProtocolErrorParam as RealtimeMCPProtocolErrorParam,
        RealtimeMCPToolCallErrorParam as RealtimeMCPToolCallErrorParam,
        RealtimeMCPToolCallParam as RealtimeMCPToolCallParam,
        RealtimeMCPToolExecutionErrorParam as RealtimeMCPToolExecutionErrorParam,
        RealtimeNoiseReductionParam as RealtimeNoiseReductionParam,
        RealtimeReasoningEffortParam as RealtimeReasoningEffortParam,
        RealtimeReasoningParam as RealtimeReasoningParam,
        RealtimeResponseCreateAudioOutputConfigParam as RealtimeResponseCreateAudioOutputConfigParam,
        RealtimeResponseCreateAudioOutputParam as RealtimeResponseCreateAudioOutputParam,
        RealtimeResponseCreateParamsParam as RealtimeResponseCreateParamsParam,
        RealtimeResponseInputItemParam as RealtimeResponseInputItemParam,
        RealtimeSemanticVadParam as RealtimeSemanticVadParam,
        RealtimeServerVadParam as RealtimeServerVadParam,
        RealtimeSessionClientSecretParam as RealtimeSessionClientSecretParam,
        RealtimeSessionCreateRequestGAParam as RealtimeSessionCreateRequestGAParam,
        RealtimeSessionRequestUnionParam as RealtimeSessionRequestUnionParam,
        RealtimeSystemContentParam as RealtimeSystemContentParam,
        RealtimeToolChoiceConfigParam as RealtimeToolChoiceConfigParam,
        RealtimeToolsConfigUnionParam as RealtimeToolsConfigUnionParam,
        RealtimeTracingConfigParam as RealtimeTracingConfigParam,
        RealtimeTracingConfigurationParam as RealtimeTracingConfigurationParam,
        RealtimeTranscriptionSessionAudioInputParam as RealtimeTranscriptionSessionAudioInputParam,
        RealtimeTranscriptionSessionAudioParam as RealtimeTranscriptionSessionAudioParam,
        RealtimeTranscriptionSessionCreateRequestGAParam as RealtimeTranscriptionSessionCreateRequestGAParam,
        RealtimeTranscriptionSessionTurnDetectionRequestParam as RealtimeTranscriptionSessionTurnDetectionRequestParam,
        RealtimeTranslationAudioInputParam as RealtimeTranslationAudioInputParam,
        RealtimeTranslationAudioOutputParam as RealtimeTranslationAudioOutputParam,
        RealtimeTranslationAudioParam as RealtimeTranslationAudioParam,
        RealtimeTranslationClientEventInputAudioBufferAppendParam as RealtimeTranslationClientEventInputAudioBufferAppendParam,
        RealtimeTranslationClientEventParam as RealtimeTranslationClientEventParam,
        RealtimeTranslationClientEventSessionCloseParam as RealtimeTranslationClientEventSessionCloseParam,
        RealtimeTranslationClientEventSessionUpdateParam as RealtimeTranslationClientEventSessionUpdateParam,
        RealtimeTranslationClientSecretCreateRequestParam as RealtimeTranslationClientSecretCreateRequestParam,
        RealtimeTranslationNoiseReductionParam as RealtimeTranslationNoiseReductionParam,
        RealtimeTranslationSessionCreateRequestParam as RealtimeTranslationSessionCreateRequestParam,
        RealtimeTranslationSessionUpdateRequestParam as RealtimeTranslationSessionUpdateRequestParam,
        RealtimeTranslationTranscriptionParam as RealtimeTranslationTranscriptionParam,
        RealtimeTruncationParam as RealtimeTruncationParam,
        RealtimeTruncationRetentionRatioParam as RealtimeTruncationRetentionRatioParam,
        RealtimeTruncationTokenLimitsParam as RealtimeTruncationTokenLimitsParam,
        RealtimeTurnDetectionParam as RealtimeTurnDetectionParam,
        RealtimeUserContentParam as RealtimeUserContentParam,
        ResponseItemReferenceParam as ResponseItemReferenceParam,
        ResponsePromptParam as ResponsePromptParam,
        ResponsePromptVariableParam as ResponsePromptVariableParam,
        ResponsePromptVariablesParam as ResponsePromptVariablesParam,
        ToolChoiceFunctionParam as ToolChoiceFunctionParam,
        ToolChoiceMCPParam as ToolChoiceMCPParam,
        ToolChoiceOptionsParam as ToolChoiceOptionsParam,
        VoiceIdsOrCustomVoiceParam as VoiceIdsOrCustomVoiceParam,
        VoiceIdsSharedParam as VoiceIdsSharedParam,
    )

    from .events import (
        ClientEvent as ClientEvent,
        Event as Event,
        Reconnected as Reconnected,
        ServerEvent as ServerEvent,
        SessionExpiring as SessionExpiring,
        UnknownEvent as UnknownEvent,
    )

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
    McpListToolsCompleted = _models.RealtimeServerEventMCPListToolsCompleted
    McpListToolsFailed = _models.RealtimeServerEventMCPListToolsFailed
    McpListToolsInProgress = _models.RealtimeServerEventMCPListToolsInProgress
    OutputAudioBufferClearEvent = _models.RealtimeClientEventOutputAudioBufferClear
    RateLimitsUpdatedEvent = _models.RealtimeServerEventRateLimitsUpdated
    RealtimeAudioInputTurnDetection = _models.RealtimeTurnDetection
    RealtimeCallIncomingWebhookEvent = _models.WebhookRealtimeCallIncoming
    RealtimeConversationItemAssistantMessage = _models.RealtimeConversationItemMessageAssistant
    RealtimeConversationItemSystemMessage = _models.RealtimeConversationItemMessageSystem
    RealtimeConversationItemUserMessage = _models.RealtimeConversationItemMessageUser
    RealtimeErrorEvent = _models.RealtimeServerEventError
    RealtimeMcpApprovalRequest = _models.RealtimeMCPApprovalRequest
    RealtimeMcpApprovalResponse = _models.RealtimeMCPApprovalResponse
    RealtimeMcpListTools = _models.RealtimeMCPListTools
    RealtimeMcpProtocolError = _models.RealtimeMCPProtocolError
    RealtimeMcpToolCall = _models.RealtimeMCPToolCall
    RealtimeMcpToolExecutionError = _models.RealtimeMCPToolExecutionError
    RealtimeMcphttpError = _models.RealtimeMCPHTTPError
    RealtimeResponseCreateMcpTool = _models.MCPTool
    RealtimeSessionCreateRequest = _models.RealtimeSessionCreateRequestGA
    RealtimeSessionCreateResponse = _models.RealtimeSessionCreateResponseGA
    RealtimeTranscriptionSessionAudioInputTurnDetection = _models.RealtimeTurnDetection
    RealtimeTranscriptionSessionCreateRequest = _models.RealtimeTranscriptionSessionCreateRequestGA
    RealtimeTranscriptionSessionCreateResponse = _models.RealtimeTranscriptionSessionCreateResponseGA
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
    RealtimeTranslationSessionCloseEvent = _models.RealtimeTranslationClientEventSessionClose
    RealtimeTranslationSessionClosedEvent = _models.RealtimeTranslationServerEventSessionClosed
    RealtimeTranslationSessionCreatedEvent = _models.RealtimeTranslationServerEventSessionCreated
    RealtimeTranslationSessionUpdateEvent = _models.RealtimeTranslationClientEventSessionUpdate
    RealtimeTranslationSessionUpdatedEvent = _models.RealtimeTranslationServerEventSessionUpdated
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
    RealtimeToolsConfig = list[_models.RealtimeToolsConfigUnion]
    ConversationItemParam = _params.RealtimeConversationItemParam
    ConversationItemCreateEventParam = _params.RealtimeClientEventConversationItemCreateParam
    ConversationItemDeleteEventParam = _params.RealtimeClientEventConversationItemDeleteParam
    ConversationItemRetrieveEventParam = _params.RealtimeClientEventConversationItemRetrieveParam
    ConversationItemTruncateEventParam = _params.RealtimeClientEventConversationItemTruncateParam
    InputAudioBufferAppendEventParam = _params.RealtimeClientEventInputAudioBufferAppendParam
    InputAudioBufferClearEventParam = _params.RealtimeClientEventInputAudioBufferClearParam
    InputAudioBufferCommitEventParam = _params.RealtimeClientEventInputAudioBufferCommitParam
    OutputAudioBufferClearEventParam = _params.RealtimeClientEventOutputAudioBufferClearParam
    RealtimeAudioInputTurnDetectionParam = _params.RealtimeTurnDetectionParam
    RealtimeConversationItemAssistantMessageParam = _params.RealtimeConversationItemMessageAssistantParam
    RealtimeConversationItemSystemMessageParam = _params.RealtimeConversationItemMessageSystemParam
    RealtimeConversationItemUserMessageParam = _params.RealtimeConversationItemMessageUserParam
    RealtimeMcpApprovalRequestParam = _params.RealtimeMCPApprovalRequestParam
    RealtimeMcpApprovalResponseParam = _params.RealtimeMCPApprovalResponseParam
    RealtimeMcpListToolsParam = _params.RealtimeMCPListToolsParam
    RealtimeMcpProtocolErrorParam = _params.RealtimeMCPProtocolErrorParam
    RealtimeMcpToolCallParam = _params.RealtimeMCPToolCallParam
    RealtimeMcpToolExecutionErrorParam = _params.RealtimeMCPToolExecutionErrorParam
    RealtimeMcphttpErrorParam = _params.RealtimeMCPHTTPErrorParam
    RealtimeResponseCreateMcpToolParam = _params.MCPToolParam
    RealtimeSessionCreateRequestParam = _params.RealtimeSessionCreateRequestGAParam
    RealtimeTranscriptionSessionAudioInputTurnDetectionParam = _params.RealtimeTurnDetectionParam
    RealtimeTranscriptionSessionCreateRequestParam = _params.RealtimeTranscriptionSessionCreateRequestGAParam
    RealtimeTranslationInputAudioBufferAppendEventParam = (
        _params.RealtimeTranslationClientEventInputAudioBufferAppendParam
    )
    RealtimeTranslationSessionCloseEventParam = _params.RealtimeTranslationClientEventSessionCloseParam
    RealtimeTranslationSessionUpdateEventParam = _params.RealtimeTranslationClientEventSessionUpdateParam
    ResponseCancelEventParam = _params.RealtimeClientEventResponseCancelParam
    ResponseCreateEventParam = _params.RealtimeClientEventResponseCreateParam
    SessionUpdateEventParam = _params.RealtimeClientEventSessionUpdateParam
    RealtimeToolsConfigParam = list[_params.RealtimeToolsConfigUnionParam]
    CallAcceptParams = _params.RealtimeSessionCreateRequestGAParam
    CallCreateParams = _params.RealtimeCallCreateRequestParam
    CallReferParams = _params.RealtimeCallReferRequestParam
    CallRejectParams = _params.RealtimeCallRejectRequestParam
    ClientSecretCreateParams = _params.RealtimeCreateClientSecretRequestParam
    ConnectClientEventParam = _params.RealtimeTranslationClientEventParam

# The official package's names and the classes' own, for the run time.
_OFFICIAL = {
    "CallAcceptParams": "RealtimeSessionCreateRequestGAParam",
    "CallCreateParams": "RealtimeCallCreateRequestParam",
    "CallReferParams": "RealtimeCallReferRequestParam",
    "CallRejectParams": "RealtimeCallRejectRequestParam",
    "ClientSecretCreateParams": "RealtimeCreateClientSecretRequestParam",
    "ConnectClientEventParam": "RealtimeTranslationClientEventParam",
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
    "McpListToolsCompleted": "RealtimeServerEventMCPListToolsCompleted",
    "McpListToolsFailed": "RealtimeServerEventMCPListToolsFailed",
    "McpListToolsInProgress": "RealtimeServerEventMCPListToolsInProgress",
    "OutputAudioBufferClearEvent": "RealtimeClientEventOutputAudioBufferClear",
    "RateLimitsUpdatedEvent": "RealtimeServerEventRateLimitsUpdated",
    "RealtimeAudioInputTurnDetection": "RealtimeTurnDetection",
    "RealtimeCallIncomingWebhookEvent": "WebhookRealtimeCallIncoming",
    "RealtimeConversationItemAssistantMessage": "RealtimeConversationItemMessageAssistant",
    "RealtimeConversationItemSystemMessage": "RealtimeConversationItemMessageSystem",
    "RealtimeConversationItemUserMessage": "RealtimeConversationItemMessageUser",
    "RealtimeErrorEvent": "RealtimeServerEventError",
    "RealtimeMcpApprovalRequest": "RealtimeMCPApprovalRequest",
    "RealtimeMcpApprovalResponse": "RealtimeMCPApprovalResponse",
    "RealtimeMcpListTools": "RealtimeMCPListTools",
    "RealtimeMcpProtocolError": "RealtimeMCPProtocolError",
    "RealtimeMcpToolCall": "RealtimeMCPToolCall",
    "RealtimeMcpToolExecutionError": "RealtimeMCPToolExecutionError",
    "RealtimeMcphttpError": "RealtimeMCPHTTPError",
    "RealtimeResponseCreateMcpTool": "MCPTool",
    "RealtimeSessionCreateRequest": "RealtimeSessionCreateRequestGA",
    "RealtimeSessionCreateResponse": "RealtimeSessionCreateResponseGA",
    "RealtimeTranscriptionSessionAudioInputTurnDetection": "RealtimeTurnDetection",
    "RealtimeTranscriptionSessionCreateRequest": "RealtimeTranscriptionSessionCreateRequestGA",
    "RealtimeTranscriptionSessionCreateResponse": "RealtimeTranscriptionSessionCreateResponseGA",
    "RealtimeTranslationInputAudioBufferAppendEvent": "RealtimeTranslationClientEventInputAudioBufferAppend",
    "RealtimeTranslationInputTranscriptDeltaEvent": "RealtimeTranslationServerEventSessionInputTranscriptDelta",
    "RealtimeTranslationOutputAudioDeltaEvent": "RealtimeTranslationServerEventSessionOutputAudioDelta",
    "RealtimeTranslationOutputTranscriptDeltaEvent": "RealtimeTranslationServerEventSessionOutputTranscriptDelta",
    "RealtimeTranslationSessionCloseEvent": "RealtimeTranslationClientEventSessionClose",
    "RealtimeTranslationSessionClosedEvent": "RealtimeTranslationServerEventSessionClosed",
    "RealtimeTranslationSessionCreatedEvent": "RealtimeTranslationServerEventSessionCreated",
    "RealtimeTranslationSessionUpdateEvent": "RealtimeTranslationClientEventSessionUpdate",
    "RealtimeTranslationSessionUpdatedEvent": "RealtimeTranslationServerEventSessionUpdated",
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
_EVENTS = ("ClientEvent", "Event", "Reconnected", "ServerEvent", "SessionExpiring", "UnknownEvent")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        found = __dir__() if name == "__all__" else _find(name)
        if found is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, found)

    def _find(name: str) -> Any:
        from realtime_api import models

        if name in _EVENTS:
            from . import events

            return getattr(events, name)
        if name in ("RealtimeToolsConfig", "RealtimeToolsConfigParam"):
            return list[_find(name.replace("Config", "ConfigUnion"))]
        own = _OFFICIAL.get(name, name)
        if own.endswith("Param"):
            from realtime_api import params

            plain = own.removesuffix("Param")
            return getattr(params, f"{_OFFICIAL.get(plain, plain)}Param", None)
        return getattr(models, own) if own in models.__all__ else None

    def __dir__() -> list[str]:
        from realtime_api import models, params

        own = {*models.__all__, *_OFFICIAL, "RealtimeToolsConfig"}
        sent = {f"{name}Param" for name in own if f"{_OFFICIAL.get(name, name)}Param" in params.__all__}
        return sorted({*own, *sent, "RealtimeToolsConfigParam", *_EVENTS})
