"""The decisions of a Live session: questions that a model answers with choices, scores and probabilities.

No recording shows them. The shapes are those of the official package's types; the answers are the scenario's,
or the first of each question's options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine.usage import text_tokens
from realtime_simulator._live.backend_response import responses_usage
from realtime_simulator._live.shared import Shared

_MODEL = "gpt-5.6-luna"
"""The model of triggers where the delegation names none."""


@attrs.define(eq=False)
class Decisions:
    """The decisions of one session, and the items that they consider.

    Args:
        shared: The session's shared state.
    """

    _shared: Shared
    _items: dict[str, dict[str, Any]] = attrs.field(init=False, factory=dict)
    _used: set[str] = attrs.field(init=False, factory=set)

    def create_item(self, event: Mapping[str, Any]) -> None:
        """`decision.item.create`."""
        self._require_questions(event)
        item = {"type": "message", **event["item"]}
        item["id"] = item.get("id") or self._shared.ids.new("item")
        if item["id"] in self._items:
            raise invalid_value(f"Item '{item['id']}' exists.", "item.id")
        self._items[item["id"]] = item
        self._shared.reply(event, "decision.item.created", item=item)

    def delete_item(self, event: Mapping[str, Any]) -> None:
        """`decision.item.delete`."""
        self._require_questions(event)
        item_id = str(event["item_id"])
        if self._items.pop(item_id, None) is None:
            raise invalid_value(f"Item '{item_id}' does not exist.", "item_id")
        self._shared.reply(event, "decision.item.deleted", item_id=item_id)

    def _require_questions(self, event: Mapping[str, Any]) -> None:
        config = self._shared.config
        if not config.decisions and not config.triggers:
            raise invalid_value(f"{event['type']} requires Decisions delegation or triggers.", "type")

    def use(self, id: str) -> None:
        """Note the id of a `decision.create`.

        Raises:
            ApiProblem: It was used before.
        """
        if id in self._used:
            message = f"The event_id '{id}' was used by a decision of this session."
            raise invalid_value(message, "event_id")
        self._used.add(id)

    def transcribe(self, direction: str, start: int, words: str) -> None:
        """Send a delta of a transcript, and decide what it triggers.

        Args:
            direction: Whose words these are: `input` for the user's, `output` for the model's.
            start: The first sample of their frame.
            words: The words.
        """
        delta = self._shared.emit_at(f"session.{direction}_transcript.delta", start, delta=words)
        for one in self._shared.config.triggers:
            if one["event_type"] == delta["type"]:
                self._send(one["decisions"]["questions"], {}, source=delta)

    def decide(self, answers: Mapping[str, Any], delegation: str) -> None:
        """Send the answers to the questions of the session's delegation.

        Args:
            answers: What the scenario answers, by the questions' names.
            delegation: The id of the delegation.

        Raises:
            ApiProblem: An answer of the scenario is none that its question allows.
        """
        self._send(self._shared.config.decisions["questions"], answers, delegation=delegation)

    def _send(
        self,
        questions: Sequence[Mapping[str, Any]],
        answers: Mapping[str, Any],
        *,
        delegation: str | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        found = [answer(question, answers) for question in questions]
        given = text_tokens(str([*self._shared.context.items, *self._items.values(), *questions]))
        decision = {
            "model": self._shared.config.decisions.get("model", _MODEL),
            "answers": found,
            "usage": responses_usage(given, len(found)),
        }
        self._shared.emit(
            {
                "type": "decision.event",
                "delegation_id": delegation,
                "trigger_id": None if source is None else self._shared.ids.new("trigger"),
                "source_event_id": None if source is None else source["event_id"],
                "source_event_type": None if source is None else source["type"],
                "event": {"type": "decision.completed", "decision": decision},
            }
        )


def answer(question: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a question: the scenario's, a refusal where that is None, or the first option.

    Args:
        question: The question.
        answers: By name: a probability or a truth value, the value of a choice, or the label of a level.

    Raises:
        ApiProblem: The question does not allow the scenario's answer.
    """
    name = question.get("name")
    named = {} if name is None else {"name": name}
    given = answers.get(name, ...) if name is not None else ...
    if given is None:
        return {"type": "refusal", **named}
    if question["type"] == "predicate":
        probability = 1.0 if given is ... else float(_allowed(given, name, isinstance(given, int | float)))
        return {"type": "predicate", **named, "probability": probability}
    key, options = (
        ("value", question["choices"]) if question["type"] == "choice" else ("label", question["levels"])
    )
    values = [option[key] for option in options]
    chosen = values[0] if given is ... else _allowed(given, name, given in values)
    shares = [1.0 if value == chosen else 0.0 for value in values]
    if question["type"] == "choice":
        each = [{"value": value, "probability": share} for value, share in zip(values, shares, strict=True)]
        return {"type": "choice", **named, "choice": chosen, "confidence": 1.0, "probabilities": each}
    each = [
        {"label": label, "probability": share, "value": number}
        for number, (label, share) in enumerate(zip(values, shares, strict=True))
    ]
    score = float(values.index(chosen))
    return {"type": "score", **named, "score": score, "confidence": 1.0, "probabilities": each}


def _allowed(given: Any, name: object, holds: bool) -> Any:
    if not holds:
        raise ApiProblem(
            f"The scenario answers {given!r} to the question {name!r}, which does not allow that.",
            type="server_error",
            code="scenario_error",
        )
    return given
