"""The streaming resampler: what it keeps of the sound, and that pieces make no difference."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from realtime_ext import audio
from tests.support.rows import each


def sine(frequency: float, rate: int, seconds: float) -> bytes:
    count = int(rate * seconds)
    values = [round(12000 * math.sin(2 * math.pi * frequency * n / rate)) for n in range(count)]
    return struct.pack(f"<{count}h", *values)


def unpack(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


SPEECH = sine(440, 48000, 0.25)


@each("rates", [(48000, 24000), (24000, 48000), (8000, 24000), (24000, 8000), (44100, 24000)])
def test_a_tone_keeps_its_pitch_level_and_place(rates: tuple[int, int]) -> None:
    source, target = rates
    resampler = audio.Resampler(source, target)
    out = resampler.process(sine(440, source, 0.5)) + resampler.flush()
    assert len(out) == target  # half a second of 2 bytes
    expected = unpack(sine(440, target, 0.5))
    middle = slice(target // 20, -target // 20)
    worst = max(abs(a - b) for a, b in zip(unpack(out)[middle], expected[middle], strict=True))
    assert worst <= 12  # a thousandth of the tone


def test_frequencies_above_the_target_rate_are_filtered_out() -> None:
    resampler = audio.Resampler(48000, 8000)
    out = resampler.process(sine(6000, 48000, 0.5)) + resampler.flush()
    assert max(abs(value) for value in unpack(out)[400:-400]) <= 2


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(SPEECH)), max_size=12))
def test_pieces_of_any_length_give_the_same_audio(cuts: list[int]) -> None:
    whole = audio.Resampler(48000, 24000)
    expected = whole.process(SPEECH) + whole.flush()
    edges = [0, *sorted(cuts), len(SPEECH)]
    resampler = audio.Resampler(48000, 24000)
    out = b"".join(resampler.process(SPEECH[a:b]) for a, b in pairwise(edges))
    assert out + resampler.flush() == expected


def test_it_gives_audio_before_the_end_of_the_stream() -> None:
    assert len(audio.Resampler(48000, 24000).process(SPEECH)) > len(SPEECH) // 4


def test_flushing_starts_a_new_stream() -> None:
    resampler = audio.Resampler(48000, 24000)
    first = resampler.process(SPEECH + b"\x01") + resampler.flush()
    assert resampler.process(SPEECH) + resampler.flush() == first
    assert resampler.flush() == b""


def test_channels_stay_apart() -> None:
    left, right = unpack(sine(440, 48000, 0.1)), unpack(sine(1000, 48000, 0.1))
    both = struct.pack(
        f"<{2 * len(left)}h", *(value for pair in zip(left, right, strict=True) for value in pair)
    )
    resampler = audio.Resampler(48000, 24000, channels=2)
    out = unpack(resampler.process(both[:1001]) + resampler.process(both[1001:]) + resampler.flush())
    for track, frequency in ((out[0::2], 440), (out[1::2], 1000)):
        expected = unpack(sine(frequency, 24000, 0.1))
        assert max(abs(a - b) for a, b in zip(track[400:-400], expected[400:-400], strict=True)) <= 12


def test_equal_rates_hand_the_audio_on_without_soxr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    resampler = audio.Resampler(24000, 24000)
    assert resampler.process(b"abc") + resampler.process(bytearray(b"d")) + resampler.flush() == b"abcd"


def test_without_soxr_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(
        ImportError, match=r"needs the extra 'audio': pip install 'realtime-ext\[audio\]'"
    ) as caught:
        audio.Resampler(48000, 24000)
    assert caught.value.name == "soxr"


def test_soxr_and_numpy_are_loaded_by_the_first_resampler_only() -> None:
    code = (
        "import sys; from realtime_ext import audio\n"
        "audio.pcm16_to_pcmu(bytes(320)); audio.Resampler(8000, 8000)\n"
        "assert not {'numpy', 'soxr'} & set(sys.modules)\n"
        "audio.Resampler(8000, 24000).process(b'')\n"
        "assert 'soxr' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@each(
    "arguments, message",
    [
        ({"source": 0}, "source: expected a rate above 0 samples a second, got 0"),
        ({"target": -8000}, "target: expected a rate above 0 samples a second, got -8000"),
        ({"target": float("nan")}, "target: expected a rate above 0 samples a second, got nan"),
        ({"channels": 0}, "channels: expected 1 to 32, got 0"),
        ({"channels": 33}, "channels: expected 1 to 32, got 33"),
        ({"quality": "best"}, "quality: expected QQ, LQ, MQ, HQ or VHQ, got 'best'"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audio.Resampler(**{"source": 48000, "target": 24000, **arguments})


def test_text_is_refused() -> None:
    with pytest.raises(TypeError, match="data: expected bytes, got str"):
        audio.Resampler(48000, 24000).process("AAAA")  # type: ignore[arg-type]
