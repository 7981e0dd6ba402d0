"""What a caller says: sound from a file, as it comes out of a telephone line."""

from __future__ import annotations

import os
from pathlib import Path

from realtime_simulator.media.codec import PCMU
from realtime_simulator.media.speech import RATE

TELEPHONE_RATE = 8000
MAX_SECONDS = 600
_OPTIONS = {"format_whitelist": "wav,w64,aiff,au,flac,mp3,ogg"}
AudioGiven = str | os.PathLike[str] | bytes


def read_audio(given: AudioGiven) -> bytes:
    """Return sound that came through a telephone: 8 kHz μ-law on its way.

    Args:
        given: A file's path (WAV, AIFF, AU, FLAC, MP3 or Ogg), or PCM16 mono at 24 kHz; at most 10
            minutes.

    Returns:
        PCM16 mono at 24 kHz.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds no sound, or too much of it.
    """
    pcm = given if isinstance(given, bytes) else _read_file(Path(given))
    if not pcm:
        raise ValueError("audio: there is no sound in it")
    if len(pcm) > MAX_SECONDS * RATE * 2:
        raise ValueError(f"audio: at most {MAX_SECONDS} s are allowed, got {len(pcm) / 2 / RATE:.0f} s")
    from realtime_simulator.media import g711

    narrow = g711.encode(_resampled(pcm, RATE, TELEPHONE_RATE), PCMU)
    return _resampled(g711.decode(narrow, PCMU), TELEPHONE_RATE, RATE)


def _resampled(pcm: bytes, source: int, target: int) -> bytes:
    from realtime_simulator.media.resample import Resampler

    resampler = Resampler(source, target)
    return resampler.push(pcm) + resampler.flush()


def _read_file(path: Path) -> bytes:
    import av

    from realtime_simulator.media.resample import samples

    out = bytearray()
    try:
        # As a file and nothing else: FFmpeg would follow addresses, and playlists that lead elsewhere.
        with path.open("rb") as file, av.open(file, "r", options=_OPTIONS) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                out += samples(resampler.resample(frame))
                if len(out) > (MAX_SECONDS + 1) * RATE * 2:
                    break
            out += samples(resampler.resample(None))
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"audio: {path} is no sound file that can be read") from error
    return bytes(out)
