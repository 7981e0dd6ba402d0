"""G.711 both ways, by FFmpeg's codecs: the API's `audio/pcmu` and `audio/pcma`, 8 kHz, one byte a sample."""

from __future__ import annotations

import fractions

import av
from av import CodecContext
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from realtime_simulator.media.resample import samples

RATE = 8000
_CODECS = {"audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}


def encode(pcm: bytes, format: str) -> bytes:
    """Return sound as G.711.

    Args:
        pcm: PCM16 mono at 8 kHz, whole samples.
        format: `audio/pcmu` or `audio/pcma`.
    """
    if not pcm:
        return b""
    codec = _codec(format, "w")
    codec.time_base = fractions.Fraction(1, RATE)
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = RATE
    frame.pts = 0
    frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def decode(data: bytes, format: str) -> bytes:
    """Return G.711 as PCM16 mono at 8 kHz.

    Args:
        data: One byte a sample.
        format: `audio/pcmu` or `audio/pcma`.
    """
    return samples(_codec(format, "r").decode(av.Packet(data))) if data else b""


def _codec(format: str, mode: str) -> AudioCodecContext:
    codec = CodecContext.create(_CODECS[format], mode)  # type: ignore[call-overload]
    assert isinstance(codec, AudioCodecContext)
    codec.format = "s16"
    codec.layout = "mono"
    codec.sample_rate = RATE
    return codec
