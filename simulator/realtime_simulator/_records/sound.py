"""The sound of sessions, counted and, where that is requested, kept."""

from __future__ import annotations

from array import array
from typing import Any

import attrs

from realtime_simulator._media.speech import RATE

MAX_AUDIO_SECONDS = 600
"""The sound that can be kept of each direction of a session, from its start."""
MAX_AUDIO_BYTES = 256 * 1024 * 1024
"""The sound that is kept of all sessions together."""

MAX_PIECES = 2_000
"""The pieces that are told apart in the sound of a direction."""
PEAK_SECONDS = 0.1
"""The sound that each peak stands for."""
_PEAK_BYTES = int(PEAK_SECONDS * RATE) * 2
_GAP_SECONDS = 0.15
"""Sound that comes later than this after the end of what came before begins a piece."""


@attrs.define(kw_only=True)
class Piece:
    """Sound without a gap.

    Args:
        time: When it began, in unix seconds.
        start: Where it begins in the kept sound, in bytes.
        end: Where it ends.
    """

    time: float
    start: int
    end: int

    @property
    def over(self) -> float:
        """When it was over, played from when it began."""
        return self.time + (self.end - self.start) / 2 / RATE


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
        self._is_stopped = False
        self.pieces: list[Piece] = []
        """When the kept sound was heard; it is played without a gap within a piece."""
        self.peaks: bytearray = bytearray()
        """The loudest sample of each `PEAK_SECONDS` of the kept sound, 0 to 255."""

    def keep(self, seconds: float, budget: Budget) -> None:
        """Keep sound from now on.

        Args:
            seconds: How much, from the start.
            budget: The budget that it uses.
        """
        self._limit, self._budget = int(seconds * RATE) * 2, budget

    def add(self, pcm: bytes, time: float) -> None:
        """Count sound, and keep it as far as there is room.

        Args:
            pcm: The sound.
            time: When it came, in unix seconds.
        """
        self._size += len(pcm)
        if self._limit is not None:
            room = max(0, min(self._limit - len(self._kept), self._budget.left, len(pcm)))
            self._budget.left -= room
            if room:
                self._place(room, time)
                self._kept += pcm[:room]
                self._measure()

    def count(self, seconds: float) -> None:
        """Count sound that is not there."""
        self._size += int(seconds * RATE) * 2

    def stop(self, time: float) -> None:
        """Note that playback stopped: sound that follows starts a new piece."""
        if self.pieces and self.pieces[-1].over > time:
            last = self.pieces[-1]
            last.end = last.start + max(0, int((time - last.time) * RATE)) * 2
            self._is_stopped = True

    def _place(self, size: int, time: float) -> None:
        begin, last = len(self._kept), self.pieces[-1] if self.pieces else None
        is_new = last is None or self._is_stopped or time > last.over + _GAP_SECONDS
        if last is None or (is_new and len(self.pieces) < MAX_PIECES):
            self.pieces.append(Piece(time=time, start=begin, end=begin + size))
        else:
            last.end = begin + size
        self._is_stopped = False

    def _measure(self) -> None:
        """Add the peaks of the sound that is new; a quarter of the samples shows them."""
        while (start := len(self.peaks) * _PEAK_BYTES) + _PEAK_BYTES <= len(self._kept):
            samples = array("h", bytes(self._kept[start : start + _PEAK_BYTES]))[::4]
            self.peaks.append(min(255, max(max(samples), -min(samples)) >> 7))

    def forget(self) -> None:
        """Drop the sound that was kept."""
        self._budget.left += len(self._kept)
        self._kept = bytearray()
        self.pieces, self.peaks = [], bytearray()

    def view(self, begun: float) -> dict[str, Any] | None:
        """Return when the kept sound was heard, as JSON shows it; None if none is kept.

        Args:
            begun: When the session began, in unix seconds.
        """
        if not self.pieces:
            return None
        return {
            "pieces": [
                {
                    "at": round(one.time - begun, 3),
                    "offset": round(one.start / 2 / RATE, 3),
                    "seconds": round((one.end - one.start) / 2 / RATE, 3),
                }
                for one in self.pieces
            ],
            "peak_seconds": PEAK_SECONDS,
            "peaks": list(self.peaks),
        }

    @property
    def pcm(self) -> bytes:
        """The sound that was kept.

        Raises:
            RuntimeError: Keeping sound was not requested.
        """
        if self._limit is None:
            raise RuntimeError("the simulator only keeps audio on request: Simulator(keep_audio=True)")
        return bytes(self._kept)

    @property
    def seconds(self) -> float:
        """The length of all sound so far."""
        return self._size / 2 / RATE
