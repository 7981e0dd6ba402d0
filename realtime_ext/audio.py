"""Audio as the Realtime API carries it: raw, mono, 16-bit PCM at 24 kHz or G.711 at 8 kHz.

    pcm = audio.read_wav("question.wav")              # any usual WAV file, to the API's PCM
    for chunk in audio.chunks(pcm, "pcm"):            # 20 ms each
        connection.append_audio(chunk)
    reply += audio.decode(event)                      # the bytes of an audio delta
    print(audio.duration_ms(reply, "pcm"))

Everything here is the standard library, but for `Resampler` and for files that need it, which load soxr
(extra `audio`) on first use. This module must not open a connection or play sound.
"""

from __future__ import annotations

import binascii
import os
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import attrs

from ._core.extras import install
from ._core.pcm import Buffer, as_bytes, from_samples, is_quiet, to_floats, to_samples, whole_samples

__all__ = [
    "AudioFormat",
    "Buffer",
    "Chunker",
    "Resampler",
    "audio_format",
    "chunks",
    "decode",
    "duration_ms",
    "is_quiet",
    "pcm16_to_pcma",
    "pcm16_to_pcmu",
    "pcma_to_pcm16",
    "pcmu_to_pcm16",
    "read_wav",
    "silence",
    "write_wav",
]


def __dir__() -> list[str]:
    return __all__


def _check_number(field: str, value: float, allowed: str, *, high: float, above: bool = False) -> None:
    """Refuse a value that is not a number from 0 up to a limit.

    Args:
        field: The argument's name, for the message.
        value: What came.
        allowed: The allowed values in words, for the message.
        high: The most that is allowed; finite, so that no huge number gets through.
        above: Whether 0 itself is too little.

    Raises:
        ValueError: It is out of bounds.
    """
    if not 0 <= value < float("inf") or (above and value == 0):
        raise ValueError(f"{field}: expected {allowed}, got {value!r}")
    if value > high:
        # Not shown whole: it may have hundreds of digits.
        raise ValueError(f"{field}: expected {allowed}, {high} at most, got {float(min(value, 1e30))!s}")


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
        """The bytes of one second."""
        return self.rate * self.width

    def bytes_in(self, ms: float) -> int:
        """Count the bytes of the whole samples that `ms` milliseconds hold, a day at most.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: `ms` is negative, not finite, or more than a day.
        """
        _check_number("ms", ms, "0 or more milliseconds", high=_LONGEST_MS)
        return int(ms * self.rate / 1000) * self.width

    def ms_in(self, size: int) -> float:
        """Return the milliseconds that `size` bytes last."""
        return size * 1000 / self.bytes_per_second


_PCM = AudioFormat(name="pcm", rate=24000, width=2, silent_sample=b"\x00\x00")
_PCMU = AudioFormat(name="pcmu", rate=8000, width=1, silent_sample=b"\xff")
_PCMA = AudioFormat(name="pcma", rate=8000, width=1, silent_sample=b"\xd5")

_FORMATS = {form.name: form for form in (_PCM, _PCMU, _PCMA)}
# The events of translation sessions still have pcm16.
_FORMATS |= {form.type: form for form in _FORMATS.values()} | {"pcm16": _PCM}
_BETA = {"g711_ulaw": "pcmu", "g711_alaw": "pcma"}


