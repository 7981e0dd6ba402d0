from __future__ import annotations

import itertools
import math
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import av
import numpy as np
import pytest
from realtime_simulator._media import codecs, voice
from realtime_simulator._media.codecs import Resampler
from realtime_simulator._media.speech import SILENCE
from realtime_simulator._media.voice import Speaker

from tests.simulator.checking import rms
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SENTENCE = "Good morning, you have reached the front desk. How can I help you today?"


def seconds(pcm: bytes) -> float:
    return len(pcm) / 48000


def tone(frequency: float, rate: int, length: float) -> bytes:
    count = int(rate * length)
    wave = (int(9000 * math.sin(2 * math.pi * frequency * n / rate)) for n in range(count))
    return array("h", wave).tobytes()


def crossings(pcm: bytes) -> int:
    values = array("h", pcm)
    return sum((a < 0) != (b < 0) for a, b in itertools.pairwise(values))


def test_the_voice_is_audible_and_as_long_as_its_words() -> None:
    one, two = voice.synthesize(SENTENCE), voice.synthesize(f"{SENTENCE} {SENTENCE}")
    words = len(SENTENCE.split())
    assert 0.2 * words < seconds(one) < 0.6 * words
    assert seconds(two) == pytest.approx(2 * seconds(one), rel=0.1)
    assert 1000 < rms(one) < 12000
    assert len(one) % 960 == 0


def test_the_voice_is_repeatable_and_voices_and_speeds_differ() -> None:
    assert voice.synthesize(SENTENCE) == voice.synthesize(SENTENCE)
    assert voice.synthesize(SENTENCE, "marin") != voice.synthesize(SENTENCE, "cedar")
    fast = voice.synthesize(SENTENCE, speed=1.5)
    assert seconds(fast) == pytest.approx(seconds(voice.synthesize(SENTENCE)) / 1.5, rel=0.1)


def test_the_voice_is_voiced_and_not_noise() -> None:
    # Noise changes sign at half of its samples; a voice at its low harmonics.
    pcm = voice.synthesize("oh no, you are so slow")
    assert crossings(pcm) < 0.15 * len(pcm) / 2


@each("text", ["", "!!!", "你好", "123", "Grüße aus Köln", "\0", "x" * 300])
def test_any_text_makes_some_sound(text: str) -> None:
    assert len(voice.synthesize(text)) >= 960 and len(voice.synthesize(text)) % 960 == 0


@pytest.mark.slow
def test_opus_packets_are_twenty_milliseconds_and_decode_to_the_same_audio() -> None:
    pcm = voice.synthesize(SENTENCE)
    packets = codecs.encode_opus(pcm)
    assert len(packets) == len(pcm) // 960
    decoder = av.CodecContext.create("libopus", "r")
    decoded = b"".join(
        bytes(frame.planes[0])[: frame.samples * 4]
        for packet in packets
        for frame in decoder.decode(av.Packet(packet))
    )
    assert len(decoded) // 4 / 48000 == pytest.approx(seconds(pcm), abs=0.03)
    assert rms(decoded) == pytest.approx(rms(pcm), rel=0.2)


def test_the_silent_packet_decodes_to_silence_of_twenty_milliseconds() -> None:
    decoder = av.CodecContext.create("libopus", "r")
    frames = decoder.decode(av.Packet(SILENCE))
    assert [frame.samples for frame in frames] == [960]
    assert not any(bytes(frames[0].planes[0])[: 960 * 4])


def test_resampling_keeps_length_pitch_and_loudness_in_pieces_of_any_size() -> None:
    source = tone(440, 22050, 1.0)
    resampler = Resampler(22050, 24000)
    out = b"".join(resampler.push(source[at : at + 333]) for at in range(0, len(source), 333))
    out += resampler.flush()
    assert seconds(out) == pytest.approx(1.0, abs=0.01)
    assert crossings(out) == pytest.approx(880, abs=5)
    assert rms(out) == pytest.approx(rms(source), rel=0.02)


