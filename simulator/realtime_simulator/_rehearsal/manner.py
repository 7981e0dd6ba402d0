"""How a caller speaks: the voice, its loudness and pace, and the noise behind it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from realtime_simulator._media.codecs import through_telephone
from realtime_simulator._media.speech import PACKET_SAMPLES, RATE
from realtime_simulator._media.voice import speech

_PAUSE_FRAMES = 5
_FRAME_BYTES = PACKET_SAMPLES * 2


def between(low: float, high: float) -> Callable[[Any, attrs.Attribute[float], Any], None]:
    """Return a validator of a field that is a number from `low` to `high`."""

    def check(instance: object, field: attrs.Attribute[float], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{field.name}: allowed is {low:g} to {high:g}, got {value!r}")

    return check


@attrs.frozen(kw_only=True)
class Manner:
    """How a caller speaks.

    Args:
        voice: The voice, one of the API's.
        loudness: 0 to 2; 1 is normal.
        noise: The noise behind the caller, as a share of the loudest sound, 0 to 1.
        pace: How fast, 0.25 to 1.5.
        seed: What the noise depends on.
    """

    voice: str
    loudness: float = attrs.field(validator=between(0, 2))
    noise: float = attrs.field(validator=between(0, 1))
    pace: float = attrs.field(validator=between(0.25, 1.5))
    seed: int

    def sound_behind(self) -> bytes:
        """Return two seconds of the noise, which repeat; nothing for a quiet place."""
        if not self.noise:
            return b""
        source = np.random.default_rng(self.seed)
        samples = source.uniform(-1, 1, 2 * RATE) * 32767 * self.noise
        pcm = through_telephone(samples.astype("<i2").tobytes())
        return pcm[: len(pcm) // _FRAME_BYTES * _FRAME_BYTES]


@functools.lru_cache(maxsize=128)
def spoken(text: str, voice: str, pace: float, loudness: float) -> bytes:
    """Return words as the line carries them, without pauses that would end a turn."""
    pcm, out, silent = speech(text, voice, pace), bytearray(), 0
    for start in range(0, len(pcm), _FRAME_BYTES):
        frame = pcm[start : start + _FRAME_BYTES]
        silent = 0 if any(frame) else silent + 1
        if silent <= _PAUSE_FRAMES:
            out += frame
    return louder(through_telephone(bytes(out)), loudness)


def louder(pcm: bytes, loudness: float) -> bytes:
    """Return PCM16 at another loudness."""
    if loudness == 1.0:
        return pcm
    samples = np.frombuffer(pcm, "<i2") * loudness
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()
