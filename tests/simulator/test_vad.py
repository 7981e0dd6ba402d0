from __future__ import annotations

import pytest
from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._media import voice
from realtime_simulator._media.formats import Decoder, encode

from tests.simulator.sounds import hiss, mixed, scaled, silence, tone, vowel
from tests.support.rows import each

SENTENCE = "good morning you have reached the front desk"
# Quieter than the loudest word by 24 dB, as the end of a sentence may be.
SPOKEN = silence() + vowel(0.3) + silence(0.14) + hiss(0.12, 900) + scaled(vowel(0.5), -24) + silence()


def edges(pcm: bytes, vad: VoiceActivity | None = None) -> list[tuple[str, int]]:
    return [(edge.kind, edge.sample // 24) for edge in (vad or VoiceActivity()).push(pcm)]


@each("pitch", [80, 110, 220, 300])
def test_a_vowel_between_silences_is_speech(pitch: float) -> None:
    (started, begin), (stopped, end) = edges(silence() + vowel(frequency=pitch) + silence())
    assert (started, stopped) == ("started", "stopped")
    assert begin == pytest.approx(1000, abs=40)
    assert end == pytest.approx(2500, abs=160)


@each("decibels", [0, -12, -24, -32])
@each("noise", [0, 1])
def test_closures_consonants_and_quiet_words_are_in_one_turn(decibels: float, noise: int) -> None:
    pcm = mixed([SPOKEN, hiss(len(SPOKEN) / 48000, 300 * noise)])
    (_, begin), (stopped, end) = edges(scaled(pcm, decibels), VoiceActivity(silence_ms=200))
    assert begin == pytest.approx(1000, abs=60)
    assert (stopped, end) == ("stopped", pytest.approx(2260, abs=250))


BEEP = tone(0.1, 1000)
KEYS = [(697, 1209), (770, 1336), (852, 1477), (941, 1336)]
HUM = mixed([tone(3, 60 * number, amplitude=6000 // number) for number in range(1, 7)])
CLICK = b"\xff\x7f" * 24


@pytest.mark.slow
@each(
    "sound",
    [
        tone(2, 440),
        tone(2, 80),
        (BEEP + silence(0.1)) * 8,
        b"".join(tone(0.1, *key) + silence(0.1) for key in KEYS),
        b"".join(tone(0.06, *key) + silence(0.04) for key in KEYS * 2),
        tone(2, 261.6, 329.6, 392.0),
        tone(2, *(pitch * number for pitch in (262, 330, 392) for number in (1, 2, 3, 4))),
        b"".join(tone(0.2, pitch) for pitch in (523, 659, 784, 1047)),
        tone(3, 60),
        HUM,
        mixed([HUM, hiss(3, 150)]),
        (CLICK + silence(0.3)) * 6,
        (CLICK + silence(0.049)) * 30,
        b"\x00\x30" * 24000,
    ],
    ids=[
        *("tone", "low tone", "beeps", "keys", "quick keys", "chord", "rich chord", "melody"),
        *("hum", "rich hum", "hum in noise", "clicks", "quick clicks", "constant"),
    ],
)
@each("decibels", [0, -24])
def test_tones_hum_and_clicks_are_not_speech(sound: bytes, decibels: float) -> None:
    assert edges(silence(0.5) + scaled(sound, decibels) + silence(0.5)) == []
    assert edges(scaled(sound, decibels), VoiceActivity(0.0)) == []


@pytest.mark.parametrize("amplitude", [100, 2000, 12000, 32767])
@pytest.mark.slow
def test_silence_and_hiss_are_not_speech(amplitude: int) -> None:
    noise = hiss(5, amplitude)
    assert edges(silence(3) + noise + silence()) == []
    narrow = Decoder("audio/pcmu").push(encode(noise, "audio/pcmu"))
    assert edges(narrow) == []


def test_speech_in_hiss_begins_and_ends() -> None:
    found = edges(hiss(1, 1500) + vowel(1, amplitude=15000) + hiss(2, 1500))
    assert [kind for kind, _ in found] == ["started", "stopped"]


@each("format", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_the_simulators_own_voice_is_one_stretch_of_speech(format: str) -> None:
    said = voice.synthesize(SENTENCE)
    found = edges(Decoder(format).push(encode(silence() + said + silence(), format)))
    assert [kind for kind, _ in found] == ["started", "stopped"]
    assert found[0][1] == pytest.approx(1000, abs=150)
    assert found[1][1] == pytest.approx(1500 + len(said) / 48, abs=300)


def test_chunking_of_the_audio_makes_no_difference() -> None:
    sound = silence(0.3) + vowel() + silence()
    vad, found = VoiceActivity(), []
    for start in range(0, len(sound), 701):
        found += edges(sound[start : start + 701], vad)
    assert found == edges(sound)


def test_a_vowel_that_is_held_is_not_taken_for_noise() -> None:
    assert [kind for kind, _ in edges(silence() + vowel(4))] == ["started"]


def test_the_silence_that_ends_a_turn_can_be_chosen() -> None:
    gap = vowel(0.5) + silence(0.4) + vowel(0.5) + silence(1.2)
    assert [kind for kind, _ in edges(gap, VoiceActivity(silence_ms=200))] == ["started", "stopped"] * 2
    (_, _), (_, end) = edges(gap, VoiceActivity(silence_ms=1000))
    assert end == pytest.approx(2520, abs=40)


def test_the_threshold_decides_how_loud_speech_is() -> None:
    def heard(threshold: float, decibels: float) -> bool:
        return bool(edges(silence(0.3) + scaled(vowel(), decibels), VoiceActivity(threshold)))

    assert heard(0.0, -44) and not heard(0.5, -44)
    assert heard(0.5, -30) and not heard(1.0, -30)
    assert heard(1.0, -12)


def test_a_reset_forgets_the_turn_but_not_the_time() -> None:
    vad = VoiceActivity()
    assert [kind for kind, _ in edges(vowel(), vad)] == ["started"]
    vad.reset()
    assert edges(silence(), vad) == []
    assert edges(vowel(), vad) == [("started", pytest.approx(2000, abs=40))]
