"""Record a conversation: both sides as a stereo WAV, and a transcript as JSON lines.

A `Recorder` is an observer of a connection. It must not change events, and keeps no audio in memory: audio
is written as it arrives, and truncated in the file after an interruption.

    with Recorder("call.wav") as recorder, client.connect(session, observer=recorder) as connection: …

The user is on the left, the model on the right. The audio of WebSockets is in the events; that of a WebRTC
call is not, and is passed with `said` and `heard`.
"""

from __future__ import annotations

import binascii
import json
import logging
import math
import os
import struct
import sys
import threading
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, TextIO

from realtime_api.events import LIVE_SERVER_EVENTS

from realtime_ext import audio
from realtime_ext.audio import AudioFormat, audio_format
from realtime_ext.connection import Utterances

from ._core.files import private_opener

__all__ = ["Recorder"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_kit")

_RATE = 24000
_KEPT_S = 5.0  # how long after its audio an item can still be cut
_REMEMBERED = 1024  # events whose repetition is noticed: those of seconds
_KEPT_HALVES = 64  # items of which half a sample waits for its other half
_MAX_FRAMES = (2**32 - 1 - 36) // 4  # a WAV file's sizes have 32 bits: about 12 hours

_PCM = audio_format()
_TRANSCRIPTS = ("session.input_transcript.delta", "session.output_transcript.delta")
_BEFORE_ANYTHING_NEW = ("session.", "conversation.item.")  # what comes while a session's items are replayed
_APPENDS = tuple(f"session.{kind}.append" for kind in ("instructions", "thinking", "commentary"))

_Speaker = Literal["user", "assistant"]


class Recorder:
    """Writes both sides of a conversation, as its observer.

    Audio that is sent faster than real time, such as files and the model's replies, is appended to the
    earlier audio of the same side. An interrupted reply is truncated like the conversation.

    It is thread-safe, and only blocks to write to the files, which only their owner can read (mode 0600).
    Audio beyond a WAV file's 4 GiB, some 12 hours, is dropped.

    Args:
        sound: The WAV file, 24 kHz, 16 bits, stereo: the user left, the model right. None to write none.
        transcript: The file of JSON lines; None for the WAV file's name with `.jsonl`. Each line has `at`
            (seconds since the beginning), `role` (`user`, `assistant`, `system`, `tool`), `text` and ids. A
            tool's call has `name`, and its `text` is the arguments; its output has the same `call_id`. An
            interrupted reply has all its words, because they arrive before the audio is played; another line
            with its `item_id`, no text and `heard_ms` says how much of it was heard. Lines of a Live session
            have `start_ms` and `end_ms` on its timeline in place of an `item_id`, and are written at a pause;
            a session that continues it has a timeline of its own, from 0.

    Raises:
        OSError: A file can't be written.
        ValueError: Both are None.

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
        self._session_id: str | None = None
        self._seen: dict[str, None] = {}  # ids of a Live session's events
        self._lines: Counter[tuple[str, str]] = Counter()  # of others than the model: role, and id or text
        self._to_come_again: Counter[tuple[str, str]] = Counter()  # of those, in a session that replays them
        self._utterances = Utterances()
        self._spoken_at: dict[_Speaker, float] = {}  # when each side's utterance began

    @property
    def began_ns(self) -> int:
        """When the recording began, of `time.monotonic_ns`; `at` in the transcript counts from there."""
        return self._began_ns

    def __call__(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """Record an event, as an observer is called."""
        with self._lock:
            if not self._transcript.closed and not self._is_repeated(direction, event):
                self._observe(direction, event, monotonic_ns)

    def _is_repeated(self, direction: str, event: Any) -> bool:
        """Return whether an event came before: a sideband gets some again after its link was replaced.

        Their ids are unique within a session; only the Live API repeats any. Audio has none.
        """
        event_id = getattr(event, "event_id", None)
        is_live = LIVE_SERVER_EVENTS.get(event.type) is type(event)
        if direction == "out" or not isinstance(event_id, str) or not is_live:
            return False
        if event.type == "session.started":
            self._starts(getattr(event.session, "id", None))
        if event_id in self._seen:
            return True
        if len(self._seen) == _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[event_id] = None
        return False

    def _starts(self, session_id: str | None) -> None:
        """Begin another timeline if this is another session, which continues the one before."""
        if session_id != self._session_id:
            self._session_id = session_id
            self._seen.clear()
            self._write_utterances(math.inf)

    def _observe(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """Record an event that is new."""
        try:
            self._record(direction, event, (monotonic_ns - self._began_ns) / 1e9)
        except OSError:
            raise
        except binascii.Error as error:
            _logger.warning("audio of %s was not recorded: %s", event.type, error)
        except Exception as error:
            _logger.error("failed to record %s; please report this", event.type, exc_info=error)

    def _record(self, direction: str, event: Any, now: float) -> None:
        self._forget(now)
        self._hear(direction, event, now)
        if self._to_come_again and direction == "in" and not event.type.startswith(_BEFORE_ANYTHING_NEW):
            self._to_come_again.clear()
        if event.type in _TRANSCRIPTS:
            self._spoken(event, now)
        elif event.type == "session.created":
            if event.session.id != self._session_id:  # it is the same when a sideband attaches again
                self._session_id = event.session.id
                self._to_come_again = self._lines.copy()
        elif (line := _line_of(event)) is not None and not self._is_replayed(event.type, line):
            self._write(now, line)

    def _is_replayed(self, kind: str, line: dict[str, Any]) -> bool:
        """Return whether a line belongs to an item that an earlier session had, and that is added again."""
        key = line["role"], line.get("call_id") or line["text"].strip()
        if kind == "conversation.item.added" and self._to_come_again[key]:
            self._to_come_again[key] -= 1
            return True
        if line["role"] != "assistant":
            self._lines[key] += 1
        return False

    def _spoken(self, event: Any, now: float) -> None:
        """Add to an utterance, and write those that are over."""
        self._write_utterances(event.start_ms)
        if (said := self._utterances.add(event.type, event.delta, event.start_ms, event.end_ms)) is not None:
            utterance, is_new = said
            if is_new:
                self._spoken_at[utterance.speaker] = now

    def _write_utterances(self, position_ms: float) -> None:
        for one in self._utterances.ended(position_ms):
            line = {"role": one.speaker, "text": one.text, "start_ms": one.start_ms, "end_ms": one.end_ms}
            self._write(self._spoken_at[one.speaker], line)

    def _write(self, at: float, line: dict[str, Any]) -> None:
        text = json.dumps({"at": round(at, 3), **line}, ensure_ascii=False)
        self._transcript.write(text + "\n")
        self._transcript.flush()

    def said(self, pcm: bytes) -> None:
        """Record what the user says now, PCM16 at 24 kHz, if it is not in the events."""
        self._beside("user", pcm)

    def heard(self, pcm: bytes) -> None:
        """Record what the user hears now, PCM16 at 24 kHz, if it is not in the events."""
        self._beside("assistant", pcm)

    def close(self) -> None:
        """Write the remaining audio, and close the files; closing again has no effect."""
        with self._lock:
            if self._transcript.closed:
                return
            try:
                self._write_utterances(math.inf)
            finally:
                self._transcript.close()
            if self._sound is not None:
                self._sound.close(max(self._length, *(side.end for side in self._sides.values())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _beside(self, side: _Speaker, pcm: bytes) -> None:
        with self._lock:
            if not self._transcript.closed:
                now = (time.monotonic_ns() - self._began_ns) / 1e9
                self._forget(now)
                self._sides[side].add(pcm, now, is_pcm=True)

    def _hear(self, direction: str, event: Any, now: float) -> None:
        match event.type:
            case "session.created" | "session.updated" | "session.started":
                self._use(event.session)
            case "session.input_audio.append":  # a sideband gets copies, which are PCM
                sound = binascii.a2b_base64(event.audio)
                self._sides["user"].add(sound, now, is_pcm=direction == "in")
            case "session.output_audio.delta":  # copies have times
                sound = binascii.a2b_base64(event.delta)
                self._sides["assistant"].add(sound, now, is_pcm=event.start_ms is not None)
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
        sound = getattr(session, "audio", None)
        for side, name in (("user", "input"), ("assistant", "output")):
            # A Live session has one format for both.
            form = getattr(getattr(sound, name, None), "format", None) or getattr(sound, "format", None)
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
        form = _PCM if is_pcm else self._form
        match form.name:
            case "pcmu":
                pcm = audio.pcmu_to_pcm16(raw)
            case "pcma":
                pcm = audio.pcma_to_pcm16(raw)
            case _:
                pcm = self._whole_samples(raw, item_id)
        if form.rate != _RATE:
            pcm = _resampled(pcm, form.rate)
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
        case "response.event" if getattr(event.event, "type", None) == "response.output_item.done":
            return _line_of(event.event)
        case "response.item.create":
            return _line_of_item(event.item)
        case kind if kind in _APPENDS:
            return {"role": "system", "text": event.content}
        case "conversation.item.truncated":
            return {"role": "assistant", "text": "", "item_id": event.item_id, "heard_ms": event.audio_end_ms}
    return None


def _line_of_item(item: Any) -> dict[str, Any] | None:
    if getattr(item, "type", None) == "function_call_output":
        output = item.output if isinstance(item.output, str) else _texts(item.output)
        return {"role": "tool", "text": output, "call_id": item.call_id}
    if getattr(item, "role", None) not in ("user", "system"):
        return None  # an answer's words come when they are complete
    text = item.content if isinstance(item.content, str) else _texts(item.content)
    return {"role": item.role, "text": text, "item_id": getattr(item, "id", None) or None} if text else None


def _texts(parts: Any) -> str:
    return " ".join(part.text for part in parts if getattr(part, "text", None))


def _resampled(pcm: bytes, rate: int) -> bytes:
    """Return audio at 24 kHz, by straight lines between the samples: it has no more to be heard."""
    samples = _little_endian(array("h", pcm))
    samples.append(samples[-1] if samples else 0)
    made = array("h", bytes(2 * ((len(samples) - 1) * _RATE // rate)))
    for index in range(len(made)):
        place, part = divmod(index * rate, _RATE)
        made[index] = (samples[place] * (_RATE - part) + samples[place + 1] * part) // _RATE
    return _little_endian(made).tobytes()


def _little_endian(samples: array[int]) -> array[int]:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
