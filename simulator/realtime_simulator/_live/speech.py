"""The model's voice in a Live session: what it says, step by step along the timeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs

from realtime_simulator._engine.effects import AudioOut
from realtime_simulator._engine.plan import Utterance, pieces
from realtime_simulator._live.timeline import FRAME, STEP
from realtime_simulator._media.speech import PACKET_SAMPLES, RATE

_WORD = RATE // 3
"""Samples that a word takes where there is no sound."""


@attrs.define
class _Spoken:
    """An utterance on its way.

    Args:
        pcm: Its sound.
        packets: The same as Opus, 20 ms each; empty where the sound goes out in events.
        words: Its words with the sample at which each begins.
        said: Samples that were said.
        text: The words that were said.
    """

    pcm: bytes
    packets: Sequence[bytes]
    words: deque[tuple[int, str]]
    said: int = 0
    text: str = ""


class Voice:
    """What the model is saying; one utterance at a time."""

    def __init__(self) -> None:
        self._now: _Spoken | None = None

    @property
    def speaking(self) -> bool:
        return self._now is not None

    def say(self, utterance: Utterance) -> None:
        """Begin an utterance; the one before it has ended."""
        cut = pieces(utterance.text)
        pcm = utterance.speech.pcm if utterance.speech is not None else bytes(2 * _WORD * len(cut))
        each = len(pcm) // 2 // max(1, len(cut))
        packets = utterance.speech.packets if utterance.speech is not None else ()
        words = deque((number * each, word) for number, word in enumerate(cut))
        self._now = _Spoken(pcm, packets, words)

    def words(self) -> str:
        """Return the words that begin in the next 200 ms."""
        spoken, found = self._now, ""
        while spoken is not None and spoken.words and spoken.words[0][0] < spoken.said + FRAME:
            found += spoken.words.popleft()[1]
        if spoken is not None:
            spoken.text += found
        return found

    def take(self) -> tuple[AudioOut, str | None]:
        """Return the sound of a step, and the words of an utterance that ends with it."""
        spoken = self._now
        if spoken is None:
            return AudioOut(bytes(2 * STEP)), None
        pcm = spoken.pcm[spoken.said * 2 : (spoken.said + STEP) * 2]
        first = spoken.said // PACKET_SAMPLES
        packets = spoken.packets[first : first + STEP // PACKET_SAMPLES]
        spoken.said += STEP
        ended = spoken.said * 2 >= len(spoken.pcm) and not spoken.words
        return AudioOut(pcm + bytes(2 * STEP - len(pcm)), packets), self.stop() if ended else None

    def stop(self) -> str | None:
        """Fall silent; return the words that were said of the utterance."""
        spoken, self._now = self._now, None
        return spoken.text if spoken is not None else None
