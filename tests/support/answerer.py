"""A WebRTC peer of the tests' own, for the far end of a call: aiortc."""

from __future__ import annotations

import asyncio
import math
import struct
from fractions import Fraction

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from realtime_ext.connection._webrtc_peer import close_connection, connecting_tasks, use_host_addresses

RATE = 24_000


def tone(ms: int, hertz: int = 440) -> bytes:
    samples = (int(12_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE * ms // 1000))
    return b"".join(struct.pack("<h", sample) for sample in samples)


class ToneTrack(MediaStreamTrack):
    """Speaks a tone of 48 kHz stereo frames in real time, as the API's side does."""

    kind = "audio"

    def __init__(self, hertz: int) -> None:
        super().__init__()
        self.hertz = hertz
        self.count = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(0.02)
        frame = AudioFrame(format="s16", layout="stereo", samples=960)
        numbers = range(self.count * 960, (self.count + 1) * 960)
        values = (int(12_000 * math.sin(2 * math.pi * self.hertz * n / 48_000)) for n in numbers)
        frame.planes[0].update(b"".join(struct.pack("<hh", value, value) for value in values))
        frame.pts, frame.sample_rate, frame.time_base = self.count * 960, 48_000, Fraction(1, 48_000)
        self.count += 1
        return frame


class Answerer:
    """The other side: answers one offer, echoes messages in capitals, hears and speaks."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connecting = connecting_tasks(self.pc)
        self.channel: RTCDataChannel | None = None
        self.heard = bytearray()
        self.heard_something = asyncio.Event()
        self.listening: asyncio.Task[None] | None = None
        self.pc.on("datachannel", self._on_channel)
        self.pc.on("track", self._on_track)

    async def answer(self, offer: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        self.pc.addTrack(ToneTrack(660))
        use_host_addresses(self.pc)
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self.pc.localDescription.sdp

    async def close(self) -> None:
        await close_connection(self.pc, self.connecting)
        if self.listening is not None:
            self.listening.cancel()
            await asyncio.wait([self.listening])

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self.channel = channel
        channel.on("message", lambda text: channel.send(text.upper()))

    def _on_track(self, track: MediaStreamTrack) -> None:
        self.listening = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                mono = bytes(frame.planes[0])[: frame.samples * 4]
                self.heard += b"".join(
                    mono[n : n + 2] for n in range(0, len(mono), 8)
                )  # 48 → 24 kHz, left side
                if max(s for (s,) in struct.iter_unpack("<h", mono)) > 4_000:
                    self.heard_something.set()
        except MediaStreamError:
            return
