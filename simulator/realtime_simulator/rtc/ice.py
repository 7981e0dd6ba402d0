"""aiortc's peer connection on chosen addresses, closed without a trace: the one grip on aiortc's inside.

The ICE library under aiortc leaves 127.0.0.1 out, so that nothing could connect on a machine that has no
other address. Closing a connection does not end its connecting, which would go on and start tasks that nobody
ends (aiortc 1.16, aioice 0.13). Single connections are changed here, nothing global: the application's own
peers share the libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection

_AGAIN_SECONDS = 0.05


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
        media: list[Any] = [transceiver.receiver for transceiver in self.getTransceivers()]
        if self.sctp is not None:
            media.append(self.sctp)
        # Bundled media share one agent.
        for agent in {section.transport.transport.iceGatherer._connection for section in media}:
            agent.get_component_candidates = _gathering(agent.get_component_candidates, list(addresses))

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
