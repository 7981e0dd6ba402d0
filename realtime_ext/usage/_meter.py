"""Usage added up while events come in.

This module must not read from a connection: it is shown events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._amounts import part
from ._usage import Usage

__all__ = ["UsageMeter"]

_SESSION = ("session.created", "session.updated")
_RESPONSE = "response.done"
_TRANSCRIPTION = "conversation.item.input_audio_transcription.completed"


class UsageMeter:
    """Adds up what a session uses.

    It looks at `session.created` and `session.updated` for the models, and at `response.done` and completed
    transcriptions for what they took; an event that comes twice counts once. Everything else is passed over.

    Args:
        model: The session's model, until an event says it. A sideband gets no `session.created`.
        transcription_model: The model that transcribes the input, likewise.
    """

    __slots__ = ("_model", "_seen", "_transcription_model", "_usage")

    def __init__(self, model: str | None = None, transcription_model: str | None = None) -> None:
        self._model = model
        self._transcription_model = transcription_model
        self._usage = Usage()
        self._seen: dict[str, None] = {}  # a set that is empty takes more

    @property
    def usage(self) -> Usage:
        """What was used so far; a value that later events don't change."""
        return self._usage

    def observe(self, event: Any) -> None:
        """Take one server event: generated, an `UnknownEvent`, or a dict."""
        data = part(event, "data")
        if not isinstance(event, Mapping) and isinstance(data, Mapping):
            event = data  # an UnknownEvent has the event as it came in there
        kind = part(event, "type")
        if kind in _SESSION:
            self._learn(part(event, "session"))
        elif kind == _RESPONSE:
            if self._is_new(part(part(event, "response"), "id")):
                self._usage += Usage.of_response(event, self._model)
        elif kind == _TRANSCRIPTION and self._is_new(part(event, "item_id"), part(event, "content_index")):
            self._usage += Usage.of_transcription(event, self._transcription_model)

    def _learn(self, session: Any) -> None:
        # What is off now may still have transcriptions under way, so a model is only ever replaced by
        # another.
        self._model = _name(part(session, "model")) or self._model
        transcription = part(part(part(session, "audio"), "input"), "transcription")
        self._transcription_model = _name(part(transcription, "model")) or self._transcription_model

    def _is_new(self, *identity: Any) -> bool:
        key = repr(identity)
        if key in self._seen and identity[0] is not None:
            return False
        self._seen[key] = None
        return True


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