def audio_format(format: Any = "pcm") -> AudioFormat:
    """Look a format up.

    Args:
        format: "pcm", "pcmu" or "pcma"; "audio/pcm" and so on; a session's format object, generated or a
            dict; an `AudioFormat` itself; or None for the API's own choice, PCM.

    Returns:
        The format; PCM with another rate where the session's format object has one.

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
    """Return how long raw audio lasts.

    Args:
        data: Mono audio in `format`.
        format: As for `audio_format`.

    Returns:
        Milliseconds, not rounded: 48 bytes of PCM and 8 of G.711 are 1.0. Fields of the API such as
        `audio_end_ms` are whole: `int()` keeps within the audio.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: There is no such format.
    """
    return audio_format(format).ms_in(len(as_bytes(data)))


def silence(ms: float, format: Any = "pcm") -> bytes:
    """Return silence.

    Args:
        ms: Its length in milliseconds, 0 or more; cut to whole samples.
        format: As for `audio_format`.

    Returns:
        Raw audio: zeros for PCM, 0xFF for μ-law, 0xD5 for A-law.

    Raises:
        TypeError: `ms` is not a number.
        ValueError: There is no such format, or `ms` is negative, not finite, or more than a day.
    """
    form = audio_format(format)
    return form.silent_sample * (form.bytes_in(ms) // form.width)


def chunks(data: Buffer, format: Any = "pcm", ms: float = 20, *, pad: bool = False) -> Iterator[bytes]:
    """Cut complete audio into chunks.

    Args:
        data: Mono audio in `format`.
        format: As for `audio_format`.
        ms: Milliseconds a chunk, above 0; 20 is what telephony and WebRTC use.
        pad: Fill the last chunk up with silence; without it that one may be shorter.

    Returns:
        An iterator of the chunks. Joined they are `data` again, but for the padding.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: There is no such format, or `ms` is less than a sample.
    """
    form = audio_format(format)
    size = _size(form, ms)
    return _cut(as_bytes(data), form, size, pad)


def _cut(data: bytes | bytearray, form: AudioFormat, size: int, pad: bool) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        chunk = bytes(data[start : start + size])
        yield _padded(chunk, form, size) if pad else chunk


class Chunker:
    """Cuts a stream of pieces of any length into chunks of one length.

        chunker = Chunker("pcmu")
        for chunk in chunker.feed(audio.decode(event)):
            line.send(chunk)                       # 160 bytes, 20 ms
        line.send(chunker.flush())

    Args:
        format: As for `audio_format`.
        ms: Milliseconds a chunk, above 0.

    Raises:
        ValueError: There is no such format, or `ms` is less than a sample.
    """

    def __init__(self, format: Any = "pcm", ms: float = 20) -> None:
        self._format = audio_format(format)
        self._size = _size(self._format, ms)
        self._rest = bytearray()

    def feed(self, data: Buffer) -> list[bytes]:
        """Add the next piece.

        Returns:
            The chunks that are now complete, oldest first; what remains is kept for the next piece.

        Raises:
            TypeError: `data` is not bytes-like.
        """
        self._rest += as_bytes(data)
        end = len(self._rest) - len(self._rest) % self._size
        whole = bytes(self._rest[:end])
        del self._rest[:end]
        return [whole[start : start + self._size] for start in range(0, end, self._size)]

    def flush(self, *, pad: bool = True) -> bytes:
        """Return what remains and start anew.

        Args:
            pad: Fill it up with silence to a whole chunk.

        Returns:
            The last chunk; empty if nothing remained.
        """
        rest = bytes(self._rest)
        self._rest.clear()
        return _padded(rest, self._format, self._size) if pad else rest


def _size(form: AudioFormat, ms: float) -> int:
    size = form.bytes_in(ms) if 0 < ms < float("inf") else 0
    if not size:
        raise ValueError(f"ms: expected a chunk of at least one sample, got {ms!r} ms")
    return size


def _padded(chunk: bytes, form: AudioFormat, size: int) -> bytes:
    if not chunk or len(chunk) == size:
        return chunk
    silent = form.silent_sample * (size // form.width)
    return chunk + silent[len(chunk) :]


_SUFFIX = "audio.delta"  # response.output_audio.delta, session.output_audio.delta, and a later API's
_ENVELOPE = "data"  # where an UnknownEvent has the event as it came


def decode(event: Any) -> bytes:
    """Return the audio of an audio delta.

    Args:
        event: A `response.output_audio.delta`, or a translation session's `session.output_audio.delta`:
            generated class, `UnknownEvent` or plain dict.

    Returns:
        Raw mono audio in the session's output format.

    Raises:
        TypeError: The event is not an audio delta.
        ValueError: Its `delta` is not base64.
    """
    fields = event if isinstance(event, Mapping) else getattr(event, _ENVELOPE, None)
    if isinstance(fields, Mapping):
        kind, delta = fields.get("type"), fields.get("delta")
    else:
        kind, delta = getattr(event, "type", None), getattr(event, "delta", None)
    if not isinstance(kind, str) or not kind.endswith(_SUFFIX):
        what = repr(kind) if isinstance(kind, str) else type(event).__name__
        raise TypeError(f"event: expected an audio delta such as 'response.output_audio.delta', got {what}")
    if not isinstance(delta, str):
        raise ValueError(f"{kind}: delta: expected base64 text, got {type(delta).__name__}")
    try:
        return binascii.a2b_base64(delta, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"{kind}: delta: expected base64 text: {error}") from error


def pcmu_to_pcm16(data: Buffer) -> bytes:
    """Decode μ-law, the API's `audio/pcmu`.

    Args:
        data: One byte a sample.

    Returns:
        16-bit little-endian PCM of the same rate, within ±32124.

    Raises:
        TypeError: `data` is not bytes-like.
    """
    return _expand(as_bytes(data), _expansion(_MU))


def pcma_to_pcm16(data: Buffer) -> bytes:
    """Decode A-law, the API's `audio/pcma`, to values within ±32256; otherwise as `pcmu_to_pcm16`."""
    return _expand(as_bytes(data), _expansion(_A))


