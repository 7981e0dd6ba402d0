"""A telephone line: the caller's sound into the session and the model's sound out of it, 20 ms at a time.

It keeps time on the simulator's clock. There is no network behind it, so the model's sound ends in the
session's record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import attrs

from realtime_simulator.clock import Clock, Timer
from realtime_simulator.engine.effects import Play
from realtime_simulator.media.speech import PACKET_SAMPLES

FRAME_SECONDS = 0.02
_FRAME_BYTES = PACKET_SAMPLES * 2
_SILENCE = bytes(_FRAME_BYTES)
_MAX_BURST = 50
"""Frames that are made up for at once after a pause of the process; the rest is skipped."""


@attrs.define
class _Stretch:
    play: Play
    next: int


@attrs.frozen(kw_only=True)
class LineHandlers:
    """What a line tells its call.

    Args:
        on_heard: The caller's next 20 ms, PCM16 mono at 24 kHz.
        on_played: Sound of the model that the caller has heard.
        on_drained: No more of this response is queued.
    """

    on_heard: Callable[[bytes], None]
    on_played: Callable[[bytes], None]
    on_drained: Callable[[str], None]


class Line:
    """One call's line; it is also the player of the call's session.

    Args:
        clock: Its time.
        speed: How fast its time goes against the clock's; 1 is real time.
        handlers: Who is told.
    """

    def __init__(self, clock: Clock, speed: float, handlers: LineHandlers) -> None:
        self._clock = clock
        self._frame_seconds = FRAME_SECONDS / speed
        self._handlers = handlers
        self._said = bytearray()
        self._queue: deque[_Stretch] = deque()
        self._timer: Timer | None = None
        self._due = 0.0

    def say(self, pcm: bytes) -> None:
        """Let the caller say something, after what is already waiting.

        Args:
            pcm: PCM16 mono at 24 kHz.
        """
        self._said += pcm

    def begin(self) -> None:
        """Open the line."""
        self._due = self._clock.monotonic()
        self._wind()

    def end(self) -> None:
        """Cut the line."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._said.clear()
        self._due = float("inf")

    def queue(self, play: Play) -> None:
        self._queue.append(_Stretch(play, play.start))

    def clear(self) -> Mapping[str, int]:
        played: dict[str, int] = {}
        for stretch in self._queue:
            played.setdefault(stretch.play.item_id, stretch.next)
        self._queue.clear()
        return played

    def _wind(self) -> None:
        if self._due != float("inf"):
            self._due += self._frame_seconds
            self._timer = self._clock.call_at(self._due, self._tick)

    def _tick(self) -> None:
        # Faster lines than the loop's clock can count take several frames a turn.
        late = int((self._clock.monotonic() - self._due) / self._frame_seconds)
        for _ in range(1 + min(max(late, 0), _MAX_BURST)):
            self._frame()
            if self._due == float("inf"):
                return
        self._due += max(late, 0) * self._frame_seconds
        self._wind()

    def _frame(self) -> None:
        heard = bytes(self._said[:_FRAME_BYTES])
        del self._said[:_FRAME_BYTES]
        self._handlers.on_heard(heard + _SILENCE[len(heard) :])
        if not self._queue or self._due == float("inf"):
            return
        stretch = self._queue[0]
        play, start = stretch.play, stretch.next
        stretch.next = min(start + PACKET_SAMPLES, play.end)
        if stretch.next >= play.end:
            self._queue.popleft()
        self._handlers.on_played(play.speech.pcm[start * 2 : stretch.next * 2])
        if not any(other.play.response_id == play.response_id for other in self._queue):
            self._handlers.on_drained(play.response_id)
