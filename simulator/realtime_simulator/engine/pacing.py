"""How fast the model answers, and in what pieces."""

from __future__ import annotations

import attrs

from realtime_simulator.media.speech import RATE


@attrs.frozen(kw_only=True)
class Pacing:
    """How fast the model answers.

    Args:
        first_audio: Seconds from `response.created` to the first output.
        speed: Audio made per second, in seconds of audio; 0 makes all of it at once.
    """

    first_audio: float = 0.0
    speed: float = 0.0

    def pause(self, samples: int) -> float:
        """Return how long making this much audio takes, in seconds."""
        return samples / RATE / self.speed if self.speed else 0.0


def pieces(text: str) -> list[str]:
    """Return a text cut into words that join to it again, as the API's deltas do."""
    cut: list[str] = []
    for word in text.split(" "):
        cut.append(f" {word}" if cut else word)
    return [piece for piece in cut if piece]
