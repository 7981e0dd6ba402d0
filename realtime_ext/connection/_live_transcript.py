"""The transcript of a Live connection: what was said so far, and segments as they come."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from .._core.utterances import Utterance
from ._state.segments import TranscriptSegment

if TYPE_CHECKING:
    from ._io import ConnectionIO
    from ._state.live import LiveSession


class UtteranceSequence(Sequence[Utterance]):
    """What both sides have said so far, split at pauses, in the order of their beginnings."""

    @abstractmethod
    def _now(self) -> list[Utterance]: ...

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        return self._now()[index]

    def __len__(self) -> int:
        return len(self._now())

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self._now())

    def __eq__(self, other: object) -> bool:
        return self._now() == (list(other) if isinstance(other, Sequence) else other)

    def __repr__(self) -> str:
        return repr(self._now())


class AsyncLiveTranscript(UtteranceSequence):
    """What both sides say, in two views.

    As a sequence it has all that was said so far: utterances, which may overlap. `async for` yields
    segments, as a page would show them, from the session's beginning to its end: each as often as it grows,
    with the same id, and at last with the reason why it is `closed`.

        async for segment in connection.transcript:
            show(segment.id, segment.speaker, segment.text)
    """

    def __init__(self, io: ConnectionIO, live: LiveSession) -> None:
        self._io = io
        self._live = live

    def _now(self) -> list[Utterance]:
        return self._live.transcript

    def __aiter__(self) -> AsyncIterator[TranscriptSegment]:
        return self.segments()

    async def segments(self) -> AsyncIterator[TranscriptSegment]:
        """Yield the segments, until the connection has ended; the same as `async for`."""
        place, last = 0, None
        while (last := await self._following(place, last)) is not None:
            place += last.closed is not None
            yield last

    async def _following(self, place: int, last: TranscriptSegment | None) -> TranscriptSegment | None:
        """Wait for a segment, or for a change of it since it was yielded; None if there is no more.

        Args:
            place: Its place among all.
            last: The one that was yielded last.
        """
        segments, changed = self._live.segments, asyncio.Event()
        segments.watchers.add(changed.set)
        try:
            while True:
                if place < len(segments.found) and segments.found[place] != last:
                    return segments.found[place]
                if self._io.state.close_info is not None:
                    return None
                await self._change(changed)
                changed.clear()
        finally:
            segments.watchers.discard(changed.set)

    async def _change(self, changed: asyncio.Event) -> None:
        """Wait for words, or for a silence that closes a segment."""
        segments = self._live.segments
        due = segments.deadline()
        if due is None:
            await changed.wait()
            return
        seconds = max(0, due - segments.position_ms) / 1000
        tasks = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._io.sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if not changed.is_set():
            segments.advance(due)

    def close_segment(self) -> None:
        """Close the open segment: further words begin another one."""
        self._live.segments.close("manual")
