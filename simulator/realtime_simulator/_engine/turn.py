"""The words of a scenario: the turn to answer, the actions of an answer, and the pace."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from realtime_simulator._media.speech import RATE


@attrs.frozen(kw_only=True)
class Pacing:
    """How fast the model answers; immediately without arguments.

    Args:
        first_audio: Seconds from `response.created` to the first output.
        speed: Audio made per second, in seconds of audio; 0 makes all of it at once.
        transcript: Seconds until the user's words are transcribed.
        item: Seconds until a client's item is acknowledged.
        audio_after_words: Seconds from the first words of a message to its first audio.
        limits: Seconds from `response.done` to `rate_limits.updated`.
        spread: How far these times vary, as a share of each; about two thirds are within it.
    """

    first_audio: float = 0.0
    speed: float = 0.0
    transcript: float = 0.0
    item: float = 0.0
    audio_after_words: float = 0.0
    limits: float = 0.0
    spread: float = 0.0


AT_ONCE = Pacing()
"""Everything comes at once."""
REAL = Pacing(first_audio=0.3, speed=12.0, transcript=0.4)
"""About the service's pace."""
_MEASURED = Pacing(
    first_audio=0.4, speed=12.0, transcript=0.4, item=0.063, audio_after_words=0.12, limits=0.03, spread=0.15
)
LATENCIES: Mapping[str, Pacing] = {
    "instant": AT_ONCE,
    "gpt-realtime-2.1": attrs.evolve(_MEASURED, first_audio=0.75, spread=0.2),
    "gpt-realtime-2.1-mini": _MEASURED,
    "slow": attrs.evolve(
        _MEASURED, first_audio=2.5, transcript=2.0, item=0.25, limits=0.2, speed=2.0, spread=0.4
    ),
}
"""Measured paces by name; their sources are in the documentation."""
Latency = Literal["instant", "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "slow"]
PacingLike = Pacing | Literal["none"] | Latency | None


def chosen_pacing(pacing: PacingLike, default: Pacing = REAL) -> Pacing:
    """Return a pace: the default for None, at once for `none`, a measured one for another name.

    Raises:
        TypeError: It is of another type.
    """
    if pacing is None:
        return default
    if pacing == "none":
        return AT_ONCE
    if isinstance(pacing, str) and pacing in LATENCIES:
        return LATENCIES[pacing]
    if not isinstance(pacing, Pacing):
        names = ", ".join(map(repr, ("none", *LATENCIES)))
        raise TypeError(f"pacing: expected a Pacing or one of {names}, got {pacing!r}")
    return pacing


@attrs.frozen(kw_only=True)
class Turn:
    """The conversation when a response is requested.

    Args:
        text: The user's last words, spoken or written; `""` when the conversation is empty.
        items: The conversation's items, oldest first, as the API shows them; audio as its words.
        session: The session's configuration, as `session.updated` shows it.
        response: The `response` object of `response.create`; empty when the server began the response.
        tools: The tools that this response may use.
        modalities: `["audio"]` or `["text"]`.
        format: The format of audio in events.
        voice: The voice that speaks.
        speed: How fast it speaks, 0.25 to 1.5; 1 is normal.
    """

    text: str
    items: Sequence[Mapping[str, Any]]
    session: Mapping[str, Any]
    response: Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    modalities: Sequence[str] = ("audio",)
    format: str = "audio/pcm"
    voice: str = "alloy"
    speed: float = 1.0


@attrs.frozen
class Say:
    """A message: spoken, or written if the response's output is text.

    Args:
        text: The words.
        phase: `commentary` or `final_answer`, for models that reason; None for automatic: commentary before a
            call in the same response, the final answer otherwise.
        sound: The audio to play instead of a voice, PCM16 mono at 24 kHz.
    """

    text: str
    phase: str | None = attrs.field(default=None, kw_only=True)
    sound: bytes | None = attrs.field(default=None, repr=False, kw_only=True)


@attrs.frozen
class CallTool:
    """A function call.

    Args:
        name: The tool's name.
        arguments: The arguments as JSON text.
    """

    name: str
    arguments: str


@attrs.frozen
class Think:
    """Reasoning before the next action: it is not shown, and counts in the usage.

    Args:
        tokens: How many tokens of output it uses.
    """

    tokens: int


@attrs.frozen
class Pause:
    """A wait before the next action.

    Args:
        seconds: How long, on the simulator's clock.
    """

    seconds: float


@attrs.frozen
class Fail:
    """A response that ends with status `failed`.

    Args:
        code: The error's code in `status_details`.
        message: The error message; omitted if empty.
        type: The error's type.
    """

    code: str | None = "server_error"
    message: str = "The model could not answer."
    type: str = attrs.field(default="server_error", kw_only=True)


@attrs.frozen(kw_only=True)
class CallMcp:
    """A call of an MCP server's tool, and its result.

    Args:
        server_label: The server's label in the session.
        name: The tool's name.
        arguments: The arguments as JSON text.
        output: The tool's output.
        error: Why it failed; None if it did not.
        approval_request_id: The request that the client has approved; None if none was requested.
    """

    server_label: str
    name: str
    arguments: str = "{}"
    output: str = ""
    error: str | None = None
    approval_request_id: str | None = None


@attrs.frozen
class Delegate:
    """Work that a Live session hands over to its client, to its backend model, or to its decisions.

    Args:
        answers: What is decided, by the names of the questions.
    """

    answers: Mapping[str, bool | float | str | None] = attrs.field(factory=dict)


@attrs.frozen
class Output:
    """An output item of a Live session's backend that is neither a message nor a function call.

    Args:
        events: Its nested events, which are sent with an id and numbers of the session.
        text: What the model says of it.
    """

    events: Sequence[Mapping[str, Any]] = attrs.field(repr=False)
    text: str = ""


Action = Say | CallTool | CallMcp | Think | Pause | Fail | Delegate | Output


@attrs.frozen
class Cue:
    """What the model of a Live session does by itself at a position of its timeline.

    Args:
        at_ms: The position.
        actions: What it does.
    """

    at_ms: int
    actions: Sequence[Action]


@attrs.frozen(kw_only=True)
class Heard:
    """An utterance of the user.

    Args:
        pcm: Its sound, PCM16 mono at 24 kHz.
        session: The session's configuration, as `session.updated` shows it.
        finished: Whether the user has finished; models that transcribe during speech ask earlier, and so does
            semantic turn detection.
        paused: Whether the user pauses: returned words then only decide whether semantic turn detection
            waits for more.
    """

    pcm: bytes = attrs.field(repr=False)
    session: Mapping[str, Any] = attrs.field(repr=False)
    finished: bool = True
    paused: bool = False

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / 2 / RATE


@attrs.frozen
class Transcript:
    """The words of the user's audio, and the time of their transcript; the model receives them in any case.

    Args:
        text: The words.
        delay: Seconds by which the transcript's events are later than usual.
        error: The message of `…transcription.failed`, which is sent instead of the transcript; None to send
            the transcript.
        code: The code of that failure.
        type: Its type.
    """

    text: str = ""
    delay: float = attrs.field(default=0.0, kw_only=True)
    error: str | None = attrs.field(default=None, kw_only=True)
    code: str | None = attrs.field(default="transcription_failed", kw_only=True)
    type: str = attrs.field(default="transcription_error", kw_only=True)


def say(text: str, *, audio: bytes | str | os.PathLike[str] | None = None, phase: str | None = None) -> Say:
    """Return an answer that says `text`.

    Args:
        text: The words.
        audio: The audio to play instead of a voice: PCM16 mono at 24 kHz, or an audio file's path.
        phase: `commentary` or `final_answer`, for models that reason; automatic if None.

    Raises:
        OSError: The file can't be read.
        ValueError: It is empty, or longer than ten minutes.
    """
    if audio is None:
        return Say(text, phase=phase)
    from realtime_simulator._media.files import check_sound, read_sound

    sound = check_sound(audio) if isinstance(audio, bytes) else read_sound(Path(audio))
    return Say(text, sound=sound, phase=phase)


def pause(seconds: float) -> Pause:
    """Pause before the next action.

    Args:
        seconds: How long, on the simulator's clock.

    Raises:
        ValueError: It is negative or endless.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds: a number of at least 0 is needed, got {seconds!r}")
    return Pause(seconds)


def think(tokens: int) -> Think:
    """Add hidden reasoning tokens to the usage.

    Args:
        tokens: How many tokens of output it uses.
    """
    return Think(tokens)


def call_tool(name: str, arguments: Mapping[str, Any] | str | None = None) -> CallTool:
    """Return an answer that calls a tool.

    Args:
        name: The tool's name.
        arguments: A mapping, JSON text that is sent unchanged (valid or not), or None for `{}`.
    """
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {})
    return CallTool(name, arguments)


def call_mcp(
    server_label: str,
    name: str,
    arguments: Mapping[str, Any] | str | None = None,
    *,
    output: str = "",
    error: str | None = None,
) -> CallMcp:
    """Return an answer that calls an MCP server's tool; if the session requires approval, the call waits for
    it.

    Args:
        server_label: The server's label in the session.
        name: The tool's name.
        arguments: A mapping, JSON text that is sent unchanged, or None for `{}`.
        output: The tool's output.
        error: Why it fails; None if it does not.
    """
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {})
    return CallMcp(server_label=server_label, name=name, arguments=arguments, output=output, error=error)


def delegate(answers: Mapping[str, bool | float | str | None] | None = None) -> Delegate:
    """Delegate work of a Live session: to the client, to the backend model, which answers the turn again, or
    to decisions.

        simulator.on_response(["One moment, please.", delegate()])

    Args:
        answers: What decisions answer, by the names of their questions: a probability from 0 to 1, the value
            of a choice, the label of a level, or None to refuse. A question that is not named gets its first
            option, or the probability 1.
    """
    if answers is not None and not isinstance(answers, Mapping):
        raise TypeError(f"answers: expected a mapping or None, got {type(answers).__name__}")
    return Delegate(dict(answers or {}))
