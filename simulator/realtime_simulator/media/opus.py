"""Opus packets of 20 ms (RFC 6716, RFC 7587), made ahead of time so that sending them costs nothing."""

from __future__ import annotations

import fractions

from av import CodecContext
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from realtime_simulator.media.speech import PACKET_SAMPLES, RATE

SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence: CELT, full band, mono, one frame."""
CLOCK = 48_000
"""The RTP clock of Opus, whatever rate is inside."""


def encode(pcm: bytes, bit_rate: int = 32_000) -> list[bytes]:
    """Return sound as Opus packets.

    Args:
        pcm: PCM16 mono at 24 kHz, a whole number of 20 ms.
        bit_rate: Bits a second.

    Returns:
        One packet for every 20 ms, in order.
    """
    codec = CodecContext.create("libopus", "w")
    assert isinstance(codec, AudioCodecContext)
    codec.sample_rate = RATE
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = bit_rate
    codec.time_base = fractions.Fraction(1, RATE)
    codec.options = {"application": "voip", "frame_duration": "20"}
    packets = []
    size = PACKET_SAMPLES * 2
    for start in range(0, len(pcm), size):
        frame = AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
        frame.sample_rate = RATE
        frame.pts = start // 2
        block = pcm[start : start + size]
        frame.planes[0].update(block + bytes(frame.planes[0].buffer_size - len(block)))
        packets += [bytes(packet) for packet in codec.encode(frame)]
    packets += [bytes(packet) for packet in codec.encode(None)]
    return packets[: len(pcm) // size]