def pcm16_to_pcmu(data: Buffer) -> bytes:
    """Encode to μ-law, the API's `audio/pcmu`. The rate is unchanged: resample to 8 kHz before.

    Args:
        data: 16-bit little-endian PCM.

    Returns:
        One byte a sample.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: The last sample is cut in half.
    """
    return _compress(data, _compression(_MU))


def pcm16_to_pcma(data: Buffer) -> bytes:
    """Encode to A-law, the API's `audio/pcma`; otherwise as `pcm16_to_pcmu`."""
    return _compress(data, _compression(_A))


# G.711, both laws and both ways, by tables. A value that lies on a decision value goes to the interval above
# it when positive and to the one nearer zero when negative: G.711 leaves that open, and this is how ITU-T's
# own reference software (G.191, `ulaw_compress` and `alaw_compress`) has it.
# Source: ITU-T G.711, tables 1a, 1b, 2a, 2b (https://www.itu.int/rec/T-REC-G.711).
# A law is the function from an interval's number (3 bits of segment, 4 bits of step) to the lowest
# magnitude in it, on the 16-bit scale, and the mask that turns the number of a positive sample into its
# octet. Number 128 is the end.
_Law = tuple[Callable[[int], int], int]


def _mu_edge(number: int) -> int:
    segment, step = divmod(number, 16)
    return max(0, ((16 + step) << (segment + 3)) - 132)


def _a_edge(number: int) -> int:
    segment, step = divmod(number, 16)
    return (16 + step) << (segment + 3) if segment else step << 4


_MU: _Law = (_mu_edge, 0xFF)
_A: _Law = (_a_edge, 0xD5)
_SIGN = 0x80


@cache
def _expansion(law: _Law) -> tuple[bytes, bytes]:
    """The low and the high byte of each octet's value."""
    edge, mask = law
    values = [0] * 256
    for number in range(128):
        # Half of an interval is below its middle; μ-law's first is the one that zero lies in the middle of.
        middle = (edge(number) + edge(number + 1)) // 2 if number or law is _A else 0
        values[number ^ mask] = middle
        values[number ^ mask ^ _SIGN] = -middle
    return bytes(value & 0xFF for value in values), bytes(value >> 8 & 0xFF for value in values)


