"""What a session asks of the world: events to send, answers to fetch, audio to play, an end.

A session's methods return nothing; they queue these values, and whoever drives the session takes them and
acts. That keeps sockets, clocks and threads out of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from realtime_ext.simulator.engine.turn import Turn
from realtime_ext.simulator.media.speech import Speech


@attrs.frozen
class Emit:
    """Send a server event to everyone who is attached to the session."""

    event: Mapping[str, Any]


@attrs.frozen
class AnswerNeeded:
    """Find out what the model answers, then call `Session.answer(response_id, …)`."""

    response_id: str
    turn: Turn


@attrs.frozen
class Play:
    """Play a stretch of speech on the peer's audio track, after what is already queued.

    Args:
        response_id: The response that it belongs to.
        item_id: The conversation item that it belongs to.
        speech: The whole utterance.
        start: First sample of the stretch, at 24 kHz.
        end: The sample after its last.
    """

    response_id: str
    item_id: str
    speech: Speech
    start: int
    end: int


@attrs.frozen
class StopPlaying:
    """Drop all queued audio at once, then call `Session.playback_cleared(…)`."""

    truncate: bool


@attrs.frozen
class End:
    """End the session.

    Args:
        code: The WebSocket close code.
        reason: Why, for the close frame and the records.
    """

    code: int
    reason: str


Effect = Emit | AnswerNeeded | Play | StopPlaying | End
