"""The hearing of a Live session: the user's utterances on the timeline, and the positions of their words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.effects import HearingNeeded
from realtime_simulator._engine.plan import pieces
from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import FRAME
from realtime_simulator._media.speech import RATE

_SILENCE_MS = 500
_WORD = RATE // 3
"""Samples that a word of the user takes where its place is not known."""
_MAX_UTTERANCE = 120 * RATE


@attrs.define
class _Utterance:
    """What the user is saying, or has said.

    Args:
        id: Its id.
        start: Where on the timeline it begins.
        pcm: Its sound.
        early: The id of the request for its words while the user speaks.
        words: The words, if they are known while the user speaks.
        sent: How many of them have their place on the timeline.
        end: Where it ends; None while the user speaks.
    """

    id: str
    start: int
    pcm: bytearray
    early: str
    words: Sequence[str] = ()
    sent: int = 0
    end: int | None = None


@attrs.define(eq=False)
class Hearing:
    """The user's utterances in one session.

    Args:
        shared: The session's shared state.
        decisions: Where the words go.
        interrupt: Called when the user begins to speak.
        understood: Called when an utterance is over and its words are known.
    """

    _shared: Shared
    _decisions: Decisions
    _interrupt: Callable[[], None]
    _understood: Callable[[], None]
    _muted: bool = attrs.field(init=False, default=False)
    _vad: VoiceActivity = attrs.field(init=False, factory=lambda: VoiceActivity(silence_ms=_SILENCE_MS))
    _now: _Utterance | None = attrs.field(init=False, default=None)
    _waiting: dict[str, _Utterance] = attrs.field(init=False, factory=dict)
    _words: deque[tuple[int, str]] = attrs.field(init=False, factory=deque)
    _before: bytes = attrs.field(init=False, default=b"")

    @property
    def at_work(self) -> bool:
        """Whether the user speaks, or words have not been sent."""
        return self._now is not None or self.waits or self.has_words

    @property
    def waits(self) -> bool:
        """Whether words were requested that have not come."""
        return bool(self._waiting)

    @property
    def has_words(self) -> bool:
        """Whether words wait for the end of their frame."""
        return bool(self._words)

    def mute(self, event: Mapping[str, Any]) -> None:
        """`session.input_audio.mute` and `.unmute`."""
        self._muted = event["type"].endswith(".mute")
        self._shared.reply(event, event["type"] + "d")

    def audible(self, pcm: bytes) -> bytes:
        """Return what is heard of the user's audio: silence while it is muted."""
        return bytes(len(pcm)) if self._muted else pcm

    def listen(self, pcm: bytes, start: int) -> None:
        """Hear a step.

        Args:
            pcm: The user's audio, as far as it is audible.
            start: Where on the timeline it begins.
        """
        if self._now is not None:
            self._now.pcm += pcm
        for edge in self._vad.push(pcm):
            if edge.kind == "started" and self._now is None:
                begins = max(edge.sample, 0)
                kept = bytearray(pcm[max(0, begins - start) * 2 :])
                self._now = _Utterance(
                    self._shared.ids.new("heard"),
                    begins,
                    bytearray(self._before[-(start - begins) * 2 :] if begins < start else b"") + kept,
                    early=self._shared.ids.new("heard"),
                )
                self._shared.effect(HearingNeeded(self._now.early, bytes(self._now.pcm), finished=False))
                self._interrupt()
            elif edge.kind == "stopped" and self._now is not None:
                heard, self._now = self._now, None
                heard.end = max(heard.start + FRAME, edge.sample - _SILENCE_MS * RATE // 1000)
                if heard.words:
                    self._understand(heard)
                else:
                    self._waiting[heard.id] = heard
                    self._shared.effect(HearingNeeded(heard.id, bytes(heard.pcm[: _MAX_UTTERANCE * 2])))
        if self._now is not None:
            self._follow(self._now)
        self._before = pcm

    def heard(self, id: str, text: str) -> bool:
        """Process the words that were requested; return whether they still matter.

        Args:
            id: The request's id.
            text: The words.
        """
        if self._now is not None and id == self._now.early:
            self._now.words = pieces(text)
        elif (heard := self._waiting.pop(id, None)) is not None:
            heard.words = pieces(text)
            self._understand(heard)
        else:
            return False
        return True

    def send_words(self) -> None:
        """Send the words whose frame is over, a frame at a time."""
        while self._words:
            start = self._words[0][0] // FRAME * FRAME
            if start + FRAME > self._shared.timeline.position:
                break
            text = ""
            while self._words and self._words[0][0] < start + FRAME:
                text += self._words.popleft()[1]
            self._decisions.transcribe("input", start, text)

    def _understand(self, heard: _Utterance) -> None:
        """Transcribe an utterance that is over, as far as it was not."""
        assert heard.end is not None
        if not heard.words:
            return
        rest = heard.words[heard.sent :]
        start = heard.start + heard.sent * _WORD
        each = max(0, heard.end - start) / max(1, len(rest))
        self._words.extend((start + int(number * each), word) for number, word in enumerate(rest))
        self._shared.context.user_said("".join(heard.words), heard.end - heard.start)
        self.send_words()
        self._understood()

    def _follow(self, heard: _Utterance) -> None:
        """Transcribe a user who is speaking; the last word is certain only when nothing follows it."""
        due = min(len(heard.words) - 1, (self._shared.timeline.position - heard.start) // _WORD)
        for number in range(heard.sent, due):
            self._words.append((heard.start + number * _WORD, heard.words[number]))
            heard.sent = number + 1
