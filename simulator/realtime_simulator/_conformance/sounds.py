"""Sound for the recordings that are played: a hum that counts as voice, and silence."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Sequence

from realtime_simulator._media.speech import RATE

FRAME_MS = 20


@functools.cache
def hum(rate: int = RATE) -> bytes:
    """Return a second of a hum that counts as voice, PCM16 mono."""
    step = 2 * math.pi * 200 / rate
    wave = (
        math.sin(step * n) + 0.5 * math.sin(2 * step * n) + 0.25 * math.sin(3 * step * n) for n in range(rate)
    )
    return array("h", (int(6000 * value) for value in wave)).tobytes()


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
