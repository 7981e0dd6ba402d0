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
    from realtime_api import models as _models
    from realtime_api import params as _params
    from realtime_api.models import (
        AudioTranscription as AudioTranscription,
    )
    from realtime_api.models import (
        AudioTranscriptionResponse as AudioTranscriptionResponse,
    )
    from realtime_api.models import (
        CallableToolAllowedCaller as CallableToolAllowedCaller,
    )
    from realtime_api.models import (
        ClientSecretExpiresAfter as ClientSecretExpiresAfter,
    )
    from realtime_api.models import (
        CustomVoice as CustomVoice,
    )
    from realtime_api.models import (
        Error as Error,
    )
    from realtime_api.models import (
        ErrorResponse as ErrorResponse,
    )
    from realtime_api.models import (
        FileInputDetail as FileInputDetail,
    )
    from realtime_api.models import (
        ImageDetail as ImageDetail,
    )
    from realtime_api.models import (
        InputFileContent as InputFileContent,
    )
    from realtime_api.models import (
        InputImageContent as InputImageContent,
    )
    from realtime_api.models import (
        InputTextContent as InputTextContent,
    )
    from realtime_api.models import (
        LiveCallIncomingData as LiveCallIncomingData,
    )
    from realtime_api.models import (
        LogProbProperties as LogProbProperties,
    )
    from realtime_api.models import (
        MCPAllowedTools as MCPAllowedTools,
    )
    from realtime_api.models import (
        MCPListToolsTool as MCPListToolsTool,
    )
    from realtime_api.models import (
        MCPRequireApproval as MCPRequireApproval,
    )
    from realtime_api.models import (
        MCPTool as MCPTool,
    )
    from realtime_api.models import (
        MCPToolApprovalFilter as MCPToolApprovalFilter,
    )
    from realtime_api.models import (
        MCPToolFilter as MCPToolFilter,
    )
    from realtime_api.models import (
        Metadata as Metadata,
    )
    from realtime_api.models import (
        NoiseReductionType as NoiseReductionType,
    )
    from realtime_api.models import (
        Prompt as Prompt,
    )
    from realtime_api.models import (
        PromptCacheBreakpointConfig as PromptCacheBreakpointConfig,
    )
    from realtime_api.models import (
        RealtimeAssistantContent as RealtimeAssistantContent,
    )
    from realtime_api.models import (
        RealtimeAudioConfig as RealtimeAudioConfig,
    )
    from realtime_api.models import (
        RealtimeAudioConfigInput as RealtimeAudioConfigInput,
    )
    from realtime_api.models import (
        RealtimeAudioConfigOutput as RealtimeAudioConfigOutput,
    )
    from realtime_api.models import (
        RealtimeAudioFormatPcm as RealtimeAudioFormatPcm,
    )
    from realtime_api.models import (
        RealtimeAudioFormatPcma as RealtimeAudioFormatPcma,
    )
    from realtime_api.models import (
        RealtimeAudioFormatPcmu as RealtimeAudioFormatPcmu,
    )
    from realtime_api.models import (
        RealtimeAudioFormats as RealtimeAudioFormats,
    )
    from realtime_api.models import (
        RealtimeCallCreateRequest as RealtimeCallCreateRequest,
    )
    from realtime_api.models import (
        RealtimeCallIncomingData as RealtimeCallIncomingData,
    )
    from realtime_api.models import (
        RealtimeCallReferRequest as RealtimeCallReferRequest,
    )
    from realtime_api.models import (
        RealtimeCallRejectRequest as RealtimeCallRejectRequest,
    )
    from realtime_api.models import (
        RealtimeClientEvent as RealtimeClientEvent,
    )
    from realtime_api.models import (
        RealtimeClientEventConversationItemCreate as RealtimeClientEventConversationItemCreate,
    )
    from realtime_api.models import (
        RealtimeClientEventConversationItemDelete as RealtimeClientEventConversationItemDelete,
    )
    from realtime_api.models import (
        RealtimeClientEventConversationItemRetrieve as RealtimeClientEventConversationItemRetrieve,
    )
    from realtime_api.models import (
        RealtimeClientEventConversationItemTruncate as RealtimeClientEventConversationItemTruncate,
    )
    from realtime_api.models import (
        RealtimeClientEventInputAudioBufferAppend as RealtimeClientEventInputAudioBufferAppend,
    )
    from realtime_api.models import (
        RealtimeClientEventInputAudioBufferClear as RealtimeClientEventInputAudioBufferClear,
    )
    from realtime_api.models import (
        RealtimeClientEventInputAudioBufferCommit as RealtimeClientEventInputAudioBufferCommit,
    )
    from realtime_api.models import (
        RealtimeClientEventOutputAudioBufferClear as RealtimeClientEventOutputAudioBufferClear,
    )
    from realtime_api.models import (
        RealtimeClientEventResponseCancel as RealtimeClientEventResponseCancel,
    )
    from realtime_api.models import (
        RealtimeClientEventResponseCreate as RealtimeClientEventResponseCreate,
    )
    from realtime_api.models import (
        RealtimeClientEventSessionUpdate as RealtimeClientEventSessionUpdate,
    )
    from realtime_api.models import (
        RealtimeClientEventTranscriptionSessionUpdate as RealtimeClientEventTranscriptionSessionUpdate,
    )
    from realtime_api.models import (
        RealtimeContentPart as RealtimeContentPart,
    )
    from realtime_api.models import (
        RealtimeConversation as RealtimeConversation,
    )
    from realtime_api.models import (
        RealtimeConversationItem as RealtimeConversationItem,
    )
    from realtime_api.models import (
        RealtimeConversationItemFunctionCall as RealtimeConversationItemFunctionCall,
    )
    from realtime_api.models import (
        RealtimeConversationItemFunctionCallOutput as RealtimeConversationItemFunctionCallOutput,
    )
    from realtime_api.models import (
        RealtimeConversationItemMessageAssistant as RealtimeConversationItemMessageAssistant,
    )
    from realtime_api.models import (
        RealtimeConversationItemMessageSystem as RealtimeConversationItemMessageSystem,
    )
    from realtime_api.models import (
        RealtimeConversationItemMessageUser as RealtimeConversationItemMessageUser,
    )
    from realtime_api.models import (
        RealtimeConversationItemWithReference as RealtimeConversationItemWithReference,
    )
    from realtime_api.models import (
        RealtimeCreateClientSecretRequest as RealtimeCreateClientSecretRequest,
    )
    from realtime_api.models import (
        RealtimeCreateClientSecretResponse as RealtimeCreateClientSecretResponse,
    )
    from realtime_api.models import (
        RealtimeError as RealtimeError,
    )
    from realtime_api.models import (
        RealtimeFunctionTool as RealtimeFunctionTool,
    )
    from realtime_api.models import (
        RealtimeLegacyAudio as RealtimeLegacyAudio,
    )
    from realtime_api.models import (
        RealtimeLegacyAudioInput as RealtimeLegacyAudioInput,
    )
    from realtime_api.models import (
        RealtimeLegacyAudioOutput as RealtimeLegacyAudioOutput,
    )
    from realtime_api.models import (
        RealtimeLegacyTranscription as RealtimeLegacyTranscription,
    )
    from realtime_api.models import (
        RealtimeLegacyTurnDetection as RealtimeLegacyTurnDetection,
    )
    from realtime_api.models import (
        RealtimeLegacyTurnDetectionRequest as RealtimeLegacyTurnDetectionRequest,
    )
    from realtime_api.models import (
        RealtimeMCPApprovalRequest as RealtimeMCPApprovalRequest,
    )
    from realtime_api.models import (
        RealtimeMCPApprovalResponse as RealtimeMCPApprovalResponse,
    )
    from realtime_api.models import (
        RealtimeMCPHTTPError as RealtimeMCPHTTPError,
    )
    from realtime_api.models import (
        RealtimeMCPListTools as RealtimeMCPListTools,
    )
    from realtime_api.models import (
        RealtimeMCPProtocolError as RealtimeMCPProtocolError,
    )
    from realtime_api.models import (
        RealtimeMCPToolCall as RealtimeMCPToolCall,
    )
    from realtime_api.models import (
        RealtimeMCPToolCallError as RealtimeMCPToolCallError,
    )
    from realtime_api.models import (
        RealtimeMCPToolExecutionError as RealtimeMCPToolExecutionError,
    )
    from realtime_api.models import (
        RealtimeNoiseReduction as RealtimeNoiseReduction,
    )
    from realtime_api.models import (
        RealtimeRateLimit as RealtimeRateLimit,
    )
    from realtime_api.models import (
        RealtimeReasoning as RealtimeReasoning,
    )
    from realtime_api.models import (
        RealtimeReasoningEffort as RealtimeReasoningEffort,
    )
    from realtime_api.models import (
        RealtimeReferenceContent as RealtimeReferenceContent,
    )
    from realtime_api.models import (
        RealtimeResponse as RealtimeResponse,
    )
    from realtime_api.models import (
        RealtimeResponseAudio as RealtimeResponseAudio,
    )
    from realtime_api.models import (
        RealtimeResponseAudioOutput as RealtimeResponseAudioOutput,
    )
    from realtime_api.models import (
        RealtimeResponseCreateAudioOutput as RealtimeResponseCreateAudioOutput,
    )
    from realtime_api.models import (
        RealtimeResponseCreateAudioOutputConfig as RealtimeResponseCreateAudioOutputConfig,
    )
    from realtime_api.models import (
        RealtimeResponseCreateParams as RealtimeResponseCreateParams,
    )
    from realtime_api.models import (
        RealtimeResponseStatus as RealtimeResponseStatus,
    )
    from realtime_api.models import (
        RealtimeResponseStatusError as RealtimeResponseStatusError,
    )
    from realtime_api.models import (
        RealtimeResponseUsage as RealtimeResponseUsage,
    )
    from realtime_api.models import (
        RealtimeResponseUsageCachedTokensDetails as RealtimeResponseUsageCachedTokensDetails,
    )
    from realtime_api.models import (
        RealtimeResponseUsageInputTokenDetails as RealtimeResponseUsageInputTokenDetails,
    )
    from realtime_api.models import (
        RealtimeResponseUsageOutputTokenDetails as RealtimeResponseUsageOutputTokenDetails,
    )
    from realtime_api.models import (
        RealtimeSemanticVad as RealtimeSemanticVad,
    )
    from realtime_api.models import (
        RealtimeServerEvent as RealtimeServerEvent,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationCreated as RealtimeServerEventConversationCreated,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemAdded as RealtimeServerEventConversationItemAdded,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemCreated as RealtimeServerEventConversationItemCreated,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemDeleted as RealtimeServerEventConversationItemDeleted,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemDone as RealtimeServerEventConversationItemDone,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemInputAudioTranscriptionCompleted as RealtimeServerEventConversationItemInputAudioTranscriptionCompleted,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemInputAudioTranscriptionDelta as RealtimeServerEventConversationItemInputAudioTranscriptionDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemInputAudioTranscriptionFailed as RealtimeServerEventConversationItemInputAudioTranscriptionFailed,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemInputAudioTranscriptionSegment as RealtimeServerEventConversationItemInputAudioTranscriptionSegment,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemRetrieved as RealtimeServerEventConversationItemRetrieved,
    )
    from realtime_api.models import (
        RealtimeServerEventConversationItemTruncated as RealtimeServerEventConversationItemTruncated,
    )
    from realtime_api.models import (
        RealtimeServerEventError as RealtimeServerEventError,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferCleared as RealtimeServerEventInputAudioBufferCleared,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferCommitted as RealtimeServerEventInputAudioBufferCommitted,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferDtmfEventReceived as RealtimeServerEventInputAudioBufferDtmfEventReceived,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferSpeechStarted as RealtimeServerEventInputAudioBufferSpeechStarted,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferSpeechStopped as RealtimeServerEventInputAudioBufferSpeechStopped,
    )
    from realtime_api.models import (
        RealtimeServerEventInputAudioBufferTimeoutTriggered as RealtimeServerEventInputAudioBufferTimeoutTriggered,
    )
    from realtime_api.models import (
        RealtimeServerEventMCPListToolsCompleted as RealtimeServerEventMCPListToolsCompleted,
    )
    from realtime_api.models import (
        RealtimeServerEventMCPListToolsFailed as RealtimeServerEventMCPListToolsFailed,
    )
    from realtime_api.models import (
        RealtimeServerEventMCPListToolsInProgress as RealtimeServerEventMCPListToolsInProgress,
    )
    from realtime_api.models import (
        RealtimeServerEventOutputAudioBufferCleared as RealtimeServerEventOutputAudioBufferCleared,
    )
    from realtime_api.models import (
        RealtimeServerEventOutputAudioBufferStarted as RealtimeServerEventOutputAudioBufferStarted,
    )
    from realtime_api.models import (
        RealtimeServerEventOutputAudioBufferStopped as RealtimeServerEventOutputAudioBufferStopped,
    )
    from realtime_api.models import (
        RealtimeServerEventRateLimitsUpdated as RealtimeServerEventRateLimitsUpdated,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseAudioDelta as RealtimeServerEventResponseAudioDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseAudioDone as RealtimeServerEventResponseAudioDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseAudioTranscriptDelta as RealtimeServerEventResponseAudioTranscriptDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseAudioTranscriptDone as RealtimeServerEventResponseAudioTranscriptDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseContentPartAdded as RealtimeServerEventResponseContentPartAdded,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseContentPartDone as RealtimeServerEventResponseContentPartDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseCreated as RealtimeServerEventResponseCreated,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseDone as RealtimeServerEventResponseDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseFunctionCallArgumentsDelta as RealtimeServerEventResponseFunctionCallArgumentsDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseFunctionCallArgumentsDone as RealtimeServerEventResponseFunctionCallArgumentsDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseMCPCallArgumentsDelta as RealtimeServerEventResponseMCPCallArgumentsDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseMCPCallArgumentsDone as RealtimeServerEventResponseMCPCallArgumentsDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseMCPCallCompleted as RealtimeServerEventResponseMCPCallCompleted,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseMCPCallFailed as RealtimeServerEventResponseMCPCallFailed,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseMCPCallInProgress as RealtimeServerEventResponseMCPCallInProgress,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseOutputItemAdded as RealtimeServerEventResponseOutputItemAdded,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseOutputItemDone as RealtimeServerEventResponseOutputItemDone,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseTextDelta as RealtimeServerEventResponseTextDelta,
    )
    from realtime_api.models import (
        RealtimeServerEventResponseTextDone as RealtimeServerEventResponseTextDone,
    )
    from realtime_api.models import (
        RealtimeServerEventSessionCreated as RealtimeServerEventSessionCreated,
    )
    from realtime_api.models import (
        RealtimeServerEventSessionUpdated as RealtimeServerEventSessionUpdated,
    )
    from realtime_api.models import (
        RealtimeServerEventTranscriptionSessionUpdated as RealtimeServerEventTranscriptionSessionUpdated,
    )
    from realtime_api.models import (
        RealtimeServerVad as RealtimeServerVad,
    )
    from realtime_api.models import (
        RealtimeSession as RealtimeSession,
    )
    from realtime_api.models import (
        RealtimeSessionAudio as RealtimeSessionAudio,
    )
    from realtime_api.models import (
        RealtimeSessionAudioInput as RealtimeSessionAudioInput,
    )
    from realtime_api.models import (
        RealtimeSessionAudioOutput as RealtimeSessionAudioOutput,
    )
    from realtime_api.models import (
        RealtimeSessionClientSecret as RealtimeSessionClientSecret,
    )
    from realtime_api.models import (
        RealtimeSessionCreateRequestGA as RealtimeSessionCreateRequestGA,
    )
    from realtime_api.models import (
        RealtimeSessionCreateResponseGA as RealtimeSessionCreateResponseGA,
    )
    from realtime_api.models import (
        RealtimeSessionRequestUnion as RealtimeSessionRequestUnion,
    )
    from realtime_api.models import (
        RealtimeSessionUnion as RealtimeSessionUnion,
    )
    from realtime_api.models import (
        RealtimeSystemContent as RealtimeSystemContent,
    )
    from realtime_api.models import (
        RealtimeToolChoiceConfig as RealtimeToolChoiceConfig,
    )
    from realtime_api.models import (
        RealtimeToolsConfigUnion as RealtimeToolsConfigUnion,
    )
    from realtime_api.models import (
        RealtimeTracingConfig as RealtimeTracingConfig,
    )
    from realtime_api.models import (
        RealtimeTracingConfiguration as RealtimeTracingConfiguration,
    )
    from realtime_api.models import (
        RealtimeTranscriptionError as RealtimeTranscriptionError,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionAudio as RealtimeTranscriptionSessionAudio,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionAudioInput as RealtimeTranscriptionSessionAudioInput,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionCreateRequestGA as RealtimeTranscriptionSessionCreateRequestGA,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionCreateResponseGA as RealtimeTranscriptionSessionCreateResponseGA,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionResponseAudio as RealtimeTranscriptionSessionResponseAudio,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionResponseAudioInput as RealtimeTranscriptionSessionResponseAudioInput,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionTurnDetection as RealtimeTranscriptionSessionTurnDetection,
    )
    from realtime_api.models import (
        RealtimeTranscriptionSessionTurnDetectionRequest as RealtimeTranscriptionSessionTurnDetectionRequest,
    )
    from realtime_api.models import (
        RealtimeTranscriptionUsage as RealtimeTranscriptionUsage,
    )
    from realtime_api.models import (
        RealtimeTranslationAudio as RealtimeTranslationAudio,
    )
    from realtime_api.models import (
        RealtimeTranslationAudioInput as RealtimeTranslationAudioInput,
    )
    from realtime_api.models import (
        RealtimeTranslationAudioOutput as RealtimeTranslationAudioOutput,
    )
    from realtime_api.models import (
        RealtimeTranslationClientEvent as RealtimeTranslationClientEvent,
    )
    from realtime_api.models import (
        RealtimeTranslationClientEventInputAudioBufferAppend as RealtimeTranslationClientEventInputAudioBufferAppend,
    )
    from realtime_api.models import (
        RealtimeTranslationClientEventSessionClose as RealtimeTranslationClientEventSessionClose,
    )
    from realtime_api.models import (
        RealtimeTranslationClientEventSessionUpdate as RealtimeTranslationClientEventSessionUpdate,
    )
    from realtime_api.models import (
        RealtimeTranslationClientSecretCreateRequest as RealtimeTranslationClientSecretCreateRequest,
    )
    from realtime_api.models import (
        RealtimeTranslationClientSecretCreateResponse as RealtimeTranslationClientSecretCreateResponse,
    )
    from realtime_api.models import (
        RealtimeTranslationNoiseReduction as RealtimeTranslationNoiseReduction,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEvent as RealtimeTranslationServerEvent,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionClosed as RealtimeTranslationServerEventSessionClosed,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionCreated as RealtimeTranslationServerEventSessionCreated,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionInputTranscriptDelta as RealtimeTranslationServerEventSessionInputTranscriptDelta,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionOutputAudioDelta as RealtimeTranslationServerEventSessionOutputAudioDelta,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionOutputTranscriptDelta as RealtimeTranslationServerEventSessionOutputTranscriptDelta,
    )
    from realtime_api.models import (
        RealtimeTranslationServerEventSessionUpdated as RealtimeTranslationServerEventSessionUpdated,
    )
    from realtime_api.models import (
        RealtimeTranslationSession as RealtimeTranslationSession,
    )
    from realtime_api.models import (
        RealtimeTranslationSessionCreateRequest as RealtimeTranslationSessionCreateRequest,
    )
    from realtime_api.models import (
        RealtimeTranslationSessionUpdateRequest as RealtimeTranslationSessionUpdateRequest,
    )
    from realtime_api.models import (
        RealtimeTranslationTranscription as RealtimeTranslationTranscription,
    )
    from realtime_api.models import (
        RealtimeTruncation as RealtimeTruncation,
    )
    from realtime_api.models import (
        RealtimeTruncationRetentionRatio as RealtimeTruncationRetentionRatio,
    )
    from realtime_api.models import (
        RealtimeTruncationTokenLimits as RealtimeTruncationTokenLimits,
    )
    from realtime_api.models import (
        RealtimeTurnDetection as RealtimeTurnDetection,
    )
    from realtime_api.models import (
        RealtimeUserContent as RealtimeUserContent,
    )
    from realtime_api.models import (
        ResponsePrompt as ResponsePrompt,
    )
    from realtime_api.models import (
        ResponsePromptVariable as ResponsePromptVariable,
    )
    from realtime_api.models import (
        ResponsePromptVariables as ResponsePromptVariables,
    )
    from realtime_api.models import (
        SipHeader as SipHeader,
    )
    from realtime_api.models import (
        ToolChoiceFunction as ToolChoiceFunction,
    )
    from realtime_api.models import (
        ToolChoiceMCP as ToolChoiceMCP,
    )
    from realtime_api.models import (
        ToolChoiceOptions as ToolChoiceOptions,
    )
    from realtime_api.models import (
        TranscriptionLanguage as TranscriptionLanguage,
    )
    from realtime_api.models import (
        TranscriptTextUsageDuration as TranscriptTextUsageDuration,
    )
    from realtime_api.models import (
        TranscriptTextUsageInputTokenDetails as TranscriptTextUsageInputTokenDetails,
    )
    from realtime_api.models import (
        TranscriptTextUsageTokens as TranscriptTextUsageTokens,
    )
    from realtime_api.models import (
        VoiceIdsOrCustomVoice as VoiceIdsOrCustomVoice,
    )
    from realtime_api.models import (
        VoiceIdsShared as VoiceIdsShared,
    )
    from realtime_api.models import (
        WebhookLiveCallIncoming as WebhookLiveCallIncoming,
    )
    from realtime_api.models import (
        WebhookRealtimeCallIncoming as WebhookRealtimeCallIncoming,
    )
    from realtime_api.params import (
        AudioTranscriptionParam as AudioTranscriptionParam,
    )
    from realtime_api.params import (
        CallableToolAllowedCallerParam as CallableToolAllowedCallerParam,
    )
    from realtime_api.params import (
        ClientSecretExpiresAfterParam as ClientSecretExpiresAfterParam,
    )
    from realtime_api.params import (
        CustomVoiceParam as CustomVoiceParam,
    )
    from realtime_api.params import (
        FileInputDetailParam as FileInputDetailParam,
    )
    from realtime_api.params import (
        ImageDetailParam as ImageDetailParam,
    )
    from realtime_api.params import (
        InputFileContentParam as InputFileContentParam,
    )
    from realtime_api.params import (
        InputImageContentParam as InputImageContentParam,
    )
    from realtime_api.params import (
        InputTextContentParam as InputTextContentParam,
    )
    from realtime_api.params import (
        MCPAllowedToolsParam as MCPAllowedToolsParam,
    )
    from realtime_api.params import (
        MCPListToolsToolParam as MCPListToolsToolParam,
    )
    from realtime_api.params import (
        MCPRequireApprovalParam as MCPRequireApprovalParam,
    )
    from realtime_api.params import (
        MCPToolApprovalFilterParam as MCPToolApprovalFilterParam,
    )
    from realtime_api.params import (
        MCPToolFilterParam as MCPToolFilterParam,
    )
    from realtime_api.params import (
        MCPToolParam as MCPToolParam,
    )
    from realtime_api.params import (
        MetadataParam as MetadataParam,
    )
    from realtime_api.params import (
        NoiseReductionTypeParam as NoiseReductionTypeParam,
    )
    from realtime_api.params import (
        PromptCacheBreakpointConfigParam as PromptCacheBreakpointConfigParam,
    )
    from realtime_api.params import (
        PromptParam as PromptParam,
    )
    from realtime_api.params import (
        RealtimeAssistantContentParam as RealtimeAssistantContentParam,
    )
    from realtime_api.params import (
        RealtimeAudioConfigInputParam as RealtimeAudioConfigInputParam,
    )
    from realtime_api.params import (
        RealtimeAudioConfigOutputParam as RealtimeAudioConfigOutputParam,
    )
    from realtime_api.params import (
        RealtimeAudioConfigParam as RealtimeAudioConfigParam,
    )
    from realtime_api.params import (
        RealtimeAudioFormatPcmaParam as RealtimeAudioFormatPcmaParam,
    )
    from realtime_api.params import (
        RealtimeAudioFormatPcmParam as RealtimeAudioFormatPcmParam,
    )
    from realtime_api.params import (
        RealtimeAudioFormatPcmuParam as RealtimeAudioFormatPcmuParam,
    )
    from realtime_api.params import (
        RealtimeAudioFormatsParam as RealtimeAudioFormatsParam,
    )
    from realtime_api.params import (
        RealtimeCallCreateRequestParam as RealtimeCallCreateRequestParam,
    )
    from realtime_api.params import (
        RealtimeCallReferRequestParam as RealtimeCallReferRequestParam,
    )
    from realtime_api.params import (
        RealtimeCallRejectRequestParam as RealtimeCallRejectRequestParam,
    )
    from realtime_api.params import (
        RealtimeClientEventConversationItemCreateParam as RealtimeClientEventConversationItemCreateParam,
    )
    from realtime_api.params import (
        RealtimeClientEventConversationItemDeleteParam as RealtimeClientEventConversationItemDeleteParam,
    )
    from realtime_api.params import (
        RealtimeClientEventConversationItemRetrieveParam as RealtimeClientEventConversationItemRetrieveParam,
    )
    from realtime_api.params import (
        RealtimeClientEventConversationItemTruncateParam as RealtimeClientEventConversationItemTruncateParam,
    )
    from realtime_api.params import (
        RealtimeClientEventInputAudioBufferAppendParam as RealtimeClientEventInputAudioBufferAppendParam,
    )
    from realtime_api.params import (
        RealtimeClientEventInputAudioBufferClearParam as RealtimeClientEventInputAudioBufferClearParam,
    )
    from realtime_api.params import (
        RealtimeClientEventInputAudioBufferCommitParam as RealtimeClientEventInputAudioBufferCommitParam,
    )
    from realtime_api.params import (
        RealtimeClientEventOutputAudioBufferClearParam as RealtimeClientEventOutputAudioBufferClearParam,
    )
    from realtime_api.params import (
        RealtimeClientEventParam as RealtimeClientEventParam,
    )
    from realtime_api.params import (
        RealtimeClientEventResponseCancelParam as RealtimeClientEventResponseCancelParam,
    )
    from realtime_api.params import (
        RealtimeClientEventResponseCreateParam as RealtimeClientEventResponseCreateParam,
    )
    from realtime_api.params import (
        RealtimeClientEventSessionUpdateParam as RealtimeClientEventSessionUpdateParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemFunctionCallOutputParam as RealtimeConversationItemFunctionCallOutputParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemFunctionCallParam as RealtimeConversationItemFunctionCallParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemMessageAssistantParam as RealtimeConversationItemMessageAssistantParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemMessageSystemParam as RealtimeConversationItemMessageSystemParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemMessageUserParam as RealtimeConversationItemMessageUserParam,
    )
    from realtime_api.params import (
        RealtimeConversationItemParam as RealtimeConversationItemParam,
    )
    from realtime_api.params import (
        RealtimeCreateClientSecretRequestParam as RealtimeCreateClientSecretRequestParam,
    )
    from realtime_api.params import (
        RealtimeFunctionToolParam as RealtimeFunctionToolParam,
    )
    from realtime_api.params import (
        RealtimeLegacyTranscriptionParam as RealtimeLegacyTranscriptionParam,
    )
    from realtime_api.params import (
        RealtimeLegacyTurnDetectionRequestParam as RealtimeLegacyTurnDetectionRequestParam,
    )
    from realtime_api.params import (
        RealtimeMCPApprovalRequestParam as RealtimeMCPApprovalRequestParam,
    )
    from realtime_api.params import (
        RealtimeMCPApprovalResponseParam as RealtimeMCPApprovalResponseParam,
    )
    from realtime_api.params import (
        RealtimeMCPHTTPErrorParam as RealtimeMCPHTTPErrorParam,
    )
    from realtime_api.params import (
        RealtimeMCPListToolsParam as RealtimeMCPListToolsParam,
    )
    from realtime_api.params import (
        RealtimeMCPProtocolErrorParam as RealtimeMCPProtocolErrorParam,
    )
    from realtime_api.params import (
        RealtimeMCPToolCallErrorParam as RealtimeMCPToolCallErrorParam,
    )
    from realtime_api.params import (
        RealtimeMCPToolCallParam as RealtimeMCPToolCallParam,
    )
    from realtime_api.params import (
        RealtimeMCPToolExecutionErrorParam as RealtimeMCPToolExecutionErrorParam,
    )
    from realtime_api.params import (
        RealtimeNoiseReductionParam as RealtimeNoiseReductionParam,
    )
    from realtime_api.params import (
        RealtimeReasoningEffortParam as RealtimeReasoningEffortParam,
    )
    from realtime_api.params import (
        RealtimeReasoningParam as RealtimeReasoningParam,
    )
    from realtime_api.params import (
        RealtimeResponseCreateAudioOutputConfigParam as RealtimeResponseCreateAudioOutputConfigParam,
    )
    from realtime_api.params import (
        RealtimeResponseCreateAudioOutputParam as RealtimeResponseCreateAudioOutputParam,
    )
    from realtime_api.params import (
        RealtimeResponseCreateParamsParam as RealtimeResponseCreateParamsParam,
    )
    from realtime_api.params import (
        RealtimeSemanticVadParam as RealtimeSemanticVadParam,
    )
    from realtime_api.params import (
        RealtimeServerVadParam as RealtimeServerVadParam,
    )
    from realtime_api.params import (
        RealtimeSessionClientSecretParam as RealtimeSessionClientSecretParam,
    )
    from realtime_api.params import (
        RealtimeSessionCreateRequestGAParam as RealtimeSessionCreateRequestGAParam,
    )
    from realtime_api.params import (
        RealtimeSessionRequestUnionParam as RealtimeSessionRequestUnionParam,
    )
    from realtime_api.params import (
        RealtimeSystemContentParam as RealtimeSystemContentParam,
    )
    from realtime_api.params import (
        RealtimeToolChoiceConfigParam as RealtimeToolChoiceConfigParam,
    )
    from realtime_api.params import (
        RealtimeToolsConfigUnionParam as RealtimeToolsConfigUnionParam,
    )
    from realtime_api.params import (
        RealtimeTracingConfigParam as RealtimeTracingConfigParam,
    )
    from realtime_api.params import (
        RealtimeTracingConfigurationParam as RealtimeTracingConfigurationParam,
    )
    from realtime_api.params import (
        RealtimeTranscriptionSessionAudioInputParam as RealtimeTranscriptionSessionAudioInputParam,
    )
    from realtime_api.params import (
        RealtimeTranscriptionSessionAudioParam as RealtimeTranscriptionSessionAudioParam,
    )
    from realtime_api.params import (
        RealtimeTranscriptionSessionCreateRequestGAParam as RealtimeTranscriptionSessionCreateRequestGAParam,
    )
    from realtime_api.params import (
        RealtimeTranscriptionSessionTurnDetectionRequestParam as RealtimeTranscriptionSessionTurnDetectionRequestParam,
    )
    from realtime_api.params import (
        RealtimeTranslationAudioInputParam as RealtimeTranslationAudioInputParam,
    )
    from realtime_api.params import (
        RealtimeTranslationAudioOutputParam as RealtimeTranslationAudioOutputParam,
    )
    from realtime_api.params import (
        RealtimeTranslationAudioParam as RealtimeTranslationAudioParam,
    )
    from realtime_api.params import (
        RealtimeTranslationClientEventInputAudioBufferAppendParam as RealtimeTranslationClientEventInputAudioBufferAppendParam,
    )
    from realtime_api.params import (
        RealtimeTranslationClientEventParam as RealtimeTranslationClientEventParam,
    )
    from realtime_api.params import (
        RealtimeTranslationClientEventSessionCloseParam as RealtimeTranslationClientEventSessionCloseParam,
    )
    from realtime_api.params import (
        RealtimeTranslationClientEventSessionUpdateParam as RealtimeTranslationClientEventSessionUpdateParam,
    )
    from realtime_api.params import (
        RealtimeTranslationClientSecretCreateRequestParam as RealtimeTranslationClientSecretCreateRequestParam,
    )
    from realtime_api.params import (
        RealtimeTranslationNoiseReductionParam as RealtimeTranslationNoiseReductionParam,
    )
    from realtime_api.params import (
        RealtimeTranslationSessionCreateRequestParam as RealtimeTranslationSessionCreateRequestParam,
    )
    from realtime_api.params import (
        RealtimeTranslationSessionUpdateRequestParam as RealtimeTranslationSessionUpdateRequestParam,
    )
    from realtime_api.params import (
        RealtimeTranslationTranscriptionParam as RealtimeTranslationTranscriptionParam,
    )
    from realtime_api.params import (
        RealtimeTruncationParam as RealtimeTruncationParam,
    )
    from realtime_api.params import (
        RealtimeTruncationRetentionRatioParam as RealtimeTruncationRetentionRatioParam,
    )
    from realtime_api.params import (
        RealtimeTruncationTokenLimitsParam as RealtimeTruncationTokenLimitsParam,
    )
    from realtime_api.params import (
        RealtimeTurnDetectionParam as RealtimeTurnDetectionParam,
    )
    from realtime_api.params import (
        RealtimeUserContentParam as RealtimeUserContentParam,
    )
    from realtime_api.params import (
        ResponsePromptParam as ResponsePromptParam,
    )
    from realtime_api.params import (
        ResponsePromptVariableParam as ResponsePromptVariableParam,
    )
    from realtime_api.params import (
        ResponsePromptVariablesParam as ResponsePromptVariablesParam,
    )
    from realtime_api.params import (
        ToolChoiceFunctionParam as ToolChoiceFunctionParam,
    )
    from realtime_api.params import (
        ToolChoiceMCPParam as ToolChoiceMCPParam,
    )
    from realtime_api.params import (
        ToolChoiceOptionsParam as ToolChoiceOptionsParam,
    )
    from realtime_api.params import (
        VoiceIdsOrCustomVoiceParam as VoiceIdsOrCustomVoiceParam,
    )
    from realtime_api.params import (
        VoiceIdsSharedParam as VoiceIdsSharedParam,
    )

    from .events import ClientEvent as ClientEvent
    from .events import Event as Event
    from .events import Reconnected as Reconnected
    from .events import ServerEvent as ServerEvent
    from .events import SessionExpiring as SessionExpiring
    from .events import UnknownEvent as UnknownEvent

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

# The official package's names and the classes' own, for the run time.
_OFFICIAL = {
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
        if name.endswith("Param"):
            from realtime_api import params

            plain = name.removesuffix("Param")
            return getattr(params, f"{_OFFICIAL.get(plain, plain)}Param", None)
        own = _OFFICIAL.get(name, name)
        return getattr(models, own) if own in models.__all__ else None

    def __dir__() -> list[str]:
        from realtime_api import models, params

        own = {*models.__all__, *_OFFICIAL, "RealtimeToolsConfig"}
        sent = {f"{name}Param" for name in own if f"{_OFFICIAL.get(name, name)}Param" in params.__all__}
        return sorted({*own, *sent, "RealtimeToolsConfigParam", *_EVENTS})
