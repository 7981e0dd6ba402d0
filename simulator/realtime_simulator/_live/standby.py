"""The standby of a Live session: it pauses in silence, and the user's speech resumes it."""

from __future__ import annotations

import math

import attrs

from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._media.speech import RATE

_KEPT_BYTES = RATE // 2 * 2
"""How much of the user's sound before the wake is heard: half a second, in which the speech began."""


@attrs.frozen
class StandbySettings:
    """When a session pauses, and what wakes it.

    Args:
        idle_seconds: How long nobody speaks before it pauses.
        threshold: From 0 to 1: how loud the user's speech has to be.
    """

    idle_seconds: float
    threshold: float


class Standby:
    """Whether one session is paused, and for how long it was.

    Args:
        settings: Its settings; None for a session that never pauses.
    """

    def __init__(self, settings: StandbySettings | None) -> None:
        self._settings = settings
        self._active = math.inf
        self._before = 0.0
        self._since: float | None = None
        self._heard = bytearray()

    @property
    def paused(self) -> bool:
        return self._since is not None

    @property
    def due(self) -> float:
        """When the session pauses unless it is active before; infinity if it does not."""
        if self._settings is None or self.paused:
            return math.inf
        return self._active + self._settings.idle_seconds

    def active(self, now: float) -> None:
        """Note that somebody speaks, or that something is at work."""
        self._active = now

    def seconds(self, now: float) -> float:
        """Return how long the session has been paused in all."""
        return self._before + (0.0 if self._since is None else now - self._since)

    def usage(self, active: float, now: float) -> dict[str, float]:
        """Return the usage of the session.

        Args:
            active: The seconds of its timeline.
            now: The time.
        """
        if self._settings is None:
            return {"seconds": active}
        paused = int(self.seconds(now))
        return {"seconds": active + paused, "active_seconds": int(active), "paused_seconds": paused}

    def pause(self, now: float) -> None:
        """Pause the session."""
        assert self._settings is not None
        self._since = now
        self._heard.clear()
        self._vad = VoiceActivity(self._settings.threshold)

    def wakes(self, pcm: bytes, now: float) -> bytes | None:
        """Listen to the user while the session is paused.

        Args:
            pcm: The user's sound.
            now: The time.

        Returns:
            The sound with which the session goes on, if this wakes it.
        """
        self._heard += pcm
        if all(edge.kind != "started" for edge in self._vad.push(pcm)):
            del self._heard[:-_KEPT_BYTES]
            return None
        self._before, self._since = self.seconds(now), None
        self._active = now
        return bytes(self._heard)
