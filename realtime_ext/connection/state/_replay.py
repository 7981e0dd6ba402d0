"""A conversation as items that a new session takes.

What the API keeps as audio can only be carried over as its words. It must not send.

Source: https://platform.openai.com/docs/api-reference/realtime-client-events/conversation/item/create
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._ledger import Entry

__all__ = ["replay_items"]

JSON = dict[str, Any]

_CALL, _OUTPUT = "function_call", "function_call_output"


def replay_items(entries: Iterable[Entry]) -> list[JSON]:
    """Turn a conversation into what `conversation.item.create` takes.

    Speech becomes its transcript: `input_text` of the user, `output_text` of the assistant. Of an answer
    that was interrupted, the part of the transcript is taken that is likely to have been heard. A function's
    call and its output stay together; a call without an output is left out, and so are what MCP servers did
    and what has no words.

    Args:
        entries: The conversation, in order.

    Returns:
        The items, without ids.
    """
    entries = list(entries)
    outputs: dict[str, JSON] = {}
    for entry in entries:
        if entry.item is not None and entry.item.get("type") == _OUTPUT:
            outputs.setdefault(str(entry.item.get("call_id")), entry.item)
    items: list[JSON] = []
    for entry in entries:
        item = entry.item or {}
        if item.get("type") == "message":
            content = _content(item, entry.heard)
            if content:
                items.append({"type": "message", "role": item["role"], "content": content})
        elif item.get("type") == _CALL:
            output = outputs.pop(str(item.get("call_id")), None)
            if output is not None and item.get("call_id") is not None:
                items.append(_pick(item, "type", "call_id", "name", "arguments"))
                items.append(_pick(output, "type", "call_id", "output"))
    return items


def _content(item: Mapping[str, Any], heard: Mapping[int, float | None]) -> list[JSON]:
    role, parts = item.get("role"), item.get("content")
    if role not in ("system", "user", "assistant") or not isinstance(parts, list):
        return []
    kind = "output_text" if role == "assistant" else "input_text"
    content: list[JSON] = []
    for index, part in enumerate(parts):
        if part.get("type") == "input_image":
            content.append(_pick(part, "type", "image_url", "detail"))
            continue
        words = part.get("text") or part.get("transcript") or ""
        if index in heard:
            words = _beginning(words, heard[index])
        if words:
            content.append({"type": kind, "text": words})
    return content


def _beginning(words: str, share: float | None) -> str:
    """Keep the words that take this share of a transcript; where the share isn't known, none."""
    if share is None:
        return ""
    end = int(len(words) * min(max(share, 0.0), 1.0))
    if end >= len(words) or words[end].isspace():
        return words[:end].rstrip()
    return words[:end].rpartition(" ")[0].rstrip()


def _pick(item: Mapping[str, Any], *names: str) -> JSON:
    return {name: item[name] for name in names if item.get(name) is not None}
