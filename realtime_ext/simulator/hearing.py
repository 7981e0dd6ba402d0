"""What the user is taken to have said. Nothing here recognizes speech: a function says what it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from realtime_ext.simulator.engine.turn import Heard
from realtime_ext.simulator.engine.vad import has_voice

Hearing = Callable[[Heard], str | Awaitable[str]]


def default(heard: Heard) -> str:
    """Return how long the user spoke, in words; nothing for silence and noise."""
    return f"{heard.seconds:.1f} seconds of speech" if has_voice(heard.pcm) else ""
