"""The output of a Live session: a frame of sound each 100 ms, its recording, and copies for sidebands."""

from __future__ import annotations

import io
import math
import tempfile
import wave
import weakref
from array import array
from collections import deque

from realtime_simulator._engine.effects import AudioOut, Emit
from realtime_simulator._engine.messages import encode_audio
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import FRAME, STEP, milliseconds
from realtime_simulator._media.formats import Encoder
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


class Output:
    """The output of one session.

    Args:
        shared: The session's shared state.

    Attributes:
        recording: The sound of a stored session; None for another one, and once it was forgotten.
    """

    def __init__(self, shared: Shared) -> None:
        self.recording: StereoRecording | None = None
        self._shared = shared
        self._encoder: Encoder | None = None
        self._frames: deque[AudioOut] = deque()
        self._next = -math.inf
        self._copied: list[tuple[bytes, bytes]] = []

    @property
    def due(self) -> float:
        """When the next frame is due; infinity if there is none."""
        return self._next if self._frames else math.inf

    def begin(self, *, in_events: bool) -> None:
        """Begin, for a session that has started.

        Args:
            in_events: Whether the frames go out in events, too.
        """
        config = self._shared.config
        if in_events:
            self._encoder = Encoder(*config.format)
        if config.stored:
            self.recording = StereoRecording()

    def step(self, heard: bytes, frame: AudioOut) -> None:
        """Process a step that the timeline has made.

        Args:
            heard: The user's audio.
            frame: The model's.
        """
        if self.recording is not None:
            self.recording.add(heard, frame.pcm)
        self._copy(heard, frame.pcm)
        if self._shared.timeline.catching_up and self._frames and not any(frame.pcm):
            return  # the track drops silence to get level
        self.add(frame)

    def add(self, frame: AudioOut) -> None:
        """Send a frame, as soon as it is due."""
        self._frames.append(frame)
        self.send()

    def clear(self) -> None:
        """Drop the frames that were not sent."""
        self._frames.clear()

    def send(self) -> None:
        """Send the frames that are due."""
        now = self._shared.now()
        while self._frames and self._next <= now:
            frame = self._frames.popleft()
            if self._shared.in_real_time:
                self._next = max(self._next + STEP / RATE, now - STEP / RATE)
            self._shared.effect(frame)
            if self._encoder is not None:
                delta = encode_audio(self._encoder.push(frame.pcm))
                self._shared.effect(Emit({"type": "session.output_audio.delta", "delta": delta}, to="own"))

    def _copy(self, heard: bytes, said: bytes) -> None:
        """Send sidebands both directions' audio, 200 ms each."""
        end = self._shared.timeline.position
        self._copied.append((heard, said))
        if end % FRAME == 0:
            received, sent = (encode_audio(b"".join(parts)) for parts in zip(*self._copied, strict=True))
            self._copied.clear()
            at = {"start_ms": milliseconds(end - FRAME), "end_ms": milliseconds(end)}
            for copied in (
                {"type": "session.input_audio.append", "audio": received},
                {"type": "session.output_audio.delta", "delta": sent, **at},
            ):
                self._shared.effect(Emit(copied, to="sidebands"))
