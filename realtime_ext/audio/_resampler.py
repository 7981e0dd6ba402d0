"""Resampling as audio comes in. The one module that touches soxr, and through it numpy: both on first use.

This module must not change the format: 16-bit PCM in, 16-bit PCM out.
"""

from __future__ import annotations

from typing import Any, Literal

from ._number import check_number
from ._samples import Buffer, as_bytes

__all__ = ["Resampler"]


HIGHEST_RATE = 0xFFFFFFFF  # what the head of a WAV file can hold


class Resampler:
    """Changes the rate of a stream of 16-bit little-endian PCM.

        resampler = Resampler(48000, 24000)
        for piece in microphone:                       # of any length, also of half a sample
            connection.append_audio(resampler.process(piece))
        connection.append_audio(resampler.flush())

    Between two rates that are the same it hands the audio on and needs no soxr.

    Args:
        source: Samples a second of what comes in, above 0.
        target: Samples a second of what goes out, above 0.
        channels: Channels, interleaved, in and out alike: 1 to 32.
        quality: soxr's recipe, from quick to very high quality.

    Raises:
        ImportError: soxr is not installed; the message names the extra.
        TypeError: A rate or the number of channels is not a number.
        ValueError: A rate, a number of channels or a quality that there isn't.
    """

    def __init__(
        self,
        source: int,
        target: int,
        *,
        channels: int = 1,
        quality: Literal["QQ", "LQ", "MQ", "HQ", "VHQ"] = "HQ",
    ) -> None:
        for name, rate in (("source", source), ("target", target)):
            check_number(name, rate, "a rate above 0 samples a second", high=HIGHEST_RATE, above=True)
        if isinstance(channels, bool) or not isinstance(channels, int):
            raise TypeError(f"channels: expected 1 to 32, got {type(channels).__name__}")
        if not 1 <= channels <= 32:
            raise ValueError(f"channels: expected 1 to 32, got {channels!r}")
        if quality not in ("QQ", "LQ", "MQ", "HQ", "VHQ"):
            raise ValueError(f"quality: expected QQ, LQ, MQ, HQ or VHQ, got {quality!r}")
        self._frame = 2 * channels
        self._channels = channels
        self._rest = b""
        self._make = None if source == target else _stream_maker(source, target, channels, quality)
        self._stream = self._make() if self._make else None

    def process(self, data: Buffer) -> bytes:
        """Take the next piece.

        Args:
            data: PCM at the source's rate; a frame that is cut is completed by the next piece.

        Returns:
            What is ready at the target's rate. The filter looks ahead, so the first pieces give less, or
            nothing.

        Raises:
            TypeError: `data` is not bytes-like.
        """
        raw = self._rest + as_bytes(data)
        end = len(raw) - len(raw) % self._frame
        self._rest = bytes(raw[end:])
        return self._run(bytes(raw[:end]), last=False)

    def flush(self) -> bytes:
        """Give what the filter still holds, and start anew for another stream.

        Returns:
            The end of the audio. Half a frame that was never completed is dropped.
        """
        self._rest = b""
        out = self._run(b"", last=True)
        self._stream = self._make() if self._make else None
        return out

    def _run(self, raw: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return raw
        if not raw and not last:
            return b""
        import numpy

        # Floats, because soxr dithers 16-bit samples: the same audio would differ with the pieces it came in.
        frames = numpy.frombuffer(raw, "<i2").astype("float32").reshape(-1, self._channels)
        out = self._stream.resample_chunk(frames, last=last)
        return bytes(numpy.rint(out).clip(-32768, 32767).astype("<i2").tobytes())


def _stream_maker(source: int, target: int, channels: int, quality: str) -> Any:
    try:
        import soxr
    except ImportError as error:
        raise ImportError(
            "resampling needs the extra 'audio': pip install 'realtime-ext[audio]'", name=error.name
        ) from error

    def make() -> Any:
        return soxr.ResampleStream(source, target, channels, dtype="float32", quality=quality)

    return make
