"""G.711 against its tables, which are built here from their segments alone."""

from __future__ import annotations

import math
import struct
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate

import pytest
from hypothesis import given, strategies as st

from realtime_ext import audio
from tests.support.rows import each

# The tables' decision values: 16 equal steps in each of 8 segments, on the tables' own scale.
MU_EDGES = [0, *accumulate([1] + [2] * 15 + [step for s in range(2, 9) for step in [1 << s] * 16])]
A_EDGES = [0, *accumulate([step for step in (2, 2, 4, 8, 16, 32, 64, 128) for _ in range(16)])]
MU_SCALE, A_SCALE = 4, 8  # to 16 bits
MU_SCALED, A_SCALED = [edge * MU_SCALE for edge in MU_EDGES], [edge * A_SCALE for edge in A_EDGES]


def mu_value(octet: int) -> int:
    number = 0x7F - (octet & 0x7F)
    magnitude = (MU_EDGES[number] + MU_EDGES[number + 1]) * MU_SCALE // 2 if number else 0
    return magnitude if octet & 0x80 else -magnitude


def a_value(octet: int) -> int:
    number = (octet ^ 0x55) & 0x7F
    magnitude = (A_EDGES[number] + A_EDGES[number + 1]) * A_SCALE // 2
    return magnitude if octet & 0x80 else -magnitude


def octet_of(sample: int, scaled: list[int], inverted: int) -> int:
    # A positive sample on a decision value is in the interval above it, a negative one in that nearer zero.
    place = bisect_right(scaled, sample) if sample >= 0 else bisect_left(scaled, -sample)
    number = min(max(place - 1, 0), 127)
    return (number | (0x80 if sample >= 0 else 0)) ^ inverted


def unpack(pcm: bytes) -> list[int]:
    return [value for (value,) in struct.iter_unpack("<h", pcm)]


EVERY_OCTET = bytes(range(256))
EVERY_SAMPLE = list(range(-32768, 32768))
EVERY_SAMPLE_PCM = struct.pack("<65536h", *EVERY_SAMPLE)


def test_segments_end_where_the_tables_say() -> None:
    assert MU_EDGES[::16][1:] == [31, 95, 223, 479, 991, 2015, 4063, 8159]
    assert A_EDGES[::16][1:] == [32, 64, 128, 256, 512, 1024, 2048, 4096]


def test_every_mu_law_octet_decodes_to_the_tables_value() -> None:
    assert unpack(audio.pcmu_to_pcm16(EVERY_OCTET)) == [mu_value(octet) for octet in range(256)]


def test_every_a_law_octet_decodes_to_the_tables_value() -> None:
    assert unpack(audio.pcma_to_pcm16(EVERY_OCTET)) == [a_value(octet) for octet in range(256)]


def test_every_sample_encodes_to_the_interval_it_lies_in_mu_law() -> None:
    # μ-law's octets are their interval's number with all bits inverted but the sign.
    expected = bytes(octet_of(sample, MU_SCALED, 0x7F) for sample in EVERY_SAMPLE)
    assert audio.pcm16_to_pcmu(EVERY_SAMPLE_PCM) == expected


def test_every_sample_encodes_to_the_interval_it_lies_in_a_law() -> None:
    expected = bytes(octet_of(sample, A_SCALED, 0x55) for sample in EVERY_SAMPLE)
    assert audio.pcm16_to_pcma(EVERY_SAMPLE_PCM) == expected


@each(
    "octet, value",
    [(0x00, -32124), (0x80, 32124), (0x7F, 0), (0xFF, 0), (0xFE, 8), (0x7E, -8), (0x0F, -16764)],
)
def test_known_mu_law_values(octet: int, value: int) -> None:
    assert unpack(audio.pcmu_to_pcm16(bytes([octet]))) == [value]


@each("octet, value", [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0xD4, 24), (0x80, 5504)])
def test_known_a_law_values(octet: int, value: int) -> None:
    assert unpack(audio.pcma_to_pcm16(bytes([octet]))) == [value]


