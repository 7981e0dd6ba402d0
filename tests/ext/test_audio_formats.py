"""Formats, durations, silence and chunks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from realtime_ext import audio
from tests.support.rows import each

FORMATS = st.sampled_from(["pcm", "pcmu", "pcma"])


@each(
    "format, name, rate, width",
    [
        ("pcm", "pcm", 24000, 2),
        ("pcmu", "pcmu", 8000, 1),
        ("pcma", "pcma", 8000, 1),
        ("audio/pcm", "pcm", 24000, 2),
        ("audio/pcmu", "pcmu", 8000, 1),
        ("audio/pcma", "pcma", 8000, 1),
        ("pcm16", "pcm", 24000, 2),
        (None, "pcm", 24000, 2),
        ({"type": "audio/pcm", "rate": 24000}, "pcm", 24000, 2),
        ({"type": "audio/pcm"}, "pcm", 24000, 2),
        ({"type": "audio/pcm", "rate": 16000}, "pcm", 16000, 2),
        ({"type": "audio/pcmu"}, "pcmu", 8000, 1),
    ],
)
def test_a_format_is_found_by_each_of_its_spellings(format: Any, name: str, rate: int, width: int) -> None:
    found = audio.audio_format(format)
    assert (found.name, found.rate, found.width) == (name, rate, width)
    assert found.type == f"audio/{name}"
    assert audio.audio_format(found) is found


def test_a_generated_format_object_is_understood() -> None:
    from realtime_api import models

    session = models.RealtimeSessionCreateRequestGA.from_dict(
        {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcma"}}}}
    )
    assert session.audio and session.audio.output
    assert audio.audio_format(session.audio.output.format).name == "pcma"


@each("format", ["", "mp3", "PCM", 24000, {}, {"type": 5}, {"type": None}, b"pcm", ["pcm"]])
def test_an_unknown_format_is_refused(format: Any) -> None:
    with pytest.raises(ValueError, match='format: expected "pcm", "pcmu" or "pcma", got '):
        audio.duration_ms(b"", format)


@pytest.mark.parametrize(("beta", "now"), [("g711_ulaw", "pcmu"), ("g711_alaw", "pcma")])
def test_a_beta_name_is_refused_with_its_present_one(beta: str, now: str) -> None:
    with pytest.raises(ValueError, match=f"{beta} is the beta's name of {now}"):
        audio.silence(20, beta)


@each(
    "size, format, ms",
    [(48000, "pcm", 1000), (4096, "pcm", 4096 / 48), (160, "pcmu", 20), (1, "pcma", 0.125), (0, "pcm", 0)],
)
def test_duration(size: int, format: str, ms: float) -> None:
    assert audio.duration_ms(bytes(size), format) == ms


def test_duration_counts_bytes_whatever_the_buffers_items_are() -> None:
    assert audio.duration_ms(memoryview(bytes(960)).cast("h"), "pcm") == 20


def test_duration_refuses_base64_text() -> None:
    with pytest.raises(TypeError, match="data: expected bytes, got str"):
        audio.duration_ms("AAAA", "pcm")  # type: ignore[arg-type]


def test_silence_decodes_to_next_to_nothing() -> None:
    assert audio.silence(20, "pcm") == bytes(960)
    assert audio.pcmu_to_pcm16(audio.silence(20, "pcmu")) == bytes(320)
    assert audio.pcma_to_pcm16(audio.silence(20, "pcma")) == b"\x08\x00" * 160  # A-law has no zero


@given(ms=st.floats(0, 5000), format=FORMATS)
def test_silence_is_whole_samples_and_never_longer_than_asked(ms: float, format: str) -> None:
    form = audio.audio_format(format)
    made = audio.silence(ms, format)
    assert len(made) % form.width == 0
    assert ms - 1000 / form.rate - 1e-6 <= audio.duration_ms(made, format) <= ms + 1e-6


@each("ms", [-1, float("inf"), float("nan")])
def test_silence_of_no_possible_length_is_refused(ms: float) -> None:
    with pytest.raises(ValueError, match="ms: expected 0 or more milliseconds, got"):
        audio.silence(ms)


def test_chunks_are_20_ms() -> None:
    assert [len(chunk) for chunk in audio.chunks(bytes(2000), "pcm")] == [960, 960, 80]
    assert [len(chunk) for chunk in audio.chunks(bytes(400), "pcmu")] == [160, 160, 80]


def test_the_last_chunk_can_be_padded_with_the_formats_own_silence() -> None:
    *_, last = audio.chunks(b"\x01" * 170, "pcma", pad=True)
    assert last == b"\x01" * 10 + b"\xd5" * 150


def test_empty_audio_has_no_chunks() -> None:
    assert list(audio.chunks(b"", "pcm", pad=True)) == []


@given(data=st.binary(max_size=5000), format=FORMATS, ms=st.sampled_from([1, 2.5, 20, 100]))
def test_chunks_put_together_are_the_audio(data: bytes, format: str, ms: float) -> None:
    pieces = list(audio.chunks(data, format, ms))
    assert b"".join(pieces) == data
    assert all(audio.duration_ms(piece, format) == ms for piece in pieces[:-1])


@given(pieces=st.lists(st.binary(max_size=500)), format=FORMATS, pad=st.booleans())
def test_a_chunker_gives_the_same_chunks_whatever_the_pieces(
    pieces: list[bytes], format: str, pad: bool
) -> None:
    chunker = audio.Chunker(format)
    out = [chunk for piece in pieces for chunk in chunker.feed(piece)]
    out += [last] if (last := chunker.flush(pad=pad)) else []
    assert out == list(audio.chunks(b"".join(pieces), format, pad=pad))
    assert chunker.flush() == b""


@each("ms", [0, -20, 0.001, float("nan"), float("inf")])
def test_a_chunk_shorter_than_a_sample_is_refused(ms: float) -> None:
    with pytest.raises(ValueError, match="ms: expected a chunk of at least one sample"):
        audio.Chunker("pcm", ms)
    with pytest.raises(ValueError, match="ms: expected a chunk of at least one sample"):
        audio.chunks(b"", "pcm", ms)
