"""One peer connection: answers an offer, carries audio both ways and the events' data channel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import attrs
from aiortc import RTCDataChannel, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioResampler
from av.audio.frame import AudioFrame

from realtime_simulator.media.resample import samples
from realtime_simulator.media.speech import RATE
from realtime_simulator.problem import ApiProblem
from realtime_simulator.rtc import offer
from realtime_simulator.rtc.ice import IcePeerConnection
from realtime_simulator.rtc.playout import Playout

logger = logging.getLogger("realtime_simulator")
EVENTS = "oai-events"
CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class PeerHandlers:
    """What a peer connection tells its call. All are called in the event loop.

    Args:
        on_connected: ICE and DTLS are done.
        on_open: The data channel for events is open.
        on_message: A message came in on it.
        on_audio: Sound came in, PCM16 mono at 24 kHz.
        on_closed: The connection is gone, with the reason: `peer` or `failed`.
    """

    on_connected: Callable[[], None]
    on_open: Callable[[], None]
    on_message: Callable[[str | bytes], None]
    on_audio: Callable[[bytes], None]
    on_closed: Callable[[str], None]


class Peer:
    """The server's end of a call.

    Args:
        playout: The track that is sent.
        handlers: Who is told what happens.
        addresses: The machine's addresses on which it listens.
        loopback_only: Whether candidates on other addresses than loopback are ignored.
    """

    def __init__(
        self, playout: Playout, handlers: PeerHandlers, *, addresses: Sequence[str], loopback_only: bool
    ) -> None:
        self._connection = IcePeerConnection()
        self._playout = playout
        self._handlers = handlers
        self._addresses = addresses
        self._loopback_only = loopback_only
        self._channel: RTCDataChannel | None = None
        self._listening: asyncio.Task[None] | None = None
        self._connecting: asyncio.TimerHandle | None = None
        self._closing = False
        self._connection.on("connectionstatechange", self._state_changed)
        self._connection.on("datachannel", self._channel_came)
        self._connection.on("track", self._track_came)

    async def answer(self, text: str) -> str:
        """Return the SDP answer to an offer and begin to connect.

        Args:
            text: The offer, checked by `offer.check`.

        Raises:
            ApiProblem: 400 `invalid_offer`: the peer connection can't work with it.
        """
        followed = offer.for_peer(text, loopback_only=self._loopback_only)
        # The track hands out Opus packets: where the offer has Opus, no other codec may be agreed on.
        self._playout.packets = offer.speaks_opus(text)
        codecs = ("opus",) if self._playout.packets else ("pcmu", "pcma")
        audio = self._connection.addTransceiver(self._playout, "sendrecv")
        offered = RTCRtpSender.getCapabilities("audio").codecs
        audio.setCodecPreferences([codec for codec in offered if codec.name.lower() in codecs])
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(followed, "offer"))
            for transceiver in self._connection.getTransceivers():
                if transceiver is not audio:
                    transceiver.direction = "inactive"
            self._connection.gather_on(self._addresses)
            await self._connection.setLocalDescription()
        except Exception as error:  # aiortc raises whatever its parser trips over, assertions included
            logger.debug("the offer was refused by aiortc: %s", type(error).__name__)
            await self.close()
            raise ApiProblem(
                "Invalid SDP offer: the media sections cannot be negotiated.", code="invalid_offer"
            ) from error
        self._connecting = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._gone, "failed")
        return str(self._connection.localDescription.sdp)

    def send(self, text: str) -> None:
        """Send a message on the data channel; dropped if there is none that is open."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(text)

    async def close(self) -> None:
        """Close everything at once; the other side sees it through DTLS."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._listening is not None:
            self._listening.cancel()
        self._playout.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.close_whole()

    def _gone(self, reason: str) -> None:
        if not self._closing:
            self._closing = True
            self._handlers.on_closed(reason)

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            if self._connecting is not None:
                self._connecting.cancel()
                self._connecting = None
            self._handlers.on_connected()
        elif state in ("closed", "failed"):
            self._gone("failed" if state == "failed" else "peer")

    def _channel_came(self, channel: RTCDataChannel) -> None:
        if channel.label != EVENTS or self._channel is not None:
            logger.debug("data channel %r is not %r and is ignored", channel.label[:40], EVENTS)
            return
        self._channel = channel
        channel.on("message", self._handlers.on_message)
        self._handlers.on_open()

    def _track_came(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if not isinstance(frame, AudioFrame):
                continue
            pcm = samples(resampler.resample(frame))
            if pcm:
                self._handlers.on_audio(pcm)
