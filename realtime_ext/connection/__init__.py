"""Connections: typed events over WebSocket, or over a WebRTC call's data channel.

    with client.connect(model="gpt-realtime-2.1", session=session) as connection:
        turn = connection.ask("What's the weather like?")
        print(turn.transcript)

`AsyncConnection` belongs to one event loop; `Connection` blocks and may be shared by threads. This package
must not load a WebSocket library before a connection is opened.
"""

from .._core.gate import send_gate
from .._core.utterances import Utterance, Utterances
from ..events import Reconnected, SessionExpiring, TalkedOver
from ._async_connection import AsyncConnection
from ._async_events import AsyncExpectation
from ._async_parts import AsyncPlayback, AsyncStream
from ._call_media import AsyncAudioIn, AsyncAudioOut
from ._delegation import AsyncDelegation
from ._dialing import AsyncCallConnection, AsyncDialing, DialStep
from ._facade import Stream
from ._io import Observer, Observers
from ._live_connection import AsyncLiveConnection
from ._live_opening import (
    AsyncLiveAnswering,
    AsyncLiveCallConnection,
    AsyncLiveConnecting,
    AsyncLiveDialing,
)
from ._live_playback import LivePlayback
from ._live_transcript import AsyncLiveTranscript
from ._opening import AsyncAnswering, AsyncConnecting
from ._state.conversation import TranscriptLine
from ._state.handover import Handover
from ._state.latency import Latencies, Latency, LatencyMeter
from ._state.live import LiveResult, LiveUsage
from ._state.playback import Interruption, Position
from ._state.reconnect import Attempt, Reconnect
from ._state.segments import TranscriptSegment
from ._sync import (
    CallConnection,
    Connection,
    Delegation,
    Expectation,
    LiveCallConnection,
    LiveConnection,
    LiveTranscript,
    Playback,
)
from ._sync_opening import (
    Answering,
    AudioIn,
    AudioOut,
    Connecting,
    Dialing,
    LiveAnswering,
    LiveConnecting,
    LiveDialing,
)
from ._turn import ToolCall, Turn

__all__ = [
    "Answering",
    "AsyncAnswering",
    "AsyncAudioIn",
    "AsyncAudioOut",
    "AsyncCallConnection",
    "AsyncConnecting",
    "AsyncConnection",
    "AsyncDelegation",
    "AsyncDialing",
    "AsyncExpectation",
    "AsyncLiveAnswering",
    "AsyncLiveCallConnection",
    "AsyncLiveConnecting",
    "AsyncLiveConnection",
    "AsyncLiveDialing",
    "AsyncLiveTranscript",
    "AsyncPlayback",
    "AsyncStream",
    "Attempt",
    "AudioIn",
    "AudioOut",
    "CallConnection",
    "Connecting",
    "Connection",
    "Delegation",
    "DialStep",
    "Dialing",
    "Expectation",
    "Handover",
    "Interruption",
    "Latencies",
    "Latency",
    "LatencyMeter",
    "LiveAnswering",
    "LiveCallConnection",
    "LiveConnecting",
    "LiveConnection",
    "LiveDialing",
    "LivePlayback",
    "LiveResult",
    "LiveTranscript",
    "LiveUsage",
    "Observer",
    "Observers",
    "Playback",
    "Position",
    "Reconnect",
    "Reconnected",
    "SessionExpiring",
    "Stream",
    "TalkedOver",
    "ToolCall",
    "TranscriptLine",
    "TranscriptSegment",
    "Turn",
    "Utterance",
    "Utterances",
    "send_gate",
]


def __dir__() -> list[str]:
    return __all__
