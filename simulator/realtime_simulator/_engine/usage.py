"""Token counts that add up. The sizes are the simulator's own estimate: about four characters of text, 100 ms
of the user's audio and 50 ms of the model's audio a token."""

from __future__ import annotations

import math
from typing import Any

import attrs

from realtime_simulator._engine.conversation import Item

_CACHE_STEP = 64


def text_tokens(text: str) -> int:
    """Return the tokens of a text; 0 for none."""
    return math.ceil(len(text) / 4)


def input_audio_tokens(milliseconds: float) -> int:
    """Return the tokens of audio that the model hears."""
    return int(milliseconds / 100)  # the service does not round up


def output_audio_tokens(milliseconds: float) -> int:
    """Return the tokens of audio that the model speaks."""
    return math.ceil(milliseconds / 50)


@attrs.frozen
class Tokens:
    """Token counts by kind."""

    text: int = 0
    audio: int = 0
    image: int = 0
    reasoning: int = 0
    """Those of the text that were spent on reasoning."""

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.text + other.text,
            self.audio + other.audio,
            self.image + other.image,
            self.reasoning + other.reasoning,
        )

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image


def item_tokens(item: Item) -> Tokens:
    """Return what an item costs as the model's input."""
    data = item.data
    text = sum(text_tokens(str(data.get(key) or "")) for key in ("name", "arguments", "output"))
    if not item.audio:
        text += text_tokens(item.text())
    images = sum(part.get("type") == "input_image" for part in data.get("content", ()))
    milliseconds = len(item.audio) / 48
    heard = output_audio_tokens if data.get("role") == "assistant" else input_audio_tokens
    return Tokens(text=text, audio=heard(milliseconds), image=85 * images)


def usage(given: Tokens, cached: Tokens, made: Tokens) -> dict[str, Any]:
    """Return a response's `usage` object; every total is the sum of its parts.

    Args:
        given: The model's input, the cached part included.
        cached: The part of the input that the previous response had as well; counted in whole steps.
        made: The model's output.
    """
    cached = Tokens(
        text=min(given.text, cached.text // _CACHE_STEP * _CACHE_STEP),
        audio=min(given.audio, cached.audio // _CACHE_STEP * _CACHE_STEP),
    )
    return {
        "total_tokens": given.total + made.total,
        "input_tokens": given.total,
        "output_tokens": made.total,
        "input_token_details": {
            "text_tokens": given.text,
            "audio_tokens": given.audio,
            "image_tokens": given.image,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": cached.image,
            },
        },
        "output_token_details": {
            "text_tokens": made.text,
            "audio_tokens": made.audio,
            **({"reasoning_tokens": made.reasoning} if made.reasoning else {}),
        },
    }
