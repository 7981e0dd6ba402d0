"""Record a conversation: both sides as a stereo WAV, and a transcript as JSON lines.

A `Recorder` is an observer of a connection. It must not change what goes by, and keeps no audio in memory: it
is written as it comes, and an interruption cuts it in the file.

    with Recorder("call.wav") as recorder, client.connect(session, observer=recorder) as connection: …

The user is left, the model right. Events bring the audio of WebSockets; that of a WebRTC call flows beside
them, and is handed over with `said` and `heard`.
"""

from __future__ import annotations

import binascii
import json
import logging
import os
import struct
import threading
import time
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TextIO

from .. import audio
from .._core.callbacks import log_own_failure
from .._core.files import private_opener
from .._core.pcm import from_samples, to_samples
from ..audio import AudioFormat, audio_format

__all__ = ["Recorder"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_ext")

_RATE = 24000
_KEPT_S = 5.0  # how long after its audio an item can still be cut
_KEPT_HALVES = 64  # items of which half a sample waits for its other half
_MAX_FRAMES = (2**32 - 1 - 36) // 4  # a WAV file's sizes have 32 bits: about 12 hours

_Speaker = Literal["user", "assistant"]


class Recorder:
    """Writes both sides of a conversation, as its observer.

    Audio that is sent faster than it is spoken, such as files and the model's replies, is put behind the
    earlier audio of the same side. An interrupted reply is cut where the conversation is.

    Any thread may call it. Writing to the files is the only thing that it waits for. The files
    can be read by their owner alone (mode 0600). Audio past a WAV file's 4 GiB, some 12 hours, is dropped.

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
            with client.connect("gpt-realtime-2.1", observer=recorder) as connection:
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
        self._length = 0  # samples that the file has at least
        if sound is not None and transcript is None:
            transcript = Path(sound).with_suffix(".jsonl")
        assert transcript is not None
        # Half characters are written as JSON writes them, `\\ud800`: UTF-8 has none.
        self._transcript: TextIO = open(  # noqa: SIM115  (closed by `close`)
            transcript, "w", encoding="utf-8", errors="backslashreplace", opener=private_opener
        )
        try:
            self._sound = None if sound is None else _StereoFile(sound)
        except BaseException:
            self._transcript.close()
            raise
        self._sides: dict[_Speaker, _Side] = {
            "user": _Side(self._sound, 0),
            "assistant": _Side(self._sound, 1),
        }

    @property
    def began_ns(self) -> int:
        """When the recording began, of `time.monotonic_ns`; `at` in the transcript counts from there."""
        return self._began_ns

    def __call__(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """Record an event, as an observer is called."""
        with self._lock:
            if self._transcript.closed:
                return
            try:
                self._record(event, (monotonic_ns - self._began_ns) / 1e9)
            except OSError:
                raise
            except binascii.Error as error:
                _logger.warning("audio of %s is left out of the recording: %s", event.type, error)
            except Exception as error:
                log_own_failure(_logger, f"record {event.type}", error)

    def _record(self, event: Any, now: float) -> None:
        self._forget(now)
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
        """Write the remaining audio, and close the files; closing twice does nothing more."""
        with self._lock:
            if self._transcript.closed:
                return
            self._transcript.close()
            if self._sound is not None:
                self._sound.close(max(self._length, *(side.end for side in self._sides.values())))

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
                self._forget(now)
                self._sides[side].add(pcm, now, is_pcm=True)

    def _hear(self, event: Any, now: float) -> None:
        match event.type:
            case "session.created" | "session.updated":
                self._use(event.session)
            case "input_audio_buffer.append":
                self._sides["user"].add(binascii.a2b_base64(event.audio), now)
            case "response.output_audio.delta":
                self._sides["assistant"].add(binascii.a2b_base64(event.delta), now, event.item_id)
            case "conversation.item.truncated":
                self._sides["assistant"].cut(event.item_id, event.audio_end_ms / 1000)
            case "conversation.item.deleted":
                self._sides["assistant"].cut(event.item_id, 0.0)

    def _use(self, session: Any) -> None:
        """Learn the formats from what the server says of the session."""
        for side, name in (("user", "input"), ("assistant", "output")):
            form = getattr(getattr(getattr(session, "audio", None), name, None), "format", None)
            self._sides[side].use(audio_format() if form is None else audio_format(form))  # type: ignore[index]

    def _forget(self, now: float) -> None:
        """Forget the items that can't be cut any more; up to there the file lasts, even if it is silent."""
        past = max(0, int((now - _KEPT_S) * _RATE))
        self._length = max(self._length, past)
        for side in self._sides.values():
            side.forget(past)


class _Side:
    """One side of the conversation; positions are in samples.

    Args:
        file: Where it is written; None for nowhere.
        channel: Which side of the file it is.

    Attributes:
        end: Where the next piece goes, if it doesn't come later than that.
    """

    def __init__(self, file: _StereoFile | None, channel: int) -> None:
        self._file = file
        self._channel = channel
        self._form: AudioFormat = audio_format()  # in which events bring it
        self.end = 0
        self._items: dict[str, list[tuple[int, int]]] = {}  # where an item's pieces begin and end
        self._halves: dict[str | None, bytes] = {}  # the first byte of a sample, by item

    def use(self, form: AudioFormat) -> None:
        """Read audio in a format from now on."""
        if form != self._form:
            self._form = form
            self._halves.clear()

    def add(self, raw: bytes, now: float, item_id: str | None = None, *, is_pcm: bool = False) -> None:
        """Put a piece where the one before ends, or now if that was over."""
        if self._file is None:
            return
        match "pcm" if is_pcm else self._form.name:
            case "pcmu":
                pcm = _tripled(audio.pcmu_to_pcm16(raw))
            case "pcma":
                pcm = _tripled(audio.pcma_to_pcm16(raw))
            case _:
                pcm = self._whole_samples(raw, item_id)
        if not pcm:
            return
        begin = max(self.end, int(now * _RATE))
        end = begin + len(pcm) // 2
        self._file.write(self._channel, begin, pcm)
        self.end = end
        if item_id is None:
            return
        parts = self._items.setdefault(item_id, [])
        if parts and parts[-1][1] == begin:
            begin = parts.pop()[0]
        parts.append((begin, end))

    def cut(self, item_id: str, heard: float) -> None:
        """Erase what of an item lies behind so many seconds of it."""
        left = int(max(heard, 0.0) * _RATE)
        unheard = []
        for begin, end in self._items.pop(item_id, ()):
            unheard.append((begin + min(left, end - begin), end))
            left = max(left - (end - begin), 0)
        for begin, end in reversed(unheard):
            if self._file is not None:
                self._file.erase(self._channel, begin, end)
            if end == self.end:
                self.end = begin

    def forget(self, past: int) -> None:
        """Forget the items that end before this position."""
        if any(parts[-1][1] <= past for parts in self._items.values()):
            self._items = {name: parts for name, parts in self._items.items() if parts[-1][1] > past}

    def _whole_samples(self, pcm: bytes, item_id: str | None) -> bytes:
        """Return a piece with the half sample before it; half a sample at its end waits for the next."""
        pcm = self._halves.pop(item_id, b"") + pcm
        if len(pcm) % 2:
            self._halves[item_id] = pcm[-1:]
            if len(self._halves) > _KEPT_HALVES:
                del self._halves[next(iter(self._halves))]
            pcm = pcm[:-1]
        return pcm


class _StereoFile:
    """A stereo WAV file, whose channels are written independently of each other, at any place.

    It is valid whenever no call is running. Positions are in frames.

    Raises:
        OSError: It can't be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: BinaryIO = open(path, "w+b", opener=private_opener)  # noqa: SIM115  (closed by `close`)
        self._length = 0
        try:
            self._write_header()
        except BaseException:
            self._file.close()
            raise

    def write(self, channel: int, begin: int, pcm: bytes) -> None:
        """Write PCM16 into a channel; what lies between the end and it is silence."""
        whole = memoryview(pcm)[: 2 * max(0, _MAX_FRAMES - begin)]
        for start in range(0, len(whole), 2 * _RATE):
            self._write(channel, begin + start // 2, whole[start : start + 2 * _RATE])

    def erase(self, channel: int, begin: int, end: int) -> None:
        """Make a part of a channel silent."""
        end = min(end, self._length)
        for start in range(begin, end, _RATE):
            self._write(channel, start, bytes(2 * min(_RATE, end - start)))

    def close(self, length: int) -> None:
        """Close the file, at this length."""
        try:
            self._length = min(length, _MAX_FRAMES)
            self._file.truncate(_HEADER.size + 4 * self._length)
            self._write_header()
        finally:
            self._file.close()

    def _write(self, channel: int, begin: int, pcm: bytes | memoryview) -> None:
        place = _HEADER.size + 4 * begin
        self._file.seek(place)
        frames = array("h", self._file.read(2 * len(pcm)).ljust(2 * len(pcm), b"\0"))
        frames[channel::2] = array("h", bytes(pcm))  # in the bytes' own order, in and out
        self._file.seek(place)
        self._file.write(frames.tobytes())
        if begin + len(pcm) // 2 > self._length:
            self._length = begin + len(pcm) // 2
            self._write_header()

    def _write_header(self) -> None:
        size = 4 * self._length
        self._file.seek(0)
        self._file.write(
            _HEADER.pack(
                *(b"RIFF", 36 + size, b"WAVE"),
                *(b"fmt ", 16, 1, 2, _RATE, 4 * _RATE, 4, 16),  # PCM, two channels, 16 bits
                *(b"data", size),
            )
        )


_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


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
