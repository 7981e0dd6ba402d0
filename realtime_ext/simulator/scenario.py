"""What the model answers. A scenario is a function from a turn to actions; here is the default one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from realtime_ext.simulator.engine.turn import Action, Say, Turn

Answer = Action | str | Sequence[Action | str]
Scenario = Callable[[Turn], Answer | Awaitable[Answer]]


def default(turn: Turn) -> Answer:
    """Answer what was said."""
    if turn.text:
        return Say(f"You said: {turn.text}")
    return Say("Hello, this is the simulator speaking. How can I help you?")


def actions(answer: Answer) -> list[Action]:
    """Return an answer as a list of actions.

    Args:
        answer: One action or several; a text is something to say.
    """
    several = [answer] if isinstance(answer, str) or not isinstance(answer, Sequence) else answer
    return [Say(action) if isinstance(action, str) else action for action in several]
