"""The decisions of a Live session: questions that a model answers with choices, scores and probabilities.

No recording shows them. The shapes are those of the official package's types; the answers are the scenario's,
or the first of each question's options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.messages import event_id
from realtime_simulator._engine.usage import text_tokens
from realtime_simulator._live.events import answering


class Decisions:
    """The decisions of one session, and the items that they consider.

    Args:
        ids: The source of identifiers.
        emit: Queues a server event, given its fields without the id.
    """

    def __init__(self, ids: Ids, emit: Callable[[dict[str, Any]], None]) -> None:
        self._ids = ids
        self._emit = emit
        self._items: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()

    def add(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Add the item of `decision.item.create`; return it with its id.

        Raises:
            ApiProblem: There is an item with this id.
        """
        item = {"type": "message", **event["item"]}
        item["id"] = item.get("id") or self._ids.new("item")
        if item["id"] in self._items:
            raise ApiProblem(f"Item '{item['id']}' exists.", code="invalid_value", param="item.id")
        self._items[item["id"]] = item
        return item

    def delete(self, event: Mapping[str, Any]) -> str:
        """Delete the item of `decision.item.delete`; return its id.

        Raises:
            ApiProblem: There is none.
        """
        item_id = str(event["item_id"])
        if self._items.pop(item_id, None) is None:
            raise ApiProblem(f"Item '{item_id}' does not exist.", code="invalid_value", param="item_id")
        return item_id

    def change(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Process `decision.item.create` or `decision.item.delete`; return the event that answers it.

        Raises:
            ApiProblem: As for `add` and `delete`.
        """
        done: dict[str, Any] = (
            {"item": self.add(event)}
            if event["type"].endswith(".create")
            else {"item_id": self.delete(event)}
        )
        return answering(f"{event['type']}d", event_id(event), **done)

    def use(self, id: str) -> None:
        """Note the id of a `decision.create`.

        Raises:
            ApiProblem: It was used before.
        """
        if id in self._used:
            message = f"The event_id '{id}' was used by a decision of this session."
            raise ApiProblem(message, code="invalid_value", param="event_id")
        self._used.add(id)

    def trigger(
        self,
        delta: Mapping[str, Any],
        triggers: Sequence[Mapping[str, Any]],
        *,
        model: str,
        conversation: Sequence[Mapping[str, Any]],
    ) -> None:
        """Decide what a delta of a transcript triggers; see `decide`."""
        for one in triggers:
            if one["event_type"] == delta["type"]:
                questions = one["decisions"]["questions"]
                self.decide(questions, {}, model=model, conversation=conversation, source=delta)

    def decide(
        self,
        questions: Sequence[Mapping[str, Any]],
        answers: Mapping[str, Any],
        *,
        model: str,
        conversation: Sequence[Mapping[str, Any]],
        delegation: str | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        """Send the answers to questions.

        Args:
            questions: The questions.
            answers: What the scenario answers, by the questions' names.
            model: The model that decides.
            conversation: The session's items.
            delegation: The id of the delegation; None for a trigger.
            source: The transcript delta that fired the trigger; None for a delegation.

        Raises:
            ApiProblem: An answer of the scenario is none that its question allows.
        """
        found = [answer(question, answers) for question in questions]
        given = text_tokens(str([*conversation, *self._items.values(), *questions]))
        usage = {
            "input_tokens": given,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": len(found),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + len(found),
        }
        self._emit(
            {
                "type": "decision.event",
                "delegation_id": delegation,
                "trigger_id": None if source is None else self._ids.new("trigger"),
                "source_event_id": None if source is None else source["event_id"],
                "source_event_type": None if source is None else source["type"],
                "event": {
                    "type": "decision.completed",
                    "decision": {"model": model, "answers": found, "usage": usage},
                },
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
