"""The scenarios of OpenAI's Cookbook for voice agents as scripts: JSON, schema 1.0.

    {"schema_version": "1.0", "scenarios": [{
      "id": "date_correction", "title": "Correct a date", "interaction": "multi_turn",
      "input": {"text": "Please book a table for two on August 7."},
      "application": {"initial_state": {}},
      "simulation_parameters": {
        "goal": "Correct the date to August 8.", "known_facts": {"guest_name": "Maya"},
        "agenda": [{"id": "correct", "commitment": "Correct the date.", "action": "correct",
                    "trigger_condition": "…", "completion_condition": "…",
                    "response_hint": "Make that August 8, please."}]},
      "expected": {"answer": "Confirm August 8.", "tools": {"required": [{"name": "create_reservation"}]},
                   "state": {"date": "2026-08-08"}}}]}

Without a chat model the caller says the hints of the agenda in their order, each once the app has replied;
with one, it plays the goal. What the Cookbook leaves to a judge (`answer`, `criteria`) is not judged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import attrs

from realtime_simulator._rehearsal.caller import Caller
from realtime_simulator._rehearsal.conversation import words
from realtime_simulator._rehearsal.expected import Delegation, Expected, ExpectedTool
from realtime_simulator._rehearsal.script import Script
from realtime_simulator._rehearsal.state import AppState
from realtime_simulator._rehearsal.transport import Over
from realtime_simulator._scenario.scenario_file import Located, read_yaml, text_of

_GREETING_SECONDS = 2.0
_REPLY_SECONDS = 10.0
_WAIT_SECONDS = 2.0
_TURNS = 12
_CLOSING = "Thank you, good bye."
_ACTIONS = ("answer", "correct", "backchannel", "interrupt", "finish", "wait")
_SCENARIO = (
    "id",
    "title",
    "type",
    "interaction",
    "input",
    "application",
    "expected",
    "tags",
    "simulation_parameters",
)
_EXPECTED = (
    "answer",
    "criteria",
    "tools",
    "golden_path",
    "diagnostic_terms",
    "delegation",
    "state",
    "procedure",
)
_PARAMETERS = ("goal", "known_facts", "agenda", "persona", "expectations")
_PERSONA = (
    "id",
    "description",
    "voice",
    "speech_instructions",
    "verbosity",
    "interrupt_tendency",
    "backchannel_tendency",
    "backchannels",
)
_OBJECTIVE = (
    "id",
    "commitment",
    "trigger_condition",
    "completion_condition",
    "completion_basis",
    "wording_policy",
    "action",
    "facts",
    "response_hint",
    "after",
    "required",
)


@attrs.frozen(kw_only=True)
class Objective:
    """One thing that a caller wants to bring about.

    Args:
        commitment: What, as an instruction.
        trigger: When.
        action: `answer`, `correct`, `backchannel`, `interrupt`, `finish` or `wait`.
        words: How the caller may put it; empty for nothing given.
        facts: The facts that the caller tells by it.
        is_required: Whether a call without it says nothing about the app.
    """

    commitment: str
    trigger: str
    action: str
    words: str
    facts: Mapping[str, Any]
    is_required: bool


@attrs.frozen(kw_only=True)
class ScenarioScript(Script):
    """A scenario of the Cookbook, as a script.

    Args:
        id: Its id, for folders.
        opening: What the caller says first.
        recording: The file with the opening's sound; None for a voice.
        goal: What the caller wants.
        persona: How the caller is.
        facts: What the caller knows.
        agenda: What the caller wants to bring about, in order.
        initial_state: What the app's state is at the beginning.
        expected: What is expected of the app.
        state: Where the app's state is; None if it can't be read.
    """

    id: str
    opening: str
    recording: Path | None = None
    goal: str = ""
    persona: str = ""
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    agenda: Sequence[Objective] = ()
    initial_state: Mapping[str, Any] = attrs.field(factory=dict)
    expected: Expected = attrs.field(factory=Expected)
    state: AppState | None = None

    def check(self, over: Over) -> None:
        """Accept every kind of call."""

    async def play(self, caller: Caller, call: Callable[..., Caller]) -> Caller:
        """Let a caller follow the agenda, or play the goal if it has a chat model; and judge the app."""
        if self.state is not None:
            await self.state.put(self.initial_state)
        async with caller:
            await caller.listens(_GREETING_SECONDS)
            await caller.says(self.opening, sound=self.recording)
            if caller.has_brain and self.goal:
                await self._plays(caller)
            else:
                await self._follows(caller)
        found = None if self.state is None else await self.state.get()
        if problems := caller.problems(self.expected, found):
            caller.fail("\n".join(problems))
        return caller

    async def _follows(self, caller: Caller) -> None:
        for one in self.agenda:
            text = one.words or ", ".join(map(str, one.facts.values()))
            if one.action == "interrupt":
                await caller.interrupts(text or one.commitment)
            elif one.action == "backchannel":
                await caller.backchannel(text or "mhm")
            elif one.action == "wait":
                await caller.stays_silent(_WAIT_SECONDS)
            else:
                await caller.listens(_REPLY_SECONDS)
                if caller.ended is not None and not one.is_required:
                    break
                await caller.says(text or (_CLOSING if one.action == "finish" else one.commitment))
                if one.action == "finish":
                    caller.closes()
        await caller.listens(_REPLY_SECONDS)

    async def _plays(self, caller: Caller) -> None:
        goal = "\n".join(
            [
                self.goal,
                *([f"You: {self.persona}"] if self.persona else []),
                *(f"- {one.commitment} When: {one.trigger}" for one in self.agenda),
                *(f"{name}: {value}" for name, value in self.facts.items()),
                f"You have already said: {self.opening}",
            ]
        )
        turns = max(_TURNS, self.expected.turns)
        if not await caller.plays(goal, turns=turns):
            caller.is_invalid(f"the caller did not come to an end within {turns} turns")
        said = {word for one in caller.moments if one.who == "caller" for word in words(one.text)}
        for one in self.agenda:
            for name, value in one.facts.items():
                if one.is_required and str(value).isalpha() and not said.issuperset(words(str(value))):
                    caller.is_invalid(f"the caller has not said {name}, {value!r}")


def load_scenarios(path: str | os.PathLike[str]) -> Sequence[ScenarioScript]:
    """Read a file of scenarios.

    Args:
        path: A JSON file.

    Raises:
        OSError: It can't be read.
        ScenarioError: It is invalid; the message has the line and the field.
    """
    file = Path(path)
    root = read_yaml(text_of(file), file.name, file.parent)  # JSON is YAML
    fields = _fields(root, ("schema_version", "scenarios"), needed=("scenarios",))
    version = fields.get("schema_version")
    if version is not None and version.value != "1.0":
        version.refuse(f"allowed is '1.0', got {version.value!r}")
    found, ids = [], set[str]()
    for part in fields["scenarios"].list(1):
        script = _script(part)
        if script.id.casefold() in ids:
            part.refuse(f"two scenarios have the id {script.id!r}")
        ids.add(script.id.casefold())
        found.append(script)
    return found


def _script(part: Located) -> ScenarioScript:
    fields = _fields(part, _SCENARIO, needed=("id", "title", "interaction", "input", "expected"))
    interaction = _one_of(fields["interaction"], ("single_turn", "multi_turn"))
    if (interaction == "multi_turn") != ("simulation_parameters" in fields):
        part.refuse("simulation_parameters: needed for multi_turn, and for nothing else")
    asked = _fields(fields["input"], ("text", "recordings", "context"), needed=("text",))
    caller = _fields(fields["simulation_parameters"], _PARAMETERS) if interaction == "multi_turn" else {}
    persona = _fields(caller["persona"], _PERSONA) if "persona" in caller else {}
    facts = dict(caller["known_facts"].fields(None)) if "known_facts" in caller else {}
    application = _fields(fields["application"], ("initial_state",)) if "application" in fields else {}
    name = fields["id"].text()
    if not name or not all(letter.isalnum() or letter in "._-" for letter in name) or name[0] == ".":
        fields["id"].refuse(f"expected letters, digits, '_', '-' and '.', got {name!r}")
    voice = persona["voice"].text() if "voice" in persona else ""
    expected = _expected(fields["expected"])
    return ScenarioScript(
        name=name,
        id=name,
        steps=(),
        caller={"voice": voice} if voice else {},
        opening=_some(asked["text"]),
        recording=_recording(asked["recordings"]) if "recordings" in asked else None,
        goal=caller["goal"].text() if "goal" in caller else "",
        persona=persona["description"].text() if "description" in persona else "",
        facts={key: one.value for key, one in facts.items()},
        agenda=[_objective(one, facts) for one in caller["agenda"].list()] if "agenda" in caller else (),
        initial_state=_values(application["initial_state"]) if application else {},
        expected=expected,
    )


def _expected(part: Located) -> Expected:
    fields = _fields(part, _EXPECTED, needed=("answer",))
    tools = _fields(fields["tools"], ("required", "prohibited")) if "tools" in fields else {}
    golden = (
        _fields(fields["golden_path"], ("turns", "delegations", "steps")) if "golden_path" in fields else {}
    )
    delegation: Any = "optional"
    if "delegation" in fields:
        delegation = _one_of(fields["delegation"], get_args(Delegation))
    delegations = golden.get("delegations")
    return Expected(
        required=[_tool(one) for one in tools["required"].list()] if "required" in tools else (),
        prohibited=[_tool(one) for one in tools["prohibited"].list()] if "prohibited" in tools else (),
        delegation=delegation,
        state=_values(fields["state"]) if "state" in fields else {},
        turns=golden["turns"].whole(0) if "turns" in golden else 0,
        delegations=None if delegations is None or delegations.value is None else delegations.whole(0),
    )


def _tool(part: Located) -> ExpectedTool:
    fields = _fields(part, ("name", "arguments", "status"), needed=("name",))
    status = _one_of(fields["status"], ("any", "completed")) if "status" in fields else "completed"
    return ExpectedTool(
        name=_some(fields["name"]),
        arguments=_values(fields["arguments"]) if "arguments" in fields else {},
        must_complete=status == "completed",
    )


def _objective(part: Located, facts: Mapping[str, Located]) -> Objective:
    needed = ("id", "commitment", "trigger_condition", "completion_condition", "action")
    fields = _fields(part, _OBJECTIVE, needed=needed)
    told = [one.text() for one in fields["facts"].list()] if "facts" in fields else []
    for name in told:
        if name not in facts:
            fields["facts"].refuse(f"{name!r} is none of known_facts: {', '.join(facts) or 'there are none'}")
    return Objective(
        commitment=_some(fields["commitment"]),
        trigger=_some(fields["trigger_condition"]),
        action=_one_of(fields["action"], _ACTIONS),
        words=fields["response_hint"].text() if "response_hint" in fields else "",
        facts={name: facts[name].value for name in told},
        is_required=fields["required"].truth() if "required" in fields else True,
    )


def _recording(part: Located) -> Path | None:
    for one in part.list():
        fields = _fields(one, ("id", "path", "condition", "metadata"), needed=("id", "path"))
        file = part.folder / Path(fields["path"].text()).expanduser()
        if not file.is_file():
            fields["path"].refuse(f"there is no file {str(fields['path'].value)!r}")
        return file
    return None


def _fields(part: Located, known: Collection[str], needed: Collection[str] = ()) -> dict[str, Located]:
    return part.fields(known, dict.fromkeys(needed, ""))


def _values(part: Located) -> Mapping[str, Any]:
    return {name: one.value for name, one in part.fields(None).items()}


def _one_of(part: Located, allowed: Sequence[str]) -> str:
    if part.value not in allowed:
        part.refuse(f"allowed is {', '.join(allowed)}, got {part.value!r}")
    return part.text()


def _some(part: Located) -> str:
    if not part.text().strip():
        part.refuse("expected a text, got an empty one")
    return part.text()
