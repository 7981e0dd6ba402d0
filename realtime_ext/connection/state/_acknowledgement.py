"""An update of the session on its way, and which of the server's descriptions answer it.

`session.updated` names nobody. Where several parties may change one session, as beside a call, it may be the
answer to somebody else's update. It must not hold the session's state.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ._waiters import Waiter

__all__ = ["DOUBT", "Acknowledgement", "Answer", "answer_to"]

JSON = Mapping[str, Any]

DOUBT = 1.0  # seconds in which a refusal still counts after an answer that shows neither yes nor no

# What servers give other names than it was sent with, keep to themselves, or put into another form.
_TELLS_NOTHING = frozenset({"model", "prompt", "tracing"})
_CUT = 64  # characters that two texts have in common by no chance


class Answer(enum.Enum):
    """What a description is to an update."""

    SHOWN = enum.auto()
    """It has what was sent."""
    UNTOLD = enum.auto()
    """Nothing was sent that it could show."""
    DOUBTFUL = enum.auto()
    """It lacks something that was sent, or has it in another form, or has only some of it."""
    FOREIGN = enum.auto()
    """It has something else: whatever this answers, it is not this update."""


class Acknowledgement(Waiter[None]):
    """Waits for the answer to an update.

    Args:
        event_id: The update's id.
        session: What it sets.

    Attributes:
        sign: Filled when there is an answer, also a doubtful one.
        is_given_up: Whether nobody waits for it any more.
    """

    __slots__ = ("event_id", "is_given_up", "session", "sign")

    def __init__(self, event_id: str, session: Any) -> None:
        super().__init__()
        self.event_id = event_id
        self.session = session
        self.sign: Waiter[None] = Waiter()
        self.is_given_up = False

    def _finish(self) -> None:
        super()._finish()
        self.sign.resolve(None)


def answer_to(sent: Any, shown: JSON, before: JSON | None) -> Answer:
    """Say what a description is to an update.

    Only texts, numbers and truth values are looked at: lists and what is cleared come back in other forms.

    Args:
        sent: The session's fields that the update sets.
        shown: The session as the server describes it now.
        before: The same before; None if that isn't known.
    """
    answer = Answer.UNTOLD
    is_unchanged = is_ours = False
    for path, value in _leaves(sent, ()):
        is_shown = _is_shown(value, _at(shown, path))
        if is_shown is False:
            is_unchanged |= before is None or _at(before, path) == _at(shown, path)
            answer = Answer.DOUBTFUL  # if it did change, perhaps to what the server makes of it
        elif is_shown is None:
            answer = Answer.DOUBTFUL
        else:
            is_ours |= before is not None and _is_shown(value, _at(before, path)) is not True
            answer = Answer.SHOWN if answer is Answer.UNTOLD else answer
    # Where one thing became what was sent and another stayed as it was, the server left that out.
    return Answer.FOREIGN if is_unchanged and not is_ours else answer


def _leaves(sent: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(sent, Mapping):
        for name, value in sent.items():
            if name not in _TELLS_NOTHING and (path or name != "type"):
                yield from _leaves(value, (*path, name))
    elif isinstance(sent, str | int | float) and sent != "":
        yield path, sent


def _at(shown: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        shown = shown.get(name) if isinstance(shown, Mapping) else None
    return shown


def _is_shown(sent: str | float, shown: Any) -> bool | None:
    """Whether a value is the one that was sent; None if that can't be told."""
    if isinstance(sent, bool) or isinstance(shown, bool):
        return sent is shown if isinstance(sent, bool) and isinstance(shown, bool) else None
    if isinstance(sent, str) and isinstance(shown, str):
        short, long = sorted((sent.strip().casefold(), shown.strip().casefold()), key=len)
        if not long.startswith(short):
            return False
        rest = long[len(short) :]  # what a text that was cut short lacks, or what is said more exactly: en-us
        return len(short) >= _CUT or rest == "" or (short != "" and rest[0] == "-")
    if isinstance(sent, int | float) and isinstance(shown, int | float):
        return math.isclose(sent, shown, rel_tol=1e-3, abs_tol=1e-6)
    return None
