"""Programs that handle every event; type checkers must find nothing to say about them. Never run."""

from typing import assert_never, assert_type

from realtime_api import models

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import Reconnected, SessionExpiring
from realtime_ext.events import ClientEvent, ServerEvent, UnknownEvent


def of_the_server(event: ServerEvent) -> str:
    match event:
        case (
            models.RealtimeServerEventConversationCreated()
            | models.RealtimeServerEventConversationItemAdded()
            | models.RealtimeServerEventConversationItemCreated()
            | models.RealtimeServerEventConversationItemDeleted()
            | models.RealtimeServerEventConversationItemDone()
            | models.RealtimeServerEventConversationItemInputAudioTranscriptionCompleted()
            | models.RealtimeServerEventConversationItemInputAudioTranscriptionDelta()
            | models.RealtimeServerEventConversationItemInputAudioTranscriptionFailed()
            | models.RealtimeServerEventConversationItemInputAudioTranscriptionSegment()
            | models.RealtimeServerEventConversationItemRetrieved()
            | models.RealtimeServerEventConversationItemTruncated()
            | models.RealtimeServerEventError()
            | models.RealtimeServerEventInputAudioBufferCleared()
            | models.RealtimeServerEventInputAudioBufferCommitted()
            | models.RealtimeServerEventInputAudioBufferDtmfEventReceived()
            | models.RealtimeServerEventInputAudioBufferSpeechStarted()
            | models.RealtimeServerEventInputAudioBufferSpeechStopped()
            | models.RealtimeServerEventInputAudioBufferTimeoutTriggered()
            | models.RealtimeServerEventMCPListToolsCompleted()
            | models.RealtimeServerEventMCPListToolsFailed()
            | models.RealtimeServerEventMCPListToolsInProgress()
            | models.RealtimeServerEventOutputAudioBufferCleared()
            | models.RealtimeServerEventOutputAudioBufferStarted()
            | models.RealtimeServerEventOutputAudioBufferStopped()
            | models.RealtimeServerEventRateLimitsUpdated()
            | models.RealtimeServerEventResponseAudioDelta()
            | models.RealtimeServerEventResponseAudioDone()
            | models.RealtimeServerEventResponseAudioTranscriptDelta()
            | models.RealtimeServerEventResponseAudioTranscriptDone()
            | models.RealtimeServerEventResponseContentPartAdded()
            | models.RealtimeServerEventResponseContentPartDone()
            | models.RealtimeServerEventResponseCreated()
            | models.RealtimeServerEventResponseDone()
            | models.RealtimeServerEventResponseFunctionCallArgumentsDelta()
            | models.RealtimeServerEventResponseFunctionCallArgumentsDone()
            | models.RealtimeServerEventResponseMCPCallArgumentsDelta()
            | models.RealtimeServerEventResponseMCPCallArgumentsDone()
            | models.RealtimeServerEventResponseMCPCallCompleted()
            | models.RealtimeServerEventResponseMCPCallFailed()
            | models.RealtimeServerEventResponseMCPCallInProgress()
            | models.RealtimeServerEventResponseOutputItemAdded()
            | models.RealtimeServerEventResponseOutputItemDone()
            | models.RealtimeServerEventResponseTextDelta()
            | models.RealtimeServerEventResponseTextDone()
            | models.RealtimeServerEventSessionCreated()
            | models.RealtimeServerEventSessionUpdated()
            | models.RealtimeTranslationServerEventSessionClosed()
            | models.RealtimeTranslationServerEventSessionCreated()
            | models.RealtimeTranslationServerEventSessionInputTranscriptDelta()
            | models.RealtimeTranslationServerEventSessionOutputAudioDelta()
            | models.RealtimeTranslationServerEventSessionOutputTranscriptDelta()
            | models.RealtimeTranslationServerEventSessionUpdated()
        ):
            return event.type
        case Reconnected() | SessionExpiring():
            return "local"
        case UnknownEvent():
            return event.reason or event.type
        case _:
            assert_never(event)


def of_the_client(event: ClientEvent) -> str:
    match event:
        case (
            models.RealtimeClientEventConversationItemCreate()
            | models.RealtimeClientEventConversationItemDelete()
            | models.RealtimeClientEventConversationItemRetrieve()
            | models.RealtimeClientEventConversationItemTruncate()
            | models.RealtimeClientEventInputAudioBufferAppend()
            | models.RealtimeClientEventInputAudioBufferClear()
            | models.RealtimeClientEventInputAudioBufferCommit()
            | models.RealtimeClientEventOutputAudioBufferClear()
            | models.RealtimeClientEventResponseCancel()
            | models.RealtimeClientEventResponseCreate()
            | models.RealtimeClientEventSessionUpdate()
            | models.RealtimeTranslationClientEventInputAudioBufferAppend()
            | models.RealtimeTranslationClientEventSessionClose()
            | models.RealtimeTranslationClientEventSessionUpdate()
        ):
            return event.type
        case _:
            assert_never(event)


def iterate(client: RealtimeClient) -> None:
    with client.connect(model="gpt-realtime") as connection:
        for event in connection:
            assert_type(event, ServerEvent)
            of_the_server(event)
        done = connection.wait_for(models.RealtimeServerEventResponseDone)
        assert_type(done, models.RealtimeServerEventResponseDone)
        assert_type(connection.ask("Hi").transcript, str)


async def iterate_async(client: AsyncRealtimeClient) -> None:
    async with client.connect(model="gpt-realtime") as connection:
        async for event in connection:
            assert_type(event, ServerEvent)
            of_the_server(event)
        with connection.expect(models.RealtimeServerEventResponseDone) as expected:
            await connection.create_response()
        assert_type(await expected, models.RealtimeServerEventResponseDone)
