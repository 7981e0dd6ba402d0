"""The API's audio formats: their rates and widths, and what follows from these: durations and silence.

This module must not convert audio.

Source: the `audio.input.format` and `audio.output.format` fields of a session,
https://platform.openai.com/docs/api-reference/realtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ._number import check_number
from ._samples import Buffer, as_bytes

__all__ = ["AudioFormat", "audio_format", "duration_ms", "silence"]


_LONGEST_MS = 24 * 60 * 60 * 1000


@attrs.frozen(kw_only=True)
class AudioFormat:
    """A raw mono format.

    Args:
        name: "pcm", "pcmu" or "pcma".
        rate: Samples a second.
        width: Bytes a sample.
        silent_sample: One sample of silence, `width` bytes.
    """

    name: str
    rate: int
    width: int
    silent_sample: bytes

    @property
    def type(self) -> str:
        """The API's name of it, such as "audio/pcm"."""
        return f"audio/{self.name}"

    @property
    def bytes_per_second(self) -> int:
        """What one second takes."""
        return self.rate * self.width

    def bytes_in(self, ms: float) -> int:
        """Count the bytes of the whole samples that `ms` milliseconds hold, a day at most.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: `ms` is negative, not finite, or more than a day.
        """
        check_number("ms", ms, "0 or more milliseconds", high=_LONGEST_MS)
        return int(ms * self.rate / 1000) * self.width

    def ms_in(self, size: int) -> float:
        """Give the milliseconds that `size` bytes last.

        Raises:
            TypeError: `size` is not an int.
            ValueError: `size` is negative.
        """
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size: expected a number of bytes, got {type(size).__name__}")
        check_number("size", size, "a number of bytes, 0 or more", high=1 << 62)
        return size * 1000 / self.bytes_per_second


_PCM = AudioFormat(name="pcm", rate=24000, width=2, silent_sample=b"\x00\x00")
_PCMU = AudioFormat(name="pcmu", rate=8000, width=1, silent_sample=b"\xff")
_PCMA = AudioFormat(name="pcma", rate=8000, width=1, silent_sample=b"\xd5")

_FORMATS = {form.name: form for form in (_PCM, _PCMU, _PCMA)}
# The events of translation sessions still say pcm16.
_FORMATS |= {form.type: form for form in _FORMATS.values()} | {"pcm16": _PCM}
_BETA = {"g711_ulaw": "pcmu", "g711_alaw": "pcma"}


def audio_format(format: Any = "pcm") -> AudioFormat:
    """Look a format up.

    Args:
        format: "pcm", "pcmu" or "pcma"; "audio/pcm" and so on; a session's format object, generated or a
            dict; an `AudioFormat` itself; or None for the API's own choice, PCM.

    Returns:
        The format; PCM with another rate where the session's format object says so.

    Raises:
        ValueError: There is no such format.
    """
    if isinstance(format, AudioFormat):
        return format
    if format is None:
        return _PCM
    name, rate = format, None
    if isinstance(format, Mapping):
        name, rate = format.get("type"), format.get("rate")
    elif not isinstance(format, str):
        name, rate = getattr(format, "type", None), getattr(format, "rate", None)
    found = _FORMATS.get(name) if isinstance(name, str) else None
    if found is None:
        hint = f"; {name} is the beta's name of {_BETA[name]}" if name in _BETA else ""
        raise ValueError(f'format: expected "pcm", "pcmu" or "pcma", got {format!r}{hint}')
    if found is _PCM and isinstance(rate, int) and rate > 0 and rate != _PCM.rate:
        return attrs.evolve(_PCM, rate=rate)
    return found


def duration_ms(data: Buffer, format: Any = "pcm") -> float:
    """Say how long raw audio lasts.

    Args:
        data: Mono audio in `format`.
        format: As `audio_format` takes it.

    Returns:
        Milliseconds, not rounded: 48 bytes of PCM and 8 of G.711 are 1.0. Fields of the API such as
        `audio_end_ms` take whole ones: `int()` keeps within the audio.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: There is no such format.
    """
    return audio_format(format).ms_in(len(as_bytes(data)))


def silence(ms: float, format: Any = "pcm") -> bytes:
    """Make silence.

    Args:
        ms: Its length in milliseconds, 0 or more; cut to whole samples.
        format: As `audio_format` takes it.

    Returns:
        Raw audio: zeros for PCM, 0xFF for μ-law, 0xD5 for A-law.

    Raises:
        TypeError: `ms` is not a number.
        ValueError: There is no such format, or `ms` is negative, not finite, or more than a day.
    """
    form = audio_format(format)
    return form.silent_sample * (form.bytes_in(ms) // form.width)
