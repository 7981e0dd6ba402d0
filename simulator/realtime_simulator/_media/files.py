"""Sound files, opened as plain files, because FFmpeg would follow addresses and playlists."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import BinaryIO

from realtime_simulator._media.speech import RATE

MAX_SECONDS = 600
_OPTIONS = {"format_whitelist": "wav,w64,aiff,au,flac,mp3,ogg"}


def read_sound(path: Path) -> bytes:
    """Return a file's sound as PCM16 mono at 24 kHz.

    Args:
        path: A WAV, AIFF, AU, FLAC, MP3 or Ogg file, or PCM16 mono at 24 kHz if its name ends with `.pcm`; at
            most 10 minutes.

    Raises:
        OSError: It can't be read.
        ValueError: It has no sound, or too much.
    """
    with path.open("rb") as file:
        if path.suffix == ".pcm":
            return check_sound(file.read(MAX_SECONDS * RATE * 2 + 2))
        return _checked(_decoded(file, str(path)))


def decode_sound(data: bytes) -> bytes:
    """Return the sound of a file's content; see `read_sound`."""
    return _checked(_decoded(io.BytesIO(data), "this"))


def wav(pcm: bytes) -> bytes:
    """Return PCM16 mono at 24 kHz as the content of a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return out.getvalue()


def check_sound(pcm: bytes) -> bytes:
    """Check PCM16 mono at 24 kHz.

    Raises:
        TypeError: It is not bytes.
        ValueError: It is empty, has half a sample, or is too long.
    """
    if not isinstance(pcm, bytes | bytearray | memoryview):
        raise TypeError(f"audio: expected PCM16 mono at 24 kHz as bytes, got {type(pcm).__name__}")
    pcm = bytes(pcm)
    if len(pcm) % 2:
        raise ValueError(f"audio: PCM16 has two bytes per sample, got {len(pcm)} bytes")
    return _checked(pcm)


def _checked(pcm: bytes) -> bytes:
    if not pcm:
        raise ValueError("audio: it is empty")
    if len(pcm) > MAX_SECONDS * RATE * 2:
        raise ValueError(f"audio: at most {MAX_SECONDS} s are allowed, got {len(pcm) / 2 / RATE:.0f} s")
    return pcm


def _decoded(file: BinaryIO, name: str) -> bytes:
    import av

    from realtime_simulator._media.codecs import samples

    out = bytearray()
    try:
        with av.open(file, "r", options=_OPTIONS) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                out += samples(resampler.resample(frame))
                if len(out) > (MAX_SECONDS + 1) * RATE * 2:
                    break
            out += samples(resampler.resample(None))
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"audio: {name} is not a readable audio file") from error
    return bytes(out)
