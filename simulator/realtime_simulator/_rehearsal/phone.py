"""The telephone of a scripted caller: it speaks and listens, 20 ms at a time, in the simulator's thread.

Its time is that of the line: seconds since the call was answered, counted in what was heard.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import attrs
import numpy as np

from realtime_simulator._calls.line import FRAME_SECONDS
from realtime_simulator._engine.effects import Play
from realtime_simulator._media.speech import PACKET_SAMPLES, RATE, Speech
from realtime_simulator._records.session import SessionLog
from realtime_simulator._rehearsal.conversation import PAUSE_SECONDS, Conversation, Moment, Stretch
from realtime_simulator._rehearsal.sound import CallSound
from realtime_simulator._rehearsal.usage import METERED, Meter

_FRAME_BYTES = PACKET_SAMPLES * 2
_SILENCE = bytes(_FRAME_BYTES)
_SURE_SECONDS = 0.4
"""After so much of it, what the caller is saying belongs to the turn that ends."""
SILENT_PEAK = 64
"""The loudest sample that codecs, and voices that fade out, leave of silence."""
_BEHIND_SECONDS = 1.0
"""By so much, events of a Live session with words may be later or earlier than their sound."""
_LOST_SAMPLES = RATE // 2
"""So much of a message that was not heard is a gap in its words."""
QUIET_SECONDS = 0.1
"""So long after its last sound, a message is over where only its sound tells."""


@attrs.define
class Utterance:
    """What the caller says.

    Args:
        text: The words.
        sound: Their sound on the line, PCM16 mono at 24 kHz.
        interrupts: Whether it is meant to interrupt.
        aside: Whether it asks for no reply.
        moment: What the conversation has of it; None until it begins.
        place: The bytes that were said.
        is_understood: Whether the session has its words.
    """

    text: str
    sound: bytes = attrs.field(repr=False)
    interrupts: bool = False
    aside: bool = False
    moment: Moment | None = None
    place: int = 0
    is_understood: bool = False

    @property
    def is_over(self) -> bool:
        return self.place >= len(self.sound)


@attrs.define(eq=False)
class _Wait:
    check: Callable[[], bool]
    then: Callable[[], None] | None
    expired: Callable[[], bool]
    done: Future[bool]


class Listener(Protocol):
    """What follows the calls, in the simulator's thread."""

    def answered(self, session_id: str, phone: ScriptedPhone) -> None:
        """Process that a call was accepted."""
        ...

    def occupied(self, phone: ScriptedPhone, is_occupied: bool) -> None:
        """Process that someone speaks or is silent on purpose now, or that the app may be awaited."""
        ...


