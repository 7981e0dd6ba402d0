"""The demo's call, step by step: secret, offer, call, connection, three seconds of speech, reply, hang up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs

from ... import events, sdp, types
from ...aio import AsyncRealtimeClient
from ...aio_webrtc import DATA_CHANNEL, Progress, WebRtcPeer, host_addresses_towards
from ...session import SessionBuilder
from .sound import AUDIBLE_RMS, RATE, envelope
from .steps import DemoError, Steps

__all__ = ["Recording", "make_call"]

SPEECH_S = 3.0
EVENT_TIMEOUT_S = 60.0
LAYERS: dict[Progress, str] = {"ice": "ICE", "dtls": "DTLS", "data channel": "data channel"}


@attrs.define
class Recording:
    """What was said and heard on this side, PCM16 24 kHz mono, on the demo's clock.

    Args:
        sent: What was said.
        sent_at: When it began, in seconds since the demo began.
        received: All that came in, with the silence that the other side sends.
        received_at: When the first of it came.
        text: What the reply says, in words.
    """

    sent: bytes
    sent_at: float = 0.0
    received: bytearray = attrs.field(factory=bytearray)
    received_at: float = 0.0
    text: str = ""


async def make_call(
    steps: Steps, client: AsyncRealtimeClient, base_url: str, *, model: str, speech: bytes
) -> Recording:
    """Make the call and talk.

    Args:
        steps: Told of everything.
        client: A client with a key.
        base_url: Where it connects to.
        model: The model to talk to.
        speech: What to say, PCM16 24 kHz mono.

    Returns:
        The recording of both sides.

    Raises:
        DemoError: The call did not go as it should.
        RealtimeError: What the package raised.
    """
    recording = Recording(speech)
    session = (
        SessionBuilder(model)
        .instructions("Greet the caller, and say in one short sentence that you can hear them.")
        .voice("marin")
        .push_to_talk()
        .build()
    )
    with steps.step("client secret"):
        secret = await client.client_secrets.create(session)
        steps.done("client secret", f"{secret.value[:3]}***, good until {secret.expires_at:%H:%M:%S} UTC")
    peer = WebRtcPeer(
        audio_in=_speech(steps, recording),
        audio_out=_listener(steps, recording),
        host_addresses=host_addresses_towards(base_url),
        on_progress=lambda layer: steps.done(
            LAYERS[layer], f"{DATA_CHANNEL} is open" if layer == "data channel" else "connected"
        ),
    )
    async with peer:
        with steps.step("offer"):
            offer = await peer.create_offer()
            steps.done("offer", _describe(offer))
        with steps.step("call"):
            call = await client.calls.create(offer, session)
            steps.done("call", call.id)
        try:
            with steps.step("connection"):
                await peer.connect(call.sdp_answer)
            listening = asyncio.create_task(_listen(steps, peer, recording))
            try:
                await _talk(steps, peer, recording)
            finally:
                listening.cancel()
                await asyncio.wait([listening])
        finally:
            with steps.step("hang up"):
                await client.calls.hangup(call.id)
        steps.done("hung up", f"{peer.sent_ms / 1000:.2f} s said, {peer.received_ms / 1000:.2f} s listened")
    return recording


async def _talk(steps: Steps, peer: WebRtcPeer, recording: Recording) -> None:
    with steps.step("session"):
        await steps.wait_for("session.created", EVENT_TIMEOUT_S)
    with steps.step("speech"):
        await peer.finished_speaking()
        steps.done("spoke", f"{len(recording.sent) / 2 / RATE:.2f} s, {len(recording.sent):,} bytes of PCM")
        await _send(steps, peer, {"type": "input_audio_buffer.commit"})
        await steps.wait_for("input_audio_buffer.committed", EVENT_TIMEOUT_S)
    with steps.step("reply"):
        await _send(steps, peer, {"type": "response.create"})
        response = (await steps.wait_for("response.done", EVENT_TIMEOUT_S)).response
        if response.status != "completed":
            raise DemoError(f"the response ended as {response.status!r}, not 'completed'")
        await steps.wait_for("output_audio_buffer.stopped", EVENT_TIMEOUT_S)
        steps.done("reply", f"“{recording.text}”" if recording.text else "without words")


async def _send(steps: Steps, peer: WebRtcPeer, event: dict[str, Any]) -> None:
    await peer.send(events.encode_event(event))
    await steps.event("sent", event["type"], event)


async def _listen(steps: Steps, peer: WebRtcPeer, recording: Recording) -> None:
    reason = "closed"
    try:
        async for text in peer:
            event = events.parse_event(text)
            if isinstance(event, types.ResponseAudioTranscriptDoneEvent):
                recording.text = event.transcript
            await steps.event("received", event.type, event)
        reason = peer.close_reason or reason
    except Exception as exc:
        reason = str(exc)
        raise
    finally:
        await steps.end(reason)


async def _speech(steps: Steps, recording: Recording) -> AsyncIterator[bytes]:
    recording.sent_at = steps.now
    yield recording.sent


def _listener(steps: Steps, recording: Recording) -> Any:
    heard = False

    async def listen(pcm: bytes) -> None:
        nonlocal heard
        if not recording.received:
            recording.received_at = steps.now - len(pcm) / 2 / RATE
        recording.received += pcm
        if not heard and (envelope(pcm) * 32768 > AUDIBLE_RMS).any():
            heard = True
            steps.done("first audio", "the reply can be heard")

    return listen


def _describe(offer: str) -> str:
    description = sdp.SessionDescription.parse(offer)
    kinds = ", ".join(media.kind for media in description.media)
    hosts = len({(candidate.address, candidate.port) for candidate in description.candidates})
    return f"{len(offer.encode()):,} bytes: {kinds}; {hosts} host candidate{'' if hosts == 1 else 's'}"
