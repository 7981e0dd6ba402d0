"""The audio that a peer does not send: after a while without packets, the time counts as silence.

A track that was replaced by null, discontinuous transmission and an unplugged microphone all look like this.
Otherwise a turn that has begun would never end, since the detector of speech waits for samples.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime_simulator._core.clock import Clock, Timer
from realtime_simulator._media.speech import RATE

_OVERDUE_SECONDS = 0.2
_TICK_SECONDS = 0.1
_SILENCE = bytes(RATE // 10 * 2)


class MissingAudio:
    """The audio of one peer, with silence where its packets are overdue.

    Args:
        clock: The simulator's clock.
        hear: Receives PCM16 mono at 24 kHz.
        counts: Returns whether time counts as silence now that packets are overdue.
    """

    def __init__(self, clock: Clock, hear: Callable[[bytes], None], *, counts: Callable[[], bool]) -> None:
        self._clock = clock
        self._hear = hear
        self._counts = counts
        self._timer: Timer | None = None
        self._stopped = False
        self._missing = 0.0

    def heard(self, pcm: bytes) -> None:
        """Process the sound of a packet."""
        self._missing = 0.0
        if self._timer is None:
            self._wait()
        self._hear(pcm)

    def stop(self) -> None:
        """Count no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if not self._stopped:
            self._timer = self._clock.call_at(self._clock.monotonic() + _TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        # However late it is, each call counts once: a process that was suspended has missed no packets.
        is_overdue = self._missing >= _OVERDUE_SECONDS
        self._missing += _TICK_SECONDS
        if is_overdue and not self._counts():
            self._timer = None  # until the next packet
            return
        if is_overdue:
            self._hear(_SILENCE)
        self._wait()
