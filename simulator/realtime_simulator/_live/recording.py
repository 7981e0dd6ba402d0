"""The recording of a stored session: both directions along its timeline."""

from __future__ import annotations

import io
import tempfile
import wave
import weakref
from array import array

from realtime_simulator._media.speech import RATE

_IN_MEMORY = 1024 * 1024


class StereoRecording:
    """The sound of a session along its timeline; the user on the left, the model on the right.

    What exceeds a megabyte is in a file without a name, which disappears with this object.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def add(self, user: bytes, model: bytes) -> None:
        """Add a step of the timeline, PCM16 mono at 24 kHz."""
        both = array("h", bytes(len(user) + len(model)))
        both[::2], both[1::2] = array("h", user), array("h", model)
        self._file.write(both.tobytes())

    def wav(self) -> bytes:
        """Return it as a WAV file."""
        self._file.seek(0)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self._file.read())
        return out.getvalue()
