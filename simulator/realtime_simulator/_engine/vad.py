"""Voice activity: a detector of voiced sound that works on the samples.

A stretch of 20 ms counts as voice if it is loud enough and repeats itself at the pitch of a voice or a tone;
silence isn't loud, and hiss doesn't repeat itself. Speech begins when most of a tenth of a second is voice,
and ends after the configured silence. Buffers and events are handled elsewhere.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from operator import mul
from typing import Literal

import attrs

from realtime_simulator._media.speech import RATE

FRAME = RATE // 50
"""Samples that are judged together: 20 ms."""
_STEP = 6  # 24 kHz to 4 kHz: enough for pitch, and quick to correlate
_LAGS = range(10, 68)  # 400 Hz down to 59 Hz
_SPAN = 92  # the correlated stretch: two frames less the longest lag
_VOICED = 0.6
_WINDOW, _NEEDED = 6, 4
_SILENT, _SILENT_SUMS = bytes(FRAME * 2), [0] * (FRAME // _STEP)


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
        threshold: 0 to 1: how loud voice has to be, from -60 dB to -20 dB below full scale.
        silence_ms: The silence after which speech has ended.
    """

    def __init__(self, threshold: float = 0.5, silence_ms: int = 500) -> None:
        self.speaking: bool = False
        self._odd = b""
        self._position = 0
        self._before = _SILENT_SUMS
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._last_voice = 0
        self._lag = _LAGS[0]
        self.configure(threshold, silence_ms)

    def configure(self, threshold: float, silence_ms: int) -> None:
        """Change what counts as speech, from the next sample on."""
        loud = 32768 * 10 ** ((-60 + 40 * threshold) / 20)
        # Energies are those of sums of six samples, over a frame.
        self._loud = (loud * _STEP) ** 2 * (FRAME // _STEP)
        self._silence = max(FRAME, silence_ms * RATE // 1000)

    def reset(self) -> None:
        """Drop the current speech; the position stays."""
        self.speaking = False
        self._recent.clear()

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
            voiced = self._voiced(pcm[start : start + size])
            self._position += FRAME
            self._recent.append(voiced)
            if voiced:
                self._last_voice = self._position
            if self.speaking:
                if self._position - self._last_voice >= self._silence:
                    self.speaking = False
                    self._recent.clear()
                    yield Edge("stopped", self._position)
            elif sum(self._recent) >= _NEEDED:
                self.speaking = True
                first = len(self._recent) - self._recent.index(True)
                yield Edge("started", self._position - first * FRAME)

    def _voiced(self, pcm: bytes) -> bool:
        if pcm == _SILENT:  # most of a caller's sound
            self._before = _SILENT_SUMS
            return False
        samples = array("h", pcm)
        now = list(map(sum, zip(*(samples[offset::_STEP] for offset in range(_STEP)), strict=True)))
        before, self._before = self._before, now
        mean = sum(now) / len(now)
        if sum(map(mul, now, now)) - mean * mean * len(now) < self._loud:
            return False
        both = before + now
        mean = sum(both) / len(both)
        wave = [value - mean for value in both]
        energy = [0.0, *accumulate(map(mul, wave, wave))]
        end = len(wave)
        late = wave[end - _SPAN :]
        late_energy = energy[end] - energy[end - _SPAN]
        # A voice keeps its pitch for a while: the lag that fitted last mostly fits again.
        for lag in (self._lag, *_LAGS):
            from_, to = end - _SPAN - lag, end - lag
            level = math.sqrt(max(0.0, late_energy * (energy[to] - energy[from_])))
            if level and sum(map(mul, late, wave[from_:to])) >= _VOICED * level:
                self._lag = lag
                return True
        return False


def has_voice(pcm: bytes) -> bool:
    """Whether anything in a recording is loud and voiced enough to be speech."""
    return any(edge.kind == "started" for edge in VoiceActivity().push(pcm))
