"""Utterances of both sides of a Live session: pieces of a transcript, joined at pauses.

It must not read a clock: positions are those of the session's timeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import attrs

Speaker: TypeAlias = Literal["user", "assistant"]

PAUSE_MS: Final = 1000  # silence after which the same speaker begins another utterance
_SPEAKERS: Mapping[object, Speaker] = MappingProxyType(
    {"session.input_transcript.delta": "user", "session.output_transcript.delta": "assistant"}
)


@attrs.frozen(kw_only=True)
class Utterance:
    """Words that one side said without a pause.

    Args:
        speaker: `user` or `assistant`.
        text: The words.
        start_ms: When they began, in milliseconds of the session's timeline.
        end_ms: When they ended.
    """

    speaker: Speaker
    text: str
    start_ms: int
    end_ms: int


class Utterances:
    """Joins the pieces of both transcripts to utterances.

    Attributes:
        current: Each speaker's latest utterance.
    """

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current: dict[Speaker, Utterance] = {}

    def add(
        self, kind: object, text: object, start_ms: object, end_ms: object
    ) -> tuple[Utterance, bool] | None:
        """Add a piece of a transcript.

        Args:
            kind: The event's type.
            text, start_ms, end_ms: What it has as `delta`, `start_ms` and `end_ms`.

        Returns:
            The utterance as it is now, and whether it is a new one; None if the event has no words.
        """
        speaker = _SPEAKERS.get(kind)
        if speaker is None or not isinstance(text, str):
            return None
        if not (isinstance(start_ms, int) and isinstance(end_ms, int)):
            return None
        last = self.current.get(speaker)
        is_new = last is None or start_ms - last.end_ms >= PAUSE_MS
        if last is None or is_new:
            now = Utterance(speaker=speaker, text=text.strip(), start_ms=start_ms, end_ms=end_ms)
        else:
            now = attrs.evolve(last, text=last.text + text, end_ms=max(last.end_ms, end_ms))
        self.current[speaker] = now
        return now, is_new

    def ended(self, position_ms: float) -> list[Utterance]:
        """Remove and return the utterances that a pause has ended, in the order in which they began.

        Args:
            position_ms: How far the transcripts have come.
        """
        over = [one for one in self.current.values() if position_ms - one.end_ms >= PAUSE_MS]
        for one in over:
            del self.current[one.speaker]
        return sorted(over, key=lambda one: one.start_ms)
