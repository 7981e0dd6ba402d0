"""What a turn was: its words, sound, calls and numbers, put together from events.

It must not know whose events they are.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from realtime_api.models import RealtimeResponseUsage

__all__ = ["ToolCall", "Turn", "TurnRecord"]

JSON = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ToolCall:
    """A function that the model called.

    Args:
        call_id: The call's id.
        name: The function.
        arguments: JSON, as the model wrote it.
        output: What was answered, where registered tools did so.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=False)
    output: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Turn:
    """What the model did in a turn.

    Args:
        text: Its text; empty where it spoke.
        transcript: The words of its speech; empty where it wrote.
        audio: Its speech in the session's output format; empty where the API plays it, or where it wrote.
        tool_calls: The functions that it called, in order.
        status: `completed`, `cancelled`, `incomplete` or `failed`; of the last response, where there were
            several.
        status_details: Why it isn't `completed`, as the API says it.
        usage: The tokens of all its responses together; None if the API counted none.
        response_ids: The ids of its responses.
    """

    text: str = ""
    transcript: str = ""
    audio: bytes = attrs.field(default=b"", repr=lambda audio: f"<{len(audio)} bytes>")
    tool_calls: tuple[ToolCall, ...] = ()
    status: str | None = None
    status_details: Any = None
    usage: RealtimeResponseUsage | None = None
    response_ids: tuple[str, ...] = ()


class TurnRecord:
    """Collects a turn's events.

    Attributes:
        ids: The ids of its responses, in order.
        items: The ids of its output items.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.items: set[str] = set()
        self._responses: list[JSON] = []
        self._words: dict[tuple[str, str, Any], str] = {}
        self._whole: set[tuple[str, str, Any]] = set()  # of those, what is complete
        self._audio: list[str] = []
        self._outputs: dict[str, str] = {}

    def done(self, response: JSON) -> None:
        """Take a finished response."""
        self._responses.append(response)

    def answered(self, call_id: str, output: str) -> None:
        """Take a tool's output."""
        self._outputs[call_id] = output

    def drop_last(self) -> None:
        """Forget the last response, which was somebody else's."""
        if self.ids:
            self.ids.pop()
        self._responses = [r for r in self._responses if str(r.get("id")) in self.ids]
        for collection in (self.items, self._words, self._whole, self._audio):
            collection.clear()

    def turn(self) -> Turn:
        """Put together what has come so far."""
        last: JSON = self._responses[-1] if self._responses else {}
        usages = [u for response in self._responses if isinstance(u := response.get("usage"), Mapping)]
        return Turn(
            text=self._said("text"),
            transcript=self._said("transcript"),
            audio=b"".join(_decoded(delta) for delta in self._audio),
            tool_calls=tuple(self._calls()),
            status=last.get("status"),
            status_details=last.get("status_details"),
            usage=_usage(usages),
            response_ids=tuple(self.ids),
        )

    def collect(self, content: JSON) -> None:
        """Take an event."""
        kind = content["type"]
        delta = content.get("delta")
        if kind == "response.output_audio.delta":
            if isinstance(delta, str):
                self._audio.append(delta)
        elif kind in _DELTAS:
            key = (_DELTAS[kind], str(content.get("item_id")), content.get("content_index"))
            if key not in self._whole:
                self._words[key] = self._words.get(key, "") + (delta if isinstance(delta, str) else "")
        elif kind in _DONE:
            field = _DONE[kind]
            value = content.get(field)
            if isinstance(value, str):
                key = (field, str(content.get("item_id")), content.get("content_index"))
                self._words[key] = value
                self._whole.add(key)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            item = content.get("item")
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                self.items.add(item["id"])

    def _said(self, field: str) -> str:
        said = "".join(words for (kind, _, _), words in self._words.items() if kind == field)
        # Deltas may be missing where the finished response isn't.
        parts = (
            part
            for response in self._responses
            for item in _list(response.get("output"))
            if item.get("type") == "message"
            for part in _list(item.get("content"))
        )
        finished = "".join(str(part.get(field) or "") for part in parts)
        return finished if len(finished) > len(said) else said

    def _calls(self) -> list[ToolCall]:
        return [
            ToolCall(
                call_id=str(item.get("call_id")),
                name=str(item.get("name")),
                arguments=str(item.get("arguments") or ""),
                output=self._outputs.get(str(item.get("call_id"))),
            )
            for response in self._responses
            for item in _list(response.get("output"))
            if item.get("type") == "function_call"
        ]


_DELTAS = {"response.output_text.delta": "text", "response.output_audio_transcript.delta": "transcript"}
_DONE = {"response.output_text.done": "text", "response.output_audio_transcript.done": "transcript"}


def _list(value: Any) -> list[JSON]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _decoded(delta: str) -> bytes:
    try:
        return binascii.a2b_base64(delta)
    except ValueError:
        return b""


def _usage(usages: list[JSON]) -> RealtimeResponseUsage | None:
    if not usages:
        return None
    from realtime_api.models import RealtimeResponseUsage

    return RealtimeResponseUsage.from_dict(functools.reduce(_sum, usages))


def _sum(one: Any, other: Any) -> Any:
    """Add numbers up, key by key."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = [*one, *(key for key in other if key not in one)]
        return {key: _sum(one.get(key), other.get(key)) for key in keys}
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other if one is None else one
