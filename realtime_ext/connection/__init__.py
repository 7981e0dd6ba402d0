"""Connections: typed events over WebSocket, for sessions and for calls.

    with client.connect(model="gpt-realtime", session=session) as connection:
        turn = connection.ask("What's the weather like?")
        print(turn.transcript)

`Connection` blocks and may be shared by threads; `AsyncConnection` (in `aio_connection`) is the same,
awaited. This module must not load a WebSocket library before a connection is opened.
"""

from .._protocol._local_events import Reconnected, SessionExpiring
from .._protocol._playback import Interruption, Position
from .._protocol._reconnect import Attempt, Reconnect
from .._protocol._turn_record import ToolCall, Turn
from ._connection import Connection
from ._opening import Answering, Connecting

__all__ = [
    "Answering",
    "Attempt",
    "Connecting",
    "Connection",
    "Interruption",
    "Position",
    "Reconnect",
    "Reconnected",
    "SessionExpiring",
    "ToolCall",
    "Turn",
]
