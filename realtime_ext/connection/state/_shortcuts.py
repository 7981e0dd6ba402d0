"""The client events that have a method of their own, made of its arguments.

It must not number, check or send them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from ...tools import Toolbox
from ._turn import MARK

__all__ = [
    "as_toolbox",
    "cancel_response",
    "check_approval",
    "check_sync",
    "create_item",
    "create_response",
    "delete_item",
    "marked_response",
    "response_content",
    "retrieve_item",
    "text_item",
    "truncate",
]

JSON = dict[str, Any]


def create_item(item: Any, previous_item_id: str | None) -> JSON:
    """Make `conversation.item.create`.

    Args:
        item: A generated item, or a dict of its shape.
        previous_item_id: The item that it goes behind, `root` for the beginning; None for the end.

    Raises:
        TypeError: The item is neither.
    """
    if not isinstance(item, Mapping) and not callable(getattr(item, "to_dict", None)):
        raise TypeError(f"item: expected a generated item or a dict, got {type(item).__name__}")
    event: JSON = {"type": "conversation.item.create", "item": item}
    if previous_item_id is not None:
        event["previous_item_id"] = previous_item_id
    return event


def text_item(text: str) -> JSON:
    """Make the event for what the user says in writing.

    Raises:
        TypeError: It is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    content = [{"type": "input_text", "text": text}]
    return create_item({"type": "message", "role": "user", "content": content}, None)


def delete_item(item_id: str) -> JSON:
    """Make `conversation.item.delete`."""
    return {"type": "conversation.item.delete", "item_id": item_id}


def retrieve_item(item_id: str) -> JSON:
    """Make `conversation.item.retrieve`."""
    return {"type": "conversation.item.retrieve", "item_id": item_id}


def truncate(item_id: str, content_index: int, end_ms: int) -> JSON:
    """Make `conversation.item.truncate`."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": end_ms,
    }


def create_response(given: Mapping[str, Any]) -> JSON:
    """Make `response.create`; arguments that are None are left out."""
    response = {name: value for name, value in given.items() if value is not None}
    return {"type": "response.create", "response": response} if response else {"type": "response.create"}


def cancel_response(response_id: str | None) -> JSON:
    """Make `response.cancel`, for the conversation's response if none is named."""
    event: JSON = {"type": "response.cancel"}
    return event if response_id is None else {**event, "response_id": response_id}


def response_content(response: Any) -> JSON:
    """Give a response's parameters as a new dict.

    Args:
        response: `RealtimeResponseCreateParams`, a dict of its shape, or None.

    Raises:
        TypeError: It is something else.
    """
    if response is None:
        return {}
    if isinstance(response, Mapping):
        return dict(response)
    if callable(to_dict := getattr(response, "to_dict", None)):
        return dict(to_dict())
    raise TypeError(
        f"response: expected RealtimeResponseCreateParams or a dict, got {type(response).__name__}"
    )


def marked_response(response: Any, mark: str) -> JSON:
    """Make the `response.create` of a turn, with the mark by which the turn knows its responses.

    Args:
        response: As `response_content` takes it.
        mark: The mark.

    Raises:
        TypeError: The response is something else.
    """
    content = response_content(response)
    content["metadata"] = {**(content.get("metadata") or {}), MARK: mark}
    return {"type": "response.create", "response": content}


def as_toolbox(toolbox: Toolbox | Iterable[Any]) -> Toolbox:
    """Give the toolbox, or make one of the functions that are given; raises as `Toolbox` does."""
    return toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox)


def check_sync(name: str, function: Any) -> None:
    """Refuse an async function where nobody could await it.

    Raises:
        TypeError: It is one.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: an async function works in AsyncRealtimeClient's connections alone")


def check_approval(decision: Any) -> bool:
    """Check what an approval callback returned: only True is leave."""
    if not isinstance(decision, bool):
        raise TypeError(f"approve: expected it to return a bool, got {type(decision).__name__}")
    return decision