@cache
def _compression(law: _Law) -> bytes:
    """The octet of each 16-bit sample, read as unsigned."""
    edge, mask = law
    edges = [edge(number) for number in range(128)]
    ends = [*edges[1:], 32768]
    positive = b"".join(bytes([n ^ mask]) * (ends[n] - edges[n]) for n in range(128))
    flip = bytes(octet ^ _SIGN for octet in range(256))
    return positive + positive[::-1].translate(flip)


def _expand(data: bytes | bytearray, table: tuple[bytes, bytes]) -> bytes:
    low, high = table
    return _interleave(data.translate(low), data.translate(high))


def _compress(data: Buffer, table: bytes) -> bytes:
    samples = to_samples(whole_samples(data), "H")
    return bytes([table[sample] for sample in samples])


_HIGHEST_RATE = 0xFFFFFFFF  # of a WAV file's header


class Resampler:
    """Changes the rate of a stream of 16-bit little-endian PCM.

        resampler = Resampler(48000, 24000)
        for piece in microphone:                       # of any length, also of half a sample
            connection.append_audio(resampler.process(piece))
        connection.append_audio(resampler.flush())

    If both rates are equal, it returns the audio unchanged and does not need soxr.

    Args:
        source: Samples a second of the input, above 0.
        target: Samples a second of the output, above 0.
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
            _check_number(name, rate, "a rate above 0 samples a second", high=_HIGHEST_RATE, above=True)
        if channels not in range(1, 33):
            raise ValueError(f"channels: expected 1 to 32, got {channels!r}")
        if quality not in ("QQ", "LQ", "MQ", "HQ", "VHQ"):
            raise ValueError(f"quality: expected QQ, LQ, MQ, HQ or VHQ, got {quality!r}")
        self._frame = 2 * channels
        self._channels = channels
        self._rest = b""
        self._make = None if source == target else _stream_maker(source, target, channels, quality)
        self._stream = self._make() if self._make else None

    def process(self, data: Buffer) -> bytes:
        """Add the next piece.

        Args:
            data: PCM at the source's rate; a frame that is cut is completed by the next piece.

        Returns:
            The audio that is ready at the target's rate. The filter looks ahead, so the first pieces return
            less, or nothing.

        Raises:
            TypeError: `data` is not bytes-like.
        """
        raw = self._rest + as_bytes(data)
        end = len(raw) - len(raw) % self._frame
        self._rest = bytes(raw[end:])
        return self._run(bytes(raw[:end]), last=False)

    def flush(self) -> bytes:
        """Return the rest that the filter holds, and reset it for another stream.

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
            f"resampling needs the extra 'audio': {install('audio')}", name=error.name
        ) from error

    def make() -> Any:
        return soxr.ResampleStream(source, target, channels, dtype="float32", quality=quality)

    return make


# The kinds of sample in WAV files. The standard library's `wave` refuses float, G.711 and "extensible" files
# (which most 24-bit ones are) and headers without a length, as programs write that stream; so the chunks are
# read here. Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and "Multiple
# Channel Audio Data and WAVE Files".
_INTEGER, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_LARGEST = 0xFFFFFFFF - 36
_READABLE = "8, 16, 24 or 32-bit PCM, 32 or 64-bit float, A-law or μ-law"


