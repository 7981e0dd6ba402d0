"""The sound of both sides of a rehearsed call, for reports."""

from __future__ import annotations

import struct
import wave
from typing import BinaryIO

import numpy as np

from realtime_simulator._media.codecs import encode_g711
from realtime_simulator._media.speech import G711_RATE, PACKET_SAMPLES, PCMU, RATE

_EVERY = RATE // G711_RATE
_SIDES = 2
_MAX_BYTES = 600 * G711_RATE * 2 * _SIDES
_MULAW = 7
PEAK_SECONDS = 0.1


class CallSound:
    """What both sides of a call said, up to ten minutes.

    PCM16 stereo at 8 kHz: the caller left, the app right.
    """

    def __init__(self) -> None:
        self.pcm: bytearray = bytearray()

    def add(self, caller: bytes, app: bytes) -> None:
        """Add 20 ms of both sides, PCM16 mono at 24 kHz; less is followed by silence."""
        if len(self.pcm) >= _MAX_BYTES:
            return
        both = np.zeros((2, PACKET_SAMPLES), np.int16)
        for channel, side in zip(both, (caller, app), strict=True):
            samples = np.frombuffer(side, "<i2")[:PACKET_SAMPLES]
            channel[: len(samples)] = samples
        narrow = both.reshape(2, -1, _EVERY).mean(axis=2)
        self.pcm += narrow.T.astype("<i2").tobytes()


def wav(pcm: bytes) -> bytes:
    """Return such sound as a WAV file of G.711 μ-law, which browsers play."""
    data = encode_g711(pcm, PCMU)
    form = struct.pack("<HHIIHH", _MULAW, _SIDES, G711_RATE, G711_RATE * _SIDES, _SIDES, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_wav(file: BinaryIO, pcm: bytes) -> None:
    """Write such sound as a WAV file of PCM, which programs read."""
    with wave.open(file, "wb") as writer:
        writer.setparams((_SIDES, 2, G711_RATE, 0, "NONE", "not compressed"))
        writer.writeframes(pcm)


def peaks(pcm: bytes) -> list[float]:
    """Return the loudest sample of each 0.1 s of such sound, 0 to 1."""
    size = int(PEAK_SECONDS * G711_RATE) * _SIDES
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    return [float(samples[at : at + size].max()) / 32768 for at in range(0, len(samples), size)]
