"""What one session leaves behind: its events, its sound, and at last its configuration and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from realtime_simulator.media.speech import RATE

MAX_AUDIO_SECONDS = 600
"""Of each direction of a session this much sound is kept, from its start."""
MAX_EVENTS = 20_000
"""Of each direction of a session this many events are kept; the oldest tenth goes when there are more."""
_EVENT_BYTES = 1024
"""What an event counts for."""
_LONG = 256


class Recording:
    """Sound as it went by, PCM16 mono at 24 kHz.

    Only the first `MAX_AUDIO_SECONDS` are kept; `seconds` counts on.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0

    def add(self, pcm: bytes) -> None:
        self._size += len(pcm)
        room = MAX_AUDIO_SECONDS * RATE * 2 - len(self._kept)
        if room > 0:
            self._kept += pcm[:room]

    def forget(self) -> None:
        self._kept = bytearray()

    @property
    def pcm(self) -> bytes:
        return bytes(self._kept)

    @property
    def size(self) -> int:
        return len(self._kept)

    @property
    def seconds(self) -> float:
        return self._size / 2 / RATE


@attrs.define(kw_only=True, eq=False)
class SessionRecord:
    """One session and everything that was said in it.

    Args:
        id: `sess_…`.
        transport: What it came by.
        received: Client events in order, also those that were refused; long audio is left out.
        sent: Server events in order; long audio is left out.
        ended: Why it ended; None while it lasts.
    """

    id: str
    transport: Literal["webrtc", "websocket", "sip"]
    received: list[dict[str, Any]] = attrs.field(factory=list, repr=False)
    sent: list[dict[str, Any]] = attrs.field(factory=list, repr=False)
    audio_in: Recording = attrs.field(factory=Recording, repr=False)
    audio_out: Recording = attrs.field(factory=Recording, repr=False)
    ended: str | None = None
    _look: Callable[[], tuple[dict[str, Any], list[dict[str, Any]]]] = attrs.field(
        default=lambda: ({}, []), repr=False
    )

    def look_through(self, look: Callable[[], tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
        """Take configuration and items from the running session from now on."""
        self._look = look

    def close(self, reason: str) -> None:
        """Keep configuration and items as they are now, and let go of the session."""
        last = self._look()
        self._look = lambda: last
        self.ended = reason

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the API shows it."""
        return self._look()[0]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation's items, oldest first."""
        return self._look()[1]

    @property
    def received_audio(self) -> bytes:
        """What the user was heard to say, PCM16 mono at 24 kHz."""
        return self.audio_in.pcm

    @property
    def sent_audio(self) -> bytes:
        """What the model said, PCM16 mono at 24 kHz; on a call only what was really played."""
        return self.audio_out.pcm

    def add_sent(self, event: Mapping[str, Any]) -> None:
        """Keep a server event."""
        _keep(self.sent, event)

    def add_received(self, event: Mapping[str, Any]) -> None:
        """Keep a client event."""
        _keep(self.received, event)

    def forget(self) -> None:
        """Let go of sound and events; configuration and items stay."""
        for kept in (self.received, self.sent):
            kept.clear()
        for recording in (self.audio_in, self.audio_out):
            recording.forget()

    @property
    def size(self) -> int:
        """About how many bytes sound and events take."""
        events = len(self.received) + len(self.sent)
        return self.audio_in.size + self.audio_out.size + events * _EVENT_BYTES

    def types_sent(self) -> list[str]:
        """Return the types of the server events, in order."""
        return [str(event["type"]) for event in self.sent]


def _keep(events: list[dict[str, Any]], event: Mapping[str, Any]) -> None:
    events.append(without_audio(event))
    if len(events) > MAX_EVENTS:
        del events[: MAX_EVENTS // 10]


def without_audio(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with long base64 replaced by its length; the sound itself is in the recordings."""
    shown = dict(event)
    for field in ("audio", "delta"):
        value = shown.get(field)
        if isinstance(value, str) and len(value) > _LONG and " " not in value:
            shown[field] = f"<{len(value)} characters>"
    return shown
