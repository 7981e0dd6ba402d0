"""Events of responses whose start has not come: kept for the turn that the response may turn out to be of.

It must not decide whose they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EarlyEvents", "response_id_of"]

JSON = Mapping[str, Any]
Early = tuple[JSON, Any, int, bool]  # an event's JSON, the event, its size, whether it came before

_EVENTS = 256  # of one response; its end, which has its words, is kept beyond that
_RESPONSES = 4


def response_id_of(content: JSON) -> str | None:
    """Give the id of the response that an event names; None if it names none."""
    response_id = content.get("response_id")
    if response_id is None and isinstance(response := content.get("response"), Mapping):
        response_id = response.get("id")
    return response_id if isinstance(response_id, str) else None


class EarlyEvents:
    """The events of a few responses."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, list[Early]] = {}

    def hold(self, response_id: str, early: Early) -> None:
        """Keep an event; of many responses, the latest are kept."""
        held = self._held.get(response_id)
        if held is None:
            if len(self._held) >= _RESPONSES:
                del self._held[next(iter(self._held))]
            held = self._held[response_id] = []
        if len(held) < _EVENTS or early[0].get("type") == "response.done":
            held.append(early)

    def has_end(self, response_id: str) -> bool:
        """Whether a response's end is among them."""
        return any(early[0].get("type") == "response.done" for early in self._held.get(response_id, ()))

    def take(self, response_id: str) -> list[Early]:
        """Give what was kept of a response, in the order in which it came, and drop it."""
        return self._held.pop(response_id, [])
