"""The answers of the model and the words of users: rules in order, and the defaults.

The newest rule is tried first; without an answer it passes the turn on to the one before. Speech is not
recognized here and nothing is translated: functions return the words.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import threading
import typing
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.turn import (
    Action,
    CallMcp,
    CallTool,
    Cue,
    Fail,
    Heard,
    Pause,
    Say,
    Transcript,
    Turn,
    pause,
)
from realtime_simulator._engine.vad import has_voice
from realtime_simulator._scenario import built_in_mcp
from realtime_simulator._scenario.callers import CallerAct, Referral
from realtime_simulator._scenario.expressions import Budget, Expression, Found
from realtime_simulator._scenario.tool_arguments import fitting

Answer = Action | str | Sequence[Action | str]
Scenario = Callable[[Turn], Answer | AsyncIterator[Answer] | Awaitable[Answer | None] | None]
Match = str | re.Pattern[str] | Callable[[Turn], bool]
Hearing = Callable[[Heard], str | Transcript | Awaitable[str | Transcript | None] | None]
Translation = Callable[[str, str], str | Awaitable[str]]
Voice = Callable[[str, str], bytes | Awaitable[bytes]]
MAX_OUTPUT = 500
"""Characters of a tool's output that are repeated."""
_MAX_SESSIONS = 1000
PLACE: re.Pattern[str] = re.compile(r"\{(\w+)\}")
"""Where a group of a match is put into a text."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def actions(answer: Answer) -> list[Action]:
    """Return an answer as a list of actions.

    Args:
        answer: One action or several; a text is something to say.

    Raises:
        TypeError: It is of another type.
    """
    several = [answer] if isinstance(answer, str) or not isinstance(answer, Sequence) else answer
    for action in several:
        if not isinstance(action, (str, *typing.get_args(Action))):
            raise TypeError(
                "an answer is a text, say(…), call_tool(…), call_mcp(…), Fail(…), or a list of them; "
                f"got {type(action).__name__}"
            )
    return [Say(action) if isinstance(action, str) else action for action in several]


def check_answer(answer: Answer) -> list[Action]:
    """Return the actions of a whole answer.

    Raises:
        TypeError: It is not an answer.
        ValueError: It only waits, so that the response would be empty.
    """
    found = actions(answer)
    if found and all(isinstance(action, Pause) for action in found):
        raise ValueError(
            "pause: expected an action after it, as in [pause(2), 'Hello.']; a lone pause is not an answer"
        )
    return found


def cues(timeline: Mapping[float, Answer]) -> list[Cue]:
    """Return the cues of a timeline, in order.

    Args:
        timeline: Answers by their position in seconds.

    Raises:
        TypeError: An answer or a position is of another type.
        ValueError: A position is negative or endless.
    """
    found = []
    for at, answer in timeline.items():
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise TypeError(f"timeline: a position is a number of seconds, got {at!r}")
        if not 0 <= at < math.inf:
            raise ValueError(f"timeline: a position of at least 0 s is needed, got {at!r}")
        found.append(Cue(round(at * 1000), actions(answer)))
    return sorted(found, key=lambda cue: cue.at_ms)


class _Counter:
    """Counts in each session from 0; sessions that were unused for long are forgotten."""

    def __init__(self) -> None:
        self._next: OrderedDict[str, int] = OrderedDict()

    def peek(self, session: Mapping[str, Any]) -> int:
        return self._next.get(str(session.get("id")), 0)

    def __call__(self, session: Mapping[str, Any]) -> int:
        session_id = str(session.get("id"))
        number = self._next.pop(session_id, 0)
        self._next[session_id] = number + 1
        while len(self._next) > _MAX_SESSIONS:
            self._next.popitem(last=False)
        return number


class sequence:
    """A scenario that gives one answer after the other, in each session from the start.

        simulator.on_response(sequence(call_tool("book_room", {"nights": 2}), "It is booked.", "Goodbye."))

    Args:
        answers: The answers to a session's first, second, … response; functions of the turn as well.
        repeat: Whether it starts over at its end; otherwise the turns after it are passed on to earlier
            rules.
    """

    def __init__(self, *answers: Answer | Scenario, repeat: bool = False) -> None:
        if not answers:
            raise ValueError("sequence: at least one answer is needed")
        for answer in answers:
            if not callable(answer):
                check_answer(answer)
        self._answers = answers
        self._repeat = repeat
        self._count = _Counter()

    def __call__(self, turn: Turn) -> Answer | AsyncIterator[Answer] | Awaitable[Answer | None] | None:
        number = self._count(turn.session)
        if number >= len(self._answers) and not self._repeat:
            return None
        answer = self._answers[number % len(self._answers)]
        return answer(turn) if callable(answer) else answer


def default(turn: Turn) -> Answer:
    """Answer the user's words.

    If the user's words name one of the tools, it is called, with arguments that fit its schema; once the
    output is in, a message repeats it. `tool_choice` is respected. Tools of the built-in MCP server are
    called in the same way, and answer in the same response.

    Args:
        turn: The turn to answer.
    """
    recent = since_user(turn)
    called = [item["name"] for item in recent if item.get("type") == "function_call"]
    tool = next((tool for tool in _wanted(turn) if tool["name"] not in called), None)
    if tool is not None:
        arguments = fitting(tool.get("parameters") or {}, turn.text)
        return CallTool(tool["name"], json.dumps(arguments, ensure_ascii=False))
    if (made := _built_in(turn, recent)) is not None:
        failed = made.error is not None
        return [made, Say(f"{made.name} {'failed' if failed else 'answered'}: {made.error or made.output}")]
    outputs = list(_outputs(turn, recent))
    if outputs:
        return Say(" ".join(f"{name} answered: {output}" for name, output in outputs))
    if turn.text:
        return Say(f"You said: {turn.text}")
    return Say("Hello, this is the simulator speaking. How can I help you?")


def since_user(turn: Turn) -> Sequence[Mapping[str, Any]]:
    """Return the items that came after the user's last message."""
    places = [number for number, item in enumerate(turn.items) if item.get("role") == "user"]
    return turn.items[places[-1] + 1 :] if places else turn.items


