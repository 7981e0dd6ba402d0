"""FFmpeg codecs for packets of 20 ms and whole utterances: Opus, G.711, and a resampler between rates.

Received Opus is decoded by the libopus of PyAV's wheels, which FFmpeg uses too, but always at 48 kHz: it
decodes to 24 kHz by itself, so that nothing is resampled. Where it is missing, FFmpeg does both.
"""

from __future__ import annotations

import ctypes
import fractions
import functools
from collections.abc import Callable
from pathlib import Path

import av
from av import CodecContext
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from realtime_simulator._media.speech import G711_RATE, PACKET_SAMPLES, PCMU, RATE

_CODECS = {
    "audio/opus": ("libopus", 48_000),
    "audio/pcmu": ("pcm_mulaw", G711_RATE),
    "audio/pcma": ("pcm_alaw", G711_RATE),
}
_G711_PACKET_BYTES = G711_RATE // 50 * 2
_LONGEST_OPUS = 6 * PACKET_SAMPLES
"""The samples of the longest Opus packet, 120 ms (RFC 6716 §2.1.4)."""


class Resampler:
    """A stateful resampler for one stream.

    Args:
        source: The input's sample rate.
        target: The output's sample rate.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._inner = av.AudioResampler(format="s16", layout="mono", rate=target)
        self._odd = b""

    def push(self, pcm: bytes) -> bytes:
        """Return the samples that are final so far; the filter holds a few back."""
        pcm = self._odd + pcm
        whole = len(pcm) // 2 * 2
        self._odd = pcm[whole:]
        if not whole:
            return b""
        frame = AudioFrame(format="s16", layout="mono", samples=whole // 2)
        frame.sample_rate = self._source
        frame.planes[0].update(pcm[:whole] + bytes(frame.planes[0].buffer_size - whole))
        return samples(self._inner.resample(frame))

    def flush(self) -> bytes:
        """Return the rest of the stream; the resampler can't be used after that."""
        return samples(self._inner.resample(None))


class G711Encoder:
    """An encoder for one stream of packets of 20 ms; it lags behind by one of them.

    Args:
        format: `audio/pcmu` or `audio/pcma`.
    """

    def __init__(self, format: str) -> None:
        self._format = format
        self._resampler = Resampler(RATE, G711_RATE)
        self._narrow = bytes(_G711_PACKET_BYTES)

    def push(self, pcm: bytes) -> bytes:
        """Return a packet for 20 ms of PCM16 mono at 24 kHz."""
        narrow = self._narrow + self._resampler.push(pcm)
        self._narrow = narrow[_G711_PACKET_BYTES:]
        return encode_g711(narrow[:_G711_PACKET_BYTES], self._format)


class PacketDecoder:
    """A decoder for one stream of packets.

    Args:
        format: `audio/opus`, `audio/pcmu` or `audio/pcma`.
    """

    def __init__(self, format: str) -> None:
        self.format = format
        library = libopus() if format == "audio/opus" else None
        self._decode = _by_ffmpeg(format) if library is None else _by_libopus(library)
        self._was_silent = False
        self._silence: bytes | None = None
        self._silent_sound = b""

    def push(self, payload: bytes) -> bytes:
        """Return a packet's sound, PCM16 mono at 24 kHz, as far as a resampler has finished it.

        Raises:
            av.FFmpegError: It is not a packet of this format.
        """
        if payload == self._silence:
            return self._silent_sound  # the decoder's output; most packets of a call are silent
        if not payload:
            return b""  # FFmpeg would take it for the end of the stream
        self._silence = None
        sound = self._decode(payload)
        was_silent, self._was_silent = self._was_silent, not any(sound)
        if was_silent and self._was_silent:  # neither codec nor resampler has anything left to come
            self._silence, self._silent_sound = payload, sound
        return sound


def _by_ffmpeg(format: str) -> Callable[[bytes], bytes]:
    codec = _codec(*_CODECS[format], "r")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)

    def decode(payload: bytes) -> bytes:
        return b"".join([samples(resampler.resample(frame)) for frame in codec.decode(av.Packet(payload))])

    return decode


