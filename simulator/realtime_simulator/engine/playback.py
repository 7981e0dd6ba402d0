"""What of the model's audio the peer has not heard yet, where the server itself plays it (WebRTC and SIP).

Keeps the order of `output_audio_buffer.started`, `stopped` and `cleared`: one response at a time, and none
stopped before it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Playback:
    """The output audio buffer of one session.

    Args:
        emit: Called with an event's fields.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit = emit
        self._queue: list[str] = []
        self._done: set[str] = set()
        self._drained: set[str] = set()
        self._last_item: dict[str, str] = {}
        self._interrupted = False

    @property
    def playing(self) -> str | None:
        """The id of the response that is being heard, or None."""
        return self._queue[0] if self._queue else None

    def add(self, response_id: str, item_id: str) -> None:
        """Audio of a response's item was queued."""
        self._last_item[response_id] = item_id
        self._drained.discard(response_id)
        if response_id not in self._queue:
            self._queue.append(response_id)
            if len(self._queue) == 1:
                self._say("started", response_id)

    def done(self, response_id: str) -> None:
        """A response will queue no more audio."""
        if response_id in self._queue:
            self._done.add(response_id)
            self._advance()

    def drained(self, response_id: str) -> None:
        """All queued audio of a response has been played."""
        if response_id in self._queue:
            self._drained.add(response_id)
            self._advance()

    def interrupt(self) -> bool:
        """What is being played will be dropped: nothing stops by itself any more until `clear`.

        Returns:
            Whether there is anything to drop.
        """
        self._interrupted = bool(self._queue)
        return self._interrupted

    def clear(self) -> str | None:
        """All queued audio was dropped; returns the last item of the response that was being heard."""
        heard = self.playing
        item_id = None
        if heard is not None:
            self._say("cleared", heard)
            item_id = self._last_item[heard]
        self._last_item.clear()
        self._interrupted = False
        self._queue.clear()
        self._done.clear()
        self._drained.clear()
        return item_id

    def _advance(self) -> None:
        while not self._interrupted and self._queue and self._queue[0] in self._done & self._drained:
            finished = self._queue.pop(0)
            self._done.discard(finished)
            self._drained.discard(finished)
            del self._last_item[finished]
            self._say("stopped", finished)
            if self._queue:
                self._say("started", self._queue[0])

    def _say(self, what: str, response_id: str) -> None:
        self._emit({"type": f"output_audio_buffer.{what}", "response_id": response_id})
