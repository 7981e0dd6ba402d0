"""Fields of the one API's sessions, and their places in the other's.

This module must not judge a session.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from ._kinds import BETA_FIELDS

_BACKEND = "delegation.responses"

# Realtime field → the Live one's path and "", or None and the reason.
_PRESENT: Final = MappingProxyType(
    {
        "type": (None, "a Live session has no type"),
        "output_modalities": (None, "a Live model always speaks, and its words are in the transcript"),
        "audio.input.format": ("audio.format", "one format for both directions"),
        "audio.output.format": ("audio.format", "one format for both directions"),
        "audio.input.turn_detection": (None, "Live has no turns: the model listens while it speaks"),
        "audio.input.transcription": (None, "both sides are always transcribed"),
        "audio.input.noise_reduction": (None, "Live has no noise filter to set"),
        "audio.output.speed": (None, "the speed of a Live voice can't be set"),
        "tools": (f"{_BACKEND}.tools", "a Live model delegates its work"),
        "tool_choice": (f"{_BACKEND}.tool_choice", "a Live model delegates its work"),
        "parallel_tool_calls": (f"{_BACKEND}.parallel_tool_calls", "a Live model delegates its work"),
        "reasoning": (f"{_BACKEND}.reasoning", "a Live model delegates its work"),
        "max_output_tokens": (f"{_BACKEND}.max_output_tokens", "Live has no responses to limit"),
        "truncation": (None, "a Live session manages its context window itself"),
        "tracing": (None, "Live sessions have no traces"),
        "prompt": (None, "Live has no stored prompts: write instructions"),
        "include": (None, "Live transcripts have no log probabilities"),
    }
)
_TO_LIVE: Final = MappingProxyType(
    {
        **_PRESENT,
        **{beta: _PRESENT[name] for beta, name in BETA_FIELDS.items() if name and name in _PRESENT},
        "voice": ("audio.output.voice", ""),
        "temperature": (None, "a Live model has no temperature"),
    }
)

# Live field → the Realtime one's path, or None; and the reason.
_TO_REALTIME: Final = MappingProxyType(
    {
        "audio.format": ("audio.input.format and audio.output.format", "one for each direction"),
        "delegation": ("tools", "a Realtime model calls its tools itself"),
        "input": (
            None,
            "a conversation gets its history through conversation.item.create, after it has begun",
        ),
        "store": (None, "the API doesn't keep Realtime sessions"),
        "client": (None, "the data channel of a Realtime call carries all events"),
        "triggers": (None, "a Realtime session has no decisions"),
        "safety_identifier": (None, "a Realtime session has no such field"),
        "idle_timeout_s": (None, "a Realtime session doesn't pause"),
        "wake_policy": (None, "a Realtime session doesn't pause"),
    }
)

# Of Live sessions over WebSockets: what only those have whose transport carries the audio.
_OF_SOCKETS: Final = MappingProxyType(
    dict.fromkeys(("idle_timeout_s", "wake_policy"), (None, "standby is for WebRTC alone"))
)
# Of Live sessions over WebRTC and telephone, which are described by a schema of their own.
_OF_MEDIA: Final = MappingProxyType(
    {"audio.format": (None, "WebRTC and telephone calls carry the audio themselves")}
)


def counterpart(path: str, *, to_live: bool, is_media: bool = False) -> tuple[str | None, str] | None:
    """Return the path of a field in the other API's sessions, and the reason for it.

    Args:
        path: The field, of the other API.
        to_live: Whether the session is a Live one.
        is_media: Whether it is one whose transport carries the audio.

    Returns:
        None for the path if there is no counterpart; None alone for a field of neither.
    """
    if to_live:
        return (_OF_MEDIA if is_media else _OF_SOCKETS).get(path) or _TO_LIVE.get(path)
    return _TO_REALTIME.get(path)


def unfolded(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a Realtime field of a Live session, and for an object that has no counterpart, what is in it.

    Args:
        path: Where it stands.
        value: What stands there.
    """
    inside = [name for name in _TO_LIVE if name.startswith(f"{path}.")]
    if path in _TO_LIVE or not inside or not isinstance(value, dict) or not value:
        yield path, value
        return
    for name, inner in value.items():
        yield f"{path}.{name}", inner
