"""The recording of a stored session: both directions along its timeline."""

from __future__ import annotations

import io
import wave
from array import array

from realtime_simulator._media.speech import RATE

MAX_SECONDS = 600
"""The sound that is kept of a session, from its start."""


class StereoRecording:
    """The sound of a session along its timeline; the user on the left, the model on the right."""

    def __init__(self) -> None:
        self._user, self._model = bytearray(), bytearray()

    def add(self, user: bytes, model: bytes) -> None:
        """Add a step of the timeline, PCM16 mono at 24 kHz; what exceeds the limit is dropped."""
        if len(self._user) < MAX_SECONDS * RATE * 2:
            self._user += user
            self._model += model

    def wav(self) -> bytes:
        """Return it as a WAV file."""
        both = array("h", bytes(2 * len(self._user)))
        both[::2], both[1::2] = array("h", bytes(self._user)), array("h", bytes(self._model))
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(both.tobytes())
        return out.getvalue()
