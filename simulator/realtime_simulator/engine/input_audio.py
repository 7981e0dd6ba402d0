"""The user's audio in a session: the buffer's commands, turns found in it, and the wait for a silent user.

Server VAD judges the samples themselves (`vad`). Semantic VAD is simulated: the same detector, with a pause
whose length depends on the eagerness, because nothing here understands what is said.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, Protocol

from realtime_simulator.engine.config import SessionConfig
from realtime_simulator.engine.conversation import Conversation, Item
from realtime_simulator.engine.effects import AudioIn, Effect
from realtime_simulator.engine.ids import Ids
from realtime_simulator.engine.input_buffer import InputBuffer
from realtime_simulator.engine.vad import Edge, VoiceActivity
from realtime_simulator.media.codec import Decoder
from realtime_simulator.media.speech import RATE
from realtime_simulator.problem import ApiProblem

SEMANTIC_PAUSE_MS = {"low": 2000, "medium": 1000, "auto": 1000, "high": 400}
_SEMANTIC_THRESHOLD, _SEMANTIC_PREFIX_MS = 0.5, 300
_SILENT_SECONDS = 30.0
"""Where turns are detected, this much is kept while nobody speaks."""


class Owner(Protocol):
    """What the input needs of its session."""

    config: SessionConfig
    conversation: Conversation
    ids: Ids

    def emit(self, event: dict[str, Any]) -> None: ...
    def effect(self, effect: Effect) -> None: ...
    def add_spoken(self, item: Item, *, turn: bool) -> None: ...
    def speech_started(self) -> None: ...


class InputAudio:
    """The input side of a session.

    Args:
        owner: The session.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.buffer = InputBuffer()
        self._decoder: Decoder | None = None
        self._vad: VoiceActivity | None = None
        self._vad_origin = 0
        self._item_id = ""
        self._start = 0
        self._idle_from = 0
        self._idle_due = math.inf
        self.configure()

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn."""
        return self._vad is not None and self._vad.speaking

    def configure(self) -> None:
        """Follow the session's turn detection."""
        settings = self._owner.config.turn_detection
        if settings is None:
            self._vad = None
        else:
            semantic = settings["type"] == "semantic_vad"
            threshold = _SEMANTIC_THRESHOLD if semantic else settings["threshold"]
            pause = SEMANTIC_PAUSE_MS[settings["eagerness"]] if semantic else settings["silence_duration_ms"]
            if self._vad is None:
                self._vad = VoiceActivity(threshold, pause)
                self._vad_origin = self.buffer.end
            else:
                self._vad.configure(threshold, pause)
        if self._idle_timeout is None:
            self._idle_due = math.inf

    # Client events

    def append(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.append`."""
        format = str(self._owner.config.input["format"]["type"])
        if self._decoder is None or self._decoder.format != format:
            self._decoder = Decoder(format)
        pcm = self._decoder.push(decode_audio(event["audio"]))
        self._owner.effect(AudioIn(pcm))
        self.hear(pcm)

    def commit(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.commit`."""
        audio = self.buffer.commit()
        item_id = self._item_id if self.speaking else self._owner.ids.new("item")
        self._forget_turn()
        self._commit(item_id, audio, turn=False)

    def clear(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.clear`."""
        self.buffer.clear()
        self._forget_turn()
        self._owner.emit({"type": "input_audio_buffer.cleared"})

    # Sound

    def hear(self, pcm: bytes) -> None:
        """Take sound, PCM16 mono at 24 kHz."""
        self.buffer.append(pcm)
        vad = self._vad
        if vad is None:
            return
        for edge in vad.push(pcm):
            self._turn(edge)
        if not vad.speaking:
            self.buffer.keep(_SILENT_SECONDS)

    def _turn(self, edge: Edge) -> None:
        settings = self._owner.config.turn_detection or {}
        place = self._vad_origin + edge.sample
        if edge.kind == "started":
            prefix = settings.get("prefix_padding_ms", _SEMANTIC_PREFIX_MS) * RATE // 1000
            self._start = max(self.buffer.start, place - prefix)
            self._item_id = self._owner.ids.new("item")
            self._idle_due = math.inf
            self._say("speech_started", audio_start_ms=_ms(self._start))
            self._owner.speech_started()
            return
        self._say("speech_stopped", audio_end_ms=_ms(place))
        self._commit(self._item_id, self.buffer.take(self._start, place), turn=True)

    def _commit(self, item_id: str, audio: bytes, *, turn: bool) -> None:
        self._idle_due = math.inf
        item = Item(
            {
                "id": item_id,
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": ""}],
            },
            audio,
        )
        previous = self._owner.conversation.last_id()
        event = {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
        self._owner.emit(event)
        self._owner.add_spoken(item, turn=turn)

    def _forget_turn(self) -> None:
        if self._vad is not None:
            self._vad.reset()

    def _say(self, what: str, **fields: Any) -> None:
        self._owner.emit({"type": f"input_audio_buffer.{what}", "item_id": self._item_id, **fields})

    # The silent user

    @property
    def _idle_timeout(self) -> float | None:
        milliseconds = (self._owner.config.turn_detection or {}).get("idle_timeout_ms")
        return None if milliseconds is None else float(milliseconds) / 1000

    def model_is_silent(self, since: float) -> None:
        """The model has nothing more to say: begin to wait for the user.

        Args:
            since: When its audio has been heard to the end.
        """
        timeout = self._idle_timeout
        if timeout is not None and not self.speaking:
            self._idle_from = self.buffer.end
            self._idle_due = since + timeout

    def model_speaks(self) -> None:
        """A response has begun: no more waiting."""
        self._idle_due = math.inf

    def tick(self, now: float) -> None:
        """Take the turn in the user's place if the wait is over."""
        if now < self._idle_due:
            return
        self._idle_due = math.inf
        self._item_id = self._owner.ids.new("item")
        end = self.buffer.end
        self._say("timeout_triggered", audio_start_ms=_ms(self._idle_from), audio_end_ms=_ms(end))
        self._commit(self._item_id, self.buffer.take(self._idle_from, end), turn=True)

    def deadline(self) -> float:
        """Return when `tick` has something to do; infinity if never."""
        return self._idle_due


def decode_audio(text: str, param: str = "audio") -> bytes:
    """Return the bytes of an event's `audio`.

    Args:
        text: Base64.
        param: Its path in the event.

    Raises:
        ApiProblem: It isn't base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiProblem(
            f"Invalid value for '{param}': allowed is base64.", code="invalid_value", param=param
        ) from None


def _ms(place: int) -> int:
    return place * 1000 // RATE
