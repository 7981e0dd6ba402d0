"""Connections: typed events over WebSocket, or over a WebRTC call's data channel.

    with client.connect(model="gpt-realtime-2.1", session=session) as connection:
        turn = connection.ask("What's the weather like?")
        print(turn.transcript)

`AsyncConnection` belongs to one event loop; `Connection` blocks and may be shared by threads. This package
must not load a WebSocket library before a connection is opened.
"""

from ..events import Reconnected, SessionExpiring
from ._async_connection import AsyncConnection, AsyncExpectation, AsyncPlayback, AsyncStream
from ._call_media import AsyncAudioIn, AsyncAudioOut
from ._dialing import AsyncCallConnection, AsyncDialing, DialStep
from ._io import Observer, Observers
from ._opening import AsyncAnswering, AsyncConnecting
from ._state.conversation import TranscriptLine
from ._state.latency import Latencies, Latency, LatencyMeter
from ._state.playback import Interruption, Position
from ._state.reconnect import Attempt, Reconnect
from ._state.turns import ToolCall, Turn
from ._sync_connection import CallConnection, Connection, Expectation, Playback, Stream
from ._sync_opening import Answering, AudioIn, AudioOut, Connecting, Dialing

__all__ = [
    "Answering",
    "AsyncAnswering",
    "AsyncAudioIn",
    "AsyncAudioOut",
    "AsyncCallConnection",
    "AsyncConnecting",
    "AsyncConnection",
    "AsyncDialing",
    "AsyncExpectation",
    "AsyncPlayback",
    "AsyncStream",
    "Attempt",
    "AudioIn",
    "AudioOut",
    "CallConnection",
    "Connecting",
    "Connection",
    "DialStep",
    "Dialing",
    "Expectation",
    "Interruption",
    "Latencies",
    "Latency",
    "LatencyMeter",
    "Observer",
    "Observers",
    "Playback",
    "Position",
    "Reconnect",
    "Reconnected",
    "SessionExpiring",
    "Stream",
    "ToolCall",
    "TranscriptLine",
    "Turn",
]


def __dir__() -> list[str]:
    return __all__
