"""The connection for asyncio: typed events over WebSocket, or over a WebRTC call's data channel."""

from ._connection import AsyncConnection
from ._opening import AsyncAnswering, AsyncConnecting

__all__ = ["AsyncAnswering", "AsyncConnecting", "AsyncConnection"]
