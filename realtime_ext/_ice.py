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

__all__ = ["LOOPBACK", "host_addresses_towards", "let_go", "transports", "use_host_addresses"]

LOOPBACK = "127.0.0.1"


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


async def let_go(transport: RTCIceTransport) -> None:
    """Wait until a closed transport has stopped connecting, and end what it began after that.

    A transport that is closed in the middle of its checks may still finish them: it then starts a consent
    task that nobody ends (aioice 0.13).

    Args:
        transport: One that has been stopped.
    """
    connecting = getattr(transport, "_RTCIceTransport__start", None)
    if connecting is not None:
        await connecting.wait()
    consent = transport._connection._query_consent_task
    if consent is not None:
        consent.cancel()
        await asyncio.wait([consent])


def _gather_from(agent: Any, addresses: Sequence[str] | None) -> None:
    gather = agent.get_component_candidates

    async def gather_from_chosen(component: int, addresses: list[str], **kwargs: Any) -> Any:
        hosts = chosen if chosen is not None else addresses or [LOOPBACK]
        return await gather(component=component, addresses=hosts, **kwargs)

    chosen = None if addresses is None else list(addresses)
    agent.get_component_candidates = gather_from_chosen
