"""Text to speech: espeak-ng where it is installed, otherwise a synthetic voice, with a cache of
utterances.

The synthetic voice has no words, but sound that is voiced, syllabic and as long as the words would be. Each
syllable is a vowel's pitch period, repeated with falling pitch under an envelope, after a burst of noise for
a consonant. Periods are tables that are made once, so that a second of speech costs milliseconds.
"""

from __future__ import annotations

import functools
import logging
import math
import random
import re
import shutil
import struct
import subprocess
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator

from realtime_simulator._media.formats import encode
from realtime_simulator._media.speech import PACKET_SAMPLES, PCM, RATE, Speech

logger: logging.Logger = logging.getLogger("realtime_simulator")
SYLLABLE_SECONDS = 0.19
_PAUSES = {",": 0.15, ";": 0.2, ":": 0.2, ".": 0.3, "!": 0.3, "?": 0.3, "\n": 0.3}
# Formant frequencies (Hz) of each vowel: where its spectrum has hills.
_FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (290, 2250, 2950),
    "o": (570, 840, 2410),
    "u": (320, 870, 2240),
    "y": (310, 1900, 2500),
}
_HILLS = ((1.0, 90.0), (0.6, 110.0), (0.25, 170.0))
_AMPLITUDE = 9000
_NOISE_AMPLITUDE = 1800
_SYLLABLES = re.compile(
    r"([^\W\d_aeiouy]*)([aeiouy]+)|(\d)|([,;:.!?\n])|(\s)|([^\W\d_aeiouy]+)", re.IGNORECASE
)
WORDS_PER_MINUTE = 160
_TIMEOUT = 10.0
_Key = tuple[str, str, float, bool, str]
MAX_TEXT = 20_000
"""Characters of one utterance that are spoken; half an hour of speech."""
MAX_REMEMBERED_BYTES = 16 * 1024 * 1024
"""Sound of all remembered utterances together; nearly six minutes."""


def speech(text: str, voice: str = "alloy", speed: float = 1.0) -> bytes:
    """Return spoken text as sound: by espeak-ng where it is installed, otherwise by a synthetic voice.

    Args:
        text: The words.
        voice: One of the API's voices; it chooses the pitch.
        speed: 0.25 to 1.5; 1 is normal.

    Returns:
        PCM16 mono at 24 kHz, a whole number of 20 ms.
    """
    return espeak(text, voice, speed) or synthesize(text, voice, speed)


def synthesize(text: str, voice: str = "alloy", speed: float = 1.0) -> bytes:
    """Return speech-like sound for a text; the same text and voice give the same bytes.

    Args:
        text: The words; an empty text still makes one syllable.
        voice: Any name; it decides the pitch.
        speed: 0.25 to 1.5; 1 is about 150 words a minute.

    Returns:
        PCM16 mono at 24 kHz, a whole number of 20 ms.
    """
    seed = zlib.crc32(voice.encode())
    pitch = 95 + seed % 110
    out = array("h")
    chance = random.Random(seed ^ zlib.crc32(text.encode()))
    syllables = list(_syllables(text)) or [("", "a", 0.0)]
    for index, (consonant, vowel, pause) in enumerate(syllables):
        if pause:
            out.frombytes(bytes(2 * int(pause * RATE / speed)))
            continue
        length = SYLLABLE_SECONDS * (0.85 + 0.3 * chance.random()) / speed
        if consonant:
            burst = int(min(0.06, length * 0.35) * RATE)
            start = chance.randrange(RATE - burst)
            out.extend(_noise()[start : start + burst])
            length -= burst / RATE
        # Pitch falls over the sentence and moves a little from syllable to syllable.
        tone = pitch * (1.12 - 0.2 * index / len(syllables) + 0.06 * chance.random())
        out.extend(_voiced(vowel, tone, int(length * RATE)))
    out.frombytes(bytes(2 * (-len(out) % PACKET_SAMPLES)))
    return out.tobytes()


def _syllables(text: str) -> Iterator[tuple[str, str, float]]:
    """Yield (consonant, vowel, pause in seconds) in the order of a text."""
    for match in _SYLLABLES.finditer(text):
        consonant, vowel, digit, mark, space, rest = match.groups()
        if vowel:
            yield consonant.lower(), vowel[0].lower(), 0.0
        elif digit:
            yield "d", "aeiou"[int(digit) % 5] if digit.isascii() else "a", 0.0
        elif mark:
            yield "", "", _PAUSES[mark]
        elif space:
            yield "", "", 0.03
        elif rest:
            yield rest.lower(), "e", 0.0


def _voiced(vowel: str, pitch: float, samples: int) -> array[int]:
    """A vowel under a rise-hold-fall envelope."""
    table = _period(vowel, round(pitch / 8) * 8)
    out = array("h")
    rise, fall = samples * 0.15, samples * 0.3
    while len(out) + len(table) <= samples:
        at = len(out)
        gain = min(1.0, (at + len(table)) / rise, (samples - at) / fall)
        out.extend(int(value * gain) for value in table)
    out.frombytes(bytes(2 * (samples - len(out))))
    return out


