"""WAV files, read to the API's PCM and written from it.

The standard library's `wave` refuses float, G.711 and "extensible" files (which most 24-bit ones are) and
headers without a length, as programs write that stream; so the chunks are read here. This module must not
resample by itself.

Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and "Multiple Channel
Audio Data and WAVE Files".
"""

from __future__ import annotations

import os
import struct
from array import array
from pathlib import Path

import attrs

from ._g711 import pcma_to_pcm16, pcmu_to_pcm16
from ._number import check_number
from ._resampler import HIGHEST_RATE, Resampler
from ._samples import Buffer, from_samples, to_floats, to_samples, whole_samples

__all__ = ["read_wav", "write_wav"]

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_LARGEST = 0xFFFFFFFF - 36
_READABLE = "8, 16, 24 or 32-bit PCM, 32 or 64-bit float, A-law or μ-law"


def read_wav(path: str | os.PathLike[str], rate: int = 24000) -> bytes:
    """Read a WAV file as the API takes audio.

    Args:
        path: A file of 8, 16, 24 or 32-bit PCM, 32 or 64-bit float, A-law or μ-law, with any number of
            channels.
        rate: Samples a second to give; 24000 is the API's PCM. A file of another rate needs the extra
            `audio`.

    Returns:
        16-bit little-endian PCM, mono: the mean of the channels. Samples of 24 and 32 bits keep their upper
        16.

    Raises:
        OSError: The file can't be read.
        TypeError: `path` is no path, or `rate` is not a number.
        ValueError: It is no WAV file, or of a kind that is not named above; or `rate` is not above 0.
        ImportError: It has another rate and soxr is not installed; the message names the extra.
    """
    check_number("rate", rate, "samples a second, above 0", high=HIGHEST_RATE, above=True)
    path = _checked_path(path)
    try:
        header, data = _parse(Path(path).read_bytes())
        pcm = _mono(_to_pcm16(header, data), header.channels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if header.rate == rate:
        return pcm
    resampler = Resampler(header.rate, rate)
    return resampler.process(pcm) + resampler.flush()


def write_wav(path: str | os.PathLike[str], pcm16: Buffer, rate: int = 24000) -> None:
    """Write a mono 16-bit WAV file, over one that is there.

    Args:
        path: The file.
        pcm16: 16-bit little-endian PCM, mono.
        rate: Its samples a second; 24000 is the API's PCM.

    Raises:
        OSError: The file can't be written.
        TypeError: `pcm16` is not bytes-like, or `path` is no path.
        ValueError: Its last sample is cut in half, or `rate` is not a whole number above 0.
    """
    raw = whole_samples(pcm16, "pcm16")
    path = _checked_path(path)
    if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate < 1 << 31:
        raise ValueError(f"rate: expected a whole number of samples a second, above 0, got {rate!r}")
    if len(raw) > _LARGEST:
        raise ValueError(f"pcm16: expected {_LARGEST} bytes at most, which is WAV's limit; got {len(raw)}")
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, rate, 2 * rate, 2, 16)
    head = b"WAVE" + header + struct.pack("<4sI", b"data", len(raw))
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI", b"RIFF", len(head) + len(raw)) + head)
        file.write(raw)


def _checked_path(path: object) -> Path:
    # bytes are paths to the operating system, but not to pathlib.
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: expected a str or a path, got {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"path: expected a path that is text without NUL, got {text!r}")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValueError(f"path: expected a path that the system can write, got {text!r}") from error
    return Path(text)


@attrs.frozen
class _Header:
    kind: int
    channels: int
    rate: int
    bits: int


def _parse(file: bytes) -> tuple[_Header, bytes]:
    if file[:4] != b"RIFF" or file[8:12] != b"WAVE":
        raise ValueError("not a WAV file: it doesn't start with RIFF … WAVE")
    header = None
    at = 12
    while at + 8 <= len(file):
        name, size = struct.unpack_from("<4sI", file, at)
        body = file[at + 8 : at + 8 + size]
        if name == b"fmt ":
            header = _parse_format(body)
        elif name == b"data":
            if header is None:
                raise ValueError("not a WAV file: its data come before their format")
            # Who streams doesn't know the lengths, and leaves both at 0 or at some number beyond the end.
            return header, (body or file[at + 8 :]) if file[4:8] == bytes(4) else body
        at += 8 + size + size % 2
    raise ValueError("not a WAV file: there is no " + ("data" if header else "format") + " in it")


def _parse_format(body: bytes) -> _Header:
    if len(body) < 16:
        raise ValueError("not a WAV file: its format is cut off")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        (kind,) = struct.unpack_from("<H", body, 24)  # the sub-format's GUID starts with the old number
    if not channels or not rate:
        raise ValueError(f"not a WAV file: {channels} channels at {rate} samples a second")
    return _Header(kind, channels, rate, bits)


def _to_pcm16(header: _Header, data: bytes) -> bytes:
    width = header.bits // 8
    if width:
        data = data[: len(data) - len(data) % (width * header.channels)]
    if header.kind == _PCM and header.bits == 8:
        # Unsigned: the sign bit turned over, it is the upper byte.
        return _interleave(bytes(len(data)), data.translate(bytes(n ^ 0x80 for n in range(256))))
    if header.kind == _PCM and header.bits == 16:
        return data
    if header.kind == _PCM and header.bits in (24, 32):
        return _interleave(data[width - 2 :: width], data[width - 1 :: width])
    if header.kind == _FLOAT and header.bits in (32, 64):
        return _from_floats(to_floats(data, "f" if header.bits == 32 else "d"))
    if header.kind == _A_LAW and header.bits == 8:
        return pcma_to_pcm16(data)
    if header.kind == _MU_LAW and header.bits == 8:
        return pcmu_to_pcm16(data)
    raise ValueError(f"expected {_READABLE}, got format {header.kind} of {header.bits} bits")


def _interleave(low: bytes, high: bytes) -> bytes:
    out = bytearray(2 * len(high))
    out[0::2] = low
    out[1::2] = high
    return bytes(out)


def _from_floats(samples: array[float]) -> bytes:
    return from_samples(array("h", [_quantized(sample) for sample in samples]))


def _quantized(sample: float) -> int:
    if sample != sample:  # not a number
        return 0
    return round(max(-32768.0, min(32767.0, sample * 32768.0)))


def _mono(pcm: bytes, channels: int) -> bytes:
    if channels == 1:
        return pcm
    samples = to_samples(pcm)
    tracks = [samples[channel::channels] for channel in range(channels)]
    if channels == 2:
        return from_samples(array("h", [(left + right) // 2 for left, right in zip(*tracks, strict=True)]))
    return from_samples(array("h", [sum(frame) // channels for frame in zip(*tracks, strict=True)]))
