"""Which host addresses an aiortc peer connection offers, and how it lets go of its ICE connections.

The ICE library under aiortc leaves 127.0.0.1 out, so that on a machine that has no other address nothing
could ever connect. This is the one grip on that library's inside; it changes single connections, nothing
global, because the application's own peers share the library.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiortc import RTCIceTransport, RTCPeerConnection

__all__ = [
    "LOOPBACK",
    "connecting_tasks",
    "host_addresses_towards",
    "let_go_of",
    "transports",
    "use_host_addresses",
]

LOOPBACK = "127.0.0.1"
# Before Python 3.12 `asyncio.wait_for`, where a handshake waits, loses a cancellation that meets an arrival.
AGAIN_S = 0.05


def host_addresses_towards(url: str) -> Sequence[str] | None:
    """Choose the addresses for a call that is made through a server on this machine, or elsewhere.

    Args:
        url: The server's address, such as a client's base URL.

    Returns:
        Loopback alone if the server is on loopback, where other addresses may not reach it; otherwise None,
        which stands for this machine's own.
    """
    host = urlsplit(url).hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return (LOOPBACK,) if local else None


def transports(connection: RTCPeerConnection) -> set[RTCIceTransport]:
    """Give a peer connection's ICE transports; one where media is bundled."""
    found = {transceiver.receiver.transport.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        found.add(connection.sctp.transport.transport)
    return found


def use_host_addresses(connection: RTCPeerConnection, addresses: Sequence[str] | None = None) -> None:
    """Choose the host addresses from which ``connection`` gathers its candidates.

    Call it once tracks and data channel are there, before ``setLocalDescription``, which gathers.

    Args:
        connection: A peer connection that has not gathered yet.
        addresses: IP addresses of this machine. None: all that it has, and 127.0.0.1 if it has no other.

    Source: RFC 8445 §5.1.1.1 (host candidates; loopback addresses are left out where there are others).
    """
    for transport in transports(connection):
        _gather_from(transport.iceGatherer._connection, addresses)


def connecting_tasks(connection: RTCPeerConnection) -> set[asyncio.Task[Any]]:
    """Hold the tasks in which a peer connection connects, of which aiortc (1.16) itself lets go.

    Args:
        connection: A peer connection that has no remote description yet.

    Returns:
        The tasks that run, kept up to date; for `let_go_of`.
    """
    connect = connection._RTCPeerConnection__connect  # type: ignore[attr-defined]
    tasks: set[asyncio.Task[Any]] = set()

    async def connect_and_tell() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await connect()
        finally:
            tasks.discard(task)

    connection._RTCPeerConnection__connect = connect_and_tell  # type: ignore[attr-defined]
    return tasks


async def let_go_of(connection: RTCPeerConnection, connecting: set[asyncio.Task[Any]]) -> None:
    """Close a peer connection and leave nothing behind; only the caller bounds the time.

    Closing does not end the connecting: it would go on, and start tasks that nobody ends, for the consent in
    aioice (0.13) and for the reports of sender and receiver in aiortc (1.16).

    Args:
        connection: It, connected or not.
        connecting: What `connecting_tasks` gave for it.
    """
    while tasks := set(connecting):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=AGAIN_S)
    await connection.close()


def _gather_from(agent: Any, addresses: Sequence[str] | None) -> None:
    gather = agent.get_component_candidates

    async def gather_from_chosen(component: int, addresses: list[str], **kwargs: Any) -> Any:
        hosts = chosen if chosen is not None else addresses or [LOOPBACK]
        # A cancellation in the middle would leave sockets that no close knows of.
        gathering = asyncio.ensure_future(gather(component=component, addresses=hosts, **kwargs))
        try:
            return await asyncio.shield(gathering)
        except asyncio.CancelledError:
            await asyncio.wait([gathering])
            raise

    chosen = None if addresses is None else list(addresses)
    agent.get_component_candidates = gather_from_chosen
