"""A conversation: its items in order, and the rules for putting one in, finding one and taking one out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from realtime_simulator.problem import ApiProblem

ROOT = "root"
MAX_TEXT_BYTES = 64 * 1024 * 1024
"""What clients' items may take together, without their sound."""
MAX_AUDIO_BYTES = 48_000 * 900
"""Sound that is kept, 15 minutes; the oldest items lose theirs beyond that."""
WITH_STATUS = ("message", "function_call", "function_call_output")


@attrs.define
class Item:
    """One conversation item.

    Args:
        data: The item as the API shows it, without audio bytes.
        audio: Its audio, PCM16 mono at 24 kHz; empty for text and tools.
        truncated: Whether `audio` was cut; its transcript is gone then.
        heard: What its audio says, for the model; clients see it only if they asked for transcripts.
        size: What it takes as JSON, for items that came from a client.
    """

    data: dict[str, Any]
    audio: bytes = attrs.field(default=b"", repr=False)
    truncated: bool = False
    heard: str = ""
    size: int = 0

    @property
    def id(self) -> str:
        return str(self.data["id"])

    def view(self) -> dict[str, Any]:
        """Return a copy of the item as events show it."""
        shown = dict(self.data)
        if "content" in shown:
            shown["content"] = [dict(part) for part in shown["content"]]
        return shown

    def text(self) -> str:
        """Return what the item says: its text and transcripts."""
        parts = self.data.get("content", ())
        said = [part.get("text") or part.get("transcript") or "" for part in parts]
        return " ".join(part for part in said if part) or self.heard


class Conversation:
    """The items of one conversation, oldest first."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def find(self, item_id: object) -> Item | None:
        """Return the item with this id, or None."""
        return next((item for item in self._items if item.id == item_id), None)

    def get(self, item_id: str, *, param: str = "item_id") -> Item:
        """Return the item with this id.

        Raises:
            ApiProblem: There is none.
        """
        item = self.find(item_id)
        if item is None:
            raise ApiProblem(
                f"No item with id '{item_id}' is in the conversation.", code="invalid_value", param=param
            )
        return item

    def last_id(self) -> str | None:
        """Return the last item's id, or None for an empty conversation."""
        return self._items[-1].id if self._items else None

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Put an item in.

        Args:
            item: The new item.
            after: The id of the item that it follows, `"root"` for the start, None for the end.

        Returns:
            The id of the item before it; None if it is the first.

        Raises:
            ApiProblem: The id is taken, `after` is unknown, or the conversation is too large.
        """
        if item.size and item.size + sum(other.size for other in self._items) > MAX_TEXT_BYTES:
            raise ApiProblem(
                f"The conversation's items have at most {MAX_TEXT_BYTES} bytes together.",
                code="string_above_max_length",
                param="item",
            )
        if self.find(item.id) is not None:
            raise ApiProblem(
                f"An item with id '{item.id}' is already in the conversation.",
                code="invalid_value",
                param="item.id",
            )
        if after is None:
            place = len(self._items)
        elif after == ROOT:
            place = 0
        else:
            place = self._items.index(self.get(after, param="previous_item_id")) + 1
        self._items.insert(place, item)
        self._forget_old_sound()
        return self._items[place - 1].id if place else None

    def _forget_old_sound(self) -> None:
        over = sum(len(item.audio) for item in self._items) - MAX_AUDIO_BYTES
        for item in self._items:
            if over <= 0:
                return
            over -= len(item.audio)
            item.audio = b""

    def previous_id(self, item: Item) -> str | None:
        """Return the id of the item before this one, or None."""
        place = self._items.index(item)
        return self._items[place - 1].id if place else None

    def delete(self, item_id: str) -> None:
        """Take an item out.

        Raises:
            ApiProblem: There is no such item.
        """
        self._items.remove(self.get(item_id))


def item_from_client(fields: Mapping[str, Any], item_id: str) -> dict[str, Any]:
    """Return a client's item as the API keeps it: with id, object and status.

    Args:
        fields: The `item` of `conversation.item.create`, already checked.
        item_id: The id for an item that came without one.
    """
    data = {"id": fields.get("id") or item_id, "object": "realtime.item", **fields}
    data["id"] = fields.get("id") or item_id
    if data["type"] in WITH_STATUS:
        data["status"] = fields.get("status") or "completed"
    else:
        del data["object"]
    return data
