"""Malformed RTP, RTCP and datagrams, and a real peer that encrypts and sends them."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence

import pylibsrtp
from aiortc import RTCPeerConnection

__all__ = ["JUNK", "MALFORMED_RTCP", "MALFORMED_RTP", "OPUS", "Packets"]

OPUS = b"\xf8\xff\xfe"
"""20 ms of silence."""
JUNK: Mapping[str, bytes] = {
    "empty": b"",
    "one byte": b"\x80",
    "longer RTCP than SRTP can be": bytes([128, 200]) + bytes(8_998),
    "longer RTP than SRTP can be": bytes([128, 111]) + bytes(8_998),
    "RTP without authentication": bytes([128, 111]) + bytes(200),
    "RTCP without authentication": bytes([128, 200]) + bytes(26),
    "DTLS that is cut": bytes([23, 254, 253]) + bytes(20),
    "a DTLS alert without authentication": bytes([21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]),
    "STUN that is cut": bytes([0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42]) + bytes(12),
    "of no protocol": bytes([7]) * 1_000,
}


class Packets:
    """The packets of a connected peer, whose own sender does not send.

    Args:
        peer: The peer; it has to have an audio sender without a track.
    """

    def __init__(self, peer: RTCPeerConnection) -> None:
        (self._transceiver,) = peer.getTransceivers()
        self._transport = self._transceiver.sender.transport
        self.ssrc: int = self._transceiver.sender._ssrc

    @property
    def payload_type(self) -> int:
        return int(self._transceiver._codecs[0].payloadType)

    @property
    def other_ssrc(self) -> int:
        """The other side's SSRC, or any number before it has sent."""
        sources = self._transceiver.receiver.getSynchronizationSources()
        return int(sources[0].source) if sources else 1

    async def send(self, packet: bytes, *, rtcp: bool = False) -> None:
        """Encrypt and send a packet, unless libsrtp refuses it, as it would at the other side too."""
        session = self._transport._tx_srtp
        try:
            data = session.protect_rtcp(packet) if rtcp else session.protect(packet)
        except (pylibsrtp.Error, ValueError):
            return
        await self._transport.transport._send(data)
        await asyncio.sleep(0)

    async def send_datagram(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._transport.transport._send(data)

    def rtp(self, number: int, payload: bytes = OPUS, *, first: int = 0x80, kind: int | None = None) -> bytes:
        """Return an RTP packet of 20 ms.

        Args:
            number: Its sequence number, counted on beyond 16 bits.
            payload: What follows the fixed header.
            first: Its first byte: version, padding, extension, and the count of CSRCs.
            kind: Its payload type; the negotiated one if None.
        """
        payload_type = self.payload_type if kind is None else kind
        return (
            struct.pack(
                "!BBHLL",
                first,
                payload_type,
                number & 0xFFFF,
                number * 960 & 0xFFFFFFFF,
                self.ssrc,
            )
            + payload
        )

    def extended(self, number: int, extension: bytes, profile: int = 0xBEDE) -> bytes:
        """Return an RTP packet with header extensions (RFC 8285)."""
        padded = extension + bytes(-len(extension) % 4)
        return self.rtp(number, struct.pack("!HH", profile, len(padded) // 4) + padded + OPUS, first=0x90)

    def rtcp(self, kind: int, count: int, *fields: bytes) -> bytes:
        """Return an RTCP packet from this peer: its SSRC, and what follows."""
        content = struct.pack("!L", self.ssrc) + b"".join(fields)
        content += bytes(-len(content) % 4)
        return struct.pack("!BBH", 0x80 | count, kind, len(content) // 4) + content

    def named(self) -> bytes:
        """Return the other side's SSRC, as RTCP names it."""
        return struct.pack("!L", self.other_ssrc)

    def any(self, chance: random.Random) -> Iterator[tuple[bytes, bool]]:
        """Yield random packets, and whether each is RTCP, for ever."""
        while True:
            rest = chance.randbytes(chance.choice((0, 1, 3, 4, 12, 24, 60, 400, 1_300)))
            form = chance.randrange(4)
            if form == 0:
                yield (
                    self.rtp(chance.randrange(70_000), rest, first=0x80 | chance.choice((0, 0x10, 0x20, 2))),
                    False,
                )
            elif form == 1:
                yield (
                    self.extended(chance.randrange(70_000), rest[:60], chance.choice((0xBEDE, 0x1000))),
                    False,
                )
            elif form == 2:
                yield self.rtcp(chance.randrange(192, 209), chance.randrange(32), self.named(), rest), True
            else:
                name = chance.choice((b"REMB", b"", b"\xff" * 8))
                yield self.rtcp(206, chance.choice((1, 4, 15)), self.named(), name, rest), True


MALFORMED_RTP: Mapping[str, Callable[[Packets], bytes]] = {
    "no payload": lambda own: own.rtp(1, b""),
    "a payload that is not Opus": lambda own: own.rtp(1, b"\xff" * 700),
    "a payload type that was not negotiated": lambda own: own.rtp(1, kind=35),
    "an audio level of three bytes": lambda own: own.extended(1, b"\x22abc\x32abc\x12abc"),
    "no audio level": lambda own: own.extended(1, b"\x02\x00\x03\x00", 0x1000),
    "a media id that is not UTF-8": lambda own: own.extended(1, b"\x10\xff\x20\xff"),
    "an extension that is cut": lambda own: own.extended(1, b"\x1f"),
    "more padding than packet": lambda own: own.rtp(1, b"\xff", first=0xA0),
    "as long as it may be": lambda own: own.rtp(1, bytes(1_450)),
}
MALFORMED_RTCP: Mapping[str, Callable[[Packets], bytes]] = {
    "a report of nonsense": lambda own: own.rtcp(201, 1, own.named(), b"\xff" * 20),
    "fewer reports than announced": lambda own: own.rtcp(201, 31, own.named(), b"\xff" * 20),
    "a sender report that is cut": lambda own: own.rtcp(200, 0, b"\xff" * 8),
    "a sender report of nonsense": lambda own: own.rtcp(200, 0, b"\xff" * 20),
    "names that are cut": lambda own: own.rtcp(202, 3, b"\x01\xff"),
    "a goodbye": lambda own: own.rtcp(203, 1),
    "a goodbye of more than it names": lambda own: own.rtcp(203, 31),
    "a bandwidth for more streams than it names": lambda own: own.rtcp(
        206, 15, own.named(), b"REMB\xff\xff\xff\xff"
    ),
    "a bandwidth without a number": lambda own: own.rtcp(206, 15, own.named(), b"REMB"),
    "a request for a picture": lambda own: own.rtcp(206, 1, own.named()),
    "a request for every packet again": lambda own: own.rtcp(205, 1, own.named(), b"\xff" * 1_200),
    "padding of no length": lambda own: own.rtcp(201, 0x20),
    "a packet after the last": lambda own: own.rtcp(201, 0) + b"\x80\xc9",
    "of an unknown type": lambda own: own.rtcp(207, 5, b"\xff" * 40),
}


def jitter(chance: random.Random, numbers: Sequence[int], late: float) -> list[int]:
    """Return numbers in the order in which jitter makes them arrive, each at most `late` places late."""
    return sorted(numbers, key=lambda number: number + chance.uniform(0, late))