# The second line is a command for sh, which can name a path with blanks, and a text for Python.
STAND_IN = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import math, struct, sys
rate = 22050
said = sys.stdin.buffer.read()
samples = [int(8000 * math.sin(2 * math.pi * 300 * n / rate)) for n in range(rate // 10 * len(said.split()))]
form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
head = struct.pack("<4sI4s", b"RIFF", 0x7FFFF024, b"WAVE") + form + struct.pack("<4sI", b"data", 0x7FFFF000)
sys.stdout.buffer.write(head + struct.pack(f"<{{len(samples)}}h", *samples))
"""


def test_espeaks_wave_is_read_although_its_header_does_not_know_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(voice, "espeak_program", lambda: str(program))
    speech = Speaker().speak(
        "ten words are one second of sound from this program", "marin", 1.0, packets=True
    )
    assert seconds(speech.pcm) == pytest.approx(1.0, abs=0.03)
    assert crossings(speech.pcm) == pytest.approx(600, abs=5)
    assert rms(speech.pcm) == pytest.approx(8000 / math.sqrt(2), rel=0.05)
    assert len(speech.packets) == speech.samples // 480


def test_without_espeak_the_built_in_voice_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "espeak_program", lambda: None)
    speech = Speaker().speak("hello", "alloy", 1.0, packets=False)
    assert speech.pcm == voice.synthesize("hello", "alloy")


def test_an_espeak_that_fails_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "espeak_program", lambda: "/bin/false")
    assert Speaker().speak("hello", "alloy", 1.0, packets=False).pcm == voice.synthesize("hello", "alloy")


def test_the_speaker_remembers_a_bounded_number_of_utterances() -> None:
    speaker = Speaker(use_espeak=False, remembered=2)
    first = speaker.speak("one", "alloy", 1.0, packets=True)
    assert len(first.packets) == first.samples // 480
    assert speaker.speak("one", "alloy", 1.0, packets=True) is first
    speaker.speak("two", "alloy", 1.0, packets=False)
    speaker.speak("three", "alloy", 1.0, packets=False)
    assert speaker.remembered("one", "alloy", 1.0, packets=True) is None


def test_utterances_are_cached_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "MAX_REMEMBERED_BYTES", 100_000)
    speaker = voice.Speaker(use_espeak=False)
    texts = [f"sentence number {number}" for number in range(5)]
    for text in texts:
        speaker.speak(text, "alloy", 1.0, packets=False)
    known = [speaker.remembered(text, "alloy", 1.0, packets=False) for text in texts]
    assert known[0] is None and known[-1] is not None
    assert sum(len(speech.pcm) for speech in known if speech is not None) <= 100_000


def test_an_utterance_that_two_threads_make_at_once_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = voice.synthesize("hello")
    both = Barrier(2)

    def synthesize(*_: Any) -> bytes:
        both.wait(PATIENCE)
        return sound

    monkeypatch.setattr(voice, "synthesize", synthesize)
    monkeypatch.setattr(voice, "MAX_REMEMBERED_BYTES", 2 * len(sound))
    speaker = Speaker(use_espeak=False)
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: speaker.speak("one", "alloy", 1.0, packets=False), range(2))
    assert one is other
    monkeypatch.setattr(voice, "synthesize", lambda *_: sound)
    speaker.speak("two", "alloy", 1.0, packets=False)
    assert speaker.remembered("one", "alloy", 1.0, packets=False) is one


def received() -> tuple[list[bytes], bytes]:
    """Return Opus packets of silence and speech, and their sound as FFmpeg decodes and resamples it."""
    pcm = tone(440, 24000, 0.2) + bytes(24000) + tone(600, 24000, 0.2) + bytes(9600)
    packets = codecs.encode_opus(pcm) + [SILENCE] * 20 + codecs.encode_opus(pcm)
    packets += [packets[5]] * 5 + [SILENCE] * 5
    inner = av.CodecContext.create("libopus", "r")
    inner.format, inner.layout, inner.sample_rate = "s16", "mono", 48000
    resampler = av.AudioResampler(format="s16", layout="mono", rate=24000)
    frames = [frame for packet in packets for frame in inner.decode(av.Packet(packet))]
    return packets, b"".join(codecs.samples(resampler.resample(frame)) for frame in frames)


def test_received_packets_are_decoded_as_one_stream_through_silence_and_speech() -> None:
    packets, expected = received()
    assert codecs.libopus() is not None
    decoder = codecs.PacketDecoder("audio/opus")
    found = b"".join(map(decoder.push, packets))
    assert len(found) == 960 * len(packets)
    wave, other = (np.frombuffer(pcm[: len(expected)], "<i2").astype(float) for pcm in (found, expected))
    assert np.std(wave - other) < 0.02 * np.std(other), "the same sound, at the same time"


def test_ffmpeg_decodes_packets_where_libopus_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    packets, expected = received()
    monkeypatch.setattr(codecs, "libopus", lambda: None)
    decoder = codecs.PacketDecoder("audio/opus")
    assert b"".join(map(decoder.push, packets)) == expected


def test_an_invalid_packet_is_refused_and_the_next_decoded() -> None:
    decoder = codecs.PacketDecoder("audio/opus")
    with pytest.raises(av.FFmpegError):
        decoder.push(b"\xff")
    assert decoder.push(SILENCE) == bytes(960)


def test_an_empty_packet_does_not_end_the_stream() -> None:
    decoder = codecs.PacketDecoder("audio/opus")
    assert decoder.push(b"") == b""
    assert len(decoder.push(SILENCE)) > 0


@each("format", ["audio/pcmu", "audio/pcma"])
def test_g711_packets_keep_length_pitch_and_loudness(format: str) -> None:
    source = tone(440, 24000, 1.0)
    encoder = codecs.G711Encoder(format)
    packets = [encoder.push(source[at : at + 960]) for at in range(0, len(source), 960)]
    assert {len(packet) for packet in packets} == {160}
    decoder = codecs.PacketDecoder(format)
    heard = b"".join(map(decoder.push, packets))
    assert seconds(heard) == pytest.approx(1.0, abs=0.01)
    assert crossings(heard) == pytest.approx(880, abs=25)
    assert rms(heard) == pytest.approx(rms(source), rel=0.03)
