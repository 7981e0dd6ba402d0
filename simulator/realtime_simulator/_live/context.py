"""The context of a Live session: its history, how full it is, and what was appended to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.usage import input_audio_tokens, output_audio_tokens, text_tokens
from realtime_simulator._live.config import MAX_APPEND_TOKENS, tokens
from realtime_simulator._live.events import message, text_of
from realtime_simulator._live.timeline import FRAME, milliseconds

_INJECTION = 3 * FRAME
_CONTEXT_TOKENS = 128_000
_BASE_TOKENS = 1_100
_MOST_CONTEXT = 0.9
_KEPT_TOKENS = 8_192


class Context:
    """The history of one session.

    Attributes:
        items: The conversation, oldest first.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._spent = _BASE_TOKENS

    @property
    def ratio(self) -> float:
        """How full it is, up to 1."""
        return min(1.0, self._spent / _CONTEXT_TOKENS)

    @property
    def is_full(self) -> bool:
        return self.ratio > _MOST_CONTEXT

    def user_said(self, text: str, samples: int) -> None:
        """Add what the user said."""
        self.items.append(message("user", "input_audio", text))
        self._spent += input_audio_tokens(milliseconds(samples))

    def model_said(self, text: str) -> None:
        """Add what the model said; nothing if it said nothing."""
        if text:
            self.items.append(message("assistant", "output_audio", text))
            self._spent += output_audio_tokens(len(text) * 60) + text_tokens(text)

    def appended(self, kind: str, content: str) -> None:
        """Add what a client appended."""
        self._spent += tokens(content)
        self.items.append({"type": kind, "content": [{"type": "input_text", "text": content}]})

    def remember(self, item: dict[str, Any]) -> None:
        """Add an item of the backend's conversation, whose tokens are counted there."""
        self.items.append(item)

    def fill(self) -> None:
        """Make it full."""
        self._spent = _CONTEXT_TOKENS

    def shorten(self) -> None:
        """Keep the end of the history, as another engine does that has the instructions and no more."""
        kept: list[dict[str, Any]] = []
        spent = 0
        for item in reversed(self.items):
            spent += tokens(text_of(item))
            if spent > _KEPT_TOKENS:
                break
            kept.insert(0, item)
        self.items, self._spent = kept, _BASE_TOKENS + spent


@attrs.frozen
class Append:
    """An append whose injection is not complete.

    Args:
        kind: `instructions`, `thinking` or `commentary`.
        client_event_id: The id of the client's event.
        start: The sample of the timeline at which its injection starts.
    """

    kind: str
    client_event_id: str | None
    start: int


class Appends:
    """The appends of one session that are not complete."""

    def __init__(self) -> None:
        self._pending: deque[Append] = deque()
        self._lost: list[Append] = []

    def __bool__(self) -> bool:
        """Return whether any will be complete."""
        return bool(self._pending)

    def add(self, kind: str, client_event_id: str | None, position: int, *, lost: bool) -> None:
        """Add one.

        Args:
            kind: `instructions`, `thinking` or `commentary`.
            client_event_id: The id of the client's event.
            position: Where the timeline is.
            lost: Whether it will never be complete.
        """
        start = -(-position // FRAME) * FRAME + _INJECTION
        (self._lost if lost else self._pending).append(Append(kind, client_event_id, start))

    def complete(self, start: int) -> Iterator[Append]:
        """Yield those that are complete when a frame starts."""
        while self._pending and self._pending[0].start + FRAME <= start:
            yield self._pending.popleft()

    def fail(self) -> Sequence[Append]:
        """Drop all of them; return them in order."""
        pending = sorted([*self._lost, *self._pending], key=lambda append: append.start)
        self._lost.clear()
        self._pending.clear()
        return pending


def check_length(content: str) -> None:
    """Refuse what is too long to be appended.

    Raises:
        ApiProblem: It has too many tokens.
    """
    if tokens(content) > MAX_APPEND_TOKENS:
        raise ApiProblem(
            f"Context append text must not exceed {MAX_APPEND_TOKENS} tokens.",
            code="invalid_value",
            param="content",
        )
