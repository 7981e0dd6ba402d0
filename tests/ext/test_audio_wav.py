"""WAV files: every kind that is read, what is refused, and that what is written is read again."""

from __future__ import annotations

import io
import struct
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from realtime_ext import audio
from tests.support.rows import each

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
SAMPLES = [0, 256, -256, 12800, -12800, 32512, -32768]
PCM16 = struct.pack("<7h", *SAMPLES)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def wav(
    data: bytes,
    *,
    kind: int = 1,
    bits: int = 16,
    channels: int = 1,
    rate: int = 24000,
    extensible: bool = False,
    before: bytes = b"",
    data_size: int | None = None,
    riff_size: int | None = None,
) -> bytes:
    block = channels * bits // 8
    fields = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate, rate * block, block, bits)
    if extensible:
        fields += struct.pack("<HHIH", 22, bits, 0, kind) + GUID_TAIL
    body = b"WAVE" + chunk(b"fmt ", fields) + before + chunk(b"data", data, data_size)
    return b"RIFF" + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., bytes]:
    def read(file: bytes, rate: int = 24000) -> bytes:
        path = tmp_path / "in.wav"
        path.write_bytes(file)
        return audio.read_wav(path, rate)

    return read


def int24(value: int) -> bytes:
    return struct.pack("<i", value)[:3]


@each("extensible", [False, True], ids=["plain", "extensible"])
@each(
    "kind, bits, data",
    [
        (1, 8, bytes((sample >> 8) + 128 for sample in SAMPLES)),
        (1, 16, PCM16),
        (1, 24, b"".join(int24(sample << 8) for sample in SAMPLES)),
        (1, 32, struct.pack("<7i", *(sample << 16 for sample in SAMPLES))),
        (3, 32, struct.pack("<7f", *(sample / 32768 for sample in SAMPLES))),
        (3, 64, struct.pack("<7d", *(sample / 32768 for sample in SAMPLES))),
    ],
    ids=["u8", "s16", "s24", "s32", "f32", "f64"],
)
def test_every_width_gives_the_same_samples(
    read: Callable[..., bytes], kind: int, bits: int, data: bytes, extensible: bool
) -> None:
    assert read(wav(data, kind=kind, bits=bits, extensible=extensible)) == PCM16


@pytest.mark.parametrize(("kind", "decode"), [(6, audio.pcma_to_pcm16), (7, audio.pcmu_to_pcm16)])
def test_g711_in_a_wav_is_decoded(
    read: Callable[..., bytes], kind: int, decode: Callable[[bytes], bytes]
) -> None:
    octets = bytes(range(256))
    assert read(wav(octets, kind=kind, bits=8, rate=8000), 8000) == decode(octets)


def test_wider_samples_keep_their_upper_bits(read: Callable[..., bytes]) -> None:
    assert read(wav(int24(0x1234FF) + int24(-1), bits=24)) == struct.pack("<2h", 0x1234, -1)


def test_float_is_clipped_and_rounded(read: Callable[..., bytes]) -> None:
    data = struct.pack("<7f", 1.0, 2.0, -1.0, -2.0, float("nan"), 1.6 / 32768, float("inf"))
    assert read(wav(data, kind=3, bits=32)) == struct.pack("<7h", 32767, 32767, -32768, -32768, 0, 2, 32767)


def test_stereo_becomes_the_mean_of_both(read: Callable[..., bytes]) -> None:
    data = struct.pack("<6h", 100, 300, -32768, -32768, 32767, -32768)
    assert read(wav(data, channels=2)) == struct.pack("<3h", 200, -32768, -1)


def test_more_channels_become_their_mean(read: Callable[..., bytes]) -> None:
    data = struct.pack("<6h", 100, 200, 300, -30, 0, 0)
    assert read(wav(data, channels=3)) == struct.pack("<2h", 200, -10)


def test_other_chunks_are_passed_over(read: Callable[..., bytes]) -> None:
    assert read(wav(PCM16, before=chunk(b"LIST", b"odd") + chunk(b"fact", bytes(4)))) == PCM16


@each(
    "riff_size, data_size",
    [(0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0), (36, 0), (0, 0), (0x7FFFFFFF, 0x7FFFFFFF - 36)],
)
def test_a_header_that_was_streamed_without_lengths_is_read_to_the_end(
    read: Callable[..., bytes], riff_size: int, data_size: int
) -> None:
    assert read(wav(PCM16, riff_size=riff_size, data_size=data_size)) == PCM16


def test_an_empty_recording_is_empty(read: Callable[..., bytes]) -> None:
    more = chunk(b"LIST", b"more")
    assert read(wav(b"", riff_size=36 + len(more)) + more) == b""


def test_a_sample_that_is_cut_off_is_dropped(read: Callable[..., bytes]) -> None:
    assert read(wav(PCM16[:-1], data_size=14)[:-1]) == PCM16[:-2]


