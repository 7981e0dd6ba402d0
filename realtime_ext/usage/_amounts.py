"""Amounts that the API counts: tokens by modality, and seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

_AddendT = TypeVar("_AddendT", "Tokens", "Amount")


def _added(one: _AddendT, other: _AddendT) -> _AddendT:
    names = attrs.fields_dict(type(one))
    return type(one)(**{name: getattr(one, name) + getattr(other, name) for name in names})


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
        return _added(self, more)


@attrs.frozen(kw_only=True)
class Amount:
    """The usage of some responses or transcriptions; `+` adds.

    Args:
        count: How many they were.
        input: Tokens that went in, cached ones among them.
        cached: Those of `input` that came out of the cache, and are usually cheaper.
        output: Tokens that were made.
        seconds: Audio of models that are paid by time: transcriptions, and sessions of the Live API.
        paused_seconds: Those of `seconds` in which a session was paused, and are cheaper.
    """

    count: int = 0
    input: Tokens = Tokens()
    cached: Tokens = Tokens()
    output: Tokens = Tokens()
    seconds: float = 0.0
    paused_seconds: float = 0.0

    def __add__(self, more: Amount) -> Amount:
        if not isinstance(more, Amount):
            return NotImplemented
        return _added(self, more)


def amount_of(usage: Any, output: str | None = None) -> Amount:
    """Read the API's usage object, of a response or a transcription.

    Args:
        usage: Generated model or dict; None counts as one of nothing.
        output: The modality of the output where the API doesn't state it, such as "text".

    Returns:
        The amount of one. A total that exceeds its parts leaves the rest in `other`, unless only one
        modality is in question.
    """
    details = part(usage, "input_token_details")
    given = tokens_of(part(usage, "input_tokens"), details)
    made = tokens_of(part(usage, "output_tokens"), part(usage, "output_token_details"), output)
    used = [name for name in ("text", "audio", "image") if getattr(given, name)]
    cached = tokens_of(
        part(details, "cached_tokens"),
        part(details, "cached_tokens_details"),
        used[0] if len(used) == 1 and not given.other else None,
    )
    return Amount(count=1, input=given, cached=cached, output=made, seconds=number(part(usage, "seconds")))


def part(value: Any, name: str) -> Any:
    """Return a field of a generated model or a dict; None if it isn't there."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def tokens_of(total: Any, details: Any, only: str | None = None) -> Tokens:
    counts = {name: int(number(part(details, f"{name}_tokens"))) for name in ("text", "audio", "image")}
    rest = max(0, int(number(total)) - sum(counts.values()))
    if only is not None and not any(counts.values()):
        return Tokens(**{only: rest})
    return Tokens(**counts, other=rest)


def number(value: Any) -> float:
    """A count as the API sends it; anything else counts as 0, so bad data never ends a session."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300
    return value if usable else 0
