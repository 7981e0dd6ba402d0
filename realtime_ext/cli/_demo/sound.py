"""Measure PCM16 24 kHz mono, and compare a recording with what arrived of it through a call."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

RATE = 24_000
WINDOW_S = 0.020
AUDIBLE_RMS = 150.0  # of 32767, -47 dBFS: above a codec's noise, below anything spoken
# What a call may change: the codec smears the edges, and start-up may cost some frames.
LENGTH_TOLERANCE_S = 0.15
ENERGY_RATIO = (0.7, 1.4)
LEAST_LIKENESS = 0.8


@attrs.frozen
class Loudness:
    """How long and how loud.

    Args:
        start: Seconds before the first audible 20 ms; 0 if nothing is audible.
        seconds: From the first audible 20 ms to the last, pauses included.
        energy: The sum of squares of that span, in full-scale² seconds.
    """

    start: float
    seconds: float
    energy: float

    @property
    def dbfs(self) -> float:
        """The span's mean level, in decibels below full scale; -inf if nothing is audible."""
        return float(10 * np.log10(self.energy / self.seconds)) if self.energy else float("-inf")


def samples(pcm: bytes) -> NDArray[np.float64]:
    """Return the samples as numbers from -1 to 1."""
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2") / 32768.0


def envelope(pcm: bytes) -> NDArray[np.float64]:
    """Return the effective value of each 20 ms, from 0 to 1."""
    window = int(RATE * WINDOW_S)
    wave = samples(pcm)
    whole = wave[: len(wave) // window * window].reshape(-1, window)
    return np.sqrt(np.mean(whole**2, axis=1, dtype=np.float64))


def loudness(pcm: bytes) -> Loudness:
    """Measure the audible span."""
    levels = _audible_levels(pcm)
    if not len(levels):
        return Loudness(0.0, 0.0, 0.0)
    start = int(np.flatnonzero(envelope(pcm) * 32768 > AUDIBLE_RMS)[0])
    return Loudness(start * WINDOW_S, len(levels) * WINDOW_S, float((levels**2).sum() * WINDOW_S))


def difference(sent: bytes, arrived: bytes) -> str | None:
    """Compare what was played at one end of a call with what was heard at the other.

    Args:
        sent: What was played.
        arrived: What was heard, with any silence before and after.

    Returns:
        What is wrong with the audible span's length, energy or course; None if it is what was played.
    """
    there, here = loudness(sent), loudness(arrived)
    if not here.energy:
        return f"nothing audible arrived of {there.seconds:.2f} s that were played"
    if abs(there.seconds - here.seconds) > LENGTH_TOLERANCE_S:
        return f"{there.seconds:.2f} s were played, {here.seconds:.2f} s arrived"
    ratio = here.energy / there.energy
    if not ENERGY_RATIO[0] <= ratio <= ENERGY_RATIO[1]:
        return f"{ratio:.2f} times the played energy arrived ({there.dbfs:.1f} dBFS, {here.dbfs:.1f} dBFS)"
    likeness = _likeness(_audible_levels(sent), _audible_levels(arrived))
    if likeness < LEAST_LIKENESS:
        return f"what arrived rises and falls otherwise than what was played (correlation {likeness:.2f})"
    return None


def _audible_levels(pcm: bytes) -> NDArray[np.float64]:
    levels = envelope(pcm)
    audible = np.flatnonzero(levels * 32768 > AUDIBLE_RMS)
    return levels[audible[0] : audible[-1] + 1] if len(audible) else levels[:0]


def _likeness(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlate two envelopes, at the best of the shifts that start-up can cause."""
    most = int(LENGTH_TOLERANCE_S / WINDOW_S)
    best = -1.0
    for shift in range(-most, most + 1):
        left, right = a[max(0, shift) :], b[max(0, -shift) :]
        length = min(len(left), len(right))
        if length > 2 * most:
            best = max(best, float(np.corrcoef(left[:length], right[:length])[0, 1]))
    return best
