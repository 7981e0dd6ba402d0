"""The item commands of a session: create, retrieve, truncate and delete.

Errors are raised; the session turns them into events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine import messages
from realtime_simulator._engine.conversation import Item, item_from_client
from realtime_simulator._engine.shared import Shared
from realtime_simulator._media.formats import Decoder
from realtime_simulator._media.speech import RATE


class Items:
    """The item commands of a session.

    Args:
        shared: The session's shared state.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def create(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.create`."""
        item = Item(item_from_client(event["item"], self._shared.ids.new("item")))
        format = str(self._shared.config.input["format"]["type"])
        for index, part in enumerate(item.data.get("content", ())):
            # Sound is kept separately, and shown only to clients that retrieve the item.
            if part["type"] == "input_audio" and "audio" in part:
                item.audio += Decoder(format).push(
                    messages.decode_audio(part["audio"], f"item.content[{index}].audio")
                )
        if item.audio:
            item.data["content"] = [_without_audio(part) for part in item.data["content"]]
        item.size = len(json.dumps(item.data))
        self.add(item, event.get("previous_item_id"))

    def add(self, item: Item, after: str | None = None) -> None:
        """Insert a finished item into the conversation, with its events."""
        previous, view = self._shared.conversation.insert(item, after), item.view()
        for what in ("added", "done"):
            self._shared.emit(
                {"type": f"conversation.item.{what}", "previous_item_id": previous, "item": view}
            )

    def retrieve(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.retrieve`."""
        item = self._shared.conversation.get(
            event["item_id"], doing="retrieving item", code="item_retrieve_invalid_item_id"
        )
        shown = item.view()
        if item.audio and shown.get("content"):
            shown["content"][0]["audio"] = messages.encode_audio(item.audio)
        self._shared.emit({"type": "conversation.item.retrieved", "item": shown})

    def truncate(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.truncate`."""
        item = self._shared.conversation.find(event["item_id"])
        if item is None:
            raise ApiProblem(
                f"Item with item_id not found: {event['item_id']}",
                code="item_truncate_invalid_item_id",
                param="item_id",
            )
        if item.data.get("role") != "assistant" or not item.audio:
            raise ApiProblem("Only model output audio messages can be truncated")
        milliseconds = len(item.audio) // 2 * 1000 // RATE
        if event["content_index"] != 0:
            raise invalid_value(
                f"Item '{item.id}' has no content at index {event['content_index']}; allowed is 0.",
                "content_index",
            )
        if not 0 <= event["audio_end_ms"] <= milliseconds:
            raise invalid_value(
                f"Audio content of {milliseconds}ms is already shorter than {event['audio_end_ms']}ms"
                if event["audio_end_ms"] > milliseconds
                else f"Invalid value for 'audio_end_ms': got {event['audio_end_ms']}, allowed is 0 or more.",
                "audio_end_ms",
            )
        self.cut(item, event["audio_end_ms"])

    def cut(self, item: Item, end_ms: int) -> None:
        """Shorten an item's audio, with its event."""
        item.audio = item.audio[: end_ms * RATE // 1000 * 2]
        # Text and audio no longer correspond, so the transcript is dropped.
        item.data["content"] = [{"type": "output_audio", "transcript": ""}]
        self._shared.emit(
            {
                "type": "conversation.item.truncated",
                "item_id": item.id,
                "content_index": 0,
                "audio_end_ms": end_ms,
            }
        )

    def delete(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.delete`."""
        self._shared.conversation.delete(event["item_id"])
        self._shared.emit({"type": "conversation.item.deleted", "item_id": event["item_id"]})


def _without_audio(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] != "input_audio":
        return dict(part)
    return {"transcript": None, **{key: value for key, value in part.items() if key != "audio"}}