def read_wav(path: str | os.PathLike[str] | BinaryIO, rate: int = 24000) -> bytes:
    """Read a WAV file into the API's PCM.

    Args:
        path: A file of 8, 16, 24 or 32-bit PCM, 32 or 64-bit float, A-law or μ-law, with any number of
            channels; or an object with `read`, such as an open file or an `io.BytesIO`, which stays open.
        rate: Samples a second of the result; 24000 is the API's PCM. A file of another rate needs the extra
            `audio`.

    Returns:
        16-bit little-endian PCM, mono: the mean of the channels. Samples of 24 and 32 bits keep their upper
        16.

    Raises:
        OSError: The file can't be read.
        TypeError: `path` is neither a path nor an object with `read`, or `rate` is not a number.
        ValueError: It is not a WAV file, or of a kind that is not named above; or `rate` is not above 0.
        ImportError: It has another rate and soxr is not installed; the message names the extra.
    """
    _check_number("rate", rate, "samples a second, above 0", high=_HIGHEST_RATE, above=True)
    file = path.read() if hasattr(path, "read") else Path(path).read_bytes()
    if not isinstance(file, bytes):
        raise TypeError(
            f"path: expected a file opened in binary mode, got one that reads {type(file).__name__}"
        )
    try:
        header, data = _parse(file)
        pcm = _mono(_to_pcm16(header, data), header.channels)
    except ValueError as error:
        raise ValueError(str(error) if hasattr(path, "read") else f"{path}: {error}") from None
    if header.rate == rate:
        return pcm
    resampler = Resampler(header.rate, rate)
    return resampler.process(pcm) + resampler.flush()


def write_wav(path: str | os.PathLike[str] | BinaryIO, pcm16: Buffer, rate: int = 24000) -> None:
    """Write a mono 16-bit WAV file; an existing file is overwritten.

    Args:
        path: The file; or an object with `write`, such as an open file or an `io.BytesIO`, which stays open
            and need not be seekable.
        pcm16: 16-bit little-endian PCM, mono.
        rate: Its samples a second; 24000 is the API's PCM.

    Raises:
        OSError: The file can't be written.
        TypeError: `pcm16` is not bytes-like, or `path` is neither a path nor an object with `write`.
        ValueError: Its last sample is cut in half, or `rate` is not a whole number above 0.
    """
    raw = whole_samples(pcm16, "pcm16")
    if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate < 1 << 31:
        raise ValueError(f"rate: expected a whole number of samples a second, above 0, got {rate!r}")
    if len(raw) > _LARGEST:
        raise ValueError(f"pcm16: expected {_LARGEST} bytes at most, which is WAV's limit; got {len(raw)}")
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)  # PCM, one channel, 16 bits
    sizes = struct.pack("<I", len(raw) + 36), struct.pack("<I", len(raw))
    content = b"".join((b"RIFF", sizes[0], b"WAVEfmt ", form, b"data", sizes[1], raw))
    if hasattr(path, "write"):
        path.write(content)
        return
    try:  # a number would be the file that has it, not a path
        file = Path(path)
    except TypeError as error:
        kind = type(path).__name__
        raise TypeError(f"path: expected a path or an object with `write`, got {kind}") from error
    file.write_bytes(content)


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
                raise ValueError("not a WAV file: its data comes before its format")
            # Who streams doesn't know the lengths: the file's is 0, the most, or what the header alone has.
            (length,) = struct.unpack_from("<I", file, 4)
            is_unknown = length in (0, 2**32 - 1) or length <= at
            return header, body or (file[at + 8 :] if is_unknown else body)
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
    if header.kind == _INTEGER and header.bits == 8:
        # Unsigned: the sign bit turned over, it is the upper byte.
        return _interleave(bytes(len(data)), data.translate(bytes(n ^ 0x80 for n in range(256))))
    if header.kind == _INTEGER and header.bits == 16:
        return data
    if header.kind == _INTEGER and header.bits in (24, 32):
        return _interleave(data[width - 2 :: width], data[width - 1 :: width])
    if header.kind == _FLOAT and header.bits in (32, 64):
        return _from_floats(to_floats(data, "f" if header.bits == 32 else "d"))
    if header.kind == _A_LAW and header.bits == 8:
        return pcma_to_pcm16(data)
    if header.kind == _MU_LAW and header.bits == 8:
        return pcmu_to_pcm16(data)
    raise ValueError(f"expected {_READABLE}, got format {header.kind} of {header.bits} bits")


def _interleave(low: bytes | bytearray, high: bytes | bytearray) -> bytes:
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
