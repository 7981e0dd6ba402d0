"""Sound over tracks, the documented interface of aiortc; slower than `ice_peer`, which uses its internals."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Callable
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from realtime_simulator._media.codecs import samples
from realtime_simulator._media.speech import RATE

_TIME_BASE = fractions.Fraction(1, 50)  # a packet has 20 ms
_MOST_QUEUED = 50


class PacketTrack(MediaStreamTrack):
    """A track of packets that are encoded already."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[av.Packet[Any]] = asyncio.Queue(_MOST_QUEUED)

    def send(self, payload: bytes, number: int) -> None:
        """Queue a packet; it is dropped if the connection does not keep up.

        Args:
            payload: 20 ms of sound.
            number: The packet's number; a packet that is left out has one too.

        Raises:
            ConnectionError: The track has ended.
        """
        if self.readyState != "live":
            raise ConnectionError("the track has ended")
        packet = av.Packet(payload)
        packet.pts, packet.time_base = number, _TIME_BASE
        if not self._packets.full():
            self._packets.put_nowait(packet)

    async def recv(self) -> av.Packet[Any]:
        """Return the next packet."""
        return await self._packets.get()


async def listen(track: MediaStreamTrack, on_sound: Callable[[bytes], None]) -> None:
    """Pass a track's sound on, until it ends.

    Args:
        track: The track.
        on_sound: Called with each frame's sound, PCM16 mono at 24 kHz.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, av.AudioFrame) and (pcm := samples(resampler.resample(frame))):
            on_sound(pcm)
