"""What both sides of a Live session say, as segments to be shown one after the other: who speaks, and what.

It must not read a clock: it is told how far the session's time has come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import attrs

from ..._core.utterances import PAUSE_MS, Speaker, Utterance

SegmentEnd: TypeAlias = Literal["speaker_change", "inactivity", "timestamp_reset", "session_closed", "manual"]

# As in the official package.
_SEPARATION_MS: Final = 500  # after the user's last words, from which on the model's are an answer
_SILENCE_MS: Final = 2000  # that ends a segment of the model
_LONGEST_BACKCHANNEL_MS: Final = 1000
_ALONE_MS: Final = 2000  # without further words of the model after a backchannel
_BACKCHANNELS = frozenset(
    ("aha", "hm", "hmm", "mhm", "mm", "ok", "okay", "right", "sure", "uh_huh", "yeah", "yep", "yes")
)


@attrs.frozen(kw_only=True)
class TranscriptSegment:
    """What one side says before the other one's turn, as far as it is known.

    Args:
        id: Its id, which stays while it grows.
        previous_id: That of the segment before; None for the first.
        speaker: `user` or `assistant`.
        text: The words so far.
        start_ms: When they began, in milliseconds of the session's timeline.
        end_ms: When the latest of them ended.
        closed: Why it is complete; None while it may grow.
    """

    id: str
    previous_id: str | None
    speaker: Speaker
    text: str
    start_ms: int
    end_ms: int
    closed: SegmentEnd | None = None


class Segments:
    """Groups the pieces of both transcripts.

    The user's words end a segment of the model at once. The model's words end one of the user if they begin
    at least 500 ms after it, or if the user then says nothing for 500 ms. A short sound of assent while the
    user speaks on is left out.

    Attributes:
        found: The segments; only the last one may be open.
        watchers: Called after each change.
        position_ms: How far the transcripts have come.
    """

    __slots__ = ("_held", "_starts", "found", "position_ms", "watchers")

    def __init__(self) -> None:
        self.found: list[TranscriptSegment] = []
        self.watchers: set[Callable[[], object]] = set()
        self.position_ms: int = 0
        self._held: Utterance | None = None  # of the model, in the user's segment
        self._starts: dict[Speaker, int] = {}  # of each speaker's latest piece

    def add(self, piece: Utterance) -> None:
        """Add a piece of a transcript."""
        if piece.start_ms < self._starts.get(piece.speaker, 0):
            self.close("timestamp_reset")
        self._starts[piece.speaker] = piece.start_ms
        self.position_ms = max(self.position_ms, piece.end_ms)
        if piece.text:
            self._advance(piece.start_ms, piece.speaker)
            self._add(piece)
            self._changed()

    def advance(self, position_ms: int) -> None:
        """Record that the session's time has come this far without further words."""
        self.position_ms = max(self.position_ms, position_ms)
        self._advance(position_ms, None)
        self._changed()

    def deadline(self) -> int | None:
        """Return the time at which silence changes something; None if it doesn't."""
        current = self._current
        if current is None:
            return None
        if self._held is not None:
            is_assent = _is_backchannel(self._held)
            return self._held.end_ms + _ALONE_MS if is_assent else current.end_ms + _SEPARATION_MS
        return current.end_ms + _SILENCE_MS if current.speaker == "assistant" else None

    def close(self, reason: SegmentEnd) -> None:
        """Close the open segment, if any."""
        self._end(reason)
        self._end(reason)  # what was held after it
        if reason == "timestamp_reset":
            self._starts.clear()
            self.position_ms = 0
        self._changed()

    @property
    def _current(self) -> TranscriptSegment | None:
        return self.found[-1] if self.found and self.found[-1].closed is None else None

    def _add(self, piece: Utterance) -> None:
        current = self._current
        if current is None:
            self._open(piece)
        elif current.speaker == piece.speaker:
            text, end_ms = _joined(current, piece)
            self.found[-1] = attrs.evolve(current, text=text, end_ms=end_ms)
        elif current.speaker == "assistant":
            self._end("speaker_change")
            self._open(piece)
        elif self._held is None:
            self._held = piece
        else:
            text, end_ms = _joined(self._held, piece)
            self._held = attrs.evolve(self._held, text=text, end_ms=end_ms)
        held = self._held
        if held is not None and current is not None and held.start_ms - current.end_ms >= _SEPARATION_MS:
            self._end("speaker_change")

    def _advance(self, position_ms: int, speaker: Speaker | None) -> None:
        current, due = self._current, self.deadline()
        if current is None or due is None or position_ms < due:
            return
        if self._held is not None:
            if _is_backchannel(self._held) and current.end_ms > self._held.end_ms:
                self._held = None
            else:
                self._end("speaker_change")
        elif speaker != "user":  # whose words end it as well
            self._end("inactivity")

    def _open(self, piece: Utterance) -> None:
        previous = self.found[-1].id if self.found else None
        self.found.append(
            TranscriptSegment(
                id=f"segment_{len(self.found)}",
                previous_id=previous,
                speaker=piece.speaker,
                text=piece.text.lstrip(),
                start_ms=piece.start_ms,
                end_ms=piece.end_ms,
            )
        )

    def _end(self, reason: SegmentEnd) -> None:
        """Close the open segment, and open one for what is held."""
        current, held = self._current, self._held
        if current is None:
            return
        self._held = None
        self.found[-1] = attrs.evolve(current, closed=reason)
        if held is not None and not (_is_backchannel(held) and current.end_ms > held.end_ms):
            self._open(held)

    def _changed(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()


def _joined(before: Utterance | TranscriptSegment, piece: Utterance) -> tuple[str, int]:
    """Return the text of both, and its end."""
    is_apart = piece.start_ms - before.end_ms >= PAUSE_MS
    more = f" {piece.text.lstrip()}" if is_apart else piece.text
    return before.text + more, max(before.end_ms, piece.end_ms)


def _is_backchannel(held: Utterance) -> bool:
    words = "_".join(re.findall(r"\w+", held.text.lower()))
    return held.end_ms - held.start_ms <= _LONGEST_BACKCHANNEL_MS and words in _BACKCHANNELS
