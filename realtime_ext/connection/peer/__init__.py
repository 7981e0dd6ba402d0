"""A WebRTC peer in Python (extra ``webrtc``): offer, answer, audio both ways, a data channel for events.

It carries text messages and audio, and knows nothing of HTTP or of the messages' meaning;
``AsyncRealtimeClient.dial`` puts it together with ``calls.create`` and the connection's protocol.
"""

try:
    import aiortc as _aiortc  # noqa: F401  (only to say early and clearly that it is missing)
except ImportError as exc:
    raise ImportError(
        "WebRTC in Python needs the extra 'webrtc': pip install 'realtime-ext[webrtc]'", name=exc.name
    ) from exc

from ._ice import host_addresses_towards
from ._peer import DATA_CHANNEL, Progress, WebRtcPeer
from ._tracks import AudioIn, AudioOut

__all__ = ["DATA_CHANNEL", "AudioIn", "AudioOut", "Progress", "WebRtcPeer", "host_addresses_towards"]
