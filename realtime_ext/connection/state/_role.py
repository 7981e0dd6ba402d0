"""What kind of connection one is, which decides what it can do. It must not hold state."""

from __future__ import annotations

import attrs

__all__ = ["Role"]


@attrs.frozen(kw_only=True)
class Role:
    """What kind of connection this is.

    Args:
        kind: `realtime`, `transcription` or `translation`.
        is_sideband: Whether it watches a call, whose session doesn't end with it.
        plays: Whether the application plays the model's audio; else the API does.
        carries_audio: Whether audio goes in by events; else it flows on a track.
        model: The session's model, where it is known from the start.
    """

    kind: str = "realtime"
    is_sideband: bool = False
    plays: bool = True
    carries_audio: bool = True
    model: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether others may change the session too: a call's session is everybody's who attends to it."""
        return self.is_sideband or not self.carries_audio
