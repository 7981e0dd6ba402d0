"""The effects of a session: events to send, answers to fetch, audio to play, an end.

A session's methods return nothing; they queue these values, and the session's driver takes and executes them.
So the engine needs no sockets, clocks or threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._engine.turn import Say, Turn
from realtime_simulator._media.speech import Speech


@attrs.frozen
class Emit:
    """Send a server event.

    Args:
        event: The event.
        to: The connections that receive it: all, the session's own, or the others.
    """

    event: Mapping[str, Any]
    to: Literal["all", "own", "sidebands"] = "all"


@attrs.frozen
class AnswerNeeded:
    """Get the model's answer, then call `Session.answer(response_id, …)`."""

    response_id: str
    turn: Turn


@attrs.frozen
class AnswerDropped:
    """Stop getting a model's answer: its response has ended before the answer was whole."""

    response_id: str


@attrs.frozen
class SpeechNeeded:
    """Synthesize a message, then call `LiveSession.answer(response_id, …)`."""

    response_id: str
    said: Say
    turn: Turn


@attrs.frozen
class Play:
    """Play a stretch of speech on the peer's audio track, after the speech that is already queued; without a
    track it went out in an event.

    Args:
        response_id: The response that it belongs to.
        item_id: The conversation item that it belongs to.
        speech: The whole utterance.
        start: First sample of the stretch, at 24 kHz.
        end: The sample after its last.
        before: Samples of the item that came before this utterance.
    """

    response_id: str
    item_id: str
    speech: Speech
    start: int
    end: int
    before: int = 0


@attrs.frozen
class StopPlaying:
    """Drop all queued audio at once, then call `Session.playback_cleared(…)`."""

    truncate: bool


@attrs.frozen
class HearingNeeded:
    """Find the words of a user's item, then call `Session.heard(item_id, …)`, or `paused` if the user pauses.

    Args:
        item_id: The item.
        pcm: Its audio, PCM16 mono at 24 kHz.
        finished: Whether the user has finished; if not, this is the audio so far.
        paused: Whether the user pauses, and the words decide whether that is the end.
    """

    item_id: str
    pcm: bytes = attrs.field(repr=False)
    finished: bool = True
    paused: bool = False


@attrs.frozen
class ToolsNeeded:
    """Get the tools of an MCP server, then call `Session.listed(item_id, …)`.

    Args:
        item_id: The item that lists them.
        server_label: The session's name of the server.
        allowed: The tools that the session allows by name; empty for all.
    """

    item_id: str
    server_label: str
    allowed: Sequence[str]


@attrs.frozen
class TranslationNeeded:
    """Translate, then call `TranslationSession.answer(spoken_id, …)`.

    Args:
        spoken_id: The id of the utterance.
        text: The words.
        language: The language to translate to.
    """

    spoken_id: str
    text: str
    language: str


@attrs.frozen
class AudioIn:
    """The user's audio came in an event, PCM16 mono at 24 kHz; for the records."""

    pcm: bytes = attrs.field(repr=False)


@attrs.frozen
class AudioOut:
    """The model's next audio: for a track if there is one; otherwise it went out in an event, and this is for
    the records.

    Args:
        pcm: PCM16 mono at 24 kHz.
        packets: The same as Opus, 20 ms each, for a track; empty for silence.
    """

    pcm: bytes = attrs.field(repr=False)
    packets: Sequence[bytes] = attrs.field(default=(), repr=False)


@attrs.frozen
class End:
    """End the session.

    Args:
        code: The WebSocket close code.
        reason: Why, for the close frame and the records.
    """

    code: int
    reason: str


Effect = (
    Emit
    | AnswerNeeded
    | AnswerDropped
    | SpeechNeeded
    | HearingNeeded
    | ToolsNeeded
    | TranslationNeeded
    | Play
    | StopPlaying
    | AudioIn
    | AudioOut
    | End
)
