"""Connections of a client that replays or checks: a WebSocket, or a WebRTC call with its data channel."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from realtime_simulator._media.sounds import hum

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

_MICROPHONE_RATE = 48_000
_PACKET = 960
_SETTLE_SECONDS = 5.0


class Link(Protocol):
    """One connection on which events come.

    Attributes:
        events: The events so far, oldest first.
        news: Set whenever something comes, and at the end.
        closed: How the other side closed; None while it is open.
    """

    events: list[Mapping[str, Any]]
    news: asyncio.Event
    closed: tuple[int, str] | None

    async def send(self, message: str | bytes) -> None:
        """Send a message; nothing happens on a connection that is closed."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def settle(self) -> None:
        """Wait until the other side has received what was sent."""
        ...


class WebSocketLink:
    """A link over a WebSocket.

    Args:
        websocket: The open WebSocket.
    """

    def __init__(self, websocket: ClientConnection) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.news: asyncio.Event = asyncio.Event()
        self.closed: tuple[int, str] | None = None
        self._websocket = websocket
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def send(self, message: str | bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.send(message)

    async def close(self) -> None:
        await self._websocket.close()
        await self._reader

    async def settle(self) -> None:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                await (await self._websocket.ping())

    async def _read(self) -> None:
        try:
            async for message in self._websocket:
                self.events.append(json.loads(message))
                self.news.set()
        except ConnectionClosed:
            pass
        code = self._websocket.close_code
        self.closed = (1006 if code is None else code, self._websocket.close_reason or "")
        self.news.set()


class Phone:
    """A WebRTC caller with a microphone that hums on demand.

    Args:
        http: A client of the server's HTTP API.

    Attributes:
        peer: Its WebRTC connection.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        from aiortc import RTCConfiguration, RTCPeerConnection

        self.events: list[Mapping[str, Any]] = []
        self.news: asyncio.Event = asyncio.Event()
        self.closed: tuple[int, str] | None = None
        self.call_id: str = ""
        self._http = http
        self.peer: RTCPeerConnection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._microphone = _microphone()
        self.peer.addTrack(self._microphone)
        self._opened = asyncio.Event()
        self._channel = self.peer.createDataChannel("oai-events")
        self._channel.on("open", self._opened.set)
        self._channel.on("message", self.came)
        self._channel.on("close", self.ended)

    async def call(self, session: Mapping[str, Any]) -> None:
        """Create the call and wait until it is connected.

        Args:
            session: The session object that it begins with.
        """
        offer = await self.offer()
        parts: dict[str, Any] = {
            "sdp": (None, offer.encode(), "application/sdp"),
            "session": (None, json.dumps(session), "application/json"),
        }
        answer = await self._http.post("/realtime/calls", files=parts)
        if answer.status_code != 201:
            raise ConnectionError(f"the simulator refused the call: {answer.status_code} {answer.text[:500]}")
        self.call_id = answer.headers["location"].rpartition("/")[2]
        await self.connect(answer.text)

    async def offer(self) -> str:
        """Return its offer, with its candidates."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def connect(self, answer: str) -> None:
        """Connect to the peer whose SDP answer this is, and wait for the data channel."""
        from aiortc import RTCSessionDescription

        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(10):
            await self._opened.wait()

    def speak(self, loud: bool) -> None:
        """Begin or stop to hum."""
        self._microphone.loud = loud

    async def send(self, message: str | bytes) -> None:
        if self._channel.readyState == "open":
            self._channel.send(message)

    async def close(self) -> None:
        await self.peer.close()

    async def settle(self) -> None:
        """Do nothing: media and data channels have their own time."""

    def came(self, message: str | bytes) -> None:
        """Take a message of the data channel."""
        self.events.append(json.loads(message))
        self.news.set()

    def ended(self) -> None:
        """Note that the other side has closed the data channel."""
        self.closed = (1000, "")
        self.news.set()


class LivePhone(Phone):
    """A WebRTC caller of the Live API.

    Attributes:
        begun: When it was connected, on the event loop's clock.
    """

    begun: float = 0.0

    async def create(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Create the session and, unless that is refused, wait until it is connected; return the answer.

        Args:
            path: The path after `/v1`.
            body: The request's body, whose offer is replaced.
        """
        offer = await self.offer()
        body = {**body, "transport": {**body["transport"], "sdp": offer}}
        answer = await self._http.post(path, json=body)
        if answer.status_code == 201:
            await self.connect(answer.json()["transport"]["sdp"])
            self.begun = asyncio.get_running_loop().time()
        return answer


def _microphone() -> Any:
    from aiortc import MediaStreamTrack
    from av import AudioFrame

    class Microphone(MediaStreamTrack):
        kind = "audio"

        def __init__(self) -> None:
            super().__init__()
            self.loud = False
            self._sent = 0
            self._begun: float | None = None

        async def recv(self) -> AudioFrame:
            loop = asyncio.get_running_loop()
            self._begun = loop.time() if self._begun is None else self._begun
            await asyncio.sleep(max(0.0, self._begun + self._sent * _PACKET / _MICROPHONE_RATE - loop.time()))
            frame = AudioFrame(format="s16", layout="mono", samples=_PACKET)
            place = self._sent % 50 * _PACKET * 2
            size = _PACKET * 2
            wave = hum(_MICROPHONE_RATE)[place : place + size] if self.loud else bytes(size)
            frame.planes[0].update(wave)
            frame.sample_rate, frame.pts = _MICROPHONE_RATE, self._sent * _PACKET
            frame.time_base = fractions.Fraction(1, _MICROPHONE_RATE)
            self._sent += 1
            return frame

    return Microphone()
