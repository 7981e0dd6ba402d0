"""Record a conversation: both sides as a stereo WAV, and a transcript as JSON lines.

A `Recorder` is an observer of a connection. It must not change what goes by, and holds no more than some
seconds of it.

    with Recorder("call.wav") as recorder, client.connect(session, observer=recorder) as connection: …

The user is left, the model right. Events bring the audio of WebSockets; that of a WebRTC call flows beside
them, and is handed over with `said` and `heard`.
"""

from __future__ import annotations

import binascii
import json
import os
import threading
import time
import wave
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from .. import audio
from .._core.pcm import from_samples, to_samples
from ..audio import AudioFormat, audio_format

__all__ = ["Recorder"]


def __dir__() -> list[str]:
    return __all__


_RATE = 24000
_SECOND = _RATE * 2  # bytes of one side
_KEPT_S = 5.0  # what is older is written; an interruption can cut what is not

_Speaker = Literal["user", "assistant"]


class Recorder:
    """Writes both sides of a conversation, as its observer.

    What is sent faster than it is spoken, as files and the model's replies are, is put behind what came
    before it on the same side. Of a reply that is interrupted, what is cut from the conversation is cut here.

    Any thread may call it. Writing to the files is the only thing that it waits for.

    Args:
        sound: The WAV file, 24 kHz, 16 bits, stereo: the user left, the model right. None for none.
        transcript: The file of JSON lines; None for the WAV file's name with `.jsonl`. Each line has `at`
            (seconds since the beginning), `role` (`user`, `assistant`, `system`, `tool`), `text` and ids. A
            tool's call has `name`, and its `text` is the arguments; its output has the same `call_id`. Of an
            interrupted reply all words are there, for they come before they are heard; a line with its
            `item_id`, no text and `heard_ms` says how much of it was heard.

    Raises:
        OSError: A file can't be written.
        ValueError: Neither file is named.

    Example:
        ```python
        with Recorder("call.wav") as recorder:
            with client.connect("gpt-realtime", observer=recorder) as connection:
                connection.ask("Is breakfast included?")
        ```
    """

    def __init__(
        self, sound: str | os.PathLike[str] | None, transcript: str | os.PathLike[str] | None = None
    ) -> None:
        if sound is None and transcript is None:
            raise ValueError("Recorder: name a WAV file, a file for the transcript, or both")
        self._lock = threading.RLock()
        self._began_ns: int = time.monotonic_ns()
        self._sides: dict[_Speaker, _Side] = {"user": _Side(), "assistant": _Side()}
        self._written = 0  # bytes of each side that are in the file
        if sound is not None and transcript is None:
            transcript = Path(sound).with_suffix(".jsonl")
        assert transcript is not None
        # Half characters are written as JSON writes them, `\\ud800`: UTF-8 has none.
        self._transcript: TextIO = open(  # noqa: SIM115  (closed by `close`)
            transcript, "w", encoding="utf-8", errors="backslashreplace"
        )
        try:
            self._sound = None if sound is None else _open_wav(sound)
        except BaseException:
            self._transcript.close()
            raise

    def __call__(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """Record an event, as an observer is called."""
        with self._lock:
            if self._transcript.closed:
                return
            now = (monotonic_ns - self._began_ns) / 1e9
            self._write(now - _KEPT_S)
            self._hear(event, now)
            line = _line_of(event)
            if line is not None:
                text = json.dumps({"at": round(now, 3), **line}, ensure_ascii=False)
                self._transcript.write(text + "\n")
                self._transcript.flush()

    def said(self, pcm: bytes) -> None:
        """Record what the user says now, PCM16 at 24 kHz, where no event brings it."""
        self._beside("user", pcm)

    def heard(self, pcm: bytes) -> None:
        """Record what the user hears now, PCM16 at 24 kHz, where no event brings it."""
        self._beside("assistant", pcm)

    def close(self) -> None:
        """Write what is left, and close the files; closing twice does nothing more."""
        with self._lock:
            if self._transcript.closed:
                return
            self._write(max(side.end for side in self._sides.values()) / _SECOND)
            self._transcript.close()
            if self._sound is not None:
                self._sound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _beside(self, side: _Speaker, pcm: bytes) -> None:
        with self._lock:
            if not self._transcript.closed:
                now = (time.monotonic_ns() - self._began_ns) / 1e9
                self._write(now - _KEPT_S)
                self._sides[side].add(pcm, now)

    def _hear(self, event: Any, now: float) -> None:
        match event.type:
            case "session.created" | "session.updated":
                self._use(event.session)
            case "input_audio_buffer.append":
                self._sides["user"].add(self._pcm("user", event.audio), now)
            case "response.output_audio.delta":
                self._sides["assistant"].add(self._pcm("assistant", event.delta), now, event.item_id)
            case "conversation.item.truncated":
                self._sides["assistant"].cut(event.item_id, event.audio_end_ms / 1000)
            case "conversation.item.deleted":
                self._sides["assistant"].cut(event.item_id, 0.0)

    def _use(self, session: Any) -> None:
        """Learn the formats from what the server says of the session."""
        for side, name in (("user", "input"), ("assistant", "output")):
            form = getattr(getattr(getattr(session, "audio", None), name, None), "format", None)
            self._sides[side].form = audio_format() if form is None else audio_format(form)  # type: ignore[index]

    def _pcm(self, side: _Speaker, text: str) -> bytes:
        """Return an event's audio as PCM16 at 24 kHz."""
        raw = binascii.a2b_base64(text)
        match self._sides[side].form.name:
            case "pcmu":
                return _tripled(audio.pcmu_to_pcm16(raw))
            case "pcma":
                return _tripled(audio.pcma_to_pcm16(raw))
        return raw

    def _write(self, until: float) -> None:
        """Write both sides up to a moment, in seconds since the beginning; what is missing is silence."""
        end = max(0, int(until * _RATE)) * 2
        user, model = self._sides["user"], self._sides["assistant"]
        while (size := min(end - user.written, _SECOND)) > 0:
            left, right = user.take(size), model.take(size)
            if self._sound is not None:
                self._sound.writeframes(_interleaved(left, right))


class _Side:
    """What one side said and is not written yet, as PCM16 at 24 kHz; positions are in bytes.

    Attributes:
        form: In which format events bring it.
        written: Up to where it was written.
    """

    def __init__(self) -> None:
        self.form: AudioFormat = audio_format()
        self.written = 0
        self._pcm = bytearray()
        self._items: dict[str, list[tuple[int, int]]] = {}  # from where to where an item's pieces go

    @property
    def end(self) -> int:
        """Where the next piece goes, if it doesn't come later than that."""
        return self.written + len(self._pcm)

    def add(self, pcm: bytes, now: float, item_id: str | None = None) -> None:
        """Put a piece where the one before ends, or now if that was over."""
        begin = max(self.end, int(now * _RATE) * 2)
        self._pcm += bytes(begin - self.end) + pcm
        if item_id is not None:
            self._items.setdefault(item_id, []).append((begin, self.end))

    def cut(self, item_id: str, heard: float) -> None:
        """Drop what of an item lies behind so many seconds of it."""
        left = int(max(heard, 0.0) * _RATE) * 2
        unheard = []
        for begin, end in self._items.pop(item_id, ()):
            unheard.append((begin + min(left, end - begin), end))
            left = max(left - (end - begin), 0)
        for begin, end in reversed(unheard):
            first, last = max(begin - self.written, 0), max(end - self.written, 0)
            if last == len(self._pcm):
                del self._pcm[first:]
            else:
                self._pcm[first:last] = bytes(last - first)

    def take(self, size: int) -> bytes:
        """Return the next bytes as written, with silence where there are none."""
        piece = bytes(self._pcm[:size]).ljust(size, b"\0")
        del self._pcm[:size]
        self.written += size
        self._items = {name: parts for name, parts in self._items.items() if parts[-1][1] > self.written}
        return piece


def _line_of(event: Any) -> dict[str, Any] | None:
    """Return what an event adds to the transcript: `role`, `text` and ids; None if it is nothing."""
    match event.type:
        case "conversation.item.input_audio_transcription.completed":
            return {"role": "user", "text": event.transcript.strip(), "item_id": event.item_id}
        case "response.output_audio_transcript.done":
            return {"role": "assistant", "text": event.transcript, "item_id": event.item_id}
        case "response.output_text.done":
            return {"role": "assistant", "text": event.text, "item_id": event.item_id}
        case "response.output_item.done" if getattr(event.item, "type", None) == "function_call":
            item = event.item
            return {"role": "tool", "name": item.name, "text": item.arguments, "call_id": item.call_id}
        case "conversation.item.added":
            return _line_of_item(event.item)
        case "conversation.item.truncated":
            return {"role": "assistant", "text": "", "item_id": event.item_id, "heard_ms": event.audio_end_ms}
    return None


def _line_of_item(item: Any) -> dict[str, Any] | None:
    if getattr(item, "type", None) == "function_call_output":
        return {"role": "tool", "text": item.output, "call_id": item.call_id}
    if getattr(item, "role", None) not in ("user", "system"):
        return None  # an answer's words come when they are complete
    text = " ".join(part.text for part in item.content if getattr(part, "text", None))
    return {"role": item.role, "text": text, "item_id": item.id} if text else None


def _tripled(pcm: bytes) -> bytes:
    """Return 8 kHz as 24 kHz, by straight lines between the samples; a telephone's sound has no more."""
    samples = to_samples(pcm)
    wide = array("h", bytes(len(samples) * 6))
    for index, sample in enumerate(samples):
        after = samples[index + 1] if index + 1 < len(samples) else sample
        wide[index * 3] = sample
        wide[index * 3 + 1] = (2 * sample + after) // 3
        wide[index * 3 + 2] = (sample + 2 * after) // 3
    return from_samples(wide)


def _interleaved(left: bytes, right: bytes) -> bytes:
    both = array("h", bytes(len(left) * 2))
    both[0::2], both[1::2] = array("h", left), array("h", right)  # in the bytes' own order, in and out
    return both.tobytes()


def _open_wav(path: str | os.PathLike[str]) -> wave.Wave_write:
    open(path, "wb").close()  # or `wave` prints a traceback of its own where that is an error
    sound = wave.open(os.fspath(path), "wb")  # noqa: SIM115  (closed by `close`)
    sound.setnchannels(2)
    sound.setsampwidth(2)
    sound.setframerate(_RATE)
    return sound
