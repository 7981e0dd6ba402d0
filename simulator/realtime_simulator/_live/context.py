"""The context of a Live session: its history, and how full it is."""

from __future__ import annotations

from typing import Any

from realtime_simulator._engine.conversation import words_of
from realtime_simulator._engine.usage import input_audio_tokens, output_audio_tokens, text_tokens
from realtime_simulator._live.config import tokens
from realtime_simulator._live.timeline import milliseconds

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
        self.items.append(_message("user", "input_audio", text))
        self._spent += input_audio_tokens(milliseconds(samples))

    def model_said(self, text: str) -> None:
        """Add what the model said; nothing if it said nothing."""
        if text:
            self.items.append(_message("assistant", "output_audio", text))
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
            spent += tokens(" ".join(words_of(item)))
            if spent > _KEPT_TOKENS:
                break
            kept.insert(0, item)
        self.items, self._spent = kept, _BASE_TOKENS + spent


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    """Return a message with a transcript."""
    return {"type": "message", "role": role, "content": [{"type": kind, "transcript": text}]}
