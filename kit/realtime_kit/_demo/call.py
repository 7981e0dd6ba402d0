"""A call, step by step: client secret, offer, call, connection, three seconds of speech, reply, hang-up.

This module must not print: each step is passed on as it is done.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import attrs

from realtime_ext import sdp
from realtime_ext.client import AsyncRealtimeClient
from realtime_ext.connection import AsyncDialing, DialStep
from realtime_ext.session import SessionBuilder

from .sound import RATE, is_audible

Direction = Literal["sent", "received"]
_REPLY_TIMEOUT = 60.0  # seconds


class DemoError(Exception):
    """A step of the demo failed."""


@attrs.frozen
class Moment:
    """One event of the call.

    Args:
        at: Seconds since the demo began.
        direction: Whether this side sent or received it.
        type: The event's type.
    """

    at: float
    direction: Direction
    type: str


class Progress:
    """The progress of the demo.

    Args:
        show: Called with each step, and with the first event of each type: `at`, and either `step` and its
            `result`, or `event` and its `direction`.

    Attributes:
        step: The step that is under way.
        events: The events so far, oldest first.
    """

    def __init__(self, show: Callable[[dict[str, Any]], None]) -> None:
        self._show = show
        self._began = time.monotonic()
        self.step = "start"
        self.events: list[Moment] = []

    @property
    def now(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    def done(self, step: str, result: str) -> None:
        """Show a step that is done."""
        self._show({"at": round(self.now, 3), "step": step, "result": result})

    def failed(self, reason: str) -> None:
        """Show why the step that is under way failed."""
        self._show({"at": round(self.now, 3), "step": self.step, "error": reason})

    def observe(self, way: str, event: Any, _: int) -> None:
        """Record an event; an observer of the connection."""
        direction: Direction = "sent" if way == "out" else "received"
        if all(moment.type != event.type for moment in self.events):
            self._show({"at": round(self.now, 3), "event": event.type, "direction": direction})
        self.events.append(Moment(self.now, direction, event.type))


@attrs.define
class Recording:
    """Both directions of the call as this side has them, PCM16 24 kHz mono.

    Args:
        sent: The speech that was sent.
        sent_at: When it began, in seconds since the demo began.
        received: All that came in, with the silence that the other side sends.
        received_at: When the first of it came.
        text: The words of the reply.
    """

    sent: bytes
    sent_at: float = 0.0
    received: bytearray = attrs.field(factory=bytearray)
    received_at: float = 0.0
    text: str = ""


async def make_call(
    progress: Progress, client: AsyncRealtimeClient, *, model: str, speech: bytes
) -> Recording:
    """Make the call and talk.

    Args:
        progress: Records what happens.
        client: A client with a key.
        model: The model to talk to.
        speech: What to say, PCM16 24 kHz mono.

    Returns:
        The recording of both sides.

    Raises:
        DemoError: The model did not answer.
        RealtimeError: The call failed.
    """
    recording, was_heard = Recording(speech), False
    session = (
        SessionBuilder(model)
        .instructions("Greet the caller, and say in one short sentence that you can hear them.")
        .voice("marin")
        .push_to_talk()  # the demo itself commits its sentence and requests the answer
        .build()
    )

    async def speak() -> AsyncIterator[bytes]:
        recording.sent_at = progress.now
        yield speech

    async def listen(pcm: bytes) -> None:
        nonlocal was_heard
        if not recording.received:
            recording.received_at = progress.now - len(pcm) / 2 / RATE
        recording.received += pcm
        if not was_heard and is_audible(pcm):
            was_heard = True
            progress.done("first audio", "the reply can be heard")

    progress.step = "client secret"
    secret = await client.client_secrets.create(session)
    progress.done("client secret", f"{secret.value[:3]}***, good until {secret.expires_at:%H:%M:%S} UTC")
    progress.step = "offer"
    dialing = client.dial(
        session=session,
        audio_in=speak(),
        audio_out=listen,
        on_progress=lambda step: _connected(progress, dialing, step),
        observer=progress.observe,
    )
    async with dialing as connection:
        progress.step = "speech"
        await connection.finished_speaking()
        progress.done("spoke", f"{len(speech) / 2 / RATE:.2f} s, {len(speech):,} bytes of PCM")
        await connection.commit_audio()
        progress.step = "reply"
        with connection.expect("output_audio_buffer.stopped") as stopped:
            turn = await connection.ask(timeout=_REPLY_TIMEOUT)
            if turn.status != "completed":
                raise DemoError(f"the response ended as {turn.status!r}, not 'completed'")
            await stopped.wait(_REPLY_TIMEOUT)
        recording.text = turn.text
        progress.done("reply", f"“{turn.text}”" if turn.text else "without words")
        progress.step = "hang up"
    said, listened = connection.sent_ms / 1000, connection.received_ms / 1000
    progress.done("hung up", f"{said:.2f} s said, {listened:.2f} s listened")
    return recording


def _connected(progress: Progress, dialing: AsyncDialing, step: DialStep) -> None:
    match step:
        case "offer":
            progress.done("offer", _describe(dialing.offer or ""))
            progress.step = "call"
        case "call":
            progress.done("call", "" if dialing.call is None else dialing.call.id)
            progress.step = "connection"
        case "data channel":
            progress.done(step, "oai-events is open")
        case _:
            progress.done(step.upper(), "connected")


def _describe(offer: str) -> str:
    description = sdp.SessionDescription.parse(offer)
    kinds = ", ".join(media.kind for media in description.media)
    hosts = len({(candidate.address, candidate.port) for candidate in description.candidates})
    return f"{len(offer.encode()):,} bytes: {kinds}; {hosts} host candidate{'' if hosts == 1 else 's'}"
