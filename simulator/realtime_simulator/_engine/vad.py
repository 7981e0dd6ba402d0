"""Voice activity: a detector of human speech that works on the samples.

Stretches of 20 ms are judged. One is spoken if it is loud enough, above the noise, and voiced, but no tone:
beeps, dialling tones, chords and hum follow a linear recurrence, which no voice does. Speech begins when half
of 160 ms is spoken. It goes on while the sound stays above the noise, so that consonants and the closures
before them count, and ends after the configured silence. Buffers and events are handled elsewhere.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import attrs

from realtime_simulator._media.speech import RATE

if TYPE_CHECKING:
    from realtime_simulator._engine.voice_measures import Wave

FRAME = RATE // 50
"""Samples that are judged together: 20 ms."""
HANG_MS = 120
"""Speech fades out: it lasts this much longer than its sound."""
_HANG = RATE * HANG_MS // 1000
_VOICED = 0.55
_TONE_DB = -30.0
_RECENT, _NEEDED = 8, 4
_QUIETEST_DB, _PER_THRESHOLD_DB = -66.0, 28.0
_ABOVE_NOISE_DB, _STAYS_ABOVE_NOISE_DB = 8.0, 6.0
_VOICE_RANGE_DB = 15.0  # between the loudest vowel of speech and most others
_RANGE_DB = 36.0  # between the loudest sound of speech and the quietest
_UNVOICED = RATE * 400 // 1000  # no consonants last longer
_NOISE_BLOCK, _NOISE_BLOCKS = 10, 7  # noise is the quietest in 1.4 s
_UNKNOWN_NOISE_DB = -70.0
_BACK = 10
_SILENT_DB = -120.0
_SILENT = bytes(FRAME * 2)


@attrs.frozen
class Edge:
    """Speech began or ended.

    Args:
        kind: Which of the two.
        sample: Where, in samples from the start of all that was heard. Speech ends with its silence.
    """

    kind: Literal["started", "stopped"]
    sample: int


class VoiceActivity:
    """A detector for one stream of PCM16 mono at 24 kHz.

    Args:
        threshold: 0 to 1: how loud the beginning of speech has to be, from -66 dB to -38 dB below full scale.
        silence_ms: The silence after which speech has ended.
    """

    def __init__(self, threshold: float = 0.5, silence_ms: int = 500) -> None:
        self.speaking: bool = False
        self._odd = b""
        self._position = 0
        self._before: Wave | None = None
        self._levels: deque[float] = deque([_SILENT_DB] * (_RECENT + _BACK), maxlen=_RECENT + _BACK)
        self._spoken: deque[bool] = deque(maxlen=_RECENT)
        self._noise: deque[float] = deque(maxlen=_NOISE_BLOCKS)
        self._block, self._left = 0.0, _NOISE_BLOCK
        self._peak = 0.0
        self._is_voiced = False
        self._last_sound = self._last_voiced = 0
        self.configure(threshold, silence_ms)

    @property
    def silent_ms(self) -> int:
        """How long the speaker has been silent; 0 without speech."""
        return (self._position - self._last_sound) * 1000 // RATE if self.speaking else 0

    def configure(self, threshold: float, silence_ms: int) -> None:
        """Change what counts as speech, from the next sample on."""
        self._loud = _QUIETEST_DB + _PER_THRESHOLD_DB * threshold
        self._silence = max(FRAME, silence_ms * RATE // 1000)

    def reset(self) -> None:
        """Drop the current speech; the position stays."""
        self.speaking = False
        self._spoken.clear()

    def push(self, pcm: bytes) -> Iterator[Edge]:
        """Process more sound; yield the edges of speech as soon as they are certain.

        Args:
            pcm: Any number of bytes.
        """
        pcm = self._odd + pcm
        size = FRAME * 2
        whole = len(pcm) // size * size
        self._odd = pcm[whole:]
        for start in range(0, whole, size):
            edge = self._frame(pcm[start : start + size])
            if edge is not None:
                yield edge

    def _frame(self, pcm: bytes) -> Edge | None:
        """Process 20 ms."""
        self._position += FRAME
        level, before, now = _SILENT_DB, self._before, None
        if pcm != _SILENT:  # silence is most of a caller's sound
            measures = _voice()
            now = measures.wave(pcm)
            level = measures.level(now)
            before = measures.SILENCE if before is None else before
        self._before = now
        self._levels.append(level)
        noise = min(self._noise) if len(self._noise) == _NOISE_BLOCKS else _UNKNOWN_NOISE_DB
        if self.speaking:
            self._peak = max(self._peak - 0.05, level)
            least = max(noise + _STAYS_ABOVE_NOISE_DB, min(self._loud, self._peak - _RANGE_DB))
            if level <= least:
                self._is_voiced = False
            else:
                if self._position % (2 * FRAME) == 0:  # vowels last longer, and this costs the most
                    self._is_voiced = _voice().voicing(before, now) >= _VOICED
                if self._is_voiced:
                    self._last_voiced = self._position
                if self._position - self._last_voiced < _UNVOICED:
                    self._last_sound = self._position
            if not self._is_voiced or level < self._peak - _VOICE_RANGE_DB:
                self._listen_to_noise(level)
            if self._position - self._last_sound >= self._silence + _HANG:
                self.reset()
                return Edge("stopped", self._position)
            return None
        self._listen_to_noise(level)
        loud = max(noise + _ABOVE_NOISE_DB, self._loud)
        spoken = (
            level > loud
            and self._levels[-2] > loud - 10
            and _voice().voicing(before, now) >= _VOICED
            and _voice().residual(before, now) > _TONE_DB
        )
        self._spoken.append(spoken)
        if sum(self._spoken) < _NEEDED:
            return None
        self.speaking = self._is_voiced = True
        self._peak = max(list(self._levels)[-_RECENT:])
        self._last_sound = self._last_voiced = self._position
        levels = list(self._levels)
        first = len(levels) - len(self._spoken) + self._spoken.index(True)
        least = max(noise + _STAYS_ABOVE_NOISE_DB, self._peak - 30, self._loud - 12)
        while first > 0 and levels[first - 1] > least:
            first -= 1
        return Edge("started", max(0, self._position - (len(levels) - first) * FRAME))

    def _listen_to_noise(self, level: float) -> None:
        self._block = min(self._block, level)
        self._left -= 1
        if not self._left:
            self._noise.append(self._block)
            self._block, self._left = 0.0, _NOISE_BLOCK


class PlacedSpeech:
    """Speech where a scenario has placed it; the sound is not listened to.

    Args:
        stretches: From and to, in ms of the input.
        position: How many samples came before.
    """

    def __init__(self, stretches: Sequence[tuple[int, int]], position: int) -> None:
        self.speaking: bool = False
        self._position = position * 2
        self._edges: deque[Edge] = deque()
        for start, end in stretches:
            self._edges += (Edge("started", start * RATE // 1000), Edge("stopped", end * RATE // 1000))
        while self._edges and self._edges[0].sample < position:
            self._edges.popleft()

    def configure(self, threshold: float, silence_ms: int) -> None:
        """Ignore the settings."""

    def reset(self) -> None:
        """Drop the current speech."""
        self.speaking = False

    def push(self, pcm: bytes) -> Iterator[Edge]:
        """Process more sound; yield the edges that it comes to."""
        self._position += len(pcm)
        while self._edges and self._edges[0].sample * 2 <= self._position:
            edge = self._edges.popleft()
            if self.speaking != (edge.kind == "started"):
                self.speaking = edge.kind == "started"
                yield edge


@functools.cache
def _voice() -> ModuleType:
    """Return what measures sound; numpy, which it needs, is loaded with the first that is not silent."""
    from realtime_simulator._engine import voice_measures

    return voice_measures


def has_voice(pcm: bytes) -> bool:
    """Whether anything in a recording is speech."""
    return any(edge.kind == "started" for edge in VoiceActivity().push(pcm))
