"""The connection for asyncio: typed events over WebSocket, or over a WebRTC call's data channel."""

from ._connection import AsyncConnection
from ._dialing import AsyncCallConnection, AsyncDialing, DialStep
from ._opening import AsyncAnswering, AsyncConnecting

__all__ = [
    "AsyncAnswering",
    "AsyncCallConnection",
    "AsyncConnecting",
    "AsyncConnection",
    "AsyncDialing",
    "DialStep",
]
