"""An utterance: its text, its sound, the Opus packets in which WebRTC carries it, and its form in events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

PCM = "audio/pcm"
PCMU = "audio/pcmu"
G711_RATE = 8000
RATE = 24_000
"""Samples a second of all sound inside the simulator: 16 bit, mono."""
PACKET_SAMPLES = RATE // 50
"""Samples of one Opus packet of 20 ms."""
SILENCE = b"\xf8\xff\xfe"
"""An Opus packet of 20 ms of silence: CELT, full band, mono, one frame."""


@attrs.frozen(eq=False)
class Speech:
    """An utterance of the model.

    Args:
        text: The words.
        pcm: PCM16 mono at 24 kHz, a whole number of 20 ms.
        packets: The sound as Opus, 20 ms a packet; empty where it is not needed.
        wire: The sound as events carry it, by the format's `type`; PCM is omitted.
    """

    text: str
    pcm: bytes = attrs.field(repr=False)
    packets: Sequence[bytes] = attrs.field(default=(), repr=False)
    wire: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2

    def stretch(self, start: int, end: int, format: str) -> bytes:
        """Return a part of it as events carry it.

        Args:
            start: First sample, at 24 kHz.
            end: The sample after its last.
            format: The format's `type`.
        """
        if format not in self.wire:
            return self.pcm[start * 2 : end * 2]
        data = self.wire[format]
        return data[start * len(data) // self.samples : end * len(data) // self.samples]

    @property
    def milliseconds(self) -> int:
        return self.samples * 1000 // RATE