class ScriptedPhone:
    """One caller's telephone.

    Args:
        listener: What follows the call.
        noise: Sound behind the caller that repeats, PCM16 mono at 24 kHz; empty for silence.
        is_real_time: Whether the line has a network, on which time passes as in reality.
    """

    def __init__(self, listener: Listener, noise: bytes = b"", *, is_real_time: bool = False) -> None:
        self._listener = listener
        self._is_real_time = is_real_time
        self._is_occupied = False
        self.conversation: Conversation = Conversation()
        self.meter: Meter = Meter()
        self.time: float = 0.0
        self.log: SessionLog | None = None
        self.reason: str | None = None
        self.answer: Future[None] = Future()
        """Done when the call was answered, or has ended before."""
        self._lock = threading.RLock()
        self._waits: list[_Wait] = []
        self._queue: deque[Utterance] = deque()
        self._said: list[Utterance] = []
        self.sound: CallSound | None = None
        """What both sides say, where it is kept."""
        self._spoken = _SILENCE
        self._noise = noise
        self._noise_place = 0
        self._playing: tuple[str, int] | None = None
        self._reply: Moment | None = None
        self._heard_at = -1.0
        self._seen = 0
        self._coming: list[str] = []
        self._answer_sent: tuple[Any, str, str] | None = None  # if the app's latest event answers a tool
        self._spans: list[list[int]] = []  # what was heard of a message, in samples

    # What the caller does; any thread

    @property
    def lock(self) -> threading.RLock:
        """What protects all of it."""
        return self._lock

    @property
    def app_is_silent_for(self) -> float:
        """How long the app has been silent; endless if it has said nothing."""
        return self.time - self._heard_at if self._heard_at >= 0 else float("inf")

    @property
    def is_over(self) -> bool:
        return self.reason is not None

    def say(self, utterance: Utterance) -> None:
        """Say something, after what is being said."""
        with self._lock:
            self.end_silence()
            self._queue.append(utterance)

    def break_off(self) -> None:
        """Say no more of what is being said."""
        with self._lock:
            self._queue.clear()

    def begin_silence(self) -> None:
        """Be silent on purpose, which is not the app's dead air, until `end_silence` or something is said."""
        with self._lock:
            self.conversation.silences.append(Stretch(self.time, float("inf")))

    def end_silence(self) -> None:
        """End a silence without an end; otherwise without effect."""
        with self._lock:
            silences = self.conversation.silences
            if silences and silences[-1].end == float("inf"):
                silences[-1].end = self.time

    def wait(
        self,
        check: Callable[[], bool],
        *,
        expired: Callable[[], bool],
        then: Callable[[], None] | None = None,
    ) -> Future[bool]:
        """Wait until something is true.

        Args:
            check: Whether it is; called every 20 ms in the simulator's thread.
            expired: Whether it is too late.
            then: Called at once when it is true.

        Returns:
            Whether it became true, before it was too late or the call was over.
        """
        one = _Wait(check, then, expired, Future())
        with self._lock:
            self._waits.append(one)
            self._check()
        return one.done

    # The line

    def rings(self) -> None:
        self._tell_listener(False)

    def answered(self, log: SessionLog) -> None:
        """Process that a session was begun for the call, or one in place of a session that was lost."""
        with self._lock:
            self._read()
            self.log, self._seen = log, 0
        self._listener.answered(log.id, self)
        if not self.answer.done():
            self.answer.set_result(None)

    def speak(self) -> bytes:
        with self._lock:
            sound = self._spoken = self._next()
        if not self._noise:
            return sound
        place = self._noise_place
        self._noise_place = (place + _FRAME_BYTES) % len(self._noise)
        behind = np.frombuffer(self._noise[place : place + _FRAME_BYTES], "<i2").astype(np.int32)
        mixed = np.frombuffer(sound, "<i2") + behind
        return np.clip(mixed, -32768, 32767).astype("<i2").tobytes()

    def _next(self) -> bytes:
        if not self._queue:
            return _SILENCE
        one = self._queue[0]
        if one.moment is None:
            note = "interrupts" if one.interrupts else "in passing" if one.aside else ""
            one.moment = self.conversation.add(
                Moment("caller", one.text, self.time, self.time, whole=False, note=note)
            )
            self._said.append(one)
        piece = one.sound[one.place : one.place + _FRAME_BYTES]
        one.place += _FRAME_BYTES
        end = self.time + FRAME_SECONDS
        if any(piece):
            spoke = self.conversation.caller_spoke
            self.conversation.sounded(spoke, self.time, end)
            spoke[-1].interrupts |= one.interrupts
            spoke[-1].aside = one.aside
        one.moment.end = end
        if one.is_over:
            one.moment.whole = True
            self._queue.popleft()
        return piece + _SILENCE[len(piece) :]

    def listen(self, play: Play | None, start: int, end: int) -> None:
        if play is None:
            self.hear(b"", None)
        else:
            self.hear(play.speech.pcm[start * 2 : end * 2], (play, start, end))

    def hear(self, pcm: bytes, playing: tuple[Play, int, int] | None) -> None:
        """Hear the next 20 ms.

        Args:
            pcm: Their sound, PCM16 mono at 24 kHz; empty for silence.
            playing: What is heard of the model: its speech, with the first sample and the one after the last;
                None if it is not the model's, or that is unknown.
        """
        with self._lock:
            self.time += FRAME_SECONDS
            if self.sound is not None:
                self.sound.add(self._spoken, pcm)
            if is_sound(pcm):
                self._hear_sound()
            if playing is not None and playing[0].item_id:
                self._hear_speech(*playing)
            elif self._reply is not None and not self._playing and self.app_is_silent_for >= QUIET_SECONDS:
                self._judge(self._reply)
            self._read()
            self._check()
            self._tell()

    def _tell(self) -> None:
        """Tell whether someone speaks, or is silent on purpose, so that the app keeps no one waiting."""
        silences = self.conversation.silences
        is_silent_on_purpose = bool(silences) and self.time < silences[-1].end
        is_occupied = bool(self._queue) or is_silent_on_purpose or self.app_is_silent_for < QUIET_SECONDS
        if is_occupied != self._is_occupied:
            self._is_occupied = is_occupied
            self._tell_listener(is_occupied)

    def _tell_listener(self, is_occupied: bool) -> None:
        if not self._is_real_time:
            self._listener.occupied(self, is_occupied)

    def _hear_sound(self) -> None:
        """Hear 20 ms of the app; of a Live session, its words come in events before their sound."""
        self.conversation.sounded(self.conversation.app_spoke, self.time - FRAME_SECONDS, self.time)
        self._heard_at = self.time
        self._hear_coming()
        if self._reply is not None and not self._playing:
            self._reply.end, self._reply.whole = self.time, False

    def _hear_speech(self, play: Play, start: int, end: int) -> None:
        """Hear 20 ms of a message, and the words that end in them."""
        key = (play.item_id, id(play.speech))
        if key != self._playing:
            self._playing = key
            self._spans.clear()
            self._reply = self.conversation.add(Moment("app", "", self.time - FRAME_SECONDS, self.time))
        assert self._reply is not None
        if _sounds(play.speech, self._spans[-1][1] if self._spans else 0, start) > _LOST_SAMPLES:
            self._spans.append([start, end])
        elif not self._spans:
            self._spans.append([0, end])
        self._spans[-1][1] = max(self._spans[-1][1], end)
        parts = [_part(play.speech, *span) for span in self._spans]
        self._reply.text = " … ".join(part for part in parts if part)
        is_first = self._spans[0][0] == 0
        self._reply.end = self.time
        self._reply.whole = is_first and len(self._spans) == 1 and end >= play.speech.samples

    def _judge(self, reply: Moment) -> None:
        """Tell whether a reply of which only the sound is known was cut off, now that it is over."""
        spoke = self.conversation.caller_spoke
        reply.whole = reply.whole or not spoke or spoke[-1].end < reply.end - QUIET_SECONDS

    def ended(self, reason: str) -> None:
        with self._lock:
            if self.reason is not None:
                return
            self._read()
            self.reason = reason
            self.conversation.add(Moment("end", _REASONS.get(reason, reason), self.time, self.time))
            self._check()
        self._tell_listener(True)
        if not self.answer.done():
            self.answer.set_result(None)

    # What the session hears and does

    def understood(self) -> str:
        """Return the words of the turn of the caller that has just ended."""
        with self._lock:
            known = [one for one in self._said if not one.is_understood]
            told = [one for one in known if one.is_over or one.place / 2 / RATE >= _SURE_SECONDS]
            for one in told:
                one.is_understood = True
            return " ".join(one.text for one in told)

    def _check(self) -> None:
        for one in list(self._waits):
            if one.check():
                if one.then is not None:
                    one.then()
                found = True
            elif self.is_over or one.expired():
                found = False
            else:
                continue
            self._waits.remove(one)
            if one.done.set_running_or_notify_cancel():
                one.done.set_result(found)

    def _read(self) -> None:
        """Read the session's new events: calls of tools and their answers, words, and usage."""
        events = self.log.events if self.log is not None else []
        if not events or events[-1].number <= self._seen:
            return
        for one in events[max(0, self._seen + 1 - events[0].number) :]:
            self._seen = one.number
            event = one.event
            if event.get("type") == "response.event" and isinstance(event.get("event"), Mapping):
                event = event["event"]
            if one.direction == "sent":
                self._read_sent(event)
                continue
            self._answer_sent = None
            item = event.get("item")
            is_item = event.get("type") in ("conversation.item.create", "response.item.create")
            if is_item and isinstance(item, Mapping) and item.get("type") == "function_call_output":
                call_id, output = str(item.get("call_id")), str(item.get("output"))
                self.conversation.answered(call_id, output, self.time)
                self._answer_sent = event.get("event_id"), call_id, output

    def _read_sent(self, event: Mapping[str, Any]) -> None:
        if self.log is not None and event.get("type") in METERED:
            self.meter.read(event, self.log.config())
        match event.get("type"):
            case "error" if self._answer_sent is not None:
                refused = event["error"].get("client_event_id") or event["error"].get("event_id")
                event_id, call_id, output = self._answer_sent
                if refused == event_id:
                    self.conversation.refused(call_id, output)
            case "response.output_item.done" if event["item"].get("type") == "function_call":
                item = event["item"]
                self.conversation.called(
                    str(item["name"]), str(item["arguments"]), str(item["call_id"]), self.time
                )
            case "response.output_audio_transcript.done":
                self.conversation.last_item = str(event["transcript"])
            case "session.output_transcript.delta":
                self._coming.append(str(event["delta"]))
                if self.app_is_silent_for < _BEHIND_SECONDS:
                    self._hear_coming()

    def _hear_coming(self) -> None:
        for text in self._coming:
            self._hear_words(text)
        self._coming.clear()

    def _hear_words(self, text: str) -> None:
        """Hear words with whose sound the app begins now."""
        last = self._reply
        joins = last is not None and text.startswith(" ") and self.time - last.end < PAUSE_SECONDS
        if last is None or not joins:
            if last is not None:
                self._judge(last)
            self._reply = self.conversation.add(Moment("app", "", self.time, self.time, whole=False))
        assert self._reply is not None
        self._reply.text = (self._reply.text + text).strip()
        self._reply.end = max(self._reply.end, self.time)


