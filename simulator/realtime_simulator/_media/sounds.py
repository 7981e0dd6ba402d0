"""Sound for the recordings that are played: a hum that counts as voice, and silence."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from realtime_simulator._media.speech import RATE

FRAME_MS = 20


@functools.cache
def hum(rate: int = RATE) -> bytes:
    """Return a second of a hum that counts as voice, PCM16 mono: its pitch is never steady."""
    import numpy as np  # with the first sound, not when the simulator starts

    time = np.arange(rate) / rate
    phase = 2 * np.pi * np.cumsum(130 * (1 + 0.08 * np.sin(6 * np.pi * time))) / rate
    wave = sum(np.sin(number * phase) / number for number in range(1, 30))
    return (4000 * np.asarray(wave)).astype("<i2").tobytes()


def sound(start: int, end: int, voices: Sequence[Sequence[int]]) -> bytes:
    """Return a stretch of sound, PCM16 mono at 24 kHz.

    Args:
        start: Its start in ms.
        end: Its end in ms.
        voices: The stretches of speech, from and to, in ms.
    """
    out = bytearray()
    size = FRAME_MS * RATE // 1000 * 2
    for at in range(start, end, FRAME_MS):
        voiced = any(first <= at < last for first, last in voices)
        place = at % 1000 * RATE // 1000 * 2
        out += hum()[place : place + size] if voiced else bytes(size)
    return bytes(out)