def _by_libopus(library: ctypes.CDLL) -> Callable[[bytes], bytes]:
    # A state without pointers to anything else: it is released like any buffer.
    state = ctypes.create_string_buffer(library.opus_decoder_get_size(1))
    library.opus_decoder_init(state, RATE, 1)
    sound = ctypes.create_string_buffer(_LONGEST_OPUS * 2)
    view = memoryview(sound)

    def decode(payload: bytes) -> bytes:
        found = library.opus_decode(state, payload, len(payload), sound, _LONGEST_OPUS, 0)
        if found < 0:
            raise av.InvalidDataError(found, "not an Opus packet")
        return view[: found * 2].tobytes()

    return decode


@functools.cache
def libopus() -> ctypes.CDLL | None:
    """Return the library that PyAV's wheels have beside FFmpeg; None if there is none."""
    package = Path(av.__file__).parent
    for folder in (package.with_name("av.libs"), package / ".dylibs"):
        for file in folder.glob("libopus[.-]*"):
            try:
                library = ctypes.CDLL(str(file))
                return library if library.opus_decode and library.opus_decoder_init else None
            except (OSError, AttributeError):
                return None
    return None


def samples(frames: list[AudioFrame]) -> bytes:
    """Return the samples of packed 16 bit mono frames, without the padding of their buffers."""
    return b"".join([bytes(frame.planes[0])[: frame.samples * 2] for frame in frames])


def encode_g711(pcm: bytes, format: str) -> bytes:
    """Return sound as G.711.

    Args:
        pcm: PCM16 mono at 8 kHz, whole samples.
        format: `audio/pcmu` or `audio/pcma`.
    """
    if not pcm:
        return b""
    codec = _codec(*_CODECS[format], "w")
    codec.time_base = fractions.Fraction(1, G711_RATE)
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = G711_RATE
    frame.pts = 0
    frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def decode_g711(data: bytes, format: str) -> bytes:
    """Return G.711 as PCM16 mono at 8 kHz.

    Args:
        data: One byte a sample.
        format: `audio/pcmu` or `audio/pcma`.
    """
    return samples(_codec(*_CODECS[format], "r").decode(av.Packet(data))) if data else b""


def through_telephone(pcm: bytes) -> bytes:
    """Return PCM16 mono at 24 kHz as a telephone line delivers it, after 8 kHz μ-law."""
    narrow = encode_g711(_resampled(pcm, RATE, G711_RATE), PCMU)
    return _resampled(decode_g711(narrow, PCMU), G711_RATE, RATE)


def _resampled(pcm: bytes, source: int, target: int) -> bytes:
    resampler = Resampler(source, target)
    return resampler.push(pcm) + resampler.flush()


def _codec(name: str, rate: int, mode: str) -> AudioCodecContext:
    codec = CodecContext.create(name, mode)  # type: ignore[call-overload]
    assert isinstance(codec, AudioCodecContext)
    codec.format = "s16"
    codec.layout = "mono"
    codec.sample_rate = rate
    return codec


def encode_opus(pcm: bytes) -> list[bytes]:
    """Return PCM16 mono at 24 kHz, a whole number of 20 ms, as Opus: one packet for every 20 ms, in order."""
    encoder, size = OpusEncoder(), PACKET_SAMPLES * 2
    return [encoder.push(pcm[start : start + size]) for start in range(0, len(pcm), size)]


class OpusEncoder:
    """An encoder for one stream of packets of 20 ms."""

    def __init__(self) -> None:
        self._codec = _codec("libopus", RATE, "w")
        self._codec.bit_rate = 32_000
        self._codec.time_base = fractions.Fraction(1, RATE)
        self._codec.options = {"application": "voip", "frame_duration": "20"}
        self._samples = 0

    def push(self, pcm: bytes) -> bytes:
        """Return a packet for 20 ms of PCM16 mono at 24 kHz."""
        packets = self._codec.encode(_opus_frame(pcm, self._samples))
        self._samples += PACKET_SAMPLES
        return b"".join(bytes(packet) for packet in packets)


def _opus_frame(pcm: bytes, pts: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
    frame.sample_rate = RATE
    frame.pts = pts
    frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
    return frame