def _wanted(turn: Turn) -> list[Mapping[str, Any]]:
    """Return the tools to call: those that are named, or the one that has to be used."""
    tools = [tool for tool in turn.tools if tool.get("type", "function") == "function" and "name" in tool]
    choice = turn.response.get("tool_choice") or turn.session.get("tool_choice", "auto")
    if choice == "none":
        return []
    if isinstance(choice, Mapping):
        return [tool for tool in tools if tool["name"] == choice.get("name")]
    named = [tool for tool in tools if _is_named(tool["name"], turn.text)]
    return tools[:1] if choice == "required" and not named else named


def _built_in(turn: Turn, recent: Sequence[Mapping[str, Any]]) -> CallMcp | None:
    """Return the call of a tool of the built-in MCP server that the user names; None if there is none."""
    choice = turn.response.get("tool_choice") or turn.session.get("tool_choice", "auto")
    called = {item.get("name") for item in recent if str(item.get("type")).startswith("mcp_")}
    servers = {tool.get("server_label") for tool in turn.tools if tool.get("type") == "mcp"}
    for item in turn.items if choice in ("auto", "required") else ():
        if item.get("type") != "mcp_list_tools" or item["server_label"] not in servers:
            continue
        for tool in item["tools"]:
            name = tool["name"]
            if tool in built_in_mcp.TOOLS and name not in called and _is_named(name, turn.text):
                return built_in_mcp.call(item["server_label"], name, turn.text)
    return None


