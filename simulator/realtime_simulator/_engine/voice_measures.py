"""Measures of sound by which voices are told from tones and noise; stretches are PCM16 mono at 24 kHz."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realtime_simulator._media.speech import RATE

_STEP = 3  # 24 kHz to 8 kHz
_SIZE = RATE // 50 // _STEP
_Wave = NDArray[np.float64]
_WINDOW = np.hanning(2 * _SIZE + 1)[:-1]
_FFT = 512
_LOWEST = 6  # in steps of 15.6 Hz: what is lower is no voice
_EMPHASIS = np.minimum(np.arange(_FFT // 2 + 1) / 64, 1.0) ** 2  # rumble weighs little
_LAGS = slice(20, 115)  # 400 Hz down to 70 Hz
_ORDER = 40  # of the recurrence: twenty tones


def _expected() -> _Wave:
    """The correlation of a wave with itself that the window alone allows."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT)) ** 2)
    expected: _Wave = (correlation / correlation[0])[_LAGS]
    return expected


_EXPECTED = _expected()


def level(pcm: bytes) -> float:
    """Return how loud a stretch is, in dB below full scale."""
    return 10 * math.log10(float(_wave(pcm).var()) + 1e-12)


def voicing(before: bytes, now: bytes) -> float:
    """Return how well two stretches repeat themselves at the pitch of a voice, up to 1."""
    wave = _wave(before + now)
    power = np.abs(np.fft.rfft((wave - wave.mean()) * _WINDOW, _FFT)) ** 2
    power *= _EMPHASIS
    power[:_LOWEST] = 0
    repeated = np.fft.irfft(power)
    return float((repeated[_LAGS] / _EXPECTED).max() / (repeated[0] + 1e-12))


def residual(before: bytes, now: bytes) -> float:
    """Return what a linear recurrence leaves of two stretches, in dB, in the better half: tones begin and end
    suddenly."""
    wave = _wave(before + now)
    wave -= wave.mean()
    rows = np.lib.stride_tricks.sliding_window_view(wave, _ORDER + 1)
    past, next = rows[:, :-1], rows[:, -1]
    gram = past.T @ past
    gram[np.diag_indices(_ORDER)] += 1e-9 * gram.trace() / _ORDER + 1e-12
    rest = next - past @ np.linalg.solve(gram, past.T @ next)
    half = len(next) // 2
    ratios = [
        (rest[part] ** 2).sum() / ((next[part] ** 2).sum() + 1e-12)
        for part in (slice(half), slice(half, None))
    ]
    return 10 * math.log10(float(min(ratios)) + 1e-12)


def _wave(pcm: bytes) -> _Wave:
    """Return a stretch at 8 kHz, from -1 to 1."""
    wave: _Wave = np.frombuffer(pcm, "<i2").reshape(-1, _STEP).sum(axis=1) / (32768.0 * _STEP)
    return wave
