"""The words of the user's audio: requested from the driver, and sent to the client if it requested them.

Speech is not recognized here: the words come from the session's driver (`HearingNeeded`). Transcripts are
independent of the response, as the service's are: another model makes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from realtime_simulator._engine.conversation import Item
from realtime_simulator._engine.effects import HearingNeeded
from realtime_simulator._engine.plan import Plan, pieces
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.turn import Transcript
from realtime_simulator._engine.usage import input_audio_tokens, text_tokens
from realtime_simulator._media.speech import RATE

LOGPROBS = "item.input_audio_transcription.logprobs"
_PREFIX = "conversation.item.input_audio_transcription"
_LIVE = "gpt-live-"
"""The prefix of models that transcribe while the user speaks."""
_BY_DURATION = ("whisper", "gpt-realtime-whisper", _LIVE)
"""Prefixes of models whose use is counted in seconds."""
_WORD_SAMPLES = RATE // 3
"""The sound per further word where the user is transcribed live."""


@attrs.define
class _Heard:
    """The known words of one item.

    Args:
        item: The item; None while the user still speaks.
        settings: How it is transcribed; None if it isn't.
        transcript: The words, once they are known.
        sent: How many of their pieces have been sent.
    """

    item: Item | None
    settings: Mapping[str, Any] | None
    transcript: Transcript | None = None
    sent: int = 0
    asked: bool = False


@attrs.define
class _Running:
    plan: Plan
    due: float


class Transcription:
    """The transcripts of a session.

    Args:
        shared: The session's shared state.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._heard: dict[str, _Heard] = {}
        self._running: list[_Running] = []

    @property
    def pending(self) -> bool:
        """Whether the words of an item are still pending."""
        return any(heard.item is not None and heard.transcript is None for heard in self._heard.values())

    @property
    def live(self) -> bool:
        """Whether the user is transcribed while speaking."""
        return str((self._settings or {}).get("model")).startswith(_LIVE)

    @property
    def _settings(self) -> Mapping[str, Any] | None:
        settings: Mapping[str, Any] | None = self._shared.config.input.get("transcription")
        return settings

    def speaking(self, item_id: str, samples: int, pcm: Callable[[], bytes]) -> None:
        """Process that the user has spoken so far, where that is transcribed live.

        Args:
            item_id: The id that the item will have.
            samples: How much has been said, at 24 kHz.
            pcm: Returns the sound.
        """
        heard = self._heard.setdefault(item_id, _Heard(None, self._settings))
        if not heard.asked:
            heard.asked = True
            self._shared.effect(HearingNeeded(item_id, pcm(), finished=False))
        if heard.transcript is not None and heard.transcript.error is None:
            words = pieces(heard.transcript.text)
            # The last word is certain only when nothing follows it.
            due = min(len(words) - 1, samples // _WORD_SAMPLES)
            for word in words[heard.sent : due]:
                self._send_delta(item_id, word)
            heard.sent = max(heard.sent, due)

    def begin(self, item: Item, now: float) -> None:
        """Request the words of an item.

        Args:
            item: A user's item with audio.
            now: The time.
        """
        heard = self._heard.setdefault(item.id, _Heard(None, self._settings))
        heard.item = item
        if heard.transcript is None:
            self._shared.effect(HearingNeeded(item.id, bytes(item.audio)))
        else:
            self._known(item.id, heard, heard.transcript, now)

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        """Process the words of an item; unknown ids are ignored.

        Args:
            item_id: The item's id.
            transcript: The words; None if they can't be known before the user has finished.
            now: The time.
        """
        heard = self._heard.get(item_id)
        if heard is None or heard.transcript is not None or transcript is None:
            return
        heard.transcript = transcript
        if heard.item is not None:
            self._known(item_id, heard, transcript, now)

    def tick(self, now: float) -> None:
        """Continue the plans that are due."""
        for running in list(self._running):
            while running.due <= now:
                try:
                    running.due += next(running.plan)
                except StopIteration:
                    self._running.remove(running)
                    break

    def deadline(self) -> float:
        """Return when `tick` is due next; infinity if never."""
        return min((running.due for running in self._running), default=math.inf)

    def drop(self) -> None:
        """Drop all transcripts, because the session has ended."""
        for running in self._running:
            running.plan.close()
        self._running.clear()

    def _known(self, item_id: str, heard: _Heard, transcript: Transcript, now: float) -> None:
        del self._heard[item_id]
        assert heard.item is not None
        heard.item.heard = transcript.text
        if heard.settings is not None:
            pause = self._shared.vary(self._shared.pacing.transcript)
            plan = self._send(heard.item, transcript, heard.settings, heard.sent, pause)
            self._running.append(_Running(plan, now + pause / 2))

    def _send(
        self, item: Item, transcript: Transcript, settings: Mapping[str, Any], sent: int, pause: float
    ) -> Plan:
        if transcript.delay:
            yield transcript.delay
        if self._shared.conversation.find(item.id) is not item:
            return  # the client has deleted it meanwhile
        if transcript.error is not None:
            problem = {
                "type": transcript.type,
                "code": transcript.code,
                "message": transcript.error,
                "param": None,
            }
            self._emit("failed", item.id, error=problem)
            return
        text, model = transcript.text, str(settings.get("model") or "gpt-realtime-whisper")
        if model.endswith("diarize"):
            fields = {"id": self._shared.ids.new("seg"), "speaker": "A", "start": 0.0}
            self._emit("segment", item.id, text=text, end=len(item.audio) / 2 / RATE, **fields)
        words = [text] if model.startswith("whisper") and text else pieces(text)
        for word in words[sent:]:
            self._send_delta(item.id, word)
        if pause:
            yield pause / 2
        item.data["content"][0]["transcript"] = text
        extra = {"logprobs": list(_logprobs(words))} if self._logprobs_wanted else {}
        self._emit("completed", item.id, transcript=text, usage=_usage(item, text, model), **extra)

    @property
    def _logprobs_wanted(self) -> bool:
        return LOGPROBS in (self._shared.config.get("include") or ())

    def _send_delta(self, item_id: str, word: str) -> None:
        extra = {"logprobs": list(_logprobs([word]))} if self._logprobs_wanted else {}
        self._emit("delta", item_id, delta=word, obfuscation=self._shared.ids.obfuscation(word), **extra)

    def _emit(self, what: str, item_id: str, **fields: Any) -> None:
        self._shared.emit({"type": f"{_PREFIX}.{what}", "item_id": item_id, "content_index": 0, **fields})


def _logprobs(words: list[str]) -> Iterator[dict[str, Any]]:
    for word in words:
        yield {"token": word, "logprob": -0.01, "bytes": list(word.encode())}


def _usage(item: Item, text: str, model: str) -> dict[str, Any]:
    if model.startswith(_BY_DURATION):
        # Silence costs nothing; everything else is rounded up.
        return {"type": "duration", "seconds": math.ceil(len(item.audio) / 2 / RATE) if text else 0}
    heard, written = input_audio_tokens(len(item.audio) * 500 / RATE), text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "output_tokens": written,
        "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
    }