def _sounds(speech: Speech, start: int, end: int) -> int:
    """Return for how many samples speech sounds, without its pauses, from one sample to another."""
    if end - start <= _LOST_SAMPLES:
        return 0
    places = range(start, end, PACKET_SAMPLES)
    return sum(PACKET_SAMPLES for at in places if is_sound(speech.pcm[at * 2 : (at + PACKET_SAMPLES) * 2]))


def _part(speech: Speech, start: int, end: int) -> str:
    """Return the words of an utterance that are heard from one sample to another."""
    text, each = speech.text, len(speech.text) / speech.samples
    begin = 0 if start == 0 else text.find(" ", int(start * each)) + 1 or len(text)
    cut = len(text) if end >= speech.samples else text.rfind(" ", 0, int(end * each) + 1)
    return text[begin : max(cut, 0)].strip()


def is_sound(pcm: bytes) -> bool:
    """Return whether PCM16 is more than the rest that codecs leave of silence."""
    return any(pcm) and int(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max()) > SILENT_PEAK


_REASONS = {
    "hangup": "the app hung up",
    "peer": "the caller hung up",
    "rejected": "the app rejected the call",
    "referred": "the caller was transferred",
    "failed": "the call failed",
    "lost": "the call was lost",
    "expired": "the session expired",
    "shutdown": "the simulator stopped",
}
