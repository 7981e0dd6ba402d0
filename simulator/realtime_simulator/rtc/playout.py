"""The model's audio track: ready Opus packets, one every 20 ms, silence between utterances.

For the rare peer without Opus it hands out sound, which aiortc encodes as G.711.
"""

from __future__ import annotations

import asyncio
import fractions
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from realtime_simulator.engine.effects import Play
from realtime_simulator.media.opus import CLOCK, SILENCE
from realtime_simulator.media.speech import PACKET_SAMPLES, RATE

_PACKET_SECONDS = 0.02
_TICKS = CLOCK // 50
_TIME_BASE = fractions.Fraction(1, CLOCK)
_LATE_SECONDS = 0.2
"""A track that is this late goes on from now instead of sending all that was missed in a burst."""


@attrs.define
class _Stretch:
    play: Play
    next: int


class Playout(MediaStreamTrack):
    """The outgoing track of one call, and its player.

    Args:
        on_played: Called with the PCM of each packet of speech that was handed out.
        on_drained: Called with a response's id when no more of it is queued.
    """

    kind = "audio"
    packets = True
    """Whether Opus packets are handed out; sound at 24 kHz if not."""

    def __init__(self, on_played: Callable[[bytes], None], on_drained: Callable[[str], None]) -> None:
        super().__init__()
        self._on_played = on_played
        self._on_drained = on_drained
        self._queue: deque[_Stretch] = deque()
        self._begun: float | None = None
        self._sent = 0
        self._skipped = 0

    def queue(self, play: Play) -> None:
        self._queue.append(_Stretch(play, play.start))

    def clear(self) -> Mapping[str, int]:
        played: dict[str, int] = {}
        for stretch in self._queue:
            played.setdefault(stretch.play.item_id, stretch.next)
        self._queue.clear()
        return played

    async def recv(self) -> av.Packet[Any] | AudioFrame:
        """Return the next 20 ms when they are due; asked by aiortc once the connection stands."""
        await self._wait()
        if self.readyState != "live":
            raise MediaStreamError
        pcm, opus = self._next()
        number = self._sent + self._skipped
        self._sent += 1
        if not self.packets:
            return _frame(pcm, number)
        packet = av.Packet(opus)
        packet.pts = number * _TICKS
        packet.time_base = _TIME_BASE
        return packet

    async def _wait(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
        late = now - (self._begun + (self._sent + self._skipped) * _PACKET_SECONDS)
        if late < 0:
            await asyncio.sleep(-late)
        elif late > _LATE_SECONDS:
            self._skipped += int(late / _PACKET_SECONDS)

    def _next(self) -> tuple[bytes, bytes]:
        """The next 20 ms as sound and as an Opus packet."""
        if not self._queue:
            return b"", SILENCE
        stretch = self._queue[0]
        play, start = stretch.play, stretch.next
        stretch.next = min(start + PACKET_SAMPLES, play.end)
        if stretch.next >= play.end:
            self._queue.popleft()
        pcm = play.speech.pcm[start * 2 : stretch.next * 2]
        self._on_played(pcm)
        if not any(other.play.response_id == play.response_id for other in self._queue):
            # Said from the loop, not from within the sender: what follows may close the connection.
            asyncio.get_running_loop().call_soon(self._on_drained, play.response_id)
        return pcm, play.speech.packets[start // PACKET_SAMPLES]


def _frame(pcm: bytes, number: int) -> AudioFrame:
    """20 ms of sound as aiortc's encoders take it; silence where there is none."""
    frame = AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
    frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
    frame.sample_rate = RATE
    frame.pts = number * PACKET_SAMPLES
    frame.time_base = fractions.Fraction(1, RATE)
    return frame
