"""aiortc's peer connection as the simulator needs it: the only module that reaches into aiortc and aioice.

It asks no STUN server, gathers on chosen addresses, and can be closed at any moment. A packet of sound costs
it one function call. aiortc itself has a task and a timer to send one, and two queues, two tasks and a thread
to receive one, and how many calls a process carries at once depends on that. ICE, DTLS, SRTP, the jitter
buffer, and what RTCP reports are aiortc's own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import av
import pylibsrtp
from aiortc import RTCConfiguration, RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, clock
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import random_sequence_number
from aiortc.rtp import RtpPacket, is_rtcp
from aiortc.utils import random32

from realtime_simulator._media.codecs import PacketDecoder

logger: logging.Logger = logging.getLogger("realtime_simulator")
_AGAIN_SECONDS = 0.05
_MOST_WAITING = 16
"""Packets that wait for an earlier one, a power of 2; then that is lost."""
_NUMBERS = struct.Struct("!HL")


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
        for agent in map(_agent, self._transports()):
            agent.get_component_candidates = _gathering(agent.get_component_candidates, list(addresses))

    def hear(self, receiver: RTCRtpReceiver, on_sound: Callable[[bytes], None]) -> None:
        """Decode what comes in as soon as it does, before `setLocalDescription` begins to receive.

        Args:
            receiver: The receiver of the sound.
            on_sound: Called with each packet's sound, PCM16 mono at 24 kHz.
        """
        receiver._RTCRtpReceiver__decoder_queue = _Hearing(on_sound)  # type: ignore[attr-defined]
        # It puts packets in order, but holds none back where none is missing: nothing is played here.
        receiver._RTCRtpReceiver__jitter_buffer = JitterBuffer(_MOST_WAITING)  # type: ignore[attr-defined]
        for transport in self._transports():
            agent = _agent(transport)
            agent.data_received = _receiving(transport, agent.data_received)

    def speak(
        self,
        sender: RTCRtpSender,
        begin: Callable[[str, Callable[[bytes, int], None]], None],
        stop: Callable[[], None],
    ) -> None:
        """Send packets as they are made, before `setLocalDescription` begins to send.

        Args:
            sender: The sender of the sound.
            begin: Called once connected with the codec (`audio/opus`) and a function that sends 20 ms: a
                packet and its number. It raises ConnectionError if the connection is gone.
            stop: Called when no more can be sent.
        """

        async def run(codec: RTCRtpCodecParameters) -> None:
            sender._RTCRtpSender__rtp_started.set()  # type: ignore[attr-defined]
            try:
                begin(codec.mimeType.lower(), _sending(sender, codec))
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            except asyncio.CancelledError:
                pass
            finally:
                stop()
                sender._RTCRtpSender__rtp_exited.set()  # type: ignore[attr-defined]

        sender._run_rtp = run  # type: ignore[method-assign]

    def _transports(self) -> set[RTCDtlsTransport]:
        """Return the transports of all media; bundled ones share one."""
        media: list[Any] = [transceiver.receiver for transceiver in self.getTransceivers()]
        if self.sctp is not None:
            media.append(self.sctp)
        return {section.transport for section in media}

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


def _agent(transport: RTCDtlsTransport) -> Any:
    """Return the ICE agent below a transport, an aioice.Connection."""
    return transport.transport.iceGatherer._connection


def _sending(sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> Callable[[bytes, int], None]:
    """Return what sends a packet of 20 ms; what it counts goes out in sender reports.

    Source: RFC 3550 §5.1
    """
    assert codec.payloadType is not None
    first = RtpPacket(codec.payloadType, marker=1, ssrc=sender._ssrc)
    first.extensions.mid = sender._RTCRtpSender__mid  # type: ignore[attr-defined]
    header = first.serialize(sender._RTCRtpSender__rtp_header_extensions_map)  # type: ignore[attr-defined]
    before, after = header[:2], header[8:]
    ticks, origin = codec.clockRate // 50, random32()
    sequence = random_sequence_number()

    def send(payload: bytes, number: int) -> None:
        nonlocal sequence
        timestamp = (origin + number * ticks) & 0xFFFFFFFF
        packet = b"".join((before, _NUMBERS.pack(sequence, timestamp), after, payload))
        sequence = (sequence + 1) & 0xFFFF
        _finish(sender.transport._send_rtp(packet))
        sender._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()  # type: ignore[attr-defined]
        sender._RTCRtpSender__rtp_timestamp = timestamp  # type: ignore[attr-defined]
        sender._RTCRtpSender__octet_count += len(payload)  # type: ignore[attr-defined]
        sender._RTCRtpSender__packet_count += 1  # type: ignore[attr-defined]

    return send


class _Hearing(queue.Queue[Any]):
    """What a receiver has in place of the queue to its decoding thread: it decodes what is put in at once."""

    def __init__(self, on_sound: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_sound = on_sound
        self._decoder: PacketDecoder | None = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Decode a pair of codec and frame; None goes to the thread, which ends with it."""
        if item is None:
            super().put(None)
            return
        codec, frame = item
        if self._decoder is None or self._decoder.format != codec.mimeType.lower():
            self._decoder = PacketDecoder(codec.mimeType.lower())
        try:
            pcm = self._decoder.push(frame.data)
        except av.FFmpegError as error:
            logger.debug("a packet of %s can't be decoded: %s", codec.mimeType, error)
            return
        if pcm:
            self._on_sound(pcm)


def _receiving(
    transport: RTCDtlsTransport, others: Callable[[bytes, int], None]
) -> Callable[[bytes, int], None]:
    """Return what an ICE agent does with data: RTP is processed, all else goes the way of `others`.

    Source: RFC 7983 §7, where the first byte says what a packet is.
    """

    def receive(data: bytes, component: int) -> None:
        if not data:
            return  # aiortc would end the connection with it
        if not 127 < data[0] < 192 or transport._rx_srtp is None or is_rtcp(data):
            others(data, component)
            return
        try:
            packet = transport._rx_srtp.unprotect(data)
        except pylibsrtp.Error:
            return  # not from the peer, or a second time
        _finish(transport._handle_rtp_data(packet, arrival_time_ms=0))  # that is of use for video

    return receive


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing.

    Raises:
        RuntimeError: It waits for something, as no version of aiortc did that this was written for.
    """
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError(f"aiortc waits where it must not: {coroutine}")
