"""The user's audio in a session: its buffer, the commands on it, its turns, and the timeout of a
silent user.

Server VAD analyses the samples (`vad`). Semantic VAD uses the same detector. The pause that ends a turn
depends on the eagerness and, where the words are known, on how they end: a finished sentence needs a short
one, a sentence that breaks off a long one.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages, refusals
from realtime_simulator._engine.conversation import Item
from realtime_simulator._engine.effects import AudioIn
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.vad import Edge, PlacedSpeech, VoiceActivity
from realtime_simulator._media.formats import Decoder
from realtime_simulator._media.speech import RATE

MINIMUM_MS = 100
MAXIMUM_SECONDS = 300
"""Uncommitted audio is kept this long; older audio is dropped."""
SEMANTIC_PAUSE_MS = {"low": 2000, "medium": 1000, "auto": 1000, "high": 400}
"""By the eagerness; so long if the words are unknown, or end without a mark."""
FINISHED_PAUSE_MS = {"low": 1000, "medium": 500, "auto": 500, "high": 300}
UNFINISHED_PAUSE_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
_WORDS_NEEDED_MS = 200
_FINISHED = re.compile(r"[.!?。！？؟][\"'”’)»]*$")
_UNFINISHED = re.compile(
    r"([,;:–—-]|\.\.\.|…)$|\b(and|or|but|so|because|if|that|which|the|a|an|to|of|for|with|um+|uh+|er+|hmm+)\.?$",
    re.IGNORECASE,
)
_SEMANTIC_THRESHOLD, _SEMANTIC_PREFIX_MS = 0.5, 300
_PIECE_BYTES = RATE // 50 * 2
"""Shorter pieces of sound are kept together, so that there are not too many."""
_SILENT_SECONDS = 30.0
"""With turn detection, this much is kept during silence."""
_NOTE = "The user has been silent for some time. Answer what was said, if anything was; otherwise go on."


class InputBuffer:
    """Input audio, PCM16 mono at 24 kHz. Places are samples from the start of the input.

    The pieces are kept as they came: those of a silent caller are one object, however long the silence.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._skipped = 0  # bytes of the first piece that are dropped already

    @property
    def start(self) -> int:
        """The place of the oldest sample in the buffer."""
        return self._dropped // 2

    @property
    def end(self) -> int:
        """The place after the newest sample: the length of all input so far."""
        return (self._dropped + self._size) // 2

    @property
    def milliseconds(self) -> int:
        return self._size // 2 * 1000 // RATE

    def append(self, pcm: bytes) -> None:
        if self._pieces and len(self._pieces[-1]) + len(pcm) <= _PIECE_BYTES:
            self._pieces[-1] += pcm
        else:
            self._pieces.append(pcm)
        self._size += len(pcm)
        self.keep(MAXIMUM_SECONDS)

    def keep(self, seconds: float) -> None:
        """Keep the newest `seconds` only."""
        over = self._size - int(seconds * RATE) * 2
        if over > 0:
            self._drop(over)

    def clear(self) -> None:
        self._drop(self._size)

    def commit(self) -> bytes:
        """Return the buffer's audio and empty it.

        Raises:
            ApiProblem: There is less than 100 ms in it.
        """
        if self.milliseconds < MINIMUM_MS:
            raise ApiProblem(
                f"Error committing input audio buffer: buffer too small. Expected at least {MINIMUM_MS}ms of "
                f"audio, but buffer only has {self._size / 2 * 1000 / RATE:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        return self.take(self.start, self.end)

    def read(self, start: int, end: int) -> bytes:
        """Return the audio between two places, as far as it is in the buffer."""
        audio, origin = b"".join(self._pieces), self._dropped - self._skipped
        return audio[max(self._skipped, start * 2 - origin) : max(self._skipped, end * 2 - origin)]

    def take(self, start: int, end: int) -> bytes:
        """Return the audio between two places, and drop all audio before the end."""
        audio = self.read(start, end)
        self._drop(min(max(0, end * 2 - self._dropped), self._size))
        return audio

    def _drop(self, size: int) -> None:
        self._dropped += size
        self._size -= size
        self._skipped += size
        while self._pieces and len(self._pieces[0]) <= self._skipped:
            self._skipped -= len(self._pieces.popleft())


class TurnHandler(Protocol):
    """The session's side of the user's turns."""

    def speaking(self, item_id: str, samples: int, pcm: Callable[[], bytes]) -> None:
        """Process how much the user has said so far of an item to come.

        Args:
            item_id: The id that the item will have.
            samples: How much has been said, at 24 kHz.
            pcm: Returns the sound.
        """
        ...

    def pausing(self, item_id: str, pcm: bytes) -> None:
        """Find the words so far of an item to come, then call `paused`.

        Args:
            item_id: The id that the item will have.
            pcm: Its sound so far.
        """
        ...

    def speech_started(self) -> None:
        """Process that the user has begun to speak."""
        ...

    def add_spoken(self, item: Item, *, turn: bool) -> None:
        """Insert the user's audio, and answer it if it is a whole turn."""
        ...

    def add_note(self, text: str) -> None:
        """Insert a system message."""
        ...


class InputAudio:
    """The input side of a session.

    Args:
        shared: The session's shared state.
        turns: The handler of the user's turns.
    """

    def __init__(self, shared: Shared, turns: TurnHandler) -> None:
        self._shared = shared
        self._turns = turns
        self.buffer: InputBuffer = InputBuffer()
        self._decoder: Decoder | None = None
        self._vad: VoiceActivity | PlacedSpeech | None = None
        self._vad_origin = 0
        self._item_id = ""
        self._pausing = False
        self._start = 0
        self._idle_from = 0
        self._idle_due = math.inf
        self.configure()

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn."""
        return self._vad is not None and self._vad.speaking

    def changes_nothing(self, *, quiet: bool) -> bool:
        """Whether 100 ms of the user change nothing: silence of one who is silent, or anything of one who
        speaks, since a turn ends, and a pause begins, after more silence than that.

        Args:
            quiet: Whether they are silence.
        """
        if not isinstance(self._vad, VoiceActivity):
            return False
        return self._vad.silent_ms == 0 if self._vad.speaking else quiet

    def configure(self) -> None:
        """Apply the session's turn detection."""
        settings = self._shared.config.turn_detection
        if settings is None:
            self._vad = None
        else:
            semantic = settings["type"] == "semantic_vad"
            self._pausing = False
            threshold = _SEMANTIC_THRESHOLD if semantic else settings["threshold"]
            pause = SEMANTIC_PAUSE_MS[settings["eagerness"]] if semantic else settings["silence_duration_ms"]
            if self._vad is None and self._shared.settings.speech is not None:
                self._vad = PlacedSpeech(self._shared.settings.speech, self.buffer.end)
            elif self._vad is None:
                self._vad = VoiceActivity(threshold, pause)
                self._vad_origin = self.buffer.end
            else:
                self._vad.configure(threshold, pause)
        if self._idle_timeout is None:
            self._idle_due = math.inf

    # Client events

    def append(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.append`."""
        format = str(self._shared.config.input["format"]["type"])
        if self._decoder is None or self._decoder.format != format:
            self._decoder = Decoder(format)
        data = messages.decode_audio(event["audio"])
        if not data:
            raise refusals.TABLE["audio_empty"].problem(at="audio")
        pcm = self._decoder.push(data)
        self._shared.effect(AudioIn(pcm))
        self.hear(pcm)

    def commit(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.commit`."""
        audio = self.buffer.commit()
        item_id = self._item_id or self._shared.ids.new("item")
        self._drop_turn()
        self._commit(item_id, audio, turn=False)

    def clear(self, event: Mapping[str, Any]) -> None:
        """`input_audio_buffer.clear`."""
        self.buffer.clear()
        self._drop_turn()
        self._shared.emit({"type": "input_audio_buffer.cleared"})

    # Sound

    def hear(self, pcm: bytes) -> None:
        """Append sound, PCM16 mono at 24 kHz, and find turns in it."""
        self.buffer.append(pcm)
        vad = self._vad
        if vad is None:
            self._start = self.buffer.start
            if self.buffer.milliseconds >= MINIMUM_MS:
                self._go_on()
            return
        for edge in vad.push(pcm):
            self._turn(edge)
        if vad.speaking:
            self._go_on()
            self._look_for_pause(vad)
        else:
            self.buffer.keep(_SILENT_SECONDS)

    def _look_for_pause(self, vad: VoiceActivity | PlacedSpeech) -> None:
        """Ask for the words when a pause begins, if they decide how long it may be."""
        settings = self._shared.config.turn_detection
        if settings is None or settings["type"] != "semantic_vad" or isinstance(vad, PlacedSpeech):
            return
        pauses = vad.silent_ms >= _WORDS_NEEDED_MS
        if pauses and not self._pausing:
            self._turns.pausing(self._item_id, self.buffer.read(self._start, self.buffer.end))
        elif self._pausing and not pauses:
            vad.configure(_SEMANTIC_THRESHOLD, SEMANTIC_PAUSE_MS[settings["eagerness"]])
        self._pausing = pauses

    def paused(self, item_id: str, words: str) -> None:
        """Decide by the words so far how long the pause of a user who still speaks may be."""
        settings = self._shared.config.turn_detection
        if settings is not None and self._vad is not None and self._pausing and item_id == self._item_id:
            pause = semantic_pause_ms(words, str(settings["eagerness"]))
            self._vad.configure(_SEMANTIC_THRESHOLD, pause)

    def _go_on(self) -> None:
        """Process more sound of the user's current item."""
        self._item_id = self._item_id or self._shared.ids.new("item")
        start, end = self._start, self.buffer.end
        self._turns.speaking(self._item_id, end - start, lambda: self.buffer.read(start, end))

    def _turn(self, edge: Edge) -> None:
        settings = self._shared.config.turn_detection or {}
        place = self._vad_origin + edge.sample
        if edge.kind == "started":
            prefix = settings.get("prefix_padding_ms", _SEMANTIC_PREFIX_MS) * RATE // 1000
            if self._shared.settings.speech is not None:
                prefix = 0
            self._pausing = False
            self._start = max(self.buffer.start, place - prefix)
            self._item_id = self._shared.ids.new("item")
            self._idle_due = math.inf
            self._say("speech_started", audio_start_ms=_ms(self._start))
            self._turns.speech_started()
            return
        self._say("speech_stopped", audio_end_ms=_ms(place))
        self._commit(self._item_id, self.buffer.take(self._start, place), turn=True)

    def _commit(self, item_id: str, audio: bytes, *, turn: bool) -> None:
        self._idle_due = math.inf
        self._item_id = ""
        item = Item(
            {
                "id": item_id,
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            },
            audio,
        )
        previous = self._shared.conversation.last_id()
        event = {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
        self._shared.emit(event)
        self._turns.add_spoken(item, turn=turn)

    def _drop_turn(self) -> None:
        self._item_id = ""
        if self._vad is not None:
            self._vad.reset()

    def _say(self, what: str, **fields: Any) -> None:
        self._shared.emit({"type": f"input_audio_buffer.{what}", "item_id": self._item_id, **fields})

    # The silent user

    @property
    def _idle_timeout(self) -> float | None:
        milliseconds = (self._shared.config.turn_detection or {}).get("idle_timeout_ms")
        return None if milliseconds is None else float(milliseconds) / 1000

    def model_is_silent(self, since: float) -> None:
        """Start the timeout of a silent user, because the model is silent.

        Args:
            since: When its audio has been played.
        """
        timeout = self._idle_timeout
        if timeout is not None and not self.speaking:
            self._idle_from = self.buffer.end
            self._idle_due = since + timeout

    def model_speaks(self) -> None:
        """Stop the timeout of a silent user, because a response has begun."""
        self._idle_due = math.inf

    def tick(self, now: float) -> None:
        """Commit an empty turn for the user if the timeout is over."""
        if now < self._idle_due:
            return
        self._idle_due = math.inf
        self._item_id = self._shared.ids.new("item")
        end = self.buffer.end
        # The silence after the model's audio was played, as far as sound came meanwhile.
        start = max(self._idle_from, end - int((self._idle_timeout or 0.0) * RATE))
        self._say("timeout_triggered", audio_start_ms=_ms(start), audio_end_ms=_ms(end))
        self._turns.add_note(_NOTE)
        self._commit(self._item_id, self.buffer.take(start, end), turn=True)

    def deadline(self) -> float:
        """Return when `tick` is due next; infinity if never."""
        return self._idle_due


def semantic_pause_ms(words: str, eagerness: str) -> int:
    """Return the pause after which words end a turn of semantic turn detection.

    Args:
        words: The words so far.
        eagerness: `low`, `medium`, `auto` or `high`.
    """
    words = words.strip()
    if _UNFINISHED.search(words):
        return UNFINISHED_PAUSE_MS[eagerness]
    return (FINISHED_PAUSE_MS if _FINISHED.search(words) else SEMANTIC_PAUSE_MS)[eagerness]


def _ms(place: int) -> int:
    return place * 1000 // RATE
