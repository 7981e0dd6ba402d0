"""The sound of sessions, counted and, where that is requested, kept."""

from __future__ import annotations

from realtime_simulator._media.speech import RATE

MAX_AUDIO_SECONDS = 600
"""The sound that can be kept of each direction of a session, from its start."""
MAX_AUDIO_BYTES = 256 * 1024 * 1024
"""The sound that is kept of all sessions together."""


class Budget:
    """The bytes of sound that all sessions of a simulator may still keep.

    Args:
        left: Bytes.
    """

    def __init__(self, left: int | None = None) -> None:
        self.left: int = MAX_AUDIO_BYTES if left is None else left


class Track:
    """The sound of one direction, PCM16 mono at 24 kHz: counted, and kept if that is requested."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0
        self._limit: int | None = None
        self._budget = Budget(0)

    def keep(self, seconds: float, budget: Budget) -> None:
        """Keep sound from now on.

        Args:
            seconds: How much, from the start.
            budget: The budget that it uses.
        """
        self._limit, self._budget = int(seconds * RATE) * 2, budget

    def add(self, pcm: bytes) -> None:
        """Count sound, and keep it as far as there is room."""
        self._size += len(pcm)
        if self._limit is not None:
            room = max(0, min(self._limit - len(self._kept), self._budget.left, len(pcm)))
            self._kept += pcm[:room]
            self._budget.left -= room

    def forget(self) -> None:
        """Drop the sound that was kept."""
        self._budget.left += len(self._kept)
        self._kept = bytearray()

    @property
    def pcm(self) -> bytes:
        """The sound that was kept.

        Raises:
            RuntimeError: Keeping sound was not requested.
        """
        if self._limit is None:
            raise RuntimeError(
                "the simulator keeps no audio unless it is asked to: Simulator(keep_audio=True)"
            )
        return bytes(self._kept)

    @property
    def seconds(self) -> float:
        """The length of all sound so far."""
        return self._size / 2 / RATE
