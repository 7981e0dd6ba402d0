"""The methods of `Simulator` that say what is played: what the model answers, what users say, …"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from realtime_simulator.engine.pacing import Pacing
from realtime_simulator.engine.turn import Heard
from realtime_simulator.faults.faults import Faults
from realtime_simulator.hearing import Hearing, Translation, default_hearing, default_translation
from realtime_simulator.scenario import Answer, Match, Scenario, Script
from realtime_simulator.settings import Settings

_MAX_SESSIONS = 1000


@attrs.define
class Direction:
    """What is played, as it is at the moment.

    Args:
        script: What the model answers.
        hearing: What the user's audio is taken to say.
        translation: What translation sessions say.
        mcp_servers: The tools of MCP servers by label; None for one that can't be asked.
    """

    script: Script = attrs.field(factory=Script)
    hearing: Hearing = default_hearing
    translation: Translation = default_translation
    mcp_servers: dict[str, Sequence[Mapping[str, Any]] | None] = attrs.field(factory=dict)


class Stage:
    """What can be said about what is played, before and while a simulator runs."""

    _settings: Settings
    _faults: Faults

    def __init__(self) -> None:
        self._direction = Direction()

    def on_response(
        self,
        answer: Answer | Scenario,
        *,
        match: Match | None = None,
        times: int | None = None,
    ) -> None:
        """Say what the model answers from now on; what was said before counts where this doesn't.

            sim.on_response("It is sunny.", match="weather")
            sim.on_response(sequence(call_tool("book_room", {"nights": 2}), "It is booked."), match="book")

        Without any, the simulator repeats what was said; if that names one of the session's tools, the tool
        is called, and once its output is in, a message says so.

        Args:
            answer: A text to say, `say(…)`, `call_tool(…)`, `call_mcp(…)`, `Fail(…)`, a list of them, or a
                function of the `Turn` that returns one; None leaves the turn to what was said before. A
                function may be a coroutine function, and runs in the simulator's thread.
            match: For which turns: a regular expression that is searched for in the user's words, whatever
                the case, or a function of the `Turn`; None for all.
            times: How often it answers; None for ever.

        Raises:
            TypeError: It is no answer.
            ValueError: `match` is no regular expression, or `times` isn't a whole number from 1.
        """
        self._direction.script.add(answer, match, times)

    def on_speech(self, words: Hearing) -> None:
        """Say what the user's audio is taken to say from now on; nothing here recognizes speech.

        Args:
            words: Called with a `Heard` (`pcm`, `seconds`, `session`) for every turn of the user; returns
                the words. It may be a coroutine function, and runs in the simulator's thread.
        """
        self._direction.hearing = words

    def on_translation(self, words: Translation) -> None:
        """Say what translation sessions say from now on; nothing here knows languages.

        Args:
            words: Called with what was said and the language to translate to, such as `es`; returns the
                translation. It may be a coroutine function, and runs in the simulator's thread.
        """
        self._direction.translation = words

    def mcp_server(self, server_label: str, tools: Sequence[Mapping[str, Any]] | None) -> None:
        """Say which tools an MCP server has; without that it has those that the session allows by name.

        Args:
            server_label: The session's name of the server.
            tools: Objects with `name`, `input_schema` and perhaps `description`; None for a server that
                can't be asked.
        """
        self._direction.mcp_servers[server_label] = tools

    def pace(self, pacing: Pacing) -> None:
        """Say how fast the model answers in the sessions to come.

        Args:
            pacing: Time to first output, and speed against real time; 0 is at once.
        """
        self._settings.pacing = pacing

    def load_scenario(self, scenario: str | os.PathLike[str]) -> None:
        """Play what a YAML file says; what was said before counts where the file doesn't.

        Args:
            scenario: The file's path.

        Raises:
            ScenarioError: The file says what can't be done; the message has line and field. Nothing of it is
                played then.
            OSError: It can't be read.
        """
        path = Path(scenario)
        self.play_scenario(path.read_text(encoding="utf-8"), path.name)

    def play_scenario(self, text: str, name: str = "scenario") -> None:
        """As `load_scenario`, for YAML that was read already.

        Args:
            text: The YAML.
            name: Its name, for messages.
        """
        from realtime_simulator.scenario.file import parse

        file = parse(text, name)
        for rule in reversed(file.rules):
            self._direction.script.add(rule.answer, rule.match, rule.times)
        if file.heard:
            self._direction.hearing = _in_turn(file.heard, self._direction.hearing)
        self._direction.mcp_servers.update(file.mcp_servers)
        if file.pacing is not None:
            self.pace(file.pacing)
        for fault in file.faults:
            self._faults.add(**fault)


def _in_turn(words: Sequence[str], after: Hearing) -> Hearing:
    """What users say, one thing after the other in each session, and what they say after that."""
    numbers: OrderedDict[str, int] = OrderedDict()

    def hear(heard: Heard) -> Any:
        session_id = str(heard.session.get("id"))
        number = numbers.pop(session_id, 0)
        numbers[session_id] = number + 1
        while len(numbers) > _MAX_SESSIONS:
            numbers.popitem(last=False)
        return words[number] if number < len(words) else after(heard)

    return hear
