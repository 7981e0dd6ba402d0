"""Tokens and seconds, added up.

This module must not know about models or prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Amount", "Tokens", "amount_of"]


@attrs.frozen(kw_only=True)
class Tokens:
    """Tokens by modality; `+` adds.

    Args:
        text: Tokens of text.
        audio: Tokens of audio.
        image: Tokens of images.
        other: Tokens that the API counted without saying of what.
    """

    text: int = 0
    audio: int = 0
    image: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image + self.other

    def __add__(self, more: Tokens) -> Tokens:
        if not isinstance(more, Tokens):
            return NotImplemented
        return Tokens(
            text=self.text + more.text,
            audio=self.audio + more.audio,
            image=self.image + more.image,
            other=self.other + more.other,
        )


@attrs.frozen(kw_only=True)
class Amount:
    """What some responses or transcriptions took; `+` adds.

    Args:
        count: How many they were.
        input: Tokens that went in, cached ones among them.
        cached: Those of `input` that came out of the cache, and are usually cheaper.
        output: Tokens that were made.
        seconds: Audio that was transcribed by a model that is paid by time.
    """

    count: int = 0
    input: Tokens = Tokens()
    cached: Tokens = Tokens()
    output: Tokens = Tokens()
    seconds: float = 0.0

    def __add__(self, more: Amount) -> Amount:
        if not isinstance(more, Amount):
            return NotImplemented
        return Amount(
            count=self.count + more.count,
            input=self.input + more.input,
            cached=self.cached + more.cached,
            output=self.output + more.output,
            seconds=self.seconds + more.seconds,
        )


def amount_of(usage: Any, output: str | None = None) -> Amount:
    """Read the API's usage object, of a response or a transcription.

    Args:
        usage: Generated model or dict; None counts as one of nothing.
        output: The modality of the output where the API doesn't say it, such as "text".

    Returns:
        The amount of one. A total that exceeds its parts leaves the rest in `other`, unless only one
        modality is in question.
    """
    details = part(usage, "input_token_details")
    given = _tokens(part(usage, "input_tokens"), details)
    made = _tokens(part(usage, "output_tokens"), part(usage, "output_token_details"), output)
    used = [name for name in ("text", "audio", "image") if getattr(given, name)]
    cached = _tokens(
        part(details, "cached_tokens"),
        part(details, "cached_tokens_details"),
        used[0] if len(used) == 1 and not given.other else None,
    )
    return Amount(count=1, input=given, cached=cached, output=made, seconds=_number(part(usage, "seconds")))


def part(value: Any, name: str) -> Any:
    """Give a field of a generated model or a dict; None if it isn't there."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _tokens(total: Any, details: Any, only: str | None = None) -> Tokens:
    counts = {name: int(_number(part(details, f"{name}_tokens"))) for name in ("text", "audio", "image")}
    rest = max(0, int(_number(total)) - sum(counts.values()))
    if only is not None and not any(counts.values()):
        return Tokens(**{only: rest})
    return Tokens(**counts, other=rest)


def _number(value: Any) -> float:
    """A count as the API sends it; whatever is none counts as nothing, so that it never ends a session."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return value if usable else 0
