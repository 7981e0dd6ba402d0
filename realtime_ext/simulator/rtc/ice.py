"""Which addresses a peer connection listens on and how it lets go: the one grip on aioice's inside.

aioice offers every address of the machine except 127.0.0.1, so that nothing connects where loopback is all
there is; a simulator wants the opposite. Its gatherer asks `Connection.get_component_candidates` for the
candidates of a list of addresses: that list is replaced, per connection, because the user's own aiortc peers
share the module.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from aiortc import RTCIceTransport, RTCPeerConnection


def transports(peer: RTCPeerConnection) -> set[RTCIceTransport]:
    """Return a peer connection's ICE transports; one where media is bundled."""
    found = {transceiver.receiver.transport.transport for transceiver in peer.getTransceivers()}
    if peer.sctp is not None:
        found.add(peer.sctp.transport.transport)
    return found


def listen_on(peer: RTCPeerConnection, addresses: Sequence[str]) -> None:
    """Make a peer connection gather these addresses and no others.

    Args:
        peer: Before its local description is set.
        addresses: IP addresses of this machine.
    """
    for transport in transports(peer):
        connection = transport._connection
        original = connection.get_component_candidates
        connection.get_component_candidates = functools.partial(  # type: ignore[method-assign]
            _gather, original, list(addresses)
        )


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


async def _gather(original, chosen, component, addresses, timeout=5):  # type: ignore[no-untyped-def]
    return await original(component=component, addresses=chosen, timeout=timeout)
