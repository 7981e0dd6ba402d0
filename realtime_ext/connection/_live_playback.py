"""The audio of a Live model for a program that plays it, and what is dropped if the user talks over it."""

from __future__ import annotations

import binascii
import threading
from typing import Any

from ..audio import AudioFormat

_LONGEST = 120.0  # seconds of sound that are kept for a program that plays too slowly


class LivePlayback:
    """The model's audio in order of arrival, from the first use of `connection.playback` on.

    The audio of a Live session never ends: it arrives in real time, silence included. When the user talks
    over the model (`TalkedOver`), unplayed audio that was received before is dropped.

        def fill(buffer):                                  # called by a sound card, in any thread
            buffer[:] = connection.playback.read(len(buffer))
    """

    def __init__(self, form: AudioFormat) -> None:
        self._form = form
        self._waiting = bytearray()
        self._lock = threading.Lock()  # sound cards call from threads of their own

    def __repr__(self) -> str:
        return f"<LivePlayback {self.waiting_ms} ms>"

    @property
    def waiting_ms(self) -> int:
        """The amount of received, unplayed audio, in milliseconds."""
        return int(self._form.ms_in(len(self._waiting)))

    def read(self, size: int) -> bytes:
        """Return the next audio to play, padded with silence; it never waits.

        Args:
            size: Its bytes, in the session's format.

        Raises:
            TypeError: `size` is not an int.
            ValueError: It is negative, or splits a sample.
        """
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size: expected an int, got {type(size).__name__}")
        if size < 0 or size % self._form.width:
            raise ValueError(f"size: expected whole samples of {self._form.width} bytes, got {size}")
        with self._lock:
            sound = bytes(self._waiting[:size])
            del self._waiting[:size]
        return sound + self._form.silent_sample * ((size - len(sound)) // self._form.width)

    def clear(self) -> int:
        """Drop the unplayed audio, for instance for a button that silences the model.

        Returns:
            The dropped amount, in milliseconds.
        """
        with self._lock:
            dropped = self.waiting_ms
            self._waiting.clear()
        return dropped

    def _received(self, delta: Any) -> None:
        """Add sound that came; invalid base64 is dropped."""
        try:
            sound = binascii.a2b_base64(delta)
        except (ValueError, TypeError):
            return
        with self._lock:
            self._waiting += sound[: len(sound) // self._form.width * self._form.width]
            excess = len(self._waiting) - self._form.bytes_in(_LONGEST * 1000)
            if excess > 0:
                del self._waiting[:excess]
