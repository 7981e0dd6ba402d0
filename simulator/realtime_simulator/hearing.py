"""What the user is taken to have said, and what that means elsewhere. Nothing here knows speech or languages:
functions say what the words are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from realtime_simulator.engine.turn import Heard
from realtime_simulator.engine.vad import has_voice

Hearing = Callable[[Heard], str | Awaitable[str]]
Translation = Callable[[str, str], str | Awaitable[str]]


def default_hearing(heard: Heard) -> str:
    """Return how long the user spoke, in words; nothing for silence and noise."""
    return f"{heard.seconds:.1f} seconds of speech" if has_voice(heard.pcm) else ""


def default_translation(text: str, language: str) -> str:
    """Return the words as they are, marked with the language that they should be in."""
    return f"({language}) {text}"
