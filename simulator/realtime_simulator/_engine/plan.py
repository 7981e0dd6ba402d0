"""Plans: generators that make the output of a session step by step.

Code between two yields runs at once; each yielded number is a pause in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import attrs

from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Fail, Pacing, Say
from realtime_simulator._media.speech import RATE, Speech

Plan = Generator[float, None, None]
WAIT = math.inf
"""The pause of a plan that continues when there is new input."""


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
    """Return how long it takes to make this much audio, in seconds."""
    return samples / RATE / pacing.speed if pacing.speed else 0.0


class Answer:
    """The model's answer, as it becomes known.

    The methods that are generators are parts of plans; they wait without a time limit (`WAIT`).
    """

    def __init__(self) -> None:
        self.rest: list[Action] = []
        self.whole: bool = False

    def add(self, actions: Sequence[Action], *, whole: bool) -> None:
        """Add further actions; `whole` if the answer is complete."""
        self.rest += actions
        self.whole = whole

    @property
    def phase(self) -> str:
        """The phase of a message before the remaining actions, as far as they are known."""
        calls = any(isinstance(later, CallTool | CallMcp) for later in self.rest)
        return "commentary" if calls else "final_answer"

    @property
    def breaks_off(self) -> bool:
        """Whether the next action is a failure of the model."""
        return bool(self.rest) and isinstance(self.rest[0], Fail)

    def next(self) -> Generator[float, None, Action | None]:
        """Return the next action, or None at the end."""
        while not self.rest and not self.whole:
            yield WAIT
        return self.rest.pop(0) if self.rest else None

    def joining(self) -> Generator[float, None, Say | None]:
        """Return the next part of the message before it, or None at its end."""
        while not self.rest and not self.whole:
            yield WAIT
        following = self.rest[0] if self.rest else None
        if not isinstance(following, Utterance) or not following.joins:
            return None
        del self.rest[0]
        return following
