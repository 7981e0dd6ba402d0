"""An utterance: its text, its sound, and the Opus packets in which WebRTC carries it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

RATE = 24_000
"""Samples a second of all sound inside the simulator: 16 bit, mono."""
PACKET_SAMPLES = RATE // 50
"""Samples of one Opus packet of 20 ms."""


@attrs.frozen(eq=False)
class Speech:
    """Something that the model says.

    Args:
        text: The words.
        pcm: PCM16 mono at 24 kHz, a whole number of 20 ms.
        packets: The same as Opus, 20 ms a packet; empty where nobody needs it.
    """

    text: str
    pcm: bytes = attrs.field(repr=False)
    packets: Sequence[bytes] = attrs.field(default=(), repr=False)

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2

    @property
    def milliseconds(self) -> int:
        return self.samples * 1000 // RATE
