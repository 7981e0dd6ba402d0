"""Which host addresses an aiortc peer connection offers.

The ICE library under aiortc leaves 127.0.0.1 out, so that on a machine that has no other address nothing
could ever connect. This is the one grip on that library's inside; it changes single connections, nothing
global.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

__all__ = ["LOOPBACK", "use_host_addresses"]

LOOPBACK = "127.0.0.1"


def use_host_addresses(connection: RTCPeerConnection, addresses: Sequence[str] | None = None) -> None:
    """Choose the host addresses from which ``connection`` gathers its candidates.

    Call it once tracks and data channel are there, before ``setLocalDescription``, which gathers.

    Args:
        connection: A peer connection that has not gathered yet.
        addresses: IP addresses of this machine. None: all that it has, and 127.0.0.1 if it has no other.

    Source: RFC 8445 §5.1.1.1 (host candidates; loopback addresses are left out where there are others).
    """
    transports = [t.receiver.transport.transport for t in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport.transport)
    for gatherer in {transport.iceGatherer for transport in transports}:
        _gather_from(gatherer._connection, addresses)


def _gather_from(agent: Any, addresses: Sequence[str] | None) -> None:
    gather = agent.get_component_candidates

    async def gather_from_chosen(component: int, addresses: list[str], **kwargs: Any) -> Any:
        hosts = chosen if chosen is not None else addresses or [LOOPBACK]
        return await gather(component=component, addresses=hosts, **kwargs)

    chosen = None if addresses is None else list(addresses)
    agent.get_component_candidates = gather_from_chosen
