"""The demo's call, step by step: secret, offer, call, connection, three seconds of speech, reply, hang up.

Each step is printed with its time, and so is the first event of each type.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ... import sdp, types
from ...client import AsyncRealtimeClient
from ...connection import AsyncCallConnection, AsyncDialing, DialStep
from ...session import SessionBuilder
from .._output import inert, print_line
from .sound import AUDIBLE_RMS, RATE, envelope

Direction = Literal["sent", "received"]
SPEECH_S = 3.0
EVENT_TIMEOUT_S = 60.0


class DemoError(Exception):
    """A step of the demo did not do what it should."""


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


class Steps:
    """Prints steps and records events while the demo runs.

    Args:
        console: Where to print.
        as_json: Whether to print JSON, an object a line.
    """

    def __init__(self, console: Console, *, as_json: bool = False) -> None:
        self.console = console
        self._as_json = as_json
        self.events: list[Moment] = []
        self.current: str = "start"
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name what is being done, for the message if it fails."""
        before, self.current = self.current, name
        yield
        self.current = before

    def done(self, name: str, what: str) -> None:
        """Print a step that is done."""
        if self._as_json:
            print_line({"at": self._seconds, "step": name, "result": what})
            return
        self.console.print(
            f"[dim]{self.now:7.3f} s[/]  [green]✓[/] [bold]{escape(name):<16}[/] {escape(inert(what))}",
            soft_wrap=True,
            highlight=False,
        )

    def failed(self, reason: str) -> None:
        """Print why the step that is being done failed."""
        if self._as_json:
            print_line({"at": self._seconds, "step": self.current, "error": reason})
            return
        self.console.print(
            f"[dim]{self.now:7.3f} s[/]  [red]✗ [bold]{escape(self.current)}[/][/]: {escape(inert(reason))}",
            soft_wrap=True,
            highlight=False,
        )

    def event(self, direction: Direction, kind: str) -> None:
        """Record an event, and print the first of its type."""
        first = not any(moment.type == kind for moment in self.events)
        self.events.append(Moment(self.now, direction, kind))
        if first and self._as_json:
            print_line({"at": self._seconds, "event": kind, "direction": direction})
        elif first:
            arrow = "[magenta]→[/]" if direction == "sent" else "[cyan]←[/]"
            line = f"[dim]{self.now:7.3f} s  [/]{arrow} [dim]{escape(inert(kind))}[/]"
            self.console.print(line, highlight=False)

    @property
    def _seconds(self) -> float:
        return round(self.now, 3)

    def title(self, where: str) -> None:
        """Print whom the call goes to."""
        if not self._as_json:
            self.console.print(f"\n[bold]A WebRTC call to {where}[/]\n")

    def summary(self) -> None:
        """Print the events by type, in the order of their first appearance."""
        if not self._as_json:
            self.console.print()
            self.console.print(self._counts())
            self.console.print()

    def _counts(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("first", justify="right")
        table.add_column("times", justify="right")
        table.add_column("event")
        many = Counter((moment.direction, moment.type) for moment in self.events)
        for (direction, kind), count in many.items():
            first = next(m.at for m in self.events if (m.direction, m.type) == (direction, kind))
            arrow = "[magenta]→[/]" if direction == "sent" else "[cyan]←[/]"
            table.add_row(f"{first:.3f} s", str(count), f"{arrow} {escape(inert(kind))}")
        return table


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


async def make_call(steps: Steps, client: AsyncRealtimeClient, *, model: str, speech: bytes) -> Recording:
    """Make the call and talk.

    Args:
        steps: Prints what happens.
        client: A client with a key.
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
        .push_to_talk()  # the demo itself commits its sentence and requests the answer
        .build()
    )
    with steps.step("client secret"):
        secret = await client.client_secrets.create(session)
        steps.done("client secret", f"{secret.value[:3]}***, good until {secret.expires_at:%H:%M:%S} UTC")
    dialing = client.dial(
        session=session,
        audio_in=_speech(steps, recording),
        audio_out=_listener(steps, recording),
        on_progress=lambda step: _progress(steps, dialing, step),
        observer=lambda way, event, _: steps.event("sent" if way == "out" else "received", event.type),
    )
    with steps.step("offer"):
        async with dialing as connection:
            await _talk(steps, connection, recording)
            steps.current = "hang up"
    said, listened = connection.sent_ms / 1000, connection.received_ms / 1000
    steps.done("hung up", f"{said:.2f} s said, {listened:.2f} s listened")
    return recording


def _progress(steps: Steps, dialing: AsyncDialing, step: DialStep) -> None:
    match step:
        case "offer":
            steps.done("offer", _describe(dialing.offer or ""))
            steps.current = "call"
        case "call":
            steps.done("call", "" if dialing.call is None else dialing.call.id)
            steps.current = "connection"
        case "data channel":
            steps.done(step, "oai-events is open")
        case _:
            steps.done(step.upper(), "connected")


async def _talk(steps: Steps, connection: AsyncCallConnection, recording: Recording) -> None:
    @connection.on("error")
    def refused(event: Any) -> None:
        raise DemoError(f"the API answered with an error: {event.error.message}")

    @connection.on(types.ResponseAudioTranscriptDoneEvent)
    def spoken(event: types.ResponseAudioTranscriptDoneEvent) -> None:
        recording.text = event.transcript

    with steps.step("session"):
        await _until(connection, "session.created")
    with steps.step("speech"):
        await connection.finished_speaking()
        steps.done("spoke", f"{len(recording.sent) / 2 / RATE:.2f} s, {len(recording.sent):,} bytes of PCM")
        await connection.commit_audio()
        await _until(connection, "input_audio_buffer.committed")
    with steps.step("reply"):
        await connection.create_response()
        response = (await _until(connection, "response.done")).response
        if response.status != "completed":
            raise DemoError(f"the response ended as {response.status!r}, not 'completed'")
        await _until(connection, "output_audio_buffer.stopped")
        steps.done("reply", f"“{recording.text}”" if recording.text else "without words")


async def _until(connection: AsyncCallConnection, kind: str) -> Any:
    """Receive events up to one of a type, and return that."""
    try:
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            async for event in connection:
                if event.type == kind:
                    return event
    except TimeoutError as exc:
        raise DemoError(f"no {kind} within {EVENT_TIMEOUT_S:g} s") from exc
    raise DemoError(f"the call ended before {kind}")


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
