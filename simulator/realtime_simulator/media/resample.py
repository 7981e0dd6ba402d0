"""Change of sample rate for a stream of PCM16 mono, by FFmpeg's resampler."""

from __future__ import annotations

import av
from av.audio.frame import AudioFrame


class Resampler:
    """A stateful resampler for one stream.

    Args:
        source: Samples a second of what goes in.
        target: Samples a second of what comes out.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._inner = av.AudioResampler(format="s16", layout="mono", rate=target)
        self._odd = b""

    def push(self, pcm: bytes) -> bytes:
        """Return what can be said about the stream so far; the filter holds a few samples back."""
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


def samples(frames: list[AudioFrame]) -> bytes:
    """Return the samples of packed 16 bit frames, without the padding of their buffers."""
    return b"".join(
        bytes(frame.planes[0])[: frame.samples * 2 * len(frame.layout.channels)] for frame in frames
    )