@pytest.mark.parametrize(
    ("decode", "octets", "overload", "headroom_db"),
    [
        (audio.pcmu_to_pcm16, "1e0b0b1e9e8b8b9e", 8159 * MU_SCALE, 3.17),
        (audio.pcma_to_pcm16, "34212134b4a1a1b4", 4096 * A_SCALE, 3.14),
    ],
    ids=["mu-law", "A-law"],
)
def test_the_digital_milliwatt_is_a_1_khz_sine_of_nominal_level(
    decode: object, octets: str, overload: int, headroom_db: float
) -> None:
    assert callable(decode)
    samples = unpack(decode(bytes.fromhex(octets)))
    amplitude = math.sqrt(2 * sum(sample * sample for sample in samples) / len(samples))
    assert 20 * math.log10(overload / amplitude) == pytest.approx(headroom_db, abs=0.01)
    angles = [(n + 0.5) * math.pi / 4 for n in range(8)]
    assert samples == pytest.approx([-amplitude * math.sin(angle) for angle in angles], rel=0.04)


def test_octets_survive_a_round_trip() -> None:
    assert audio.pcm16_to_pcma(audio.pcma_to_pcm16(EVERY_OCTET)) == EVERY_OCTET
    # μ-law has a zero of either sign; 16-bit PCM has one.
    assert audio.pcm16_to_pcmu(audio.pcmu_to_pcm16(EVERY_OCTET)) == EVERY_OCTET.replace(b"\x7f", b"\xff")


@given(st.lists(st.integers(-32768, 32767)))
def test_a_round_trip_is_off_by_half_a_step_at_most(samples: list[int]) -> None:
    pcm = struct.pack(f"<{len(samples)}h", *samples)
    for back, edges, scale in (
        (audio.pcmu_to_pcm16(audio.pcm16_to_pcmu(pcm)), MU_EDGES, MU_SCALE),
        (audio.pcma_to_pcm16(audio.pcm16_to_pcma(pcm)), A_EDGES, A_SCALE),
    ):
        for sample, value in zip(samples, unpack(back), strict=True):
            clipped = max(-edges[-1] * scale, min(sample, edges[-1] * scale))
            # On an edge it is the wider step that counts, the one above.
            above = min(bisect_right(edges, abs(clipped) / scale), 128)
            step = (edges[above] - edges[above - 1]) * scale
            assert abs(clipped - value) <= max(step / 2, scale)


@given(st.binary())
def test_decoding_then_encoding_is_stable(data: bytes) -> None:
    once = audio.pcm16_to_pcmu(audio.pcmu_to_pcm16(data))
    assert audio.pcmu_to_pcm16(once) == audio.pcmu_to_pcm16(data)
    assert audio.pcm16_to_pcma(audio.pcma_to_pcm16(data)) == data


@each("kind", [bytes, bytearray, memoryview, lambda raw: array("h", raw)])
def test_any_bytes_like_object_is_taken(kind: object) -> None:
    assert callable(kind)
    assert audio.pcm16_to_pcmu(kind(b"\x00\x00\x00\x7d")) == b"\xff\x80"
    assert len(audio.pcmu_to_pcm16(kind(b"\xff\x80"))) == 4


def test_empty_input_gives_empty_output() -> None:
    for convert in (audio.pcm16_to_pcmu, audio.pcm16_to_pcma, audio.pcmu_to_pcm16, audio.pcma_to_pcm16):
        assert convert(b"") == b""


@pytest.mark.parametrize("encode", [audio.pcm16_to_pcmu, audio.pcm16_to_pcma])
def test_half_a_sample_is_refused(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(ValueError, match=r"data: expected whole 16-bit samples.*got 3 bytes"):
        encode(b"abc")


@each("convert", [audio.pcm16_to_pcmu, audio.pcm16_to_pcma, audio.pcmu_to_pcm16, audio.pcma_to_pcm16])
def test_text_is_refused_with_a_hint(convert: object) -> None:
    assert callable(convert)
    with pytest.raises(TypeError, match="expected bytes, got str; base64 text has to be decoded first"):
        convert("AAAA")
