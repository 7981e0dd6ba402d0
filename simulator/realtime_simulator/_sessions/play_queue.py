"""The queue of the model's speech that a peer has still to hear."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

from realtime_simulator._engine.effects import Play
from realtime_simulator._media.speech import PACKET_SAMPLES, SILENCE, Speech

_LEAD = Speech("", bytes(4 * PACKET_SAMPLES), (SILENCE,) * 2)


@attrs.define
class _Playing:
    play: Play
    next: int


class PlayQueue:
    """The model's speech that a peer has still to hear, 20 ms at a time."""

    def __init__(self) -> None:
        self._queue: deque[_Playing] = deque()

    def add(self, play: Play) -> None:
        """Queue speech."""
        self._queue.append(_Playing(play, play.start))

    def stream(self, speech: Speech) -> None:
        """Queue the next piece of a continuous sound that belongs to no response.

        After silence it begins a little later, so that pieces that come late leave no gap.
        """
        if not self._queue:
            self.add(Play("", "", _LEAD, 0, _LEAD.samples))
        self.add(Play("", "", speech, 0, len(speech.packets) * PACKET_SAMPLES))

    def clear(self) -> Mapping[str, int]:
        """Drop everything; return how many samples of each queued item were played."""
        played: dict[str, int] = {}
        for playing in self._queue:
            played.setdefault(playing.play.item_id, playing.play.before + playing.next)
        self._queue.clear()
        return played

    def next(self) -> tuple[Play, int, int] | None:
        """Return the next 20 ms, as its first sample and the one after its last; None for silence."""
        if not self._queue:
            return None
        playing = self._queue[0]
        play, start = playing.play, playing.next
        playing.next = min(start + PACKET_SAMPLES, play.end)
        if playing.next >= play.end:
            self._queue.popleft()
        return play, start, playing.next

    def holds(self, response_id: str) -> bool:
        """Return whether anything of a response is queued."""
        return any(playing.play.response_id == response_id for playing in self._queue)
