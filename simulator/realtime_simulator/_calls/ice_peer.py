"""aiortc's peer connection as the simulator needs it; only this module uses internals of aiortc and aioice.

It asks no STUN server, gathers on chosen addresses, and can be closed at any moment. A packet of sound costs
it one function call. aiortc itself has a task and a timer to send one, and two queues, two tasks and a thread
to receive one, and how many calls a process carries at once depends on that. ICE, DTLS, SRTP, the jitter
buffer, and what RTCP reports are aiortc's own.

The internals are checked before they are used. Where one is missing or differs, the documented way of aiortc
takes its place, and that is logged once: sound goes through tracks, and candidates are those of all addresses
of the machine.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import queue
import re
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any

import attrs
import av
import pylibsrtp
from aiortc import RTCConfiguration, RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender

from realtime_simulator._calls.media_tracks import PacketTrack, listen
from realtime_simulator._media.codecs import PacketDecoder

logger: logging.Logger = logging.getLogger("realtime_simulator")
_AGAIN_SECONDS = 0.05
_LONGEST_SRTP = 1500
"""Bytes: the buffer of pylibsrtp, and what a network passes in one piece."""
_MOST_WAITING = 16
_PACKET_TICKS = 960
"""A packet of 20 ms in the timestamps of Opus (RFC 7587 §4.1)."""
_MOST_GAP_TICKS = 50 * _PACKET_TICKS
_NUMBERS = struct.Struct("!HL")
_NTP_EPOCH = 2_208_988_800
_FIRST_CODEC = re.compile(r"(?ms)^m=audio \d+ \S+ (\d+).*?^a=rtpmap:\1 ([^/\s]+)")
_reported: set[str] = set()
_unfinished: set[asyncio.Task[None]] = set()
Begin = Callable[[str, Callable[[bytes, int], None]], None]


class UnsupportedError(Exception):
    """An internal of aiortc or aioice is missing or differs."""


@attrs.frozen
class _Method:
    """An internal that is a method.

    Args:
        positional: How many positional arguments it accepts.
        named: The arguments that it accepts by name.
    """

    positional: int
    named: tuple[str, ...] = ()

    def accepts(self, value: object) -> bool:
        if not callable(value):
            return False
        try:
            inspect.signature(value).bind(*[None] * self.positional, **dict.fromkeys(self.named))
        except (TypeError, ValueError):
            return False
        return True


Internals = Mapping[str, "type | _Method"]
GATHERING: Internals = {"get_component_candidates": _Method(0, ("component", "addresses"))}
"""Internals of an ICE agent that are needed to choose its addresses."""
AGENT: Internals = {"data_received": _Method(2)}
"""Internals of an ICE agent that are needed to receive sound."""
RECEIVING: Internals = {"_rx_srtp": object, "_handle_rtp_data": _Method(1, ("arrival_time_ms",))}
"""Those of a DTLS transport."""
DATAGRAMS: Internals = {"data_received": _Method(2)}
"""Internals of an ICE agent that are needed to drop datagrams."""
PARSING: Internals = {"_handle_rtp_data": _Method(1, ("arrival_time_ms",)), "_handle_rtcp_data": _Method(1)}
"""Those that parse decrypted packets."""
PARSING_DATA: Internals = {"_handle_data": _Method(1)}
"""That of an SCTP transport."""
RECEIVER: Internals = {
    "_RTCRtpReceiver__decoder_queue": queue.Queue,
    "_RTCRtpReceiver__jitter_buffer": object,
}
"""Those of a receiver."""
SENDING: Internals = {"_send_rtp": _Method(1)}
"""Internals of a DTLS transport that are needed to send sound."""
SENDER: Internals = {
    "_run_rtp": _Method(1),
    "_ssrc": int,
    "_RTCRtpSender__mid": object,
    "_RTCRtpSender__rtp_header_extensions_map": object,
    "_RTCRtpSender__rtp_started": asyncio.Event,
    "_RTCRtpSender__rtp_exited": asyncio.Event,
    "_RTCRtpSender__ntp_timestamp": int,
    "_RTCRtpSender__rtp_timestamp": int,
    "_RTCRtpSender__octet_count": int,
    "_RTCRtpSender__packet_count": int,
}
"""Those of a sender."""


def _require(owner: object, internals: Internals) -> None:
    """Check that an object has internals as they are expected.

    Raises:
        UnsupportedError: One is missing or differs.
    """
    for name, kind in internals.items():
        value = getattr(owner, name, _require)
        is_right = kind.accepts(value) if isinstance(kind, _Method) else isinstance(value, kind)
        if value is _require or not is_right:
            raise UnsupportedError(f"{type(owner).__name__}.{name}")


def _report(what: str, reason: Exception) -> None:
    """Log, once for each purpose, that the documented way is taken."""
    if what not in _reported:
        _reported.add(what)
        logger.debug("aiortc's internals differ (%s); %s in the documented way", reason, what)


class IcePeerConnection(RTCPeerConnection):
    """A peer connection that asks no STUN server and can be closed at any moment."""

    def __init__(self) -> None:
        # Without an explicit empty list aiortc asks a public STUN server.
        super().__init__(RTCConfiguration(iceServers=[]))
        self._connecting: set[asyncio.Task[Any]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def _RTCPeerConnection__connect(self, *arguments: Any, **options: Any) -> None:
        """Connect; aiortc calls this in tasks that it does not keep."""
        task = asyncio.current_task()
        assert task is not None
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        await super()._RTCPeerConnection__connect(*arguments, **options)  # type: ignore[misc]

    def gather_on(self, addresses: Sequence[str]) -> None:
        """Choose the host addresses for candidates. Call this before `setLocalDescription` gathers them.

        Args:
            addresses: IP addresses of this machine.

        Source: RFC 8445 §5.1.1.1
        """
        try:
            agents = [_agent(transport) for transport in self._transports()]
            for agent in agents:
                _require(agent, GATHERING)
        except UnsupportedError as reason:
            _report("candidates are gathered", reason)
            return
        for agent in agents:
            agent.get_component_candidates = _gathering(agent.get_component_candidates, list(addresses))

    def drop_invalid(self) -> None:
        """Drop packets that aiortc (1.16) does not survive. Call this after `hear` and before
        `setLocalDescription`.

        Datagrams from any sender: `RTCDtlsTransport._recv_next` reads `data[0]`, so that an empty one raises
        IndexError, and pylibsrtp raises ValueError, and not `pylibsrtp.Error`, for packets longer than its
        buffer. Packets of the peer: `RtpPacket.parse` and `unpack_remb_fci` raise struct.error for header
        extensions of unexpected length and for truncated lists; SCTP raises AssertionError and
        UnicodeDecodeError. Each of them would end the DTLS task, and so the call.
        """
        for transport in self._transports():
            try:
                agent = _agent(transport)
                _require(agent, DATAGRAMS)
                agent.data_received = _passing_valid(agent.data_received)
                _require(transport, PARSING)
            except UnsupportedError as reason:
                _report("packets are received", reason)
                continue
            for name in PARSING:
                setattr(transport, name, _surviving(getattr(transport, name)))
        try:
            if self.sctp is not None:
                _require(self.sctp, PARSING_DATA)
                self.sctp._handle_data = _surviving(self.sctp._handle_data)  # type: ignore[method-assign]
        except UnsupportedError as reason:
            _report("data is received", reason)

    def on_transport_failure(self, on_failure: Callable[[Exception], None]) -> None:
        """Report a DTLS transport that ends with an exception, before the connection closes normally.

        Args:
            on_failure: Called with the exception.
        """
        for transport in self._transports():

            def changed(transport: RTCDtlsTransport = transport) -> None:
                # aiortc closes it in a `finally`; when the peer has closed, no exception is handled there.
                error = sys.exc_info()[1]
                if transport.state == "closed" and isinstance(error, Exception):
                    on_failure(error)

            transport.on("statechange", changed)

    def hear(
        self,
        receiver: RTCRtpReceiver,
        on_sound: Callable[[bytes], None],
        *,
        waiting: int = _MOST_WAITING,
        fills_gaps: bool = False,
    ) -> None:
        """Decode packets as soon as they arrive. Call this before `setLocalDescription` begins to receive.

        Args:
            receiver: The receiver of the sound.
            on_sound: Called with each packet's sound, PCM16 mono at 24 kHz.
            waiting: How many packets wait for a missing one, a power of 2; then it counts as lost.
            fills_gaps: Whether silence takes the place of Opus packets that are lost.
        """
        try:
            self._decode(receiver, _Hearing(on_sound, fills_gaps=fills_gaps), waiting)
        except UnsupportedError as reason:
            _report("sound is received", reason)
            if receiver.track is not None:
                loop = asyncio.get_running_loop()
                self._listening = loop.create_task(listen(receiver.track, on_sound))

    def _decode(self, receiver: RTCRtpReceiver, hearing: _Hearing, waiting: int) -> None:
        _require(receiver, RECEIVER)
        agents = {transport: _agent(transport) for transport in self._transports()}
        for transport, agent in agents.items():
            _require(transport, RECEIVING)
            _require(agent, AGENT)
        try:
            from aiortc.jitterbuffer import JitterBuffer

            jitter_buffer = JitterBuffer(waiting)
        except (ImportError, TypeError) as error:
            raise UnsupportedError("JitterBuffer") from error
        receiver._RTCRtpReceiver__decoder_queue = hearing  # type: ignore[attr-defined]
        # It puts packets in order, but holds none back where none is missing: nothing is played here.
        receiver._RTCRtpReceiver__jitter_buffer = jitter_buffer  # type: ignore[attr-defined]
        for transport, agent in agents.items():
            agent.data_received = _receiving(transport, agent.data_received)

    def speak(self, sender: RTCRtpSender, begin: Begin, stop: Callable[[], None]) -> None:
        """Send packets as they are made. Call this before `setLocalDescription` begins to send.

        Args:
            sender: The sender of the sound.
            begin: Called once connected with the codec (`audio/opus`) and a function that sends 20 ms: a
                packet and its number. It raises ConnectionError if the connection is closed.
            stop: Called when no more can be sent.
        """
        try:
            self._send(sender, begin, stop)
        except UnsupportedError as reason:
            _report("sound is sent", reason)
            self._send_by_track(sender, begin, stop)

    def _send(self, sender: RTCRtpSender, begin: Begin, stop: Callable[[], None]) -> None:
        _require(sender, SENDER)
        _require(sender.transport, SENDING)
        _header(sender, 0)

        async def run(codec: Any) -> None:
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

    def _send_by_track(self, sender: RTCRtpSender, begin: Begin, stop: Callable[[], None]) -> None:
        track = PacketTrack()
        sender.replaceTrack(track)
        begun = False

        def changed() -> None:
            nonlocal begun
            if self.connectionState == "connected" and not begun:
                begun = True
                found = _FIRST_CODEC.search(str(self.localDescription.sdp))
                begin(f"audio/{found[2].lower() if found else 'opus'}", track.send)
            elif self.connectionState in ("closed", "failed"):
                stop()
                track.stop()

        self.on("connectionstatechange", changed)

    def _transports(self) -> set[RTCDtlsTransport]:
        """Return the transports of all media; bundled ones share one."""
        media: list[Any] = [transceiver.receiver for transceiver in self.getTransceivers()]
        if self.sctp is not None:
            media.append(self.sctp)
        return {section.transport for section in media}

    async def close_whole(self) -> None:
        """Close, and cancel connection attempts; the caller limits the time."""
        if self._listening is not None:
            self._listening.cancel()
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
    """Return the ICE agent below a transport, an aioice.Connection.

    Raises:
        UnsupportedError: It is missing.
    """
    try:
        return transport.transport.iceGatherer._connection
    except AttributeError as error:
        raise UnsupportedError(str(error)) from error


def _header(sender: RTCRtpSender, payload_type: int) -> bytes:
    """Return the header of a sender's packets.

    Raises:
        UnsupportedError: aiortc writes packets in another way.

    Source: RFC 3550 §5.1
    """
    try:
        from aiortc.rtp import RtpPacket

        first = RtpPacket(payload_type, marker=1, ssrc=sender._ssrc)
        first.extensions.mid = sender._RTCRtpSender__mid  # type: ignore[attr-defined]
        return bytes(first.serialize(sender._RTCRtpSender__rtp_header_extensions_map))  # type: ignore[attr-defined]
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnsupportedError(f"RtpPacket: {error}") from error


def _sending(sender: RTCRtpSender, codec: Any) -> Callable[[bytes, int], None]:
    """Return a function that sends a packet of 20 ms and counts it for sender reports."""
    header = _header(sender, codec.payloadType)
    before, after = header[:2], header[8:]
    ticks, origin = codec.clockRate // 50, int.from_bytes(os.urandom(4), "big")
    sequence = int.from_bytes(os.urandom(2), "big")

    def send(payload: bytes, number: int) -> None:
        nonlocal sequence
        timestamp = (origin + number * ticks) & 0xFFFFFFFF
        packet = b"".join((before, _NUMBERS.pack(sequence, timestamp), after, payload))
        sequence = (sequence + 1) & 0xFFFF
        _finish(sender.transport._send_rtp(packet))
        sender._RTCRtpSender__ntp_timestamp = _ntp_time()  # type: ignore[attr-defined]
        sender._RTCRtpSender__rtp_timestamp = timestamp  # type: ignore[attr-defined]
        sender._RTCRtpSender__octet_count += len(payload)  # type: ignore[attr-defined]
        sender._RTCRtpSender__packet_count += 1  # type: ignore[attr-defined]

    return send


def _ntp_time() -> int:
    """Return the time of day as a 64 bit NTP timestamp (RFC 3550 §4)."""
    return int((time.time() + _NTP_EPOCH) * (1 << 32))


class _Hearing(queue.Queue[Any]):
    """Replaces the queue to a receiver's decoding thread, and decodes packets as they are put in."""

    def __init__(self, on_sound: Callable[[bytes], None], *, fills_gaps: bool) -> None:
        super().__init__()
        self._on_sound = on_sound
        self._fills_gaps = fills_gaps
        self._due: int | None = None
        self._decoder: PacketDecoder | None = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Decode a pair of codec and frame; None is passed to the thread, which ends then."""
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
        if self._fills_gaps:
            gap = 0 if self._due is None else (frame.timestamp - self._due) & 0xFFFFFFFF
            self._due = (frame.timestamp + _PACKET_TICKS) & 0xFFFFFFFF
            if 0 < gap <= _MOST_GAP_TICKS:
                self._on_sound(bytes(gap))  # a tick is half a sample, which has two bytes
        if pcm:
            self._on_sound(pcm)


def _passing_valid(receive: Callable[[bytes, int], None]) -> Callable[[bytes, int], None]:
    """Return a receiver for an ICE agent's data that drops datagrams which can't be authentic."""

    def receive_valid(data: bytes, component: int) -> None:
        if data and (len(data) <= _LONGEST_SRTP or not 127 < data[0] < 192):
            receive(data, component)

    return receive_valid


def _surviving(handle: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a handler of decrypted packets that drops those for which aiortc raises."""

    async def handle_valid(*arguments: Any, **options: Any) -> None:
        try:
            await handle(*arguments, **options)
        except ConnectionError:
            raise  # the connection is closed
        except Exception:
            logger.debug("a packet of the peer was dropped, which aiortc can't process", exc_info=True)

    return handle_valid


