from __future__ import annotations

import pytest
from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._media import voice
from realtime_simulator._media.formats import Decoder, encode

from tests.simulator.sounds import hiss, silence, tone

SENTENCE = "good morning you have reached the front desk"


def edges(pcm: bytes, vad: VoiceActivity | None = None) -> list[tuple[str, int]]:
    return [(edge.kind, edge.sample // 24) for edge in (vad or VoiceActivity()).push(pcm)]


@pytest.mark.parametrize("frequency", [80, 110, 220, 440, 1000])
def test_a_loud_tone_before_silence_is_speech(frequency: float) -> None:
    (started, begin), (stopped, end) = edges(silence() + tone(frequency=frequency) + silence())
    assert (started, stopped) == ("started", "stopped")
    assert begin == pytest.approx(1000, abs=40)
    assert end == pytest.approx(2500, abs=40)


@pytest.mark.parametrize("amplitude", [100, 2000, 12000, 32767])
@pytest.mark.slow
def test_silence_and_hiss_are_not_speech(amplitude: int) -> None:
    noise = hiss(5, amplitude)
    assert edges(silence(3) + noise + silence()) == []
    narrow = Decoder("audio/pcmu").push(encode(noise, "audio/pcmu"))
    assert edges(narrow) == []


def test_a_click_and_a_constant_level_are_not_speech() -> None:
    click = silence(0.5) + b"\xff\x7f" * 240 + silence(0.5)
    assert edges(click) == [] and edges(b"\x00\x30" * 24000) == []


def test_speech_in_hiss_begins_and_ends() -> None:
    found = edges(hiss(1, 1500) + tone(1, amplitude=15000) + hiss(2, 1500))
    assert [kind for kind, _ in found] == ["started", "stopped"]


@pytest.mark.parametrize("format", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_the_simulators_own_voice_is_one_stretch_of_speech(format: str) -> None:
    said = voice.synthesize(SENTENCE)
    found = edges(Decoder(format).push(encode(silence() + said + silence(), format)))
    assert [kind for kind, _ in found] == ["started", "stopped"]
    assert found[0][1] == pytest.approx(1000, abs=150)
    assert found[1][1] == pytest.approx(1500 + len(said) / 48, abs=300)


def test_how_the_sound_is_cut_makes_no_difference() -> None:
    sound = silence(0.3) + tone() + silence()
    vad, found = VoiceActivity(), []
    for start in range(0, len(sound), 701):
        found += edges(sound[start : start + 701], vad)
    assert found == edges(sound)


def test_the_silence_that_ends_a_turn_can_be_chosen() -> None:
    gap = tone(0.5) + silence(0.4) + tone(0.5) + silence(1.2)
    assert [kind for kind, _ in edges(gap, VoiceActivity(silence_ms=200))] == ["started", "stopped"] * 2
    (_, _), (_, end) = edges(gap, VoiceActivity(silence_ms=1000))
    assert end == pytest.approx(2400, abs=40)


def test_the_threshold_decides_how_loud_speech_is() -> None:
    def heard(threshold: float, amplitude: int) -> bool:
        return bool(edges(tone(amplitude=amplitude), VoiceActivity(threshold)))

    assert heard(0.0, 300) and not heard(0.5, 300)
    assert heard(0.5, 3000) and not heard(1.0, 3000)
    assert heard(1.0, 15000)


def test_a_reset_forgets_the_turn_but_not_the_time() -> None:
    vad = VoiceActivity()
    assert [kind for kind, _ in edges(tone(), vad)] == ["started"]
    vad.reset()
    assert edges(silence(), vad) == []
    assert edges(tone(), vad) == [("started", pytest.approx(2000, abs=40))]
