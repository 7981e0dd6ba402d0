"""The words of the user's audio: requested from the driver, and sent to the client if it requested them.

Speech is not recognized here: the words come from the session's driver (`HearingNeeded`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from realtime_simulator.engine.conversation import Item
from realtime_simulator.engine.effects import HearingNeeded
from realtime_simulator.engine.turn import pieces
from realtime_simulator.engine.usage import input_audio_tokens, text_tokens
from realtime_simulator.media.speech import RATE

if TYPE_CHECKING:
    from realtime_simulator.engine.session import Session


LOGPROBS = "item.input_audio_transcription.logprobs"
_PREFIX = "conversation.item.input_audio_transcription"


@attrs.frozen
class _Waiting:
    item: Item
    settings: Mapping[str, Any] | None
    then: Callable[[], None]


class Transcription:
    """The transcripts of a session.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: dict[str, _Waiting] = {}

    @property
    def pending(self) -> bool:
        """Whether the words of an item are still awaited."""
        return bool(self._waiting)

    def begin(self, item: Item, then: Callable[[], None]) -> None:
        """Request the words of an item.

        Args:
            item: A user's item with audio.
            then: Called when they are there, after the events about them.
        """
        self._waiting[item.id] = _Waiting(item, self._session.config.input.get("transcription"), then)
        self._session.effect(HearingNeeded(item.id, item.audio))

    def heard(self, item_id: str, text: str, error: str | None = None) -> None:
        """Process the words of an item; unknown ids are ignored.

        Args:
            item_id: The item's id.
            text: The words; `""` if there are none.
            error: Why there are none, or None.
        """
        waiting = self._waiting.pop(item_id, None)
        if waiting is None:
            return
        waiting.item.heard = text
        if waiting.settings is not None and self._session.conversation.find(item_id) is waiting.item:
            if error is None:
                self._send_transcript(waiting.item, text, waiting.settings)
            else:
                problem = {"type": "server_error", "code": "transcription_failed", "message": error}
                self._emit("failed", waiting.item, error=problem)
        waiting.then()

    def _send_transcript(self, item: Item, text: str, settings: Mapping[str, Any]) -> None:
        model = str(settings.get("model") or "gpt-4o-transcribe")
        wanted = LOGPROBS in (self._session.config.get("include") or ())
        if model.endswith("diarize"):
            fields = {"id": self._session.ids.new("seg"), "speaker": "A", "start": 0.0}
            self._emit("segment", item, text=text, end=len(item.audio) / 2 / RATE, **fields)
        words = [text] if model.startswith("whisper") and text else pieces(text)
        for word in words:
            extra = {"logprobs": list(_logprobs([word]))} if wanted else {}
            self._emit("delta", item, delta=word, obfuscation=self._session.ids.obfuscation(word), **extra)
        extra = {"logprobs": list(_logprobs(words))} if wanted else {}
        item.data["content"][0]["transcript"] = text
        self._emit("completed", item, transcript=text, usage=_usage(item, text, model), **extra)

    def _emit(self, what: str, item: Item, **fields: Any) -> None:
        self._session.emit({"type": f"{_PREFIX}.{what}", "item_id": item.id, "content_index": 0, **fields})


def _logprobs(words: list[str]) -> Iterator[dict[str, Any]]:
    for word in words:
        yield {"token": word, "logprob": -0.01, "bytes": list(word.encode())}


def _usage(item: Item, text: str, model: str) -> dict[str, Any]:
    if model.startswith("whisper"):
        return {"type": "duration", "seconds": len(item.audio) / 2 / RATE}
    heard, written = input_audio_tokens(len(item.audio) * 500 / RATE), text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "output_tokens": written,
        "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
    }