def _receiving(
    transport: RTCDtlsTransport, others: Callable[[bytes, int], None]
) -> Callable[[bytes, int], None]:
    """Return a receiver for an ICE agent's data: it processes RTP and passes everything else to `others`.

    Source: RFC 7983 §7: the first byte identifies the kind of packet.
    """

    def receive(data: bytes, component: int) -> None:
        if not 127 < data[0] < 192 or transport._rx_srtp is None or _is_rtcp(data):
            others(data, component)
            return
        try:
            packet = transport._rx_srtp.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return  # not from the peer, a duplicate, or too long
        _finish(transport._handle_rtp_data(packet, arrival_time_ms=0))  # which only video uses

    return receive


def _is_rtcp(data: bytes) -> bool:
    """Return whether a packet is RTCP (RFC 5761 §4)."""
    return len(data) >= 2 and 192 <= data[1] <= 208


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing; one that does wait is completed in a task."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return
    _report("packets are passed on", UnsupportedError(f"{coroutine!r} waits"))
    task = asyncio.get_running_loop().create_task(_complete(coroutine, awaited))
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)


async def _complete(coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
    try:
        await _Rest(coroutine, awaited)
    except ConnectionError:
        logger.debug("a packet came too late for its connection")


@attrs.frozen
class _Rest:
    """The rest of a coroutine that waits for something."""

    coroutine: Coroutine[Any, Any, None]
    awaited: Any

    def __await__(self) -> Generator[Any, Any, None]:
        yield self.awaited
        return (yield from self.coroutine.__await__())
