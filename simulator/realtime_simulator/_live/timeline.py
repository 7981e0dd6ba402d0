"""The timeline of a Live session.

It advances with the user's audio, 100 ms a step, and a little further. Measured with the service:
output runs in real time; it goes on for 2.7 s after the user's audio has stopped and resumes half a second
after it has come back; a burst of audio is processed 2.5 times as fast.
"""

from __future__ import annotations

import math

from realtime_simulator._media.speech import RATE

STEP = RATE // 10
"""Samples of a step: 100 ms."""
FRAME = 2 * STEP
"""Samples of a frame, the unit of positions in events: 200 ms."""
LEAD = RATE * 27 // 10
"""Samples by which the timeline may be ahead of the user's audio."""
_SECONDS = STEP / RATE
_FAST_SECONDS = _SECONDS / 2.5
_BACKLOG = RATE
_RESUME_SECONDS = 0.5
_QUIET_SECONDS = 0.1
"""How long no audio comes, where everything comes at once, before the timeline runs ahead."""


def milliseconds(samples: int) -> int:
    """Return a position in milliseconds."""
    return samples * 1000 // RATE


class Timeline:
    """The timeline of one session, in samples of 24 kHz from its start.

    Args:
        latency: Seconds from the first audio to the first step; None to advance at once.

    Attributes:
        position: Where it is.
        finished: Whether no more audio is expected.
    """

    def __init__(self, latency: float | None) -> None:
        self.position: int = 0
        self.finished: bool = False
        self._latency = latency
        self._input = bytearray()
        self._begun = False
        self._stopped = False
        self._lead = LEAD
        self._next = math.inf
        self._ahead_from = math.inf

    @property
    def begun(self) -> bool:
        """Whether any audio has come."""
        return self._begun

    @property
    def catching_up(self) -> bool:
        """Whether more audio waits than real time explains."""
        return self._latency is not None and len(self._input) // 2 > _BACKLOG

    def append(self, pcm: bytes, now: float) -> None:
        """Add the user's audio; after a gap it continues at the current position."""
        self._lead = LEAD
        self._input += pcm
        if self._latency is None:
            self._next = now
            self._ahead_from = now + _QUIET_SECONDS
        elif not self._begun:
            self._next = now + self._latency
        elif self._next == math.inf:
            self._next = now + _RESUME_SECONDS
        self._begun = True

    def stop(self) -> None:
        """Stop until `go_on`."""
        self._stopped = True

    def go_on(self, now: float) -> None:
        """Continue from a time on, after a stop."""
        self._stopped = False
        self.resume(now)

    def resume(self, now: float) -> None:
        """Continue from a time on, after nobody has asked for steps."""
        if self._next != math.inf:
            self._next = max(self._next, now)

    def step(self, now: float, *, ahead: bool) -> bytes | None:
        """Advance by a step if one is due.

        Args:
            now: The time.
            ahead: Whether it may run ahead of the user's audio.

        Returns:
            The user's audio of the step, silence where there is none; None if no step is due.
        """
        if self._stopped or self._next > now:
            return None
        size = 2 * STEP
        if len(self._input) < size:
            if self._latency is None and (not ahead or now < self._ahead):
                return None
            if self._lead < STEP:
                self._next = math.inf
                return None
            self._lead -= STEP
        pcm = bytes(self._input[:size])
        del self._input[:size]
        self.position += STEP
        if self._latency is not None:
            self._next += _FAST_SECONDS if self.catching_up else _SECONDS
        return pcm + bytes(size - len(pcm))

    def deadline(self, *, ahead: bool) -> float:
        """Return when the next step is due; infinity if it waits for audio or was stopped."""
        if self._stopped:
            return math.inf
        if self._latency is None and len(self._input) < 2 * STEP:
            return max(self._next, self._ahead) if ahead and self._lead >= STEP else math.inf
        return self._next

    def finish(self) -> None:
        """Expect no more audio: the timeline may run ahead from now on."""
        self.finished = True

    @property
    def _ahead(self) -> float:
        """When it may run ahead, where everything comes at once."""
        return -math.inf if self.finished else self._ahead_from
