"""A translation session, sans I/O: speech in, the same in another language out, turn by turn.

A stretch of speech that ends with a pause is translated as a whole; the API translates during speech.
Nothing is translated here: the words come from the session's driver.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.config import TranslationConfig
from realtime_simulator._engine.effects import AudioIn, AudioOut, HearingNeeded, Play, TranslationNeeded
from realtime_simulator._engine.input_audio import InputBuffer
from realtime_simulator._engine.output import CHUNK_SAMPLES
from realtime_simulator._engine.plan import audio_pause, pieces, speech_of
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import Action, Say, Transcript
from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._media.formats import Decoder
from realtime_simulator._media.speech import PCM, RATE

PAUSE_MS = 500
_SILENT_SECONDS = 1.0
_PREFIX = RATE * 3 // 10


class TranslationSession(BaseSession):
    """One translation session.

    Args:
        config: Its configuration.
        ids: The source of identifiers.
        now: The time at which it begins.
        settings: Its settings.
        plays_audio: Whether the server plays the translation on a track (WebRTC). If not, it goes out in
            `session.output_audio.delta` events.
    """

    def __init__(
        self,
        config: TranslationConfig,
        ids: Ids,
        now: float,
        settings: SessionSettings,
        *,
        plays_audio: bool = False,
    ) -> None:
        super().__init__(ids, now, settings, "RealtimeTranslationClientEvent")
        self.config = config
        self._pacing = settings.pacing
        self._plays_audio = plays_audio
        self._buffer = InputBuffer()
        self._decoder = Decoder(PCM)
        self._vad = VoiceActivity(silence_ms=PAUSE_MS)
        self._start = 0
        self._open: dict[str, int] = {}
        self._ready: deque[Generator[float, None, None]] = deque()
        self._next = math.inf
        self._closing = False
        self._handlers = {
            "session.update": self._update,
            "session.input_audio_buffer.append": self._append,
            "session.close": self._close,
        }

    def view(self) -> dict[str, Any]:
        return self.config.view()

    def hear(self, pcm: bytes, now: float) -> None:
        self.tick(now)
        if not self.ended and not self._closing:
            self._listen(pcm)

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        if item_id not in self._open or transcript is None:
            return
        text, error = transcript.text, transcript.error
        if error is not None or not text:
            if error is not None:
                self.emit(ApiProblem(error, type="server_error", code="translation_failed").event())
            del self._open[item_id]
            self._perhaps_close()
            return
        if self.config.transcribes:
            for piece in pieces(text):
                self._say("session.input_transcript.delta", delta=piece, elapsed_ms=self._open[item_id])
        self.effect(TranslationNeeded(item_id, text, self.config.language))

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        self.tick(now)
        if response_id in self._open:
            self._ready.append(self._perform(response_id, actions))
            if len(self._ready) == 1:
                self._next = self._now
            self._advance()

    def _perform(self, spoken_id: str, actions: Sequence[Action]) -> Generator[float, None, None]:
        elapsed = self._open[spoken_id]
        if self._pacing.first_audio:
            yield self._pacing.first_audio
        for action in actions:
            speech = speech_of(action)
            if not isinstance(action, Say) or speech is None:
                problem = ApiProblem(
                    "What was said could not be translated.", type="server_error", code="translation_failed"
                )
                self.emit(problem.event())
                continue
            words, sent = pieces(action.text), 0
            for start in range(0, speech.samples, CHUNK_SAMPLES):
                end = min(start + CHUNK_SAMPLES, speech.samples)
                at = elapsed + start * 1000 // RATE
                due = -(-len(words) * end // speech.samples)
                for word in words[sent:due]:
                    self._say("session.output_transcript.delta", delta=word, elapsed_ms=at)
                sent = due
                if self._plays_audio:
                    self.effect(Play(spoken_id, spoken_id, speech, start, end))
                else:
                    self._send_sound(speech.pcm[start * 2 : end * 2], at)
                if self._pacing.speed:
                    yield audio_pause(self._pacing, end - start)
        del self._open[spoken_id]

    def _send_sound(self, pcm: bytes, at: int) -> None:
        self.effect(AudioOut(pcm))
        self._say(
            "session.output_audio.delta",
            delta=messages.encode_audio(pcm),
            sample_rate=RATE,
            channels=1,
            format="pcm16",
            elapsed_ms=at,
        )

    def _advance(self) -> None:
        while self._ready and self._next <= self._now:
            try:
                self._next += next(self._ready[0])
            except StopIteration:
                self._ready.popleft()
                self._next = self._now if self._ready else math.inf
                self._perhaps_close()

    def _due(self) -> float:
        return self._next

    def _drop(self) -> None:
        for plan in self._ready:
            plan.close()
        self._ready.clear()

    def _say(self, type: str, **fields: Any) -> None:
        self.emit({"type": type, **fields})

    # Client events

    def _update(self, event: Mapping[str, Any]) -> None:
        self.config.update(event["session"])
        self._say("session.updated", session=self.config.view())

    def _append(self, event: Mapping[str, Any]) -> None:
        if self._closing:
            raise ApiProblem("The session is closing; it takes no more audio.", code="session_closing")
        pcm = self._decoder.push(messages.decode_audio(event["audio"]))
        self.effect(AudioIn(pcm))
        self._listen(pcm)

    def _listen(self, pcm: bytes) -> None:
        self._buffer.append(pcm)
        for edge in self._vad.push(pcm):
            if edge.kind == "started":
                self._start = max(self._buffer.start, edge.sample - _PREFIX)
            else:
                self._translate(edge.sample)
        if not self._vad.speaking:
            self._buffer.keep(_SILENT_SECONDS)

    def _translate(self, end: int) -> None:
        spoken_id = self.ids.new("item")
        self._open[spoken_id] = self._start * 1000 // RATE
        self.effect(HearingNeeded(spoken_id, self._buffer.take(self._start, end)))

    def _close(self, event: Mapping[str, Any]) -> None:
        self._closing = True
        if self._vad.speaking:
            self._vad.reset()
            self._translate(self._buffer.end)
        self._perhaps_close()

    def _perhaps_close(self) -> None:
        if self._closing and not self._open and not self.ended:
            self._say("session.closed")
            self.end(1000, "session closed")
