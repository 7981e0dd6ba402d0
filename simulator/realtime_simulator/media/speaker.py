"""Text to speech for sessions: the best voice there is, and a memory of what was said before."""

from __future__ import annotations

import threading
from collections import OrderedDict

from realtime_simulator.media import voice as synthetic
from realtime_simulator.media.codec import PCM, encode
from realtime_simulator.media.speech import Speech

_Key = tuple[str, str, float, bool, str]
MAX_TEXT = 20_000
"""Characters of one utterance that are spoken; half an hour of speech."""


class Speaker:
    """Makes speech. It may be called from any thread.

    Args:
        use_espeak: Whether espeak-ng speaks where it is installed.
        remembered: How many utterances are kept.
    """

    def __init__(self, *, use_espeak: bool = True, remembered: int = 64) -> None:
        self._use_espeak = use_espeak
        self._remembered = remembered
        self._made: OrderedDict[_Key, Speech] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(
        self, text: str, voice: str, speed: float, *, packets: bool, format: str = PCM
    ) -> Speech | None:
        """Return an utterance that was made before, or None."""
        with self._lock:
            return self._made.get((text, voice, speed, packets, format))

    def speak(self, text: str, voice: str, speed: float, *, packets: bool, format: str = PCM) -> Speech:
        """Return an utterance; takes some milliseconds unless it is remembered.

        Args:
            text: What is said.
            voice: Who says it.
            speed: How fast, 1 is normal.
            packets: Whether Opus packets are needed too.
            format: The format in which events carry it.
        """
        speech = self.remembered(text, voice, speed, packets=packets, format=format)
        if speech is None:
            speech = self._make(text, voice, speed, packets, format)
            with self._lock:
                self._made[(text, voice, speed, packets, format)] = speech
                while len(self._made) > self._remembered:
                    self._made.popitem(last=False)
        return speech

    def _make(self, text: str, voice: str, speed: float, packets: bool, format: str) -> Speech:
        pcm = None
        if self._use_espeak:
            from realtime_simulator.media import espeak

            pcm = espeak.synthesize(text[:MAX_TEXT], voice, speed)
        if pcm is None:
            pcm = synthetic.synthesize(text[:MAX_TEXT], voice, speed)
        if not packets:
            return Speech(text, pcm, wire={} if format == PCM else {format: encode(pcm, format)})
        from realtime_simulator.media import opus

        return Speech(text, pcm, tuple(opus.encode(pcm)))
