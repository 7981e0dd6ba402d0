"""Changes to a session that is run on, and their effect on the client's later events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from realtime_simulator._records.state import Side
from realtime_simulator._scenario.live_script import OUTPUTS

Sent = tuple[float, Side, Mapping[str, Any]]
"""An event with its time in seconds and the side that sent it."""
UNSAID = "the model says nothing after this event; choose an earlier one, or let the client ask for more"


class RerunError(ValueError):
    """A session that can't be run on; the message says why.

    Args:
        message: Why.
        field: What it is about: `at`, the event that was chosen, or the change of it, `event` or `answer`.
    """

    def __init__(self, message: str, field: str = "at") -> None:
        super().__init__(message)
        self.field = field


@attrs.frozen(kw_only=True)
class Change:
    """What is different from the recorded session.

    Args:
        event: What the client sends in place of the current event; None for that event.
        answer: What the model says in its next answer; None for what it said.
        scenario: A file with what the model answers; None for what it answered.
    """

    event: Mapping[str, Any] | None = None
    answer: str | None = None
    scenario: str | None = None


class Calls:
    """The calls of functions in a recorded session, and those of its new run: the nth call of a function is
    answered by what the client sent for the nth one.

    Args:
        recorded: The events of the service in which the client answers calls.
    """

    def __init__(self, recorded: Iterable[Mapping[str, Any]]) -> None:
        self._places: dict[str, tuple[str, int]] = {}
        counts: dict[str, int] = {}
        for event in recorded:
            if (call := _called(event)) is not None:
                name, call_id = call
                if call_id not in self._places:
                    counts[name] = counts.get(name, 0) + 1
                    self._places[call_id] = name, counts[name]
        self._made: dict[str, list[str]] = {}
        self._outputs: list[bool] = []

    def made(self, event: Mapping[str, Any]) -> None:
        """Learn of a call in an event of the new run."""
        if (call := _called(event)) is not None:
            name, call_id = call
            self._made.setdefault(name, []).append(call_id)

    def has(self, event: Mapping[str, Any]) -> bool:
        """Return whether the new run has made the call that an event of the client answers."""
        call_id = _answered(event)
        return call_id is None or self._id(call_id) is not None

    def translated(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return an event of the client for the new run.

        Returns:
            The event; None for the output of a call that was not made this time, and for the request of a
            response after such outputs alone.
        """
        if event.get("type") == "response.create":
            skips = bool(self._outputs) and not any(self._outputs)
            self._outputs.clear()
            return None if skips else event
        if (recorded := _answered(event)) is None:
            self._outputs.clear()
            return event
        call_id = self._id(recorded)
        self._outputs.append(call_id is not None)
        return None if call_id is None else {**event, "item": {**event["item"], "call_id": call_id}}

    def _id(self, recorded: str) -> str | None:
        """Return the id of a call in the new run; None if it was not made. An unknown id stays the same."""
        if recorded not in self._places:
            return recorded
        name, number = self._places[recorded]
        made = self._made.get(name, [])
        return made[number - 1] if number <= len(made) else None


def _called(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the name and the id of the call that an event of the service has made."""
    inner = event.get("event")
    event = inner if event.get("type") == "response.event" and isinstance(inner, Mapping) else event
    item = event.get("item")
    if event.get("type") != "response.output_item.done" or not isinstance(item, Mapping):
        return None
    is_call = item.get("type") in ("function_call", "custom_tool_call")
    return (str(item.get("name")), str(item.get("call_id"))) if is_call else None


def _answered(event: Mapping[str, Any]) -> str | None:
    """Return the id of the call whose output an event of the client is."""
    item = event.get("item")
    is_output = isinstance(item, Mapping) and item.get("type") in OUTPUTS
    return str(event["item"].get("call_id")) if is_output else None
