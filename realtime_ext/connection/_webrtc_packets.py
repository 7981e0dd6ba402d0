"""The packets of a call's audio, sent and received past aiortc's tracks, which need a thread and timers.

A packet costs one function call in each direction. ICE, DTLS, SRTP, the jitter buffer and RTCP are aiortc's
own. The internals of aiortc (1.16) and aioice (0.13) that this module uses are checked first: where one is
missing or differs, it changes nothing and says so, and the caller uses tracks, the documented interface.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import queue
import struct
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs
import pylibsrtp

logger: logging.Logger = logging.getLogger("realtime_ext.webrtc")

PACKET_S = 0.020
LATE_S = 0.2  # a sender that is later than this goes on from now, without the packets that it missed
_RTP = range(128, 192)  # the first byte of RTP and RTCP (RFC 7983 §7)
_RTCP = range(192, 209)  # the second byte of RTCP (RFC 5761 §4)
_SEQUENCE_AND_TIME = struct.Struct("!HL")
_NTP_EPOCH = 2_208_988_800

_AGENT = "_connection"
_RECEIVER = ("_RTCRtpReceiver__decoder_queue", "_RTCRtpReceiver__jitter_buffer")
_TRANSPORT = ("_rx_srtp", "_handle_rtp_data", "_send_rtp")
_COUNTERS = tuple(
    f"_RTCRtpSender__{name}" for name in ("ntp_timestamp", "rtp_timestamp", "octet_count", "packet_count")
)
_SENDER = (
    *_COUNTERS,
    "_run_rtp",
    "_ssrc",
    "_RTCRtpSender__mid",
    "_RTCRtpSender__rtp_header_extensions_map",
    "_RTCRtpSender__rtp_started",
    "_RTCRtpSender__rtp_exited",
)


def receive_packets(receiver: Any, on_packet: Callable[[bytes], None]) -> bool:
    """Pass a receiver's packets on as they leave its jitter buffer. Call it before it begins to receive.

    Args:
        receiver: An `RTCRtpReceiver` of audio.
        on_packet: Called with each packet's payload.

    Returns:
        Whether it will; if not, the receiver's track has the sound.
    """
    transport = receiver.transport
    agent = internal(transport.transport.iceGatherer, _AGENT)
    if agent is None or not (
        _has(receiver, _RECEIVER) and _has(transport, _TRANSPORT) and _has(agent, ("data_received",))
    ):
        return False
    receiver._RTCRtpReceiver__decoder_queue = _Undecoded(on_packet)
    agent.data_received = _received_at_once(transport, agent.data_received)
    return True


def send_packets(sender: Any, payload: Callable[[], bytes]) -> bool:
    """Send a packet of 20 ms whenever one is due. Call it before the sender begins.

    Args:
        sender: An `RTCRtpSender` of audio.
        payload: Returns the next packet's payload.

    Returns:
        Whether it will; if not, the sender's track is asked for packets.
    """
    if not (_has(sender, _SENDER) and _has(sender.transport, _TRANSPORT)) or _header(sender, 0) is None:
        return False
    sender._run_rtp = _Sending(sender, payload).run
    return True


@functools.cache
def report_missing(name: str) -> None:
    """Log, once for each, that the installed aiortc lacks an internal."""
    logger.debug("the installed aiortc has no %s: its documented interface is used", name)


def internal(owner: Any, name: str) -> Any:
    """Return an internal of aiortc; None, and one log record, where the installed version lacks it."""
    found = getattr(owner, name, None)
    if found is None:
        report_missing(name)
    return found


def _has(owner: object, names: tuple[str, ...]) -> bool:
    missing = [name for name in names if not hasattr(owner, name)]
    if missing:
        report_missing(missing[0])
    return not missing


class _Undecoded(queue.Queue[Any]):
    """Replaces the queue of a receiver's decoding thread, which then has nothing to do but to end."""

    def __init__(self, on_packet: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_packet = on_packet

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is None:
            super().put(None)
        else:
            self._on_packet(item[1].data)


def _received_at_once(transport: Any, others: Callable[[bytes, int], None]) -> Callable[[bytes, int], None]:
    """Return the receiver of an ICE agent's datagrams: RTP is processed, the rest is queued as before."""

    def receive(data: bytes, component: int) -> None:
        is_rtp = len(data) > 1 and data[0] in _RTP and data[1] not in _RTCP
        if not is_rtp or transport._rx_srtp is None:
            others(data, component)
            return
        try:
            packet = transport._rx_srtp.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return  # from elsewhere, a duplicate, or too long
        _run_now(transport._handle_rtp_data(packet, arrival_time_ms=int(time.monotonic() * 1000)))

    return receive


def _header(sender: Any, payload_type: int) -> bytes | None:
    """Return the header of a sender's packets (RFC 3550 §5.1); None if aiortc writes it in another way."""
    try:
        from aiortc.rtp import RtpPacket

        first = RtpPacket(payload_type, marker=1, ssrc=sender._ssrc)
        first.extensions.mid = sender._RTCRtpSender__mid
        return bytes(first.serialize(sender._RTCRtpSender__rtp_header_extensions_map))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        report_missing(f"RtpPacket as it is used here ({error})")
        return None


class _Sending:
    """Sends the packets of one sender, in the place of `RTCRtpSender._run_rtp`."""

    def __init__(self, sender: Any, payload: Callable[[], bytes]) -> None:
        self._sender = sender
        self._payload = payload
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, codec: Any) -> None:
        sender = self._sender
        sender._RTCRtpSender__rtp_started.set()
        try:
            header = _header(sender, codec.payloadType)
            assert header is not None
            self._before, self._after = header[:2], header[8:]
            self._ticks = codec.clockRate // 50
            self._time = int.from_bytes(os.urandom(4), "big")
            self._number = int.from_bytes(os.urandom(2), "big")
            self._loop = asyncio.get_running_loop()
            # All calls send in the same instants, so that the loop wakes up once for all of them.
            self._due = math.ceil(self._loop.time() / PACKET_S) * PACKET_S
            self._timer = self._loop.call_at(self._due, self._send)
            await self._loop.create_future()  # until it is cancelled
        except asyncio.CancelledError:
            pass
        finally:
            if self._timer is not None:
                self._timer.cancel()
            sender._RTCRtpSender__rtp_exited.set()

    def _send(self) -> None:
        late = self._loop.time() - self._due
        passed = 1 + (int(late / PACKET_S) if late > LATE_S else 0)
        self._due += passed * PACKET_S
        self._timer = self._loop.call_at(self._due, self._send)
        payload, sender = self._payload(), self._sender
        self._time = (self._time + passed * self._ticks) & 0xFFFFFFFF
        self._number = (self._number + 1) & 0xFFFF
        place = _SEQUENCE_AND_TIME.pack(self._number, self._time)
        try:
            _run_now(sender.transport._send_rtp(b"".join((self._before, place, self._after, payload))))
        except ConnectionError:
            self._timer.cancel()  # the connection is closed
            return
        # For sender reports, whose time is a 64 bit NTP timestamp (RFC 3550 §4).
        sender._RTCRtpSender__ntp_timestamp = int((time.time() + _NTP_EPOCH) * (1 << 32))
        sender._RTCRtpSender__rtp_timestamp = self._time
        sender._RTCRtpSender__octet_count += len(payload)
        sender._RTCRtpSender__packet_count += 1


_unfinished: set[asyncio.Task[None]] = set()


def _run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing; one that does wait is completed by a task."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return
    task = asyncio.get_running_loop().create_task(_completed(_Rest(coroutine, awaited)))
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)


async def _completed(rest: _Rest) -> None:
    try:
        await rest
    except ConnectionError:
        logger.debug("a packet came too late for its connection")


@attrs.frozen
class _Rest:
    """The rest of a coroutine that waits for something."""

    coroutine: Coroutine[Any, Any, None]
    awaited: Any

    def __await__(self) -> Generator[Any, Any, None]:
        yield self.awaited
        yield from self.coroutine.__await__()
