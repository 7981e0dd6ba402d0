"""What users write; pyright, strict, must find nothing to say about it. Never run."""

from typing import assert_type

from realtime_api import AuthenticatedClient, models, schemas
from realtime_api.api.realtime import create_realtime_call

from realtime_ext import (
    AsyncRealtimeClient,
    Call,
    ClientSecret,
    RealtimeClient,
    SessionBuilder,
    events,
    types,
)
from realtime_ext.errors import APIStatusError, RealtimeError, SessionConfigError


def make_a_call(offer: str) -> str | None:
    session = SessionBuilder("gpt-realtime-2.1").voice("marin", speed=1.1).push_to_talk().build()
    assert_type(session, models.RealtimeSessionCreateRequestGA)
    with RealtimeClient() as client:
        try:
            call = client.calls.create(offer, session=session, timeout=10)
        except SessionConfigError as error:
            return error.field
        except APIStatusError as error:
            return error.code
        except RealtimeError:
            return None
        assert_type(call, Call)
        return call.sdp_answer


async def mint(client: AsyncRealtimeClient) -> str:
    secret = await client.client_secrets.create(expires_after=60)
    assert_type(secret.value, str)
    return secret.value


def read(message: str) -> str | None:
    event = events.parse_event(message)
    if isinstance(event, types.ResponseAudioDeltaEvent):
        return event.delta
    if isinstance(event, events.UnknownEvent):
        return event.event_type
    return None


def compare_types(client: RealtimeClient) -> None:
    with client.connect(model="gpt-realtime-2.1") as connection:
        for event in connection:
            if event.type == "response.output_audio_transcript.delta":
                print(event.delta)
            elif isinstance(event, events.UnknownEvent) and event.event_type == "newer.than.this.version":
                print(event.whatever)


def with_the_generated_client(client: AuthenticatedClient, offer: str) -> int:
    answer = create_realtime_call.sync_detailed(client=client, body=offer)
    schemas.standalone("RealtimeServerEventResponseDone")
    return int(answer.status_code)


def show(secret: ClientSecret[object]) -> float:
    return secret.expires_in
