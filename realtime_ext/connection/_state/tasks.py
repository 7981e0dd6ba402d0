"""Tasks that a Live model delegates to the program, and the user's words that belong to each.

The wire names none of the words: a delegation comes while the user speaks, or soon after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from ..._core.utterances import PAUSE_MS, Utterance
from .claims import Claims
from .messages import text_or_none

_KEPT = 512  # pieces of the transcript among which the words of a task are found
_WAITING = 64  # tasks that are kept for a handler which is yet to come


@attrs.define
class _Session:
    """The session of some tasks."""

    is_lost: bool = False


@attrs.define
class Task:
    """Work that the model has delegated to the program.

    Args:
        id: The delegation's id.
        pieces: The user's words that belong to it so far, as they came.
        session: The session that it belongs to.
    """

    id: str
    pieces: list[Utterance] = attrs.field(repr=False)
    session: _Session = attrs.field(factory=_Session, repr=False)

    @property
    def is_lost(self) -> bool:
        """Whether its session was lost, so that the model hears of it no more."""
        return self.session.is_lost

    @property
    def words(self) -> str:
        """The user's words so far."""
        text, end_ms = "", None
        for piece in self.pieces:
            is_apart = end_ms is not None and piece.start_ms - end_ms >= PAUSE_MS
            text += f" {piece.text.lstrip()}" if is_apart else piece.text
            end_ms = piece.end_ms
        return text.strip()


class Tasks:
    """The tasks of one connection.

    Attributes:
        claims: What the connections of the session in this process do.
        on_task: Called when there is a further task; None if the program works on none.
    """

    __slots__ = (
        *("_begun", "_handed", "_known", "_latest", "_pieces", "_session", "_taken_ms", "_waiting"),
        *("__weakref__", "claims", "on_task"),
    )

    def __init__(self) -> None:
        self.claims: Claims = Claims()
        self.on_task: Callable[[], object] | None = None
        self._session = _Session()
        self._pieces: deque[Utterance] = deque(maxlen=_KEPT)
        self._latest: Task | None = None  # to which the user may add words
        self._taken_ms: float = 0  # where on the timeline the words of the tasks end
        self._waiting: deque[Task] = deque(maxlen=_WAITING)
        self._begun: dict[str, Task] = {}
        self._handed: deque[Task] = deque()  # that another program left
        self._known: frozenset[str] = frozenset()  # to it

    def take_over(self, tasks: Mapping[str, str], done: Collection[str]) -> None:
        """Work on tasks that another program left.

        Args:
            tasks: The user's words of each, by their ids.
            done: The ids of those that need nothing more.
        """
        self._known = frozenset((*tasks, *done))
        self._waiting = deque((task for task in self._waiting if task.id not in self._known), _WAITING)
        for task_id, words in tasks.items():
            piece = Utterance(speaker="user", text=words, start_ms=0, end_ms=0)
            self._handed.append(Task(task_id, [piece], self._session))

    def next(self) -> Task | None:
        """Remove and return the oldest task that no connection has begun; None if there is none now."""
        if self._handed:
            task = self._handed.popleft()
            self._begun[task.id] = task
            return task
        while self._waiting:
            task = self._waiting.popleft()
            if self.claims.claim(task.id, self):
                self._begun[task.id] = task
                return task
        return None

    def done(self, task: Task) -> None:
        """Record that a task's handler has ended: later words are not its own."""
        self._begun.pop(task.id, None)
        if self._latest is task:
            self._latest = None

    def lose(self) -> list[str]:
        """Drop all tasks, whose session was lost; return the ids of those that are not done."""
        lost = [*self._begun.values(), *self._handed, *self._waiting]
        self._begun.clear()
        self._handed.clear()
        self._waiting.clear()
        self._pieces.clear()
        self._latest, self._taken_ms = None, 0
        self._session.is_lost = True
        self._session = _Session()
        return [task.id for task in lost]

    def heard(self, piece: Utterance) -> None:
        """Record a piece of the transcript."""
        if piece.speaker == "user" and self._latest is not None:
            if self._is_answered(self._latest, piece):
                self._latest = None
            else:
                self._latest.pieces.append(piece)
                self._taken_ms = piece.end_ms
        self._pieces.append(piece)

    def delegated(self, delegation: Any) -> None:
        """Record a delegation; those to others than the program are ignored."""
        if not isinstance(delegation, Mapping):
            return
        task_id = text_or_none(delegation.get("id"))
        if (
            task_id is not None
            and task_id not in self._known
            and delegation.get("target", "client") == "client"
        ):
            self._latest = Task(task_id, self._asked(), self._session)
            if self._latest.pieces:
                self._taken_ms = self._latest.pieces[-1].end_ms
            self._waiting.append(self._latest)
            if self.on_task is not None:
                self.on_task()

    def _is_answered(self, task: Task, piece: Utterance) -> bool:
        """Return whether the model spoke in a pause between a task's words and these, which begin another."""
        before = self._pieces[-1] if self._pieces else None
        if before is None or before.speaker == "user" or not task.pieces:
            return False
        return piece.start_ms - task.pieces[-1].end_ms >= PAUSE_MS

    def _asked(self) -> list[Utterance]:
        """Return what the user said last: back to a pause in which the model spoke, or to the last task."""
        found: list[Utterance] = []
        has_model_spoken = False
        for piece in reversed(self._pieces):
            if piece.speaker == "assistant":
                has_model_spoken = True
                continue
            is_apart = bool(found) and found[-1].start_ms - piece.end_ms >= PAUSE_MS
            if piece.start_ms < self._taken_ms or (is_apart and has_model_spoken):
                break
            found.append(piece)
            has_model_spoken = False
        return found[::-1]
