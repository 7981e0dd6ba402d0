"""How much of the model's audio came, and how much of it the application has played.

Only a connection whose application plays the audio itself counts; where the API plays it (WebRTC, SIP) this
all does nothing. It must not send.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import attrs

from ...audio import AudioFormat, audio_format


def audio_size(delta: str) -> int:
    """Count the bytes that a base64 text stands for, without decoding it."""
    size = len(delta) // 4 * 3
    return size - delta.endswith("==") - 1 if delta[-1:] == "=" else size


@attrs.frozen(kw_only=True)
class Position:
    """Where playing stands.

    Args:
        item_id: The item that is being played.
        content_index: The part of its content.
        played_ms: How much of it was played.
        received_ms: How much of it has come so far.
    """

    item_id: str
    content_index: int
    played_ms: int
    received_ms: int


@attrs.frozen(kw_only=True)
class Interruption:
    """The audio that an application has to drop when the user begins to speak.

    Args:
        item_id: The item that was being played.
        content_index: The part of its content.
        played_ms: How much of it was played, and so heard.
        unplayed_ms: Received audio that was not played, of later items too: flush it.
        unplayed_bytes: The same in bytes.
    """

    item_id: str
    content_index: int
    played_ms: int
    unplayed_ms: int
    unplayed_bytes: int


@attrs.define
class _Part:
    item_id: str
    content_index: int
    form: AudioFormat
    received: int = 0
    played: int = 0
    is_complete: bool = False
    is_cut: bool = False
    left_ms: int | None = None  # the rest after the server's truncation; None if there was none

    @property
    def played_ms(self) -> int:
        return int(self.form.ms_in(self.played))

    @property
    def received_ms(self) -> int:
        return int(self.form.ms_in(self.received))


class PlaybackState:
    """The audio of the model's messages.

    Args:
        is_local: Whether the application plays it.

    Attributes:
        to_flush: The audio to drop when the user last began to speak; None if there was none.
    """

    __slots__ = (
        "_form",
        "_incomplete",
        "_is_counted",
        "_lost",
        "_parts",
        "_unplayed",
        "is_local",
        "to_flush",
    )

    def __init__(self, *, is_local: bool) -> None:
        self.is_local: bool = is_local
        self.to_flush: Interruption | None = None
        self._form = audio_format()
        self._is_counted = False  # whether the application has ever counted what it played
        self._lost = 0  # bytes of sessions before this one that the application still plays
        self._parts: dict[tuple[str, int], _Part] = {}
        self._unplayed: list[_Part] = []  # parts with audio to play or to come, oldest first
        self._incomplete: list[_Part] = []  # parts with audio to come

    @property
    def format(self) -> AudioFormat:
        """The output format of what comes now."""
        return self._form

    def use(self, form: object) -> None:
        """Set the output format of what comes from now on; an unknown one counts as PCM."""
        try:
            self._form = audio_format(form)
        except ValueError:
            self._form = audio_format()

    def received(self, item_id: str, content_index: int, size: int) -> None:
        """Count audio that came."""
        if not self.is_local:
            return
        part = self._parts.get((item_id, content_index))
        if part is None:
            part = self._parts[item_id, content_index] = _Part(item_id, content_index, self._form)
            self._unplayed.append(part)
            self._incomplete.append(part)
        if not part.is_cut:
            part.received += size

    def completed(self, item_id: str, content_index: int) -> None:
        """Record that no more audio of a part will come."""
        part = self._parts.get((item_id, content_index))
        if part is not None:
            self._complete([part])

    def ended(self, item_ids: Set[str] | None) -> None:
        """Record that no more audio of these items, or of any, will come: their response is over."""
        self._complete([p for p in self._incomplete if item_ids is None or p.item_id in item_ids])

    def truncated(self, item_id: str, content_index: int, end_ms: int) -> float | None:
        """Record that the server cut a part; return the share that is left of it, None if it isn't known."""
        part = self._parts.get((item_id, content_index))
        if part is None or not part.received:
            return None
        part.left_ms = int(end_ms)
        share = part.form.bytes_in(end_ms) / part.received
        self._cut(part)
        return min(share, 1.0)

    def played_bytes(self, count: int) -> None:
        """Count bytes that the application played, oldest first; more than came is not counted.

        Raises:
            TypeError: It is not an int.
            ValueError: It is negative.
        """
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"played_bytes: expected an int, got {type(count).__name__}")
        if count < 0:
            raise ValueError(f"played_bytes: expected 0 or more bytes, got {count}")
        self._is_counted = True
        lost = min(count, self._lost)
        self._lost -= lost
        count -= lost
        for part in self._unplayed:
            taken = min(count, part.received - part.played)
            part.played += taken
            count -= taken
            if not count:
                break
        self._tidy()

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that the application played, oldest first.

        Raises:
            TypeError: It is not a number.
            ValueError: It is negative, or not finite.
        """
        if isinstance(ms, bool) or not isinstance(ms, int | float):
            raise TypeError(f"played_ms: expected a number, got {type(ms).__name__}")
        if not 0 <= ms < float("inf"):
            raise ValueError(f"played_ms: expected 0 or more milliseconds, got {ms!r}")
        self._is_counted = True
        lost = min(self._form.bytes_in(ms), self._lost)
        self._lost -= lost
        left = ms - self._form.ms_in(lost)
        for part in tuple(self._unplayed):
            open_ms = part.form.ms_in(part.received - part.played)
            taken = min(left, open_ms)
            part.played = part.received if taken == open_ms else part.played + part.form.bytes_in(taken)
            left -= taken
            if left <= 0:
                break
        self._tidy()

    @property
    def position(self) -> Position | None:
        """Where playing stands; None if there is nothing to play, nor anything to come."""
        if not self._unplayed:
            return None
        part = self._unplayed[0]
        return Position(
            item_id=part.item_id,
            content_index=part.content_index,
            played_ms=part.played_ms,
            received_ms=part.received_ms,
        )

    def pending(self) -> Interruption | None:
        """Return the audio that an interruption would drop now; None if there is none."""
        if not self._unplayed:
            return None
        part = self._unplayed[0]
        waiting = [(self._form, self._lost), *((p.form, p.received - p.played) for p in self._unplayed)]
        return Interruption(
            item_id=part.item_id,
            content_index=part.content_index,
            played_ms=part.played_ms,
            unplayed_ms=int(sum(form.ms_in(size) for form, size in waiting)),
            unplayed_bytes=sum(size for _, size in waiting),
        )

    def speech_started(self) -> None:
        """Record that the user began to speak."""
        self.to_flush = self.pending()

    def interrupt(self) -> Interruption | None:
        """Drop all audio that was not played, and return its extent."""
        interruption = self.pending()
        self._lost = 0
        for part in tuple(self._unplayed):
            self._cut(part)
        return interruption

    def heard(self) -> dict[str, tuple[int, int]]:
        """Return how much was heard of each item that was not played to its end.

        Of an application that never counts what it plays, older items may well have been heard: then it is
        the latest item alone.

        Returns:
            Item id → content index of its audio and milliseconds that were heard; oldest first.
        """
        parts = self._unplayed if self._is_counted else self._unplayed[-1:]
        heard: dict[str, tuple[int, int]] = {}
        for part in parts:
            heard.setdefault(part.item_id, (part.content_index, part.played_ms))
        return heard

    def truncation(self, item_id: str, played_ms: float) -> dict[str, Any] | None:
        """Truncate an item within the audio that was received.

        Returns:
            The `conversation.item.truncate` to send; None if there is nothing to cut.

        Raises:
            TypeError: `played_ms` is not a number.
            ValueError: It is not finite.
        """
        end_ms = self._clamp(item_id, played_ms)
        if not self.is_local or end_ms <= 0:
            return None
        for part in tuple(self._unplayed):
            if part.item_id == item_id:
                self._cut(part)
        latest = self._latest(item_id)
        return {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0 if latest is None else latest.content_index,
            "audio_end_ms": end_ms,
        }

    def _clamp(self, item_id: str, played_ms: float) -> int:
        """Limit a truncation to the audio that came, and that an earlier one left.

        Args:
            item_id: The item.
            played_ms: How much of it was heard.

        Returns:
            Whole milliseconds; 0 where there is nothing to cut: no audio came, or no more of it is left.

        Raises:
            TypeError: `played_ms` is not a number.
            ValueError: It is not finite.
        """
        if isinstance(played_ms, bool) or not isinstance(played_ms, int | float):
            raise TypeError(f"played_ms: expected a number, got {type(played_ms).__name__}")
        if not -float("inf") < played_ms < float("inf"):
            raise ValueError(f"played_ms: expected milliseconds, got {played_ms!r}")
        part = self._latest(item_id)
        if part is None or (part.left_ms is not None and played_ms >= part.left_ms):
            return 0
        return max(0, min(int(played_ms), part.received_ms))

    def reset(self) -> None:
        """Forget everything but how much is still to be played: the session is a new one."""
        self._lost += sum(part.received - part.played for part in self._unplayed)
        self._parts.clear()
        self._unplayed.clear()
        self._incomplete.clear()
        self.to_flush = None

    def _latest(self, item_id: str) -> _Part | None:
        found = [part for (owner, _), part in self._parts.items() if owner == item_id]
        return found[-1] if found else None

    def _cut(self, part: _Part) -> None:
        part.is_cut = True
        if part in self._unplayed:
            self._unplayed.remove(part)

    def _complete(self, parts: list[_Part]) -> None:
        for part in parts:
            part.is_complete = True
        self._incomplete = [part for part in self._incomplete if not part.is_complete]
        self._tidy()

    def _tidy(self) -> None:
        while self._unplayed:
            part = self._unplayed[0]
            more_behind = len(self._unplayed) > 1
            if part.played < part.received or not (part.is_complete or more_behind):
                return
            self._unplayed.pop(0)
