"""The output of a Live session: a frame of sound each 100 ms, and copies of both directions for sidebands."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from realtime_simulator._engine.effects import AudioOut, Effect, Emit
from realtime_simulator._live.events import base64_text
from realtime_simulator._live.timeline import FRAME, STEP, milliseconds
from realtime_simulator._media.formats import Encoder
from realtime_simulator._media.speech import RATE


class Output:
    """The output of one session.

    Args:
        effect: Queues an effect.
        paced: Whether a frame waits for its time.
    """

    def __init__(self, effect: Callable[[Effect], None], *, paced: bool) -> None:
        self._effect = effect
        self._paced = paced
        self._encoder: Encoder | None = None
        self._frames: deque[AudioOut] = deque()
        self._next = -math.inf
        self._copied: list[tuple[bytes, bytes]] = []

    @property
    def due(self) -> float:
        """When the next frame is due; infinity if there is none."""
        return self._next if self._frames else math.inf

    def encode(self, encoder: Encoder) -> None:
        """Send the frames in events, too, in an encoder's format."""
        self._encoder = encoder

    def add(self, frame: AudioOut) -> None:
        """Add the frame of a step."""
        self._frames.append(frame)

    def clear(self) -> None:
        """Drop the frames that were not sent."""
        self._frames.clear()

    def send(self, now: float) -> None:
        """Send the frames that are due."""
        while self._frames and self._next <= now:
            frame = self._frames.popleft()
            if self._paced:
                self._next = max(self._next + STEP / RATE, now - STEP / RATE)
            self._effect(frame)
            if self._encoder is not None:
                delta = base64_text(self._encoder.push(frame.pcm))
                self._effect(Emit({"type": "session.output_audio.delta", "delta": delta}, to="own"))

    def copy(self, heard: bytes, said: bytes, end: int) -> None:
        """Send sidebands both directions' audio, 200 ms each.

        Args:
            heard: The user's audio of a step.
            said: The model's.
            end: Where on the timeline the step ends.
        """
        self._copied.append((heard, said))
        if end % FRAME == 0:
            received, sent = (base64_text(b"".join(parts)) for parts in zip(*self._copied, strict=True))
            self._copied.clear()
            self._effect(Emit({"type": "session.input_audio.append", "audio": received}, to="sidebands"))
            at = {"start_ms": milliseconds(end - FRAME), "end_ms": milliseconds(end)}
            copied = {"type": "session.output_audio.delta", "delta": sent, **at}
            self._effect(Emit(copied, to="sidebands"))
