"""The sound of a rehearsed call, as both sides together make it, for reports."""

from __future__ import annotations

import struct

import numpy as np

from realtime_simulator._media.codecs import encode_g711
from realtime_simulator._media.speech import G711_RATE, PACKET_SAMPLES, PCMU, RATE

_EVERY = RATE // G711_RATE
_MAX_BYTES = 600 * G711_RATE * 2
_MULAW = 7
PEAK_SECONDS = 0.1


class CallSound:
    """What both sides of a call said, PCM16 mono at 8 kHz, up to ten minutes."""

    def __init__(self) -> None:
        self.pcm: bytearray = bytearray()

    def add(self, caller: bytes, app: bytes) -> None:
        """Add 20 ms of both sides, PCM16 mono at 24 kHz; less is followed by silence."""
        if len(self.pcm) >= _MAX_BYTES:
            return
        mixed = np.zeros(PACKET_SAMPLES, np.int32)
        for side in (caller, app):
            samples = np.frombuffer(side, "<i2")[:PACKET_SAMPLES]
            mixed[: len(samples)] += samples
        narrow = np.clip(mixed, -32768, 32767).reshape(-1, _EVERY).mean(axis=1)
        self.pcm += narrow.astype("<i2").tobytes()


def wav(pcm: bytes) -> bytes:
    """Return PCM16 mono at 8 kHz as a WAV file of G.711 μ-law, which browsers play."""
    data = encode_g711(pcm, PCMU)
    form = struct.pack("<HHIIHH", _MULAW, 1, G711_RATE, G711_RATE, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def peaks(pcm: bytes) -> list[float]:
    """Return the loudest sample of each 0.1 s, 0 to 1."""
    size = int(PEAK_SECONDS * G711_RATE)
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    return [float(samples[at : at + size].max()) / 32768 for at in range(0, len(samples), size)]
