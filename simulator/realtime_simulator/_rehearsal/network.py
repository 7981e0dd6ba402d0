"""A network between two WebRTC peers on this machine: a relay of UDP that loses, delays and stops packets."""

from __future__ import annotations

import asyncio
import functools
import random
import re
from collections.abc import Callable
from typing import Any

import attrs

from realtime_simulator._rehearsal.manner import between

_CANDIDATE = re.compile(r"^a=candidate:(\S+) (\d+) (\S+) (\d+) (\S+) (\d+) typ host.*$", re.MULTILINE)
_HOST = "127.0.0.1"


@attrs.frozen(kw_only=True)
class Conditions:
    """How bad a network is.

    Args:
        loss: The share of packets that are lost, 0 to 0.9.
        jitter: By how many seconds a packet may be late, 0 to 1; packets may overtake each other.
    """

    loss: float = attrs.field(default=0.0, validator=between(0, 0.9))
    jitter: float = attrs.field(default=0.0, validator=between(0, 1))


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Any], None]) -> None:
        self._received = received
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, addr)

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])


class Network:
    """A relay between the peer that offers and the one that answers.

    Both get addresses of the relay in place of the other's: descriptions are changed on their way.

    Args:
        conditions: How bad it is.
        seed: Makes it repeatable what is lost and late.
    """

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._conditions = conditions
        self._random = random.Random(seed)
        self._dead_until = 0.0
        self._addresses: list[tuple[str, int] | None] = [None, None]  # of both peers
        self._sockets = [_Socket(functools.partial(self._pass, 0)), _Socket(functools.partial(self._pass, 1))]

    async def open(self) -> None:
        """Open the relay's sockets.

        Raises:
            OSError: There are none.
        """
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            await loop.create_datagram_endpoint(lambda one=one: one, local_addr=(_HOST, 0))  # type: ignore[misc]

    def offered(self, sdp: str) -> str:
        """Return an offer as the other peer gets it."""
        return self._changed(sdp, 0)

    def answered(self, sdp: str) -> str:
        """Return an answer as the offering peer gets it."""
        return self._changed(sdp, 1)

    def lose(self, seconds: float) -> None:
        """Lose everything, for a while."""
        self._dead_until = asyncio.get_running_loop().time() + seconds

    def close(self) -> None:
        """Close the relay's sockets."""
        for one in self._sockets:
            if one.transport is not None:
                one.transport.close()

    def _changed(self, sdp: str, peer: int) -> str:
        """Return a peer's description with the relay's address for its first candidate, and no others."""
        other = self._sockets[1 - peer].port

        def change(found: re.Match[str]) -> str:
            if self._addresses[peer] is not None:
                return "a=x-left-out"
            self._addresses[peer] = found[5], int(found[6])
            return f"a=candidate:{found[1]} {found[2]} {found[3]} {found[4]} {_HOST} {other} typ host"

        lines = _CANDIDATE.sub(change, sdp.replace("\r\n", "\n")).split("\n")
        return "\r\n".join(line for line in lines if line != "a=x-left-out")

    def _pass(self, peer: int, data: bytes, address: Any) -> None:
        """Pass a packet of a peer on to the other, perhaps."""
        if address != self._addresses[peer]:
            return
        to, loop = 1 - peer, asyncio.get_running_loop()
        lost = self._random.random() < self._conditions.loss
        late = self._random.random() * self._conditions.jitter
        if lost or loop.time() < self._dead_until:
            return
        if late:
            loop.call_later(late, self._send, data, to)
        else:
            self._send(data, to)

    def _send(self, data: bytes, to: int) -> None:
        transport, address = self._sockets[to].transport, self._addresses[to]
        if address is not None and transport is not None and not transport.is_closing():
            transport.sendto(data, address)