def _is_named(name: str, text: str) -> bool:
    """Return whether a text has a tool's name, also in words: `book_room`, `bookRoom`, "book room"."""
    words = [re.escape(word) for word in _PARTS.findall(name)] or [re.escape(name)]
    pattern = r"(?<![A-Za-z0-9])" + r"[\s_\-]*".join(words) + r"(?![A-Za-z0-9])"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _outputs(turn: Turn, recent: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    names = {item.get("call_id"): str(item.get("name")) for item in turn.items if "name" in item}
    for item in recent:
        if item.get("type") == "function_call_output":
            output = str(item.get("output", ""))
            shown = output if len(output) <= MAX_OUTPUT else output[:MAX_OUTPUT] + "…"
            yield names.get(item.get("call_id"), "The tool"), shown


_Groups = Mapping[str, str]


@attrs.define(eq=False)
class _Rule:
    answer: Answer | Scenario
    matches: Callable[[Turn, Budget], _Groups | None]
    left: int | None
    delay: float

    def count(self, change: int) -> None:
        """Change how often it may still answer."""
        if self.left is not None:
            self.left += change

    async def answered(self, turn: Turn, groups: _Groups) -> Answer | AsyncIterator[Answer] | None:
        """Return the rule's answer to a turn that it matches; None passes the turn on."""
        if not callable(self.answer):
            fixed = _filled(self.answer, groups)
            return None if _was_called(fixed, turn) else fixed
        made = self.answer(turn)
        answer = await made if inspect.isawaitable(made) else made
        if answer is None or isinstance(answer, AsyncIterator):
            return answer
        check_answer(answer)
        if not isinstance(self.answer, sequence):
            return answer
        return _filled(answer, groups)


class Script:
    """The answers of a simulator's model: rules, then the default. Any thread may add rules."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: tuple[_Rule, ...] = ()

    def add(
        self,
        answer: Answer | Scenario,
        match: Match | None = None,
        times: int | None = None,
        delay: float = 0.0,
    ) -> None:
        """Add a rule before the earlier ones.

        Args:
            answer: The scenario, or a fixed answer.
            match: The turns that it applies to: a regular expression that is searched for in the user's
                words, ignoring case, or a function of the turn; None for all. The groups of a match replace
                `{1}` or `{name}` in a fixed answer's texts.
            times: How often it answers; None for any number.
            delay: Seconds until it answers.

        Raises:
            TypeError: It is not an answer.
            ValueError: It is a lone pause, the expression is invalid, `times` is not a whole number from 1,
                or `delay` is negative.
        """
        if not callable(answer):
            check_answer(answer)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError(f"times: allowed is a whole number from 1, or None, got {times!r}")
        rule = _Rule(answer, _matching(match), times, pause(delay).seconds)
        with self._lock:
            self._rules = (rule, *self._rules)

    def copy(self) -> Script:
        """Return a script with the rules of this one."""
        other = Script()
        other._rules = tuple(attrs.evolve(rule) for rule in self._rules)
        return other

    async def __call__(self, turn: Turn) -> Answer | AsyncIterator[Answer]:
        """Return the model's answer, or an iterator that yields it bit by bit."""
        budget = Budget()
        for rule in self._rules:
            groups = None if rule.left == 0 else rule.matches(turn, budget)
            if groups is None:
                continue
            rule.count(-1)  # now: others may ask while this one is awaited
            answer = None
            try:
                answer = await rule.answered(turn, groups)
            finally:
                if answer is None:
                    rule.count(1)
            if answer is None:
                continue
            return _delayed(answer, rule.delay) if rule.delay else answer
        return default(turn)


def _delayed(answer: Answer | AsyncIterator[Answer], seconds: float) -> Answer | AsyncIterator[Answer]:
    if not isinstance(answer, AsyncIterator):
        return [Pause(seconds), *actions(answer)]

    async def later() -> AsyncIterator[Answer]:
        yield Pause(seconds)
        async for one in answer:
            yield one

    return later()


def _filled(answer: Answer, groups: _Groups) -> Answer:
    """Return an answer with what an expression's groups found in its texts."""
    if not groups:
        return answer
    return [_with_groups(action, groups) for action in actions(answer)]


def _with_groups(action: Action, groups: _Groups) -> Action:
    def put(text: str, *, json_text: bool = False) -> str:
        def value(found: re.Match[str]) -> str:
            group = groups.get(found[1])
            if group is None:
                return found[0]
            return json.dumps(group, ensure_ascii=False)[1:-1] if json_text else group

        return PLACE.sub(value, text)

    match action:
        case Say():
            return attrs.evolve(action, text=put(action.text))
        case CallTool():
            return attrs.evolve(action, arguments=put(action.arguments, json_text=True))
        case CallMcp():
            error = None if action.error is None else put(action.error)
            arguments = put(action.arguments, json_text=True)
            return attrs.evolve(action, arguments=arguments, output=put(action.output), error=error)
        case Fail():
            return attrs.evolve(action, message=put(action.message))
        case _:
            return action


def _groups_of(found: Found | re.Match[str], count: int) -> _Groups:
    numbered = {str(number): found.group(number) or "" for number in range(1, count + 1)}
    return {**numbered, **{name: value or "" for name, value in found.groupdict().items()}}


def _matching(match: Match | None) -> Callable[[Turn, Budget], _Groups | None]:
    if match is None:
        return lambda turn, budget: {}
    if isinstance(match, str):
        try:
            expression = Expression(match)
        except ValueError as error:
            raise ValueError(f"match: {error}") from error

        def search(turn: Turn, budget: Budget) -> _Groups | None:
            found = expression.search(turn.text, budget)
            return None if found is None else _groups_of(found, expression.groups)

        return search
    if isinstance(match, re.Pattern):
        pattern = match

        def search_pattern(turn: Turn, budget: Budget) -> _Groups | None:
            found = pattern.search(turn.text)
            return None if found is None else _groups_of(found, pattern.groups)

        return search_pattern
    if not callable(match):
        raise TypeError(f"match: expected a str, a pattern or a function, got {type(match).__name__}")
    decides = match
    return lambda turn, budget: {} if decides(turn) else None


def _was_called(answer: Answer, turn: Turn) -> bool:
    """Return whether a fixed answer is to call tools that were called already since the user spoke.

    The words that requested the call are still the last ones when its output is in: calling again would never
    end.
    """
    wanted = {(action.name, action.arguments) for action in _calls(answer)}
    made = {(item.get("name"), item.get("arguments")) for item in since_user(turn)}
    return bool(wanted) and wanted <= made


def _calls(answer: Answer) -> Iterator[CallTool | CallMcp]:
    for action in actions(answer):
        if isinstance(action, CallTool | CallMcp):
            yield action


def default_hearing(heard: Heard) -> str | None:
    """Return how long the user spoke, in words, once that is certain; nothing for silence and noise."""
    if not heard.finished:
        return None
    return f"{heard.seconds:.1f} seconds of speech" if has_voice(heard.pcm) else ""


def in_turns_alone(words: Hearing) -> Hearing:
    """Return a hearing that doesn't ask for the words while the user pauses."""
    return lambda heard: None if heard.paused else words(heard)


def default_translation(text: str, language: str) -> str:
    """Return the words unchanged, marked with the target language."""
    return f"({language}) {text}"


@attrs.define
class Behavior:
    """The current behavior of a simulator's model and users.

    Args:
        script: The model's answers.
        hearing: Returns the words of the user's audio.
        translation: Returns the translation in translation sessions.
        voice: Returns a text's sound; None for the simulator's own voice.
        mcp_servers: The tools of MCP servers by label; None for one that can't be reached.
        caller: The acts of each phone call's caller once the call is accepted.
        refer: The outcome of referring a caller; None for none.
        cues: What the model does along the timelines of the Live sessions that begin; None if it answers.
        speech: Where the user speaks in the sessions that begin, from and to, in ms; None for detection.
    """

    script: Script = attrs.field(factory=Script)
    hearing: Hearing = default_hearing
    translation: Translation = default_translation
    voice: Voice | None = None
    mcp_servers: dict[str, Sequence[Mapping[str, Any]] | None] = attrs.field(factory=dict)
    caller: Sequence[CallerAct] = ()
    refer: Referral | None = None
    cues: Sequence[Cue] | None = None
    speech: Sequence[tuple[int, int]] | None = None

    def become(self, other: Behavior) -> None:
        """Copy another behavior."""
        for field in attrs.fields(Behavior):
            setattr(self, field.name, getattr(other, field.name))

    def copy(self) -> Behavior:
        """Return an independent copy."""
        return attrs.evolve(self, script=self.script.copy(), mcp_servers=dict(self.mcp_servers))

    def hear_in_turn(self, words: Sequence[str | Transcript]) -> None:
        """Set the users' words, one turn after the other in each session; then the earlier behavior applies.

        Args:
            words: The words; with none, nothing changes.
        """
        if not words:
            return
        count, before = _Counter(), self.hearing

        def hear(heard: Heard) -> str | Transcript | Awaitable[str | Transcript | None] | None:
            number = (count.peek if heard.paused else count)(heard.session)
            return words[number] if number < len(words) else before(heard)

        self.hearing = hear