def test_another_rate_is_resampled(read: Callable[..., bytes]) -> None:
    out = read(wav(struct.pack("<h", 1000) * 4800, rate=48000))
    samples = struct.unpack(f"<{len(out) // 2}h", out)
    assert len(samples) == 2400
    assert all(abs(sample - 1000) <= 2 for sample in samples[200:-200])


def test_only_another_rate_needs_soxr(read: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert read(wav(PCM16)) == PCM16
    with pytest.raises(ImportError, match=r"pip install 'realtime-ext\[audio\]'"):
        read(wav(PCM16, rate=44100))


@each(
    "file, message",
    [
        (b"", "not a WAV file: it doesn't start with RIFF … WAVE"),
        (b"ID3\x04 an MP3", "not a WAV file: it doesn't start with RIFF … WAVE"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file: it doesn't start with RIFF … WAVE"),
        (b"RIFF\0\0\0\0WAVE", "not a WAV file: there is no format in it"),
        (wav(b"")[:36], "not a WAV file: there is no data in it"),
        (wav(b"")[:24], "not a WAV file: its format is cut off"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"aaaa"), "not a WAV file: its data comes before its format"),
        (wav(PCM16, channels=0), "not a WAV file: 0 channels at 24000 samples a second"),
        (wav(PCM16, rate=0), "not a WAV file: 1 channels at 0 samples a second"),
        (wav(PCM16, kind=2, bits=4), "expected 8, 16, 24 or 32-bit PCM.*got format 2 of 4 bits"),
        (wav(PCM16, kind=0x55), ".*got format 85 of 16 bits"),
        (wav(PCM16, bits=12), ".*got format 1 of 12 bits"),
        (wav(PCM16, kind=3, bits=16), ".*got format 3 of 16 bits"),
        (wav(PCM16, bits=0), ".*got format 1 of 0 bits"),
    ],
)
def test_unsupported_formats_are_refused_by_name(
    read: Callable[..., bytes], file: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=f"in.wav: {message}"):
        read(file)


@given(st.binary(max_size=80), st.integers(0, 60))
def test_garbage_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, at: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.wav"
    file = wav(PCM16)
    path.write_bytes(file[:at] + garbage + file[at + len(garbage) :])
    try:
        assert len(audio.read_wav(path, 24000)) % 2 == 0
    except ValueError as error:
        assert "garbage.wav" in str(error)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        audio.read_wav(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError):
        audio.write_wav(tmp_path / "none" / "out.wav", b"")


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_reading_at_no_rate_is_refused(rate: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rate: expected samples a second, above 0, got"):
        audio.read_wav(tmp_path / "any.wav", rate)


@pytest.mark.parametrize("rate", [24000, 8000])
def test_written_files_read_the_same(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"something older and longer" * 10)
    audio.write_wav(path, PCM16, rate)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        assert file.readframes(100) == PCM16
    assert audio.read_wav(str(path), rate) == PCM16


def test_nothing_is_written_when_the_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with pytest.raises(ValueError, match=r"pcm16: expected whole 16-bit samples.*got 3 bytes"):
        audio.write_wav(path, b"abc")
    with pytest.raises(TypeError, match="pcm16: expected bytes, got str"):
        audio.write_wav(path, "AAAA")  # type: ignore[arg-type]
    for rate in (0, -8000, 1 << 31, 24000.0):
        with pytest.raises(ValueError, match="rate: expected a whole number of samples a second, above 0"):
            audio.write_wav(path, PCM16, rate)  # type: ignore[arg-type]
    assert not path.exists()


class Pipe:
    """What can only be written to, as a response of a web app."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)


def test_a_file_object_is_written_to_and_stays_open(tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "out.wav", PCM16, 8000)
    expected = (tmp_path / "out.wav").read_bytes()
    for file in (io.BytesIO(), Pipe()):
        audio.write_wav(file, PCM16, 8000)
        assert (file.getvalue() if isinstance(file, io.BytesIO) else file.content) == expected
    with wave.open(io.BytesIO(expected)) as read:
        assert (read.getframerate(), read.readframes(99)) == (8000, PCM16)
    for wrong in (5, None, b""):
        with pytest.raises(TypeError):
            audio.write_wav(wrong, PCM16)  # type: ignore[arg-type]


def test_a_file_object_is_read_and_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    audio.write_wav(path, PCM16, 8000)
    memory = io.BytesIO(path.read_bytes())
    with path.open("rb") as file:
        assert audio.read_wav(file, 8000) == audio.read_wav(memory, 8000) == PCM16
        assert (file.closed, memory.closed) == (False, False)
    with pytest.raises(ValueError, match=r"^not a WAV file"):
        audio.read_wav(io.BytesIO(b"noise"))
    with pytest.raises(
        TypeError, match="path: expected a file opened in binary mode, got one that reads str"
    ):
        audio.read_wav(io.StringIO("RIFF"))  # type: ignore[arg-type]
