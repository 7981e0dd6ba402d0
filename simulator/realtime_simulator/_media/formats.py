"""The formats in which events carry sound: PCM16 at 24 kHz, and G.711 at 8 kHz, resampled both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_simulator._media.speech import G711_RATE, PCM, RATE

if TYPE_CHECKING:
    from realtime_simulator._media.codecs import Resampler


class Decoder:
    """Reads one stream of sound.

    Args:
        format: The format's `type`: `audio/pcm`, `audio/pcmu` or `audio/pcma`.
        rate: Samples a second of PCM; G.711 has 8,000.
    """

    def __init__(self, format: str, rate: int = RATE) -> None:
        self.format = format
        self._odd = b""
        self._resampler = _resampler(rate if format == PCM else G711_RATE, RATE)

    def push(self, data: bytes) -> bytes:
        """Return the sound as PCM16 mono at 24 kHz, whole samples only; half a sample waits for more data."""
        if self.format != PCM:
            from realtime_simulator._media.codecs import decode_g711

            data = decode_g711(data, self.format)
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        return data[:whole] if self._resampler is None else self._resampler.push(data[:whole])


class Encoder:
    """Writes one stream of sound.

    Args:
        format: The format's `type`.
        rate: Samples a second of PCM; G.711 has 8,000.
    """

    def __init__(self, format: str, rate: int = RATE) -> None:
        self.format = format
        self._resampler = _resampler(RATE, rate if format == PCM else G711_RATE)

    def push(self, pcm: bytes) -> bytes:
        """Return sound in the format; what the resampler keeps back comes with the next."""
        if self._resampler is not None:
            pcm = self._resampler.push(pcm)
        if self.format == PCM:
            return pcm
        from realtime_simulator._media.codecs import encode_g711

        return encode_g711(pcm, self.format)


def _resampler(source: int, target: int) -> Resampler | None:
    if source == target:
        return None
    from realtime_simulator._media.codecs import Resampler

    return Resampler(source, target)


def encode(pcm: bytes, format: str) -> bytes:
    """Return an utterance in a format of events.

    Args:
        pcm: PCM16 mono at 24 kHz, a whole number of 20 ms.
        format: The format's `type`.

    Returns:
        Sound of the same duration, to the sample.
    """
    if format == PCM:
        return pcm
    from realtime_simulator._media.codecs import Resampler, encode_g711

    resampler = Resampler(RATE, G711_RATE)
    narrow = resampler.push(pcm) + resampler.flush()
    size = len(pcm) * G711_RATE // RATE
    return encode_g711((narrow + bytes(size))[:size], format)
