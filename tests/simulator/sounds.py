"""Sounds for tests, PCM16 mono at 24 kHz."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from functools import cache

import numpy as np

RATE = 24_000


@cache
def vowel(seconds: float = 1.0, frequency: float = 130, amplitude: int = 8000) -> bytes:
    """A vowel as a voice holds it: harmonics of a pitch that is never quite steady."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = frequency * (1 + 0.08 * np.sin(2 * np.pi * 3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.sin(number * phase) / number for number in range(1, int(3800 / frequency) + 1))
    return (amplitude * 0.6 * wave).astype("<i2").tobytes()


@cache
def tone(seconds: float, *frequencies: float, amplitude: int = 8000) -> bytes:
    """Steady tones together: a beep, a key of the telephone, a chord."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)
    return (amplitude / len(frequencies) * wave).astype("<i2").tobytes()


def scaled(pcm: bytes, decibels: float) -> bytes:
    """A sound, louder or quieter."""
    wave = np.frombuffer(pcm, "<i2") * 10 ** (decibels / 20)
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


def mixed(sounds: Sequence[bytes]) -> bytes:
    """Sounds of one length together."""
    wave = sum(np.frombuffer(pcm, "<i2").astype(np.int32) for pcm in sounds)
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


@cache
def hiss(seconds: float = 1.0, amplitude: int = 8000) -> bytes:
    """White noise."""
    chance = random.Random(7).random
    return array("h", (int(amplitude * (2 * chance() - 1)) for _ in range(int(seconds * RATE)))).tobytes()


def silence(seconds: float = 1.0) -> bytes:
    return bytes(2 * int(seconds * RATE))
