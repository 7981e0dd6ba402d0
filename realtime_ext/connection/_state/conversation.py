"""The conversation: its items in order, without their audio, and the same as items for a new session.

Each item names the one before it. What the API keeps as audio can only be carried over as its words. It must
not send, and keeps unknown fields of items.

Source: https://platform.openai.com/docs/api-reference/realtime-client-events/conversation/item/create
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

JSON = dict[str, Any]

_CALL, _OUTPUT = "function_call", "function_call_output"


@attrs.define
class Entry:
    """One place in the conversation.

    Attributes:
        item: The item, without audio.
        following: The id of the next item; None for the last.
        is_deleted: Whether it was deleted; its place stays, since other items may name it.
        heard: Content index -> which part of the audio was heard, 0–1; None where that isn't known.
    """

    item: JSON
    following: str | None = None
    is_deleted: bool = False
    heard: dict[int, float | None] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class TranscriptLine:
    """The words of one message in a conversation.

    Args:
        item_id: The item that holds it.
        role: `user`, `assistant` or `system`.
        text: The words; of an interrupted answer, those that were probably heard.
        is_interrupted: Whether it was interrupted.
    """

    item_id: str
    role: str
    text: str
    is_interrupted: bool = False


class Conversation:
    """The items of one conversation."""

    __slots__ = ("_entries", "_first", "_last", "_roots_asked")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._first: str | None = None
        self._last: str | None = None
        self._roots_asked = 0

    def asked_for_root(self) -> None:
        """Record that an item was sent to the very beginning (`previous_item_id: "root"`)."""
        self._roots_asked += 1

    def put(self, item: Any, previous: Any) -> bool:
        """Add an item as `conversation.item.added` or `.done` has it; coming again, it is updated.

        Args:
            item: The item.
            previous: The id of the one before it; None for the first.

        Returns:
            Whether it is new.
        """
        item_id = item.get("id") if isinstance(item, Mapping) else None
        if not isinstance(item_id, str):
            return False
        known = self._entries.get(item_id)
        if known is not None:
            known.item = _merged(known.item, item)
            return False
        self._insert(item_id, Entry(_merged(None, item)), previous)
        return True

    def update(self, item: Any) -> None:
        """Update an item that is there already; another one is not of this conversation."""
        item_id = item.get("id") if isinstance(item, Mapping) else None
        entry = self._entries.get(item_id) if isinstance(item_id, str) else None
        if entry is not None:
            entry.item = _merged(entry.item, item)

    def delete(self, item_id: Any) -> None:
        """Remove an item."""
        entry = self._entries.get(item_id)
        if entry is not None:
            entry.is_deleted = True

    def truncate(self, item_id: Any, content_index: Any, heard: float | None) -> None:
        """Record how much of an item's audio was heard.

        Args:
            item_id: The item.
            content_index: The part of its content.
            heard: 0–1, or None where the whole length isn't known.
        """
        entry = self._entries.get(item_id)
        if entry is not None and isinstance(content_index, int):
            entry.heard[content_index] = heard

    def set_text(self, item_id: Any, content_index: Any, field: str, value: Any) -> None:
        """Set `text` or `transcript` of a part of an item's content."""
        entry = self._entries.get(item_id)
        if entry is None or not isinstance(value, str):
            return
        content = entry.item.get("content")
        if isinstance(content, list) and isinstance(content_index, int) and 0 <= content_index < len(content):
            content[content_index][field] = value

    def unanswered(self) -> Iterator[JSON]:
        """Yield the function calls that have no output in the conversation."""
        items = self.items
        answered = {item.get("call_id") for item in items if item.get("type") == _OUTPUT}
        for item in items:
            if item.get("type") == _CALL and item.get("call_id") not in answered:
                yield item

    @property
    def items(self) -> list[JSON]:
        """The items, in the conversation's order."""
        return [entry.item for entry in self._in_order()]

    def _in_order(self) -> Iterator[Entry]:
        """Yield the items that were not deleted, in the conversation's order."""
        following = self._first
        while following is not None:
            entry = self._entries[following]
            if not entry.is_deleted:
                yield entry
            following = entry.following

    def replay_items(self) -> list[JSON]:
        """Return the conversation as items that `conversation.item.create` accepts, without ids.

        Speech becomes its transcript: `input_text` of the user, `output_text` of the assistant. Of an answer
        that was interrupted, the part of the transcript is kept that was probably heard. A function call and
        its output stay together; calls without an output, calls of MCP servers and items without words are
        left out.
        """
        entries = list(self._in_order())
        outputs: dict[str, JSON] = {}
        for entry in entries:
            if entry.item.get("type") == _OUTPUT:
                outputs.setdefault(str(entry.item.get("call_id")), entry.item)
        items: list[JSON] = []
        for entry in entries:
            item = entry.item
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

    def transcript(self) -> list[TranscriptLine]:
        """Return the words of the messages so far, in order."""
        lines = []
        for entry in self._in_order():
            item = entry.item
            parts = _content(item, entry.heard) if item.get("type") == "message" else []
            text = " ".join(part["text"] for part in parts if "text" in part)
            if text:
                line = TranscriptLine(
                    item_id=str(item.get("id")),
                    role=item["role"],
                    text=text,
                    is_interrupted=bool(entry.heard),
                )
                lines.append(line)
        return lines

    def _insert(self, item_id: str, entry: Entry, previous: Any) -> None:
        """Insert an item behind another; at the end, if that is none or not known."""
        self._entries[item_id] = entry
        before = self._entries.get(previous) if isinstance(previous, str) and previous != item_id else None
        if before is not None:
            entry.following, before.following = before.following, item_id
        elif previous is None and self._roots_asked and self._first is not None:
            self._roots_asked -= 1
            entry.following, self._first = self._first, item_id
        elif self._last is None:
            self._first = item_id
        else:
            self._entries[self._last].following = item_id
        if entry.following is None:
            self._last = item_id


def _merged(known: JSON | None, item: Mapping[str, Any]) -> JSON:
    """Merge a newer state into an older one, keeping words that the newer lacks; audio is left out."""
    merged = {**(known or {}), **item}
    content = item.get("content")
    if isinstance(content, list):
        before = (known or {}).get("content")
        before = before if isinstance(before, list) else []
        parts: list[JSON] = []
        for index, part in enumerate(content):
            if not isinstance(part, Mapping):
                continue
            old = before[index] if index < len(before) else {}
            fresh = {key: value for key, value in part.items() if key != "audio" and value is not None}
            parts.append({**old, **fresh})
        merged["content"] = parts + before[len(content) :]
    return merged


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
        texts = (part.get("text"), part.get("transcript"))
        words = next((text for text in texts if isinstance(text, str) and text), "")
        if index in heard:
            words = _beginning(words, heard[index])
        if words:
            content.append({"type": kind, "text": words})
    return content


def _beginning(words: str, share: float | None) -> str:
    """Return the words that fill this share of a transcript; where the share isn't known, none."""
    if share is None:
        return ""
    end = int(len(words) * min(max(share, 0.0), 1.0))
    if end >= len(words) or words[end].isspace():
        return words[:end].rstrip()
    return words[:end].rpartition(" ")[0].rstrip()


def _pick(item: Mapping[str, Any], *names: str) -> JSON:
    return {name: item[name] for name in names if item.get(name) is not None}


def read_item(item: JSON) -> Any:
    """Return an item as its generated class; as it is, if its shape is not the API's."""
    from realtime_api.models.realtime_conversation_item import decode_realtime_conversation_item

    try:
        return decode_realtime_conversation_item(item)
    except Exception:
        return item
