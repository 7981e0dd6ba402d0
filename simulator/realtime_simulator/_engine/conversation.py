"""A conversation: its items, in order.

Errors are raised; the session turns them into events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem

ROOT = "root"
MAX_TEXT_BYTES = 64 * 1024 * 1024
"""The size of all items of clients together, without their sound."""
MAX_AUDIO_BYTES = 48_000 * 300
"""Sound that is kept for clients that retrieve items, 5 minutes; beyond that the oldest items lose theirs."""
WITH_STATUS = ("message", "function_call")


@attrs.define
class Item:
    """One conversation item.

    Args:
        data: The item as the API shows it, without audio bytes.
        audio: Its audio, PCM16 mono at 24 kHz; empty for text and tools.
        heard: The words of its audio, for the model; clients see them only if they requested transcripts.
        size: Its size as JSON, for items that came from a client.
    """

    data: dict[str, Any]
    audio: bytes | bytearray = attrs.field(default=b"", repr=False)
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

    def understood(self) -> dict[str, Any]:
        """Return the item as the model sees it: with the words of its audio, transcribed or not."""
        shown = self.view()
        for part in shown.get("content", ())[:1]:
            if part.get("type") == "input_audio" and not part.get("transcript"):
                part["transcript"] = self.heard or None
        return shown

    def text(self) -> str:
        """Return the item's text and transcripts."""
        return " ".join(words_of(self.data)) or self.heard


def words_of(item: Mapping[str, Any]) -> list[str]:
    """Return the texts and transcripts of an item's parts."""
    parts = item.get("content") or ()
    if isinstance(parts, str):
        return [parts]
    found = (part.get("text") or part.get("transcript") for part in parts if isinstance(part, Mapping))
    return [str(words) for words in found if words]


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

    def get(self, item_id: str, *, doing: str, code: str, param: str | None = None) -> Item:
        """Return the item with this id.

        Args:
            item_id: The id.
            doing: The action that needs it, for the message: `deleting item`.
            code: The code of the refusal.
            param: The field that names it, where the refusal says so.

        Raises:
            ApiProblem: The item does not exist.
        """
        item = self.find(item_id)
        if item is None:
            message = f"Error {doing}: the item with id '{item_id}' does not exist."
            raise ApiProblem(message, code=code, param=param)
        return item

    def last_id(self) -> str | None:
        """Return the last item's id, or None for an empty conversation."""
        return self._items[-1].id if self._items else None

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Insert an item.

        Args:
            item: The new item.
            after: The id of the item that it follows, `"root"` for the start, None for the end.

        Returns:
            The id of the item before it; None if it is the first.

        Raises:
            ApiProblem: The id is in use, `after` is unknown, or the conversation is too large.
        """
        if item.size and item.size + sum(other.size for other in self._items) > MAX_TEXT_BYTES:
            raise ApiProblem(
                f"The conversation's items have at most {MAX_TEXT_BYTES} bytes together.",
                code="string_above_max_length",
                param="item",
            )
        if self.find(item.id) is not None:
            raise ApiProblem(
                f"Error adding item: an item with id '{item.id}' already exists.",
                code="item_create_duplicate_item_id",
            )
        if after is None:
            place = len(self._items)
        elif after == ROOT:
            place = 0
        else:
            found = self.get(after, doing="adding item", code="invalid_value", param="previous_item_id")
            place = self._items.index(found) + 1
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

    def previous_when_done(self, item: Item) -> str | None:
        """Return the `previous_item_id` of `conversation.item.done` for the model's items: null also after
        the first item, as the service does for these items only."""
        place = self._items.index(item)
        return self._items[place - 1].id if place > 1 else None

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            ApiProblem: The item does not exist.
        """
        self._items.remove(self.get(item_id, doing="deleting item", code="item_delete_invalid_item_id"))


def item_from_client(fields: Mapping[str, Any], item_id: str) -> dict[str, Any]:
    """Return a client's item as the API keeps it: with id and status.

    Args:
        fields: The `item` of `conversation.item.create`, already checked.
        item_id: The id for an item that came without one.

    Raises:
        ApiProblem: A part of its content has no type, which the schema leaves open.
    """
    for index, part in enumerate(fields.get("content") or ()):
        if not part.get("type"):
            param = f"item.content[{index}].type"
            raise ApiProblem(
                f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
            )
    shown = {key: value for key, value in fields.items() if key not in ("object", "status")}
    data = {**shown, "id": fields.get("id") or item_id}
    if data["type"] in WITH_STATUS:
        data["status"] = fields.get("status") or "completed"
    return data
