"""The input audio buffer: what the user has said since the last commit, by its place in the whole session."""

from __future__ import annotations

from realtime_simulator.media.speech import RATE
from realtime_simulator.problem import ApiProblem

MINIMUM_MS = 100
MAXIMUM_SECONDS = 300
"""Audio that nobody commits is kept this long; what is older is dropped."""


class InputBuffer:
    """Audio in, PCM16 mono at 24 kHz. Places are samples from the start of all that came in."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._dropped = 0

    @property
    def start(self) -> int:
        """The place of the oldest sample that is here."""
        return self._dropped // 2

    @property
    def end(self) -> int:
        """The place after the newest sample: how much has come in over the session's whole life."""
        return (self._dropped + len(self._audio)) // 2

    @property
    def milliseconds(self) -> int:
        return len(self._audio) // 2 * 1000 // RATE

    def append(self, pcm: bytes) -> None:
        self._audio += pcm
        self.keep(MAXIMUM_SECONDS)

    def keep(self, seconds: float) -> None:
        """Drop what is older than the newest `seconds`."""
        over = len(self._audio) - int(seconds * RATE) * 2
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
        return self.take(self.start, self.end)

    def take(self, start: int, end: int) -> bytes:
        """Return the audio between two places, as far as it is here, and drop all that is before the end."""
        first = max(0, start * 2 - self._dropped)
        size = max(0, end * 2 - self._dropped)
        audio = bytes(self._audio[first:size])
        self._drop(min(size, len(self._audio)))
        return audio

    def _drop(self, size: int) -> None:
        del self._audio[:size]
        self._dropped += size
