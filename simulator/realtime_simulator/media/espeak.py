"""Real words from `espeak-ng`, where it is installed. It runs as a process of its own, fed through a pipe."""

from __future__ import annotations

import functools
import logging
import shutil
import struct
import subprocess

from realtime_simulator.media.resample import Resampler
from realtime_simulator.media.speech import PACKET_SAMPLES, RATE

logger = logging.getLogger("realtime_simulator")
WORDS_PER_MINUTE = 160
_TIMEOUT = 10.0


@functools.cache
def program() -> str | None:
    """Return the path of espeak-ng, or None where there is none."""
    return shutil.which("espeak-ng")


def synthesize(text: str, voice: str = "alloy", speed: float = 1.0) -> bytes | None:
    """Return the spoken text.

    Args:
        text: What is said.
        voice: One of the API's voices; it chooses a variant.
        speed: 0.25 to 1.5; 1 is about 160 words a minute.

    Returns:
        PCM16 mono at 24 kHz, a whole number of 20 ms; None where espeak-ng is missing, fails or has nothing
        to say.
    """
    path = program()
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
    # The sizes in the header are placeholders, because espeak-ng writes it before it knows them.
    body = wav.find(b"data", 36)
    if body < 0 or wav[:4] != b"RIFF":
        return None
    (rate,) = struct.unpack_from("<I", wav, 24)
    resampler = Resampler(rate, RATE)
    pcm = resampler.push(wav[body + 8 :]) + resampler.flush()
    if len(pcm) < 2 * PACKET_SAMPLES:
        return None
    return pcm + bytes(-len(pcm) % (2 * PACKET_SAMPLES))
