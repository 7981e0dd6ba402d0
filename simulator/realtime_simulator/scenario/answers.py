"""Answers of the model, and sequences of them."""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from realtime_simulator.engine.turn import Action, Say, Turn

Answer = Action | str | Sequence[Action | str]
Scenario = Callable[[Turn], Answer | Awaitable[Answer | None] | None]
_MAX_SESSIONS = 1000


def actions(answer: Answer) -> list[Action]:
    """Return an answer as a list of actions.

    Args:
        answer: One action or several; a text is something to say.

    Raises:
        TypeError: It is something else.
    """
    several = [answer] if isinstance(answer, str) or not isinstance(answer, Sequence) else answer
    for action in several:
        if not isinstance(action, (str, *typing.get_args(Action))):
            raise TypeError(
                "an answer is a text, say(…), call_tool(…), call_mcp(…), Fail(…), or a list of them; "
                f"got {type(action).__name__}"
            )
    return [Say(action) if isinstance(action, str) else action for action in several]


class sequence:
    """A scenario that answers one thing after the other, in each session from the start.

        sim.on_response(sequence(call_tool("book_room", {"nights": 2}), "It is booked.", "Goodbye."))

    Args:
        answers: The answers to a session's first, second, … response; functions of the turn, too.
        repeat: Whether it starts over at its end; otherwise the turns after it are left to others.
    """

    def __init__(self, *answers: Answer | Scenario, repeat: bool = False) -> None:
        if not answers:
            raise ValueError("sequence: at least one answer is needed")
        self._answers = answers
        self._repeat = repeat
        self._next: OrderedDict[str, int] = OrderedDict()

    def __call__(self, turn: Turn) -> Answer | Awaitable[Answer | None] | None:
        session_id = str(turn.session.get("id"))
        number = self._next.pop(session_id, 0)
        self._next[session_id] = number + 1
        while len(self._next) > _MAX_SESSIONS:
            self._next.popitem(last=False)
        if number >= len(self._answers) and not self._repeat:
            return None
        answer = self._answers[number % len(self._answers)]
        return answer(turn) if callable(answer) else answer