@functools.lru_cache(maxsize=256)
def _period(vowel: str, pitch: int) -> tuple[float, ...]:
    """One period of a vowel at a pitch (Hz), as samples."""
    length = RATE // pitch
    partials = []
    for number in range(1, 3600 // pitch + 1):
        frequency = number * RATE / length
        weight = sum(
            height / (1 + ((frequency - centre) / width) ** 2)
            for centre, (height, width) in zip(_FORMANTS[vowel], _HILLS, strict=True)
        )
        partials.append((2 * math.pi * number / length, weight + 0.05 / number))
    wave = [sum(weight * math.sin(step * at) for step, weight in partials) for at in range(length)]
    top = max(map(abs, wave))
    return tuple(_AMPLITUDE * value / top for value in wave)


@functools.lru_cache(maxsize=1)
def _noise() -> array[int]:
    source = random.Random(1)
    return array("h", (source.randrange(-_NOISE_AMPLITUDE, _NOISE_AMPLITUDE) for _ in range(RATE)))


@functools.cache
def espeak_program() -> str | None:
    """Return the path of espeak-ng; None if it is not installed."""
    return shutil.which("espeak-ng")


def espeak(text: str, voice: str = "alloy", speed: float = 1.0) -> bytes | None:
    """Return the spoken text.

    Args:
        text: The words.
        voice: One of the API's voices; it chooses a variant.
        speed: 0.25 to 1.5; 1 is about 160 words a minute.

    Returns:
        PCM16 mono at 24 kHz, a whole number of 20 ms; None where espeak-ng is missing, fails or has nothing
        to say.
    """
    path = espeak_program()
    if path is None or not text.strip():
        return None
    variant = ("m1", "m3", "m7", "f1", "f2", "f4")[sum(voice.encode()) % 6]
    command = [
        path,
        "-v",
        f"en-us+{variant}",
        "-s",
        str(round(WORDS_PER_MINUTE * speed)),
        "--stdin",
        "--stdout",
    ]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("espeak-ng failed (%s); using the built-in voice", type(error).__name__)
        return None
    return _pcm(done.stdout)


def _pcm(wav: bytes) -> bytes | None:
    # The sizes in the header are placeholders, because espeak-ng writes it before they are certain.
    body = wav.find(b"data", 36)
    if body < 0 or wav[:4] != b"RIFF":
        return None
    from realtime_simulator._media.codecs import Resampler

    (rate,) = struct.unpack_from("<I", wav, 24)
    resampler = Resampler(rate, RATE)
    pcm = resampler.push(wav[body + 8 :]) + resampler.flush()
    if len(pcm) < 2 * PACKET_SAMPLES:
        return None
    return pcm + bytes(-len(pcm) % (2 * PACKET_SAMPLES))


class Speaker:
    """Makes speech. It may be called from any thread.

    Args:
        use_espeak: Whether espeak-ng speaks where it is installed.
        remembered: How many utterances are cached, within a total size.
    """

    def __init__(self, *, use_espeak: bool = True, remembered: int = 64) -> None:
        self._use_espeak = use_espeak
        self._remembered = remembered
        self._size = 0
        self._made: OrderedDict[_Key, Speech] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(
        self, text: str, voice: str, speed: float, *, packets: bool, format: str = PCM
    ) -> Speech | None:
        """Return an utterance from the cache, or None."""
        with self._lock:
            return self._made.get((text, voice, speed, packets, format))

    def speak(self, text: str, voice: str, speed: float, *, packets: bool, format: str = PCM) -> Speech:
        """Return an utterance; synthesizing it takes some milliseconds.

        Args:
            text: The words.
            voice: The voice.
            speed: The pace; 1 is normal.
            packets: Whether Opus packets are needed too.
            format: The format in which events carry it.
        """
        speech = self.remembered(text, voice, speed, packets=packets, format=format)
        if speech is None:
            speech = self._make(text, voice, speed, packets, format)
            key = (text, voice, speed, packets, format)
            with self._lock:
                if key in self._made:  # another thread made it meanwhile
                    return self._made[key]
                self._made[key] = speech
                self._size += len(speech.pcm)
                while len(self._made) > self._remembered or self._size > MAX_REMEMBERED_BYTES:
                    self._size -= len(self._made.popitem(last=False)[1].pcm)
        return speech

    def _make(self, text: str, voice: str, speed: float, packets: bool, format: str) -> Speech:
        pcm = None
        if self._use_espeak:
            pcm = espeak(text[:MAX_TEXT], voice, speed)
        if pcm is None:
            pcm = synthesize(text[:MAX_TEXT], voice, speed)
        return self.dress(text, pcm, packets=packets, format=format)

    def dress(self, text: str, pcm: bytes, *, packets: bool, format: str = PCM) -> Speech:
        """Return sound from elsewhere as an utterance; see `speak`."""
        pcm += bytes(-len(pcm) % (2 * PACKET_SAMPLES))
        if not packets:
            return Speech(text, pcm, wire={} if format == PCM else {format: encode(pcm, format)})
        from realtime_simulator._media.codecs import encode_opus

        return Speech(text, pcm, tuple(encode_opus(pcm)))
