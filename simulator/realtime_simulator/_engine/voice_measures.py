"""Measures of sound by which voices are told from tones and noise; stretches have 20 ms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realtime_simulator._media.speech import RATE

_STEP = 3  # 24 kHz to 8 kHz
_SIZE = RATE // 50 // _STEP
Wave = NDArray[np.float64]
_AVERAGE: Wave = np.full(_STEP, 1 / (32768.0 * _STEP))
_MEAN: Wave = np.full(_SIZE, 1 / _SIZE)
_MEAN_OF_TWO: Wave = np.full(2 * _SIZE, 1 / (2 * _SIZE))
_WINDOW = np.hanning(2 * _SIZE + 1)[:-1]
_FFT = 512
_LOWEST = 6  # in steps of 15.6 Hz: lower frequencies are not a voice
_LAGS = np.arange(20, 115)  # 400 Hz down to 70 Hz
_ORDER = 40  # of the recurrence: twenty tones


def _matrix() -> NDArray[np.float32]:
    """Return the matrix that makes correlations of a wave's power, in which rumble weighs little.

    The first is at no lag, the others at each of the lags, in units of what the window alone allows.
    """
    steps = np.arange(_FFT // 2 + 1)
    weight = np.where((steps == 0) | (steps == _FFT // 2), 1.0, 2.0)
    window = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT)) ** 2)
    allowed = np.concatenate([[1.0], (window / window[0])[_LAGS]])
    cosines = np.cos(2 * np.pi * np.outer(np.concatenate([[0], _LAGS]), steps) / _FFT)
    emphasis = np.where(steps < _LOWEST, 0.0, np.minimum(steps / 64, 1.0) ** 2)
    matrix: NDArray[np.float32] = (cosines * weight * emphasis / _FFT / allowed[:, None]).astype(np.float32)
    return matrix


_CORRELATION = _matrix()
SILENCE: Wave = np.zeros(_SIZE)


def wave(pcm: bytes) -> Wave:
    """Return a stretch at 8 kHz, from -1 to 1."""
    found: Wave = np.frombuffer(pcm, "<i2").reshape(-1, _STEP) @ _AVERAGE
    return found


def level(now: Wave) -> float:
    """Return how loud a stretch is, in dB below full scale."""
    power = float(now @ now) / _SIZE - float(now @ _MEAN) ** 2
    return 10 * math.log10(max(power, 0.0) + 1e-12)


def voicing(before: Wave, now: Wave) -> float:
    """Return how well two stretches repeat themselves at the pitch of a voice, up to 1."""
    both = np.concatenate((before, now))
    both -= both @ _MEAN_OF_TWO
    both *= _WINDOW
    spectrum = np.fft.rfft(both, _FFT)
    repeated = _CORRELATION @ (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return float(repeated[1:].max() / (repeated[0] + 1e-12))


def residual(before: Wave, now: Wave) -> float:
    """Return what a linear recurrence leaves of two stretches, in dB, in the better half: tones begin and end
    suddenly."""
    both = np.concatenate((before, now))
    both -= both.mean()
    rows = np.lib.stride_tricks.sliding_window_view(both, _ORDER + 1)
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
