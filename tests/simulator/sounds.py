"""Sounds for tests, PCM16 mono at 24 kHz."""

from __future__ import annotations

import math
import random
from array import array
from functools import cache

RATE = 24_000


@cache
def tone(seconds: float = 1.0, frequency: float = 220, amplitude: int = 8000) -> bytes:
    """A tone as a voice hums it: its pitch and two harmonics."""
    step = 2 * math.pi * frequency / RATE
    wave = (
        0.6 * math.sin(step * n) + 0.3 * math.sin(2 * step * n) + 0.1 * math.sin(3 * step * n)
        for n in range(int(seconds * RATE))
    )
    return array("h", (int(amplitude * value) for value in wave)).tobytes()


@cache
def hiss(seconds: float = 1.0, amplitude: int = 8000) -> bytes:
    """White noise."""
    chance = random.Random(7).random
    return array("h", (int(amplitude * (2 * chance() - 1)) for _ in range(int(seconds * RATE)))).tobytes()


def silence(seconds: float = 1.0) -> bytes:
    return bytes(2 * int(seconds * RATE))
