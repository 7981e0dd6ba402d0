"""A caller over WebRTC, who does what a page does: offer, ICE, DTLS, Opus and the data channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from aiortc import RTCRtpSender, RTCSessionDescription

from realtime_simulator._calls.ice_peer import IcePeerConnection
from realtime_simulator._calls.line import FRAME_SECONDS
from realtime_simulator._media.codecs import OpusEncoder
from realtime_simulator._media.speech import PACKET_SAMPLES, SILENCE
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Call
from realtime_simulator._rehearsal.network import Conditions, Network
from realtime_simulator._rehearsal.phone import ScriptedPhone, is_sound
from realtime_simulator._rehearsal.recognition import Recognizer
from realtime_simulator._rehearsal.transport import NotAnsweredError, post
from realtime_simulator._simulator.simulator import Simulator

_EVENTS = "oai-events"
_FRAME_BYTES = PACKET_SAMPLES * 2
_ADDRESS = "127.0.0.1"
_SDP = "application/sdp"
_PLAYOUT_BYTES, _MOST_PLAYOUT_BYTES = 3 * _FRAME_BYTES, 12 * _FRAME_BYTES
"""Sound that waits before it is heard, so that late packets leave no gap; more of it after a gap."""
_MOST_BYTES = 20 * _FRAME_BYTES
_WAITING = 4
_CLOSE_SECONDS = 2.0
_LATE_SECONDS = 0.2


class WebRtcTransport:
    """A call over WebRTC.

    Args:
        simulator: The simulator, with which the app connects the caller.
        url: Where the app accepts offers, or makes client secrets.
        phone: What speaks and listens.
        conditions: How bad the network is.
        seed: Makes the network repeatable.
    """

    def __init__(
        self, simulator: Simulator, url: str, phone: ScriptedPhone, conditions: Conditions, seed: int
    ) -> None:
        self._simulator = simulator
        self._url = url
        self._phone = phone
        self._network = Network(conditions, seed)
        self._peer: IcePeerConnection | None = None
        self._heard = bytearray()
        self._is_playing = False
        self._playout = _PLAYOUT_BYTES
        self._send: Callable[[bytes, int], None] | None = None
        self._talking: asyncio.Task[None] | None = None
        self.call: Call | None = None

    async def dial(self) -> None:
        await self._network.open()
        peer = self._peer = IcePeerConnection()
        audio = peer.addTransceiver("audio", "sendrecv")
        audio.setCodecPreferences(
            [one for one in RTCRtpSender.getCapabilities("audio").codecs if one.name.lower() == "opus"]
        )
        peer.createDataChannel(_EVENTS)
        peer.gather_on([_ADDRESS])
        peer.hear(audio.receiver, self._came, waiting=_WAITING, fills_gaps=True)
        peer.speak(audio.sender, self._begin, self._stop)
        peer.drop_invalid()
        await peer.setLocalDescription(await peer.createOffer())
        offer = self._network.offered(str(peer.localDescription.sdp))
        answer = await self._answer(offer)
        self.call = next((one for one in self._simulator.calls if one.offer == offer.encode()), None)
        if self.call is None:
            raise NotAnsweredError("the app answered with a call that is not this simulator's")
        try:
            await peer.setRemoteDescription(RTCSessionDescription(self._network.answered(answer), "answer"))
        except Exception as error:  # aiortc's parser raises errors of any kind, assertions included
            raise NotAnsweredError(f"the app's answer is not SDP that fits the offer: {error}") from error
        log = SessionLog.of(self.call.session)
        self._talking = asyncio.create_task(self._talk(peer, log))

    async def press(self, keys: str) -> None:
        raise ValueError("a caller over WebRTC has no keys to press")

    def lose(self, seconds: float) -> None:
        self._network.lose(seconds)

    async def hang_up(self) -> None:
        if self._peer is not None:
            self._phone.ended("peer")
            await self._close_peer(self._peer)

    async def close(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
        if self._peer is not None:
            await self._close_peer(self._peer)
        self._network.close()

    async def _close_peer(self, peer: IcePeerConnection) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await peer.close_whole()

    async def _answer(self, offer: str) -> str:
        """Return the answer to an offer: the app's, or with a secret of the app's the simulator's."""
        response = await post(self._url, content=offer.encode(), headers={"content-type": _SDP})
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if response.is_success and kind == "application/json":
            try:
                secret = response.json()
                secret = secret.get("client_secret", secret)
                key = str(secret["value"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise NotAnsweredError(f"{self._path} answered with JSON without a client secret") from error
            response = await post(
                f"{self._simulator.base_url}/realtime/calls",
                content=offer.encode(),
                headers={"content-type": _SDP, "authorization": f"Bearer {key}"},
            )
        if not response.is_success or not response.text.startswith("v=0"):
            raise NotAnsweredError(
                f"{self._path} answered the offer with {response.status_code}, and no SDP: "
                f"{response.text[:200]!r}"
            )
        return response.text

    @property
    def _path(self) -> str:
        return urlsplit(self._url).path or "/"

    def _came(self, pcm: bytes) -> None:
        self._heard += pcm
        del self._heard[:-_MOST_BYTES]

    def _begin(self, codec: str, send: Callable[[bytes, int], None]) -> None:
        self._send = send

    def _stop(self) -> None:
        self._send = None

    async def _talk(self, peer: IcePeerConnection, log: SessionLog) -> None:
        """Speak and listen, 20 ms at a time, from when it is connected until the call is over."""
        assert self.call is not None
        loop, encoder = asyncio.get_running_loop(), OpusEncoder()
        recognizer = Recognizer(log.speech if log.speech is not None else deque())
        due, number, was_silent = loop.time(), 0, False
        while (reason := self._end(peer)) is None or len(self._heard) >= _FRAME_BYTES:
            if self._send is not None and not self._phone.answer.done():
                self._phone.answered(log)
            if self._phone.answer.done():
                pcm = self._phone.speak()
                is_silent = not any(pcm)
                if self._send is not None:
                    with contextlib.suppress(ConnectionError):
                        self._send(SILENCE if is_silent and was_silent else encoder.push(pcm), number)
                was_silent = is_silent
                heard = self._play()
                self._phone.hear(heard, recognizer.hear(heard))
            number += 1
            due = max(due + FRAME_SECONDS, loop.time() - _LATE_SECONDS)
            await asyncio.sleep(due - loop.time())
        self._phone.ended(reason)

    def _play(self) -> bytes:
        """Return the next 20 ms of what came."""
        while len(self._heard) > self._playout and not is_sound(bytes(self._heard[:_FRAME_BYTES])):
            del self._heard[:_FRAME_BYTES]  # pauses become shorter until little waits again
        waiting = len(self._heard)
        if not self._is_playing and waiting < self._playout:
            return b""
        if self._is_playing and waiting < _FRAME_BYTES:
            self._is_playing = False
            self._playout = min(self._playout + _FRAME_BYTES, _MOST_PLAYOUT_BYTES)
            return b""
        self._is_playing = True
        heard = bytes(self._heard[:_FRAME_BYTES])
        del self._heard[:_FRAME_BYTES]
        return heard

    def _end(self, peer: IcePeerConnection) -> str | None:
        """Return why the call is over; None while it goes on."""
        assert self.call is not None
        if self.call.ended is not None:
            return self.call.ended
        return "lost" if peer.connectionState in ("closed", "failed") else None
