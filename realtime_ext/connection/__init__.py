"""Connections: typed events over WebSocket, or over a WebRTC call's data channel.

    with client.connect(model="gpt-realtime", session=session) as connection:
        turn = connection.ask("What's the weather like?")
        print(turn.transcript)

`AsyncConnection` belongs to one event loop; `Connection` blocks and may be shared by threads. This package
must not load a WebSocket library before a connection is opened.
"""

from ..events import Reconnected, SessionExpiring
from .blocking import CallConnection, Connection
from .blocking_opening import Answering, Connecting, Dialing
from .connection import AsyncConnection
from .dialing import AsyncCallConnection, AsyncDialing, DialStep
from .opening import AsyncAnswering, AsyncConnecting
from .state import (
    Attempt,
    Interruption,
    Position,
    Reconnect,
    ToolCall,
    TranscriptLine,
    Turn,
)

__all__ = [
    "Answering",
    "AsyncAnswering",
    "AsyncCallConnection",
    "AsyncConnecting",
    "AsyncConnection",
    "AsyncDialing",
    "Attempt",
    "CallConnection",
    "Connecting",
    "Connection",
    "DialStep",
    "Dialing",
    "Interruption",
    "Position",
    "Reconnect",
    "Reconnected",
    "SessionExpiring",
    "ToolCall",
    "TranscriptLine",
    "Turn",
]
