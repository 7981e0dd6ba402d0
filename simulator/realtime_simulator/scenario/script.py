"""Scenarios in order: the newest is asked first; without an answer it leaves the turn to the one before."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterator

import attrs

from realtime_simulator.engine.turn import CallMcp, CallTool, Turn
from realtime_simulator.scenario.answers import Answer, Scenario, actions
from realtime_simulator.scenario.default import default, since_user

Match = str | re.Pattern[str] | Callable[[Turn], bool]


@attrs.define(eq=False)
class _Rule:
    answer: Answer | Scenario
    matches: Callable[[Turn], bool]
    left: int | None


class Script:
    """What a simulator's model answers. Any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: tuple[_Rule, ...] = ()

    def add(self, answer: Answer | Scenario, match: Match | None = None, times: int | None = None) -> None:
        """Put a scenario before those that are there.

        Args:
            answer: The scenario, or what it always answers.
            match: For which turns: a regular expression that is searched for in the user's words, whatever
                the case, or a function of the turn; None for all.
            times: How often it answers; None for ever.

        Raises:
            TypeError: It is no answer.
            ValueError: The expression is wrong, or `times` is no whole number from 1.
        """
        if not callable(answer):
            actions(answer)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError(f"times: allowed is a whole number from 1, or None, got {times!r}")
        rule = _Rule(answer, _matching(match), times)
        with self._lock:
            self._rules = (rule, *self._rules)

    def clear(self) -> None:
        """Leave everything to the default again."""
        with self._lock:
            self._rules = ()

    async def __call__(self, turn: Turn) -> Answer:
        """Return what the model answers."""
        for rule in self._rules:
            if rule.left == 0 or not rule.matches(turn) or _was_called(rule.answer, turn):
                continue
            answer = rule.answer(turn) if callable(rule.answer) else rule.answer
            if inspect.isawaitable(answer):
                answer = await answer
            if answer is not None:
                if rule.left is not None:
                    rule.left -= 1
                return answer
        return default(turn)


def _matching(match: Match | None) -> Callable[[Turn], bool]:
    if match is None:
        return lambda turn: True
    if isinstance(match, str):
        try:
            match = re.compile(match, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"match: {match!r} is no regular expression: {error}") from error
    if isinstance(match, re.Pattern):
        return lambda turn, pattern=match: pattern.search(turn.text) is not None  # type: ignore[misc]
    if not callable(match):
        raise TypeError(f"match: expected a str, a pattern or a function, got {type(match).__name__}")
    return match


def _was_called(answer: Answer | Scenario, turn: Turn) -> bool:
    """Whether a fixed answer is to call tools that were called already since the user spoke.

    The words that asked for the call are still the last ones when its output is in: to call again would never
    end.
    """
    if callable(answer):
        return False
    wanted = {(action.name, action.arguments) for action in _calls(answer)}
    made = {(item.get("name"), item.get("arguments")) for item in since_user(turn)}
    return bool(wanted) and wanted <= made


def _calls(answer: Answer) -> Iterator[CallTool | CallMcp]:
    for action in actions(answer):
        if isinstance(action, CallTool | CallMcp):
            yield action
