"""Plans: generators that make the output of a session step by step.

What stands between two yields happens at once; each yielded number is a pause in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import attrs

from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Fail, Pacing, Say
from realtime_simulator._media.speech import RATE, Speech

Plan = Generator[float, None, None]
WAIT = math.inf
"""The pause of a plan that goes on when there is something new."""


def pieces(text: str) -> list[str]:
    """Return a text cut into words that join to it again, as the API's deltas do."""
    cut: list[str] = []
    for word in text.split(" "):
        cut.append(f" {word}" if cut else word)
    return [piece for piece in cut if piece]


@attrs.frozen
class Utterance(Say):
    """A message with its sound, or a piece of a message that comes bit by bit.

    Args:
        speech: Its sound; None until it is synthesized, and for text output.
        joins: Whether it continues the message before it.
    """

    speech: Speech | None = attrs.field(default=None, repr=False, kw_only=True)
    joins: bool = attrs.field(default=False, kw_only=True)

    @classmethod
    def voiced(cls, say: Say, speech: Speech) -> Utterance:
        """Return a message with its sound."""
        joins = isinstance(say, Utterance) and say.joins
        return cls(say.text, phase=say.phase, sound=say.sound, speech=speech, joins=joins)


def speech_of(action: Action) -> Speech | None:
    """Return the sound of a message; None for one without, and for other actions."""
    return action.speech if isinstance(action, Utterance) else None


def audio_pause(pacing: Pacing, samples: int) -> float:
    """Return how long making this much audio lasts, in seconds."""
    return samples / RATE / pacing.speed if pacing.speed else 0.0


class Answer:
    """What the model answers, as it becomes known.

    The methods that are generators are parts of plans; they wait for what comes, without end (`WAIT`).
    """

    def __init__(self) -> None:
        self.rest: list[Action] = []
        self.whole: bool = False

    def add(self, actions: Sequence[Action], *, whole: bool) -> None:
        """Add what follows; `whole` if that is all."""
        self.rest += actions
        self.whole = whole

    @property
    def phase(self) -> str:
        """The phase of a message that comes before what is left, as far as that is known."""
        calls = any(isinstance(later, CallTool | CallMcp) for later in self.rest)
        return "commentary" if calls else "final_answer"

    @property
    def breaks_off(self) -> bool:
        """Whether the next thing is that the model fails."""
        return bool(self.rest) and isinstance(self.rest[0], Fail)

    def next(self) -> Generator[float, None, Action | None]:
        """Return the next action, or None at the end."""
        while not self.rest and not self.whole:
            yield WAIT
        return self.rest.pop(0) if self.rest else None

    def joining(self) -> Generator[float, None, Say | None]:
        """Return what goes on with the message before it, or None if that is over."""
        while not self.rest and not self.whole:
            yield WAIT
        following = self.rest[0] if self.rest else None
        if not isinstance(following, Utterance) or not following.joins:
            return None
        del self.rest[0]
        return following
