"""What clients do with a conversation's items. Errors are raised; the session turns them into events."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

from realtime_simulator.engine.config import SessionConfig
from realtime_simulator.engine.conversation import Conversation, Item, item_from_client
from realtime_simulator.engine.ids import Ids
from realtime_simulator.engine.input_audio import decode_audio
from realtime_simulator.media.codec import Decoder
from realtime_simulator.media.speech import RATE
from realtime_simulator.problem import ApiProblem


class Owner(Protocol):
    """What items need of their session."""

    config: SessionConfig
    conversation: Conversation
    ids: Ids

    def emit(self, event: dict[str, Any]) -> None: ...


class Items:
    """The item commands of a session.

    Args:
        owner: The session.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def create(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.create`."""
        item = Item(item_from_client(event["item"], self._owner.ids.new("item")))
        format = str(self._owner.config.input["format"]["type"])
        for index, part in enumerate(item.data.get("content", ())):
            # Sound is kept as sound, and shown to those alone who retrieve the item.
            if part["type"] == "input_audio" and "audio" in part:
                item.audio += Decoder(format).push(
                    decode_audio(part["audio"], f"item.content[{index}].audio")
                )
        if item.audio:
            item.data["content"] = [_without_audio(part) for part in item.data["content"]]
        item.size = len(json.dumps(item.data))
        self.add(item, event.get("previous_item_id"))

    def add(self, item: Item, after: str | None = None) -> None:
        """Put a finished item into the conversation and say so."""
        previous = self._owner.conversation.insert(item, after)
        for type in ("conversation.item.added", "conversation.item.done"):
            self._owner.emit({"type": type, "previous_item_id": previous, "item": item.view()})

    def retrieve(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.retrieve`."""
        item = self._owner.conversation.get(event["item_id"])
        shown = item.view()
        if item.audio and shown.get("content"):
            shown["content"][0]["audio"] = base64.b64encode(item.audio).decode("ascii")
        self._owner.emit({"type": "conversation.item.retrieved", "item": shown})

    def truncate(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.truncate`."""
        item = self._owner.conversation.find(event["item_id"])
        if item is None or item.data.get("role") != "assistant" or not item.audio:
            raise ApiProblem(
                f"Only the model's audio messages can be truncated; '{event['item_id']}' is none.",
                code="item_truncate_invalid_item_id",
                param="item_id",
            )
        milliseconds = len(item.audio) // 2 * 1000 // RATE
        if event["content_index"] != 0:
            raise ApiProblem(
                f"Item '{item.id}' has no content at index {event['content_index']}; allowed is 0.",
                code="invalid_value",
                param="content_index",
            )
        if not 0 <= event["audio_end_ms"] <= milliseconds:
            raise ApiProblem(
                f"Audio content of {milliseconds} ms is already shorter than {event['audio_end_ms']} ms."
                if event["audio_end_ms"] > milliseconds
                else f"Invalid value for 'audio_end_ms': got {event['audio_end_ms']}, allowed is 0 or more.",
                code="invalid_value",
                param="audio_end_ms",
            )
        self.cut(item, event["audio_end_ms"])

    def cut(self, item: Item, end_ms: int) -> None:
        """Shorten an item's audio and say so."""
        item.audio = item.audio[: end_ms * RATE // 1000 * 2]
        item.truncated = True
        # The model no longer knows what it said: text and audio can't be matched any more.
        item.data["content"] = [{"type": "output_audio", "transcript": ""}]
        self._owner.emit(
            {
                "type": "conversation.item.truncated",
                "item_id": item.id,
                "content_index": 0,
                "audio_end_ms": end_ms,
            }
        )

    def delete(self, event: Mapping[str, Any]) -> None:
        """`conversation.item.delete`."""
        self._owner.conversation.delete(event["item_id"])
        self._owner.emit({"type": "conversation.item.deleted", "item_id": event["item_id"]})


def _without_audio(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] != "input_audio":
        return dict(part)
    return {"transcript": "", **{key: value for key, value in part.items() if key != "audio"}}
