"""The input audio buffer: what the user has said since the last commit."""

from __future__ import annotations

from realtime_ext.simulator.media.speech import RATE
from realtime_ext.simulator.problem import ApiProblem

MINIMUM_MS = 100
MAXIMUM_SECONDS = 300
"""Audio that nobody commits is kept this long; what is older is dropped."""


class InputBuffer:
    """Audio in, PCM16 mono at 24 kHz."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._dropped = 0

    @property
    def milliseconds(self) -> int:
        return len(self._audio) // 2 * 1000 // RATE

    @property
    def clock_ms(self) -> int:
        """How much audio has come in over the session's whole life."""
        return (self._dropped + len(self._audio)) // 2 * 1000 // RATE

    def append(self, pcm: bytes) -> None:
        self._audio += pcm
        over = len(self._audio) - MAXIMUM_SECONDS * RATE * 2
        if over > 0:
            self._drop(over)

    def clear(self) -> None:
        self._drop(len(self._audio))

    def commit(self) -> bytes:
        """Return the buffer's audio and empty it.

        Raises:
            ApiProblem: There is less than 100 ms in it.
        """
        if self.milliseconds < MINIMUM_MS:
            raise ApiProblem(
                f"A commit needs at least {MINIMUM_MS} ms of audio; the buffer holds {self.milliseconds} ms.",
                code="input_audio_buffer_commit_empty",
            )
        audio = bytes(self._audio)
        self._drop(len(audio))
        return audio

    def _drop(self, size: int) -> None:
        del self._audio[:size]
        self._dropped += size
