"""One peer connection: it answers an offer, carries audio in both directions and the data channel of events.

The model's audio goes out as ready Opus packets, one every 20 ms, silence between utterances; sound without
packets is encoded on its way, and for the rare peer without Opus as G.711.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence

import attrs
from aiortc import RTCDataChannel, RTCRtpSender, RTCSessionDescription

from realtime_simulator._calls import sdp_offer as offer
from realtime_simulator._calls.ice_peer import IcePeerConnection
from realtime_simulator._calls.sdp_answer import as_service
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._media.codecs import G711Encoder
from realtime_simulator._media.speech import PACKET_SAMPLES, SILENCE
from realtime_simulator._sessions.play_queue import PlayQueue

logger: logging.Logger = logging.getLogger("realtime_simulator")
_PACKET_SECONDS = 0.02
_QUIET = bytes(PACKET_SAMPLES * 2)
_LATE_SECONDS = 0.2
"""A playout that is this late continues from now, instead of sending the missed packets in a burst."""
EVENTS = "oai-events"
CODECS = ("opus", "pcmu", "pcma")
CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 2.0
FLUSH_SECONDS = 1.0
_FLUSH_PAUSE = 0.005
MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""The bytes that may wait in a data channel, which carries no audio."""


class Playout:
    """The outgoing sound of one call; it plays the speech that the call's session queues in `plays`.

    Args:
        on_played: Called with the PCM of each packet of speech that was sent.
        on_drained: Called with a response's id when no more of it is queued.
    """

    def __init__(self, on_played: Callable[[bytes], None], on_drained: Callable[[str], None]) -> None:
        self._on_played = on_played
        self._on_drained = on_drained
        self.plays: PlayQueue = PlayQueue()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, codec: str, send: Callable[[bytes, int], None]) -> None:
        """Send 20 ms whenever they are due, from now on.

        Args:
            codec: `audio/opus`, `audio/pcmu` or `audio/pcma`.
            send: Called with each packet and its number; skipped packets have numbers too.
        """
        self._send = send
        self._g711 = None if codec == "audio/opus" else G711Encoder(codec)
        self._loop = asyncio.get_running_loop()
        # All calls send in the same instants, so that the loop wakes up once for all of them.
        self._due = math.ceil(self._loop.time() / _PACKET_SECONDS) * _PACKET_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        late = self._loop.time() - self._due
        passed = 1 + (int(late / _PACKET_SECONDS) if late > _LATE_SECONDS else 0)
        self._number += passed
        self._due += passed * _PACKET_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)
        try:
            self._send(self._next(), self._number)
        except ConnectionError:
            self.stop()

    def _next(self) -> bytes:
        """Return the next 20 ms as a packet."""
        if (playing := self.plays.next()) is None:
            return SILENCE if self._g711 is None else self._g711.push(_QUIET)
        play, start, end = playing
        pcm = play.speech.pcm[start * 2 : end * 2]
        self._on_played(pcm)
        if play.response_id and not self.plays.holds(play.response_id):
            # Called from the loop, not from within the sender: the callback may close the connection.
            self._loop.call_soon(self._on_drained, play.response_id)
        if self._g711 is not None:
            return self._g711.push(pcm)
        return play.speech.packets[start // PACKET_SAMPLES]


@attrs.frozen(kw_only=True)
class PeerHandlers:
    """The callbacks of a peer connection, called in the event loop.

    Args:
        on_connected: ICE and DTLS have succeeded.
        on_open: The data channel for events is open.
        on_message: A message came in on it.
        on_audio: Sound came in, PCM16 mono at 24 kHz.
        on_closed: The connection was closed, with the reason: `peer`, `lost` or `failed`.
    """

    on_connected: Callable[[], None]
    on_open: Callable[[], None]
    on_message: Callable[[str | bytes], None]
    on_audio: Callable[[bytes], None]
    on_closed: Callable[[str], None]


class Peer:
    """The server's end of a call.

    Args:
        playout: The sound to send.
        handlers: The callbacks.
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
        self._connecting: asyncio.TimerHandle | None = None
        self._closing = False
        self._connection.on("connectionstatechange", self._state_changed)
        self._connection.on("datachannel", self._on_channel)

    async def answer(self, text: str) -> str:
        """Return the SDP answer to an offer and begin to connect.

        Args:
            text: The offer, checked by `offer.check`.

        Raises:
            ApiProblem: 400 `invalid_offer`: the peer connection can't work with it.
        """
        followed = offer.for_peer(text, loopback_only=self._loopback_only)
        audio = self._connection.addTransceiver("audio", "sendrecv")
        able = {codec.name.lower(): codec for codec in RTCRtpSender.getCapabilities("audio").codecs}
        audio.setCodecPreferences([able[name] for name in CODECS])
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(followed, "offer"))
            for transceiver in self._connection.getTransceivers():
                if transceiver is not audio:
                    transceiver.direction = "inactive"
            self._connection.gather_on(self._addresses)
            self._connection.hear(audio.receiver, self._handlers.on_audio)
            self._connection.speak(audio.sender, self._playout.begin, self._playout.stop)
            self._connection.drop_invalid()
            self._connection.on_transport_failure(self._transport_failed)
            await self._connection.setLocalDescription()
        except Exception as error:  # aiortc's parser raises errors of any kind, assertions included
            logger.debug("the offer was refused by aiortc: %s", type(error).__name__)
            await self.close()
            raise ApiProblem(
                "Invalid SDP offer: the media sections cannot be negotiated.", code="invalid_offer"
            ) from error
        self._connecting = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._gone, "failed")
        return as_service(str(self._connection.localDescription.sdp))

    @property
    def has_data(self) -> bool:
        """Whether data channels were negotiated."""
        return self._connection.sctp is not None

    def send(self, text: str) -> None:
        """Send a message on the data channel; it is dropped if none is open, or the peer has left.

        A call whose data channel does not transmit ends as lost.
        """
        if self._closing or self._channel is None or self._channel.readyState != "open":
            return
        if self._channel.bufferedAmount > MAX_QUEUED_BYTES:
            logger.warning("the data channel of a call transmits too slowly; the call is lost")
            self._gone("lost")
            return
        try:
            self._channel.send(text)
        except ValueError as error:
            logger.warning("an event is longer than the peer of a call takes, and is dropped: %s", error)

    async def flush(self) -> None:
        """Wait until the messages that were sent on the data channel are on their way."""
        channel = self._channel
        if channel is not None and channel.readyState == "open" and not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    while channel.readyState == "open" and channel.bufferedAmount:
                        await asyncio.sleep(_FLUSH_PAUSE)

    async def close(self) -> None:
        """Close everything at once; the other side notices it through DTLS."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
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

    def _transport_failed(self, error: Exception) -> None:
        if not self._closing:
            logger.error("the transport of a call failed in aiortc; the call is lost", exc_info=error)
            self._gone("lost")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != EVENTS or self._channel is not None:
            logger.debug("data channel %r is not %r and is ignored", channel.label[:40], EVENTS)
            return
        self._channel = channel
        channel.on("message", self._handlers.on_message)
        self._handlers.on_open()
