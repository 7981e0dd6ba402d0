"""Measure PCM16 24 kHz mono, and compare a recording with what arrived of it through a call."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

RATE = 24_000
_WINDOW = RATE // 50  # 20 ms
_AUDIBLE_RMS = 150.0 / 32768  # -47 dBFS: above a codec's noise, below speech
# What a call may change: the codec smears the edges, and start-up may cost some frames.
_LENGTH_TOLERANCE = 0.25  # seconds: a busy machine loses some packets
_ENERGY_RATIO = (0.7, 1.4)
_LEAST_LIKENESS = 0.8


@attrs.frozen
class Loudness:
    """The audible span of a sound: from the first audible 20 ms to the last, pauses included.

    Args:
        levels: The effective value of each 20 ms in it, from 0 to 1.
    """

    levels: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """How long it is; 0 if nothing is audible."""
        return len(self.levels) * _WINDOW / RATE

    @property
    def energy(self) -> float:
        """The sum of squares, in full-scale² seconds."""
        return float((self.levels**2).sum() * _WINDOW / RATE)

    @property
    def dbfs(self) -> float:
        """The mean level, in decibels below full scale; -inf if nothing is audible."""
        return float(10 * np.log10(self.energy / self.seconds)) if self.energy else float("-inf")


def samples(pcm: bytes) -> NDArray[np.float64]:
    """Return the samples as numbers from -1 to 1."""
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2") / 32768.0


def is_audible(pcm: bytes) -> bool:
    """Whether something can be heard in it."""
    return bool((_envelope(pcm) > _AUDIBLE_RMS).any())


def loudness(pcm: bytes) -> Loudness:
    """Measure the audible span."""
    levels = _envelope(pcm)
    audible = np.flatnonzero(levels > _AUDIBLE_RMS)
    return Loudness(levels[audible[0] : audible[-1] + 1] if len(audible) else levels[:0])


def difference(sent: bytes, arrived: bytes) -> str | None:
    """Compare the audio played at one end of a call with the audio heard at the other.

    Args:
        sent: The played audio.
        arrived: The heard audio, with any silence before and after.

    Returns:
        The difference in length, energy or course of the audible span; None if they agree.
    """
    there, here = loudness(sent), loudness(arrived)
    if not here.energy:
        return f"nothing audible arrived of {there.seconds:.2f} s that were played"
    if abs(there.seconds - here.seconds) > _LENGTH_TOLERANCE:
        return f"{there.seconds:.2f} s were played, {here.seconds:.2f} s arrived"
    ratio = here.energy / there.energy
    if not _ENERGY_RATIO[0] <= ratio <= _ENERGY_RATIO[1]:
        return f"{ratio:.2f} times the played energy arrived ({there.dbfs:.1f} dBFS, {here.dbfs:.1f} dBFS)"
    likeness = _likeness(there.levels, here.levels)
    if likeness < _LEAST_LIKENESS:
        return f"the loudness of received and sent audio differs (correlation {likeness:.2f})"
    return None


def _envelope(pcm: bytes) -> NDArray[np.float64]:
    wave = samples(pcm)
    whole = wave[: len(wave) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    return np.sqrt(np.mean(whole**2, axis=1, dtype=np.float64))


def _likeness(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlate two envelopes, at the best of the shifts that start-up can cause."""
    most = int(_LENGTH_TOLERANCE * RATE / _WINDOW)
    best = -1.0
    for shift in range(-most, most + 1):
        left, right = a[max(0, shift) :], b[max(0, -shift) :]
        length = min(len(left), len(right))
        if length > 2 * most:
            best = max(best, float(np.corrcoef(left[:length], right[:length])[0, 1]))
    return best
