"""A phone line: the caller's sound into the session and the model's sound out of it, 20 ms at a time.

It keeps time on the simulator's clock. There is no network behind it, so the model's sound ends in the
session's record.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import attrs

from realtime_simulator._core.clock import Clock, Timer
from realtime_simulator._engine.effects import Play
from realtime_simulator._media.files import check_sound, read_sound
from realtime_simulator._media.speech import PACKET_SAMPLES
from realtime_simulator._records.session import SessionLog
from realtime_simulator._sessions.play_queue import PlayQueue

AudioLike = str | os.PathLike[str] | bytes
FRAME_SECONDS = 0.02
_FRAME_BYTES = PACKET_SAMPLES * 2
_SILENCE = bytes(_FRAME_BYTES)
_MAX_BURST = 50
"""Frames that are sent at once after the process was suspended; the rest is skipped."""


def read_audio(source: AudioLike) -> bytes:
    """Return sound as a telephone line delivers it, after 8 kHz μ-law.

    Args:
        source: A file's path (WAV, AIFF, AU, FLAC, MP3 or Ogg), or PCM16 mono at 24 kHz; at most 10
            minutes.

    Returns:
        PCM16 mono at 24 kHz.

    Raises:
        OSError: The file can't be read.
        ValueError: It has no sound, or too much.
    """
    pcm = check_sound(source) if isinstance(source, bytes) else read_sound(Path(source))
    from realtime_simulator._media.codecs import through_telephone

    return through_telephone(pcm)


@attrs.frozen(kw_only=True)
class LineHandlers:
    """The callbacks of a line.

    Args:
        on_heard: Receives the caller's next 20 ms, PCM16 mono at 24 kHz.
        on_played: Receives sound of the model that the caller has heard.
        on_drained: Called when nothing of a response is queued any more.
    """

    on_heard: Callable[[bytes], None]
    on_played: Callable[[bytes], None]
    on_drained: Callable[[str], None]


class Phone(Protocol):
    """What a caller holds: it speaks and listens, 20 ms at a time, in the simulator's thread."""

    def rings(self) -> None:
        """Process that the call begins, before the app is told."""
        ...

    def answered(self, log: SessionLog) -> None:
        """Process that the call was accepted; `log` is that of its session."""
        ...

    def speak(self) -> bytes:
        """Return the next 20 ms of the caller's sound, PCM16 mono at 24 kHz."""
        ...

    def listen(self, play: Play | None, start: int, end: int) -> None:
        """Hear the next 20 ms.

        Args:
            play: What is played; None for silence.
            start: The first sample of its speech that is heard now.
            end: The sample after the last.
        """
        ...

    def ended(self, reason: str) -> None:
        """Process that the call has ended, or was not accepted."""
        ...


class Line:
    """One call's line; it plays the speech that the call's session queues in `plays`.

    Args:
        clock: Its clock.
        speed: How fast its time passes against the clock's; 1 is real time.
        handlers: Its callbacks.
        phone: What the caller holds; None if what they say is queued by `say`.
    """

    def __init__(
        self, clock: Clock, speed: float, handlers: LineHandlers, phone: Phone | None = None
    ) -> None:
        self._clock = clock
        self._frame_seconds = FRAME_SECONDS / speed
        self._handlers = handlers
        self._phone = phone
        self._said = bytearray()
        self.plays: PlayQueue = PlayQueue()
        self._timer: Timer | None = None
        self._due = 0.0

    def say(self, pcm: bytes) -> None:
        """Queue sound of the caller, after the sound that is already queued.

        Args:
            pcm: PCM16 mono at 24 kHz.
        """
        self._said += pcm

    def begin(self) -> None:
        """Open the line."""
        # All lines tick at the same instants, so that the loop wakes up once for all of them.
        self._due = math.ceil(self._clock.monotonic() / self._frame_seconds) * self._frame_seconds
        self._set_timer()

    def end(self) -> None:
        """Cut the line."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.plays.clear()
        self._said.clear()
        self._due = float("inf")

    def _set_timer(self) -> None:
        if self._due != float("inf"):
            self._due += self._frame_seconds
            self._timer = self._clock.call_at(self._due, self._tick)

    def _tick(self) -> None:
        # Lines that are faster than the loop's clock can count send several frames at once.
        late = int((self._clock.monotonic() - self._due) / self._frame_seconds)
        for _ in range(1 + min(max(late, 0), _MAX_BURST)):
            self._frame()
            if self._due == float("inf"):
                return
        self._due += max(late, 0) * self._frame_seconds
        self._set_timer()

    def _frame(self) -> None:
        self._handlers.on_heard(self._speak() if self._phone is None else self._phone.speak())
        if self._due == float("inf"):
            return
        playing = self.plays.next()
        if self._phone is not None:
            self._phone.listen(*(playing or (None, 0, 0)))
        if playing is None:
            return
        play, start, end = playing
        self._handlers.on_played(play.speech.pcm[start * 2 : end * 2])
        if play.response_id and not self.plays.holds(play.response_id):
            self._handlers.on_drained(play.response_id)

    def _speak(self) -> bytes:
        """Return the next 20 ms of the sound that is queued."""
        if not self._said:
            return _SILENCE  # the one object, so that however much of it takes no memory
        heard = bytes(self._said[:_FRAME_BYTES])
        del self._said[:_FRAME_BYTES]
        return heard + _SILENCE[len(heard) :]
