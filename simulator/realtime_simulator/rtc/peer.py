"""One peer connection: it answers an offer, carries audio in both directions and the data channel of events.

The model's audio goes out as ready Opus packets, one every 20 ms, silence between utterances. For the rare
peer without Opus it goes out as sound, which aiortc encodes as G.711.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import av
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioResampler
from av.audio.frame import AudioFrame

from realtime_simulator.live import PlayQueue
from realtime_simulator.media.codecs import CLOCK, SILENCE, samples
from realtime_simulator.media.speech import PACKET_SAMPLES, RATE
from realtime_simulator.problem import ApiProblem
from realtime_simulator.rtc import offer
from realtime_simulator.rtc.answer import as_service

logger: logging.Logger = logging.getLogger("realtime_simulator")
_AGAIN_SECONDS = 0.05
_PACKET_SECONDS = 0.02
_TICKS = CLOCK // 50
_TIME_BASE = fractions.Fraction(1, CLOCK)
_LATE_SECONDS = 0.2
"""A track that is this late goes on from now instead of sending all that was missed in a burst."""
EVENTS = "oai-events"
CODECS = ("opus", "pcmu", "pcma")
CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 2.0


class IcePeerConnection(RTCPeerConnection):
    """A peer connection that asks no STUN server and can be closed at any moment."""

    def __init__(self) -> None:
        # Without an explicit empty list aiortc asks a public STUN server.
        super().__init__(RTCConfiguration(iceServers=[]))
        self._connecting: set[asyncio.Task[Any]] = set()

    async def _RTCPeerConnection__connect(self) -> None:
        """Connect; aiortc calls this in tasks that it does not keep."""
        task = asyncio.current_task()
        assert task is not None
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        await super()._RTCPeerConnection__connect()  # type: ignore[misc]

    def gather_on(self, addresses: Sequence[str]) -> None:
        """Choose the host addresses for candidates, before `setLocalDescription` gathers them.

        Args:
            addresses: IP addresses of this machine.

        Source: RFC 8445 §5.1.1.1
        """
        media: list[Any] = [transceiver.receiver for transceiver in self.getTransceivers()]
        if self.sctp is not None:
            media.append(self.sctp)
        # Bundled media share one agent.
        for agent in {section.transport.transport.iceGatherer._connection for section in media}:
            agent.get_component_candidates = _gathering(agent.get_component_candidates, list(addresses))

    async def close_whole(self) -> None:
        """Close, and end what still connects; the caller limits the time."""
        while self._connecting:
            # Before Python 3.12 `asyncio.wait_for` can lose a cancellation, so it is repeated.
            for task in self._connecting:
                task.cancel()
            await asyncio.wait(set(self._connecting), timeout=_AGAIN_SECONDS)
        await self.close()


def _gathering(gather: Callable[..., Awaitable[Any]], addresses: list[str]) -> Callable[..., Awaitable[Any]]:
    async def gather_on_chosen(**options: Any) -> Any:
        task = asyncio.ensure_future(gather(**{**options, "addresses": addresses}))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])  # stopped in the middle it would leave sockets open
            raise

    return gather_on_chosen


class Playout(MediaStreamTrack):
    """The outgoing track of one call; it plays what the call's session queues in `plays`.

    Args:
        on_played: Called with the PCM of each packet of speech that was sent.
        on_drained: Called with a response's id when no more of it is queued.
    """

    kind = "audio"
    packets = True
    """Whether Opus packets are sent; sound at 24 kHz if not."""

    def __init__(self, on_played: Callable[[bytes], None], on_drained: Callable[[str], None]) -> None:
        super().__init__()
        self._on_played = on_played
        self._on_drained = on_drained
        self.plays: PlayQueue = PlayQueue()
        self._begun: float | None = None
        self._sent = 0
        self._skipped = 0

    async def recv(self) -> av.Packet[Any] | AudioFrame:
        """Return the next 20 ms when they are due; aiortc calls this once it is connected."""
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
        """Return the next 20 ms as sound and as an Opus packet."""
        if (playing := self.plays.next()) is None:
            return b"", SILENCE
        play, start, end = playing
        pcm = play.speech.pcm[start * 2 : end * 2]
        self._on_played(pcm)
        if not self.plays.holds(play.response_id):
            # Called from the loop, not from within the sender: what follows may close the connection.
            asyncio.get_running_loop().call_soon(self._on_drained, play.response_id)
        return pcm, play.speech.packets[start // PACKET_SAMPLES]


def _frame(pcm: bytes, number: int) -> AudioFrame:
    """Return 20 ms of sound as aiortc's encoders expect it; silence where there is none."""
    frame = AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
    frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
    frame.sample_rate = RATE
    frame.pts = number * PACKET_SAMPLES
    frame.time_base = fractions.Fraction(1, RATE)
    return frame


@attrs.frozen(kw_only=True)
class PeerHandlers:
    """What a peer connection calls for its call, in the event loop.

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
        handlers: What is called when something happens.
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
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("track", self._on_track)

    async def answer(self, text: str) -> str:
        """Return the SDP answer to an offer and begin to connect.

        Args:
            text: The offer, checked by `offer.check`.

        Raises:
            ApiProblem: 400 `invalid_offer`: the peer connection can't work with it.
        """
        followed = offer.for_peer(text, loopback_only=self._loopback_only)
        # The track sends Opus packets where the offer has Opus: it comes first, and is sent then.
        self._playout.packets = offer.speaks_opus(text)
        audio = self._connection.addTransceiver(self._playout, "sendrecv")
        able = {codec.name.lower(): codec for codec in RTCRtpSender.getCapabilities("audio").codecs}
        audio.setCodecPreferences([able[name] for name in CODECS])
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
        return as_service(str(self._connection.localDescription.sdp))

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

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != EVENTS or self._channel is not None:
            logger.debug("data channel %r is not %r and is ignored", channel.label[:40], EVENTS)
            return
        self._channel = channel
        channel.on("message", self._handlers.on_message)
        self._handlers.on_open()

    def _on_track(self, track: MediaStreamTrack) -> None:
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
