"""Audio as the Realtime API carries it: raw, mono, 16-bit PCM at 24 kHz or G.711 at 8 kHz.

    pcm = audio.read_wav("question.wav")              # any usual WAV file, to the API's PCM
    for chunk in audio.chunks(pcm, "pcm"):            # 20 ms each
        connection.append_audio(chunk)
    reply += audio.decode(event)                      # the bytes of an audio delta
    print(audio.duration_ms(reply, "pcm"))

Everything here is the standard library, but for `Resampler` and for files that need it, which load soxr
(extra `audio`) on first use. This package must not open a connection or play sound.
"""

from ._chunks import Chunker, chunks
from ._deltas import decode
from ._format import AudioFormat, audio_format, duration_ms, silence
from ._g711 import pcm16_to_pcma, pcm16_to_pcmu, pcma_to_pcm16, pcmu_to_pcm16
from ._resampler import Resampler
from ._wav import read_wav, write_wav

__all__ = [
    "AudioFormat",
    "Chunker",
    "Resampler",
    "audio_format",
    "chunks",
    "decode",
    "duration_ms",
    "pcm16_to_pcma",
    "pcm16_to_pcmu",
    "pcma_to_pcm16",
    "pcmu_to_pcm16",
    "read_wav",
    "silence",
    "write_wav",
]
