"""A WebRTC caller for tests: aiortc's peer with a held vowel for a microphone."""

from __future__ import annotations

import asyncio
import fractions
import json
import math
from array import array
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame
from realtime_simulator import Simulator

from tests.simulator.sounds import RATE as SOUND_RATE, vowel
from tests.support.waiting import PATIENCE

RATE = 48_000
FRAME = 960


class Tone(MediaStreamTrack):
    """A vowel at 48 kHz, in real time; or, if `is_steady`, a tone of 220 Hz.

    Args:
        amplitude: Its loudness; may be changed at any time by `hum`.
    """

    kind = "audio"

    def __init__(self, amplitude: int = 8000) -> None:
        super().__init__()
        self.hum(amplitude)
        self.is_steady: bool = False
        self._sent = 0
        self._begun: float | None = None

    def hum(self, amplitude: int) -> None:
        """Hold a vowel, for ever."""
        once = array("h", vowel(1.0, 130, amplitude))
        self._wave = array("h", (value for value in once for _ in range(RATE // SOUND_RATE)))

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time()
        await asyncio.sleep(max(0.0, self._begun + self._sent * FRAME / RATE - loop.time()))
        start = self._sent * FRAME % len(self._wave)
        samples = self._wave[start : start + FRAME]
        if self.is_steady:
            step = 2 * math.pi * 220 / RATE
            samples = array("h", (int(8000 * math.sin(step * (start + n))) for n in range(FRAME)))
        # Stereo, because FFmpeg takes 3 dB off when the encoder makes two channels of one.
        frame = AudioFrame(format="s16", layout="stereo", samples=FRAME)
        frame.planes[0].update(array("h", (value for value in samples for _ in "lr")).tobytes())
        frame.sample_rate, frame.pts = RATE, self._sent * FRAME
        frame.time_base = fractions.Fraction(1, RATE)
        self._sent += 1
        return frame


class Caller:
    """One call to a simulator, and everything that came over it.

    Args:
        sim: The simulator.
        key: The bearer; the simulator's key if None.
        microphone: The loudness of the tone that it hums, 0 for silence.
        path: Where raw offers go.
    """

    def __init__(
        self,
        sim: Simulator,
        key: str | None = None,
        *,
        microphone: int = 0,
        path: str = "/realtime/calls",
    ) -> None:
        self._sim = sim
        self._path = path
        self.http = httpx.AsyncClient(
            base_url=sim.base_url, headers={"authorization": f"Bearer {key or sim.api_key}"}
        )
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Tone(microphone)
        self.peer.addTrack(self.microphone)
        self.channel = self.peer.createDataChannel("oai-events")
        self.channel.on("message", self._came)
        self.peer.on("track", self._track_came)
        self.peer.on("connectionstatechange", self._changed)
        self.events: list[dict[str, Any]] = []
        self.heard = bytearray()  # 48 kHz stereo
        self.location = ""
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.peer.close()
        await self.http.aclose()
        for task in self._tasks:
            task.cancel()

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def post(self, session: Mapping[str, Any] | None = None) -> httpx.Response:
        """Send the offer as multipart; nothing is connected yet."""
        files: dict[str, Any] = {"sdp": (None, (await self.offer()).encode(), "application/sdp")}
        if session is not None:
            files["session"] = (None, json.dumps(session), "application/json")
        return self._answered(await self.http.post("/realtime/calls", files=files))

    async def post_raw(self) -> httpx.Response:
        """Send the offer as it is."""
        content = (await self.offer()).encode()
        headers = {"content-type": "application/sdp"}
        return self._answered(await self.http.post(self._path, content=content, headers=headers))

    def _answered(self, response: httpx.Response) -> httpx.Response:
        assert response.status_code == 201, response.text
        self.location = response.headers["location"]
        return response

    async def connect(
        self,
        session: Mapping[str, Any] | None = None,
        *,
        raw: bool = False,
        first: str = "session.created",
    ) -> None:
        """Make the call and wait for its first event."""
        response = await (self.post_raw() if raw else self.post(session))
        await self.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        await self.until(first)

    def send(self, type: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": type, **fields}))

    async def hangup(self) -> httpx.Response:
        return await self.http.post(f"{self.location.removeprefix('/v1')}/hangup")

    async def until(self, type: str, count: int = 1) -> dict[str, Any]:
        """Wait until `count` events of a type have come; returns the last of them."""
        await self.wait(lambda: len(self.all(type)) >= count)
        return self.all(type)[count - 1]

    async def wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)

    def all(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    def heard_mono(self) -> array[int]:
        """Return what was heard: one channel, 48 kHz."""
        return array("h", bytes(self.heard))[::2]

    def _came(self, message: str) -> None:
        self.events.append(json.loads(message))
        self._tell()

    def _changed(self) -> None:
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._news:
                self._news.notify_all()

        self._keep(notify())

    def _track_came(self, track: MediaStreamTrack) -> None:
        async def listen() -> None:
            while True:
                try:
                    frame = await track.recv()
                except MediaStreamError:
                    return
                self.heard += bytes(frame.planes[0])[: frame.samples * 4]
                self._tell()

        self._keep(listen())

    def _keep(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
