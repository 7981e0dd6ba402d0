"""A Live session, sans I/O: full duplex along a timeline, with a backend that works while the voice talks.

Neither speech recognition nor a model are here: words and answers come from the session's driver, as for
Realtime's sessions. The model of the scenario decides when to speak; what the user says meanwhile stops it.
"""

from __future__ import annotations

import base64
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.effects import (
    AnswerDropped,
    AnswerNeeded,
    AudioIn,
    AudioOut,
    Emit,
    HearingNeeded,
    SpeechNeeded,
)
from realtime_simulator._engine.plan import Utterance, pieces, speech_of
from realtime_simulator._engine.turn import (
    Action,
    CallTool,
    Cue,
    Delegate,
    Fail,
    Pacing,
    Pause,
    Say,
    Transcript,
    Turn,
)
from realtime_simulator._engine.usage import input_audio_tokens, output_audio_tokens, text_tokens
from realtime_simulator._engine.vad import VoiceActivity
from realtime_simulator._live.backend import Backend
from realtime_simulator._live.config import MAX_APPEND_TOKENS, LiveConfig, tokens
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.recording import StereoRecording
from realtime_simulator._live.speech import Voice
from realtime_simulator._live.timeline import FRAME, STEP, Timeline, milliseconds
from realtime_simulator._media.formats import Decoder, Encoder
from realtime_simulator._media.speech import RATE
from realtime_simulator._records.session import Transport

_START = "session.start"
INTERNAL_ERROR = 1011
"""The close code of a session that failed; it ends without `session.closed`."""
_APPENDS = ("instructions", "thinking", "commentary")
_LATENCY_SECONDS = 0.6
_INJECTION = 3 * FRAME
_ENDS = {"hangup": "close_requested", "expired": "expired"}
"""The reasons of `session.closed` where a call was ended from outside."""
_USAGE_SECONDS = 15.0
_NO_AUDIO_SECONDS = 31.0
_CONTEXT_TOKENS = 128_000
_BASE_TOKENS = 1_100
_MOST_CONTEXT = 0.9
_KEPT_TOKENS = 8_192
_SILENCE_MS = 500
_DRAIN_SECONDS = 2.0
"""How long a close waits for the words and answers that are being made, where everything comes at once."""
_LAST_AUDIO_SECONDS = 0.33
_DECISIONS_MODEL = "gpt-5.6-luna"
_HOLDING = "One moment, please."
_WORD = RATE // 3
"""Samples that a word of the user takes where its place is not known."""
_MAX_FIXTURE_SECONDS = 30
_MAX_UTTERANCE = 120 * RATE


@attrs.define
class _Append:
    """An append whose injection is not complete.

    Args:
        kind: `instructions`, `thinking` or `commentary`.
        content: The text.
        client_event_id: The id of the client's event.
        start: The sample of the timeline at which its injection starts.
    """

    kind: str
    content: str
    client_event_id: str | None
    start: int


@attrs.define
class _Heard:
    """What the user is saying, or has said.

    Args:
        id: Its id.
        start: Where on the timeline it begins.
        pcm: Its sound.
        early: The id of the request for its words while the user speaks.
        words: The words, if they are known while the user speaks.
        sent: How many of them have their place on the timeline.
        end: Where it ends; None while the user speaks.
    """

    id: str
    start: int
    pcm: bytearray
    early: str
    words: Sequence[str] = ()
    sent: int = 0
    end: int | None = None


@attrs.define
class _Request:
    """A request to the backend model or the voice.

    Args:
        actions: The answer so far.
        whole: Whether no more comes.
    """

    actions: list[Action] = attrs.field(factory=list)
    whole: bool = False


class LiveSession(BaseSession):
    """One Live session; it begins with `session.start`.

    Args:
        session_id: Its id.
        ids: The source of identifiers.
        now: The time at which it begins.
        unix: The same time in unix seconds.
        lifetime: Seconds until it expires.
        pacing: How fast it answers.
        transport: What carries it; over WebRTC and SIP, audio is not in events.
        config: The configuration of a session that was started by a request; None to wait for
            `session.start`.
        source: The stored session that it continues; None for none.
        cues: What the model does along the timeline, and then it speaks only as these say; None for a model
            that answers.
        draw: Decides whether a fault happens now, given its name; returns its settings, or None.
    """

    def __init__(
        self,
        session_id: str,
        ids: Ids,
        now: float,
        unix: float,
        *,
        lifetime: float = 7200.0,
        pacing: Pacing | None = None,
        transport: Transport = "websocket",
        config: LiveConfig | None = None,
        source: LiveSession | None = None,
        cues: Sequence[Cue] | None = None,
        draw: Callable[[str], Mapping[str, Any] | None] = lambda name: None,
    ) -> None:
        union = "LiveClientEvent" if source is None else "LiveForkClientEvent"
        if transport == "sip":
            union = "LiveSidebandClientEvent"
        super().__init__(ids, now, lifetime, union)
        self.id = session_id
        self.config: LiveConfig | None = config
        self._source = source
        self._draw = draw
        self._cues: deque[Cue] | None = None if cues is None else deque(cues)
        self._pacing = pacing or Pacing()
        self._begun, self._unix_begun = now, unix
        self._transport = transport
        self.recording: StereoRecording | None = None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timeline = Timeline(_LATENCY_SECONDS if self._pacing.speed else None)
        self._voice = Voice()
        self._vad = VoiceActivity(silence_ms=_SILENCE_MS)
        self._heard: _Heard | None = None
        self._waiting: dict[str, _Heard] = {}
        self._words: deque[tuple[int, str]] = deque()
        self._todo: deque[Action] = deque()
        self._silent_until = 0
        self._asked: str | None = None
        self._has_spoken = False
        self._closing: tuple[str | None, float] | None = None
        self._stopped = self._is_closing = False
        self._stall: Mapping[str, Any] | None = None
        self._lost: list[_Append] = []
        self._requests: dict[str, _Request] = {}
        self._before = b""
        self._copied: list[tuple[bytes, bytes]] = []
        self._appends: deque[_Append] = deque()
        self._frames: deque[AudioOut] = deque()
        self._next_frame = -math.inf
        self._muted = False
        self._delegations: set[str] = set()
        self._decisions = Decisions(ids, self.emit)
        self._acknowledging: str | None = None
        self._fixture: dict[str, Any] | None = None
        self._items: list[dict[str, Any]] = []
        self._spent = _BASE_TOKENS
        self._decoder: Decoder | None = None
        self._encoder: Encoder | None = None
        self._backend = Backend(
            lambda: self.config.backend if self.config is not None else {},
            ids,
            self._pacing,
            emit=self.emit,
            after=self._after,
            ask=self._ask_backend,
            unix=self._unix,
        )
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {_START: self._start}
        if config is not None:
            self._begin(config, None)

    def view(self) -> dict[str, Any]:
        return self.config.view() if self.config is not None else {"id": self.id, "type": "live"}

    def items(self) -> list[dict[str, Any]]:
        return [*self._items, *self._backend.items]

    def greeting(self) -> dict[str, Any]:
        return self.stamped({"type": "session.started", "session": self.view()})

    def stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["type"] == "error":
            event = _live_error(event)
        return super().stamped(event)

    # Input

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        if event.get("type") == "session.update" and self.config is not None:
            try:
                self.config.check_update(event.get("session"))
            except ApiProblem as problem:
                self.tick(now)
                self.emit(problem.event(messages.event_id(event)))
                return
        super().receive(event, now)

    def press(self, key: str, unix: float) -> None:
        self.emit({"type": "transport.dtmf.received", "event": key})

    def _send_key(self, event: Mapping[str, Any]) -> None:
        sent = {"event": event["event"]}
        self.emit(_answering("transport.dtmf.sent", messages.event_id(event), **sent))

    @property
    def _media(self) -> bool:
        """Whether the transport carries the audio."""
        return self._transport != "websocket"

    def hear(self, pcm: bytes, now: float) -> None:
        self.tick(now)
        if not self.ended and self.config is not None:
            self._timeline.append(pcm, now)
            self._advance()

    def _start(self, event: Mapping[str, Any]) -> None:
        if (refusal := self._draw("live_refusal")) is not None:
            error = {key: refusal[key] for key in ("type", "code", "message")}
            self.emit({"type": "error", "error": {**error, "event_id": messages.event_id(event)}})
            return
        expires = int(self._unix() + self._lifetime)
        session = event["session"]
        if self._source is not None and self._source.config is not None:
            session = self._source.config.fork(session)
        config = LiveConfig(self.id, expires, session, media=self._media)
        self._begin(config, messages.event_id(event))
        self.emit(_answering("session.started", messages.event_id(event), session=self.view()))

    def _begin(self, config: LiveConfig, client_event_id: str | None) -> None:
        self.config = config
        format, rate = config.format
        self._decoder, self._encoder = Decoder(format, rate), Encoder(format, rate)
        self._items = [{"type": "message", **message} for message in config.input]
        if self._source is not None:
            self._items = self._source.items()
            self._source = None
        self._handlers = {
            _START: self._start_again,
            "session.update": self._update,
            "session.input_audio.append": self._append,
            "session.input_audio.mute": self._mute,
            "session.input_audio.unmute": self._mute,
            **{f"session.{kind}.append": self._inject for kind in _APPENDS},
            "response.item.create": self._item,
            "response.create": self._respond,
            "decision.item.create": self._decision_item,
            "decision.item.delete": self._decision_item,
            "decision.create": self._decide,
            "session.output_audio.fixture.play": self._play,
            "session.close": self._close,
        }
        if self._media:
            del self._handlers[_START], self._handlers["session.input_audio.append"]
        if self._transport == "sip":
            self._handlers["transport.dtmf.send"] = self._send_key
        self.recording = StereoRecording() if config.stored else None
        self._stall = self._draw("live_stall")
        self._after(_USAGE_SECONDS, self._usage)
        if (replacement := self._draw("live_replacement")) is not None:
            self._after(replacement["at"], self._fill_context)
        if not self._media:
            self._after(_NO_AUDIO_SECONDS, self._expire_unheard)

    def _start_again(self, event: Mapping[str, Any]) -> None:
        raise ApiProblem("The session has been started.", code="invalid_value", param="type")

    def _update(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        self.config.update(event["session"])
        self.emit(_answering("session.updated", messages.event_id(event), session=self.view()))

    def _append(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None and self._decoder is not None
        data = messages.decode_audio(event["audio"])
        if self.config.format[0] == "audio/pcm" and len(data) % 2:
            raise ApiProblem(
                "PCM16 audio must contain an even number of bytes.", code="invalid_audio", param="audio"
            )
        pcm = self._decoder.push(data)
        self.effect(AudioIn(pcm))
        self._timeline.append(pcm, self._now)
        self._advance()

    def _mute(self, event: Mapping[str, Any]) -> None:
        self._muted = event["type"].endswith(".mute")
        kind = "session.input_audio." + ("muted" if self._muted else "unmuted")
        self.emit(_answering(kind, messages.event_id(event)))

    def _inject(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        kind, content = event["type"].split(".")[1], event["content"]
        if tokens(content) > MAX_APPEND_TOKENS:
            raise ApiProblem(
                f"Context append text must not exceed {MAX_APPEND_TOKENS} tokens.",
                code="invalid_value",
                param="content",
            )
        delegation = event["delegation_id"]
        if delegation is not None and delegation not in self._delegations:
            raise ApiProblem(
                f"Unknown client delegation: '{delegation}'.", code="invalid_value", param="delegation_id"
            )
        start = -(-self._timeline.position // FRAME) * FRAME + _INJECTION
        append = _Append(kind, content, messages.event_id(event), start)
        if self._draw("live_injection") is not None:
            self._lost.append(append)
            return
        self._appends.append(append)
        self._spent += tokens(content)
        if kind != "instructions":
            self._acknowledging = None
        if kind == "commentary":
            self._speak(content)
        self._items.append({"type": kind, "content": [{"type": "input_text", "text": content}]})

    def _item(self, event: Mapping[str, Any]) -> None:
        self._need_backend("response.item.create")
        self._backend.add(event["item"])

    def _respond(self, event: Mapping[str, Any]) -> None:
        self._need_backend("response.create")
        self._backend.create(self._delegate_by_client)

    def _need_backend(self, kind: str) -> None:
        assert self.config is not None
        if self.config.delegation != "responses":
            raise ApiProblem(f"{kind} requires Responses delegation.", code="invalid_value", param="type")

    def _decision_item(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        if not self.config.decisions and not self.config.triggers:
            raise ApiProblem(
                f"{event['type']} requires Decisions delegation or triggers.",
                code="invalid_value",
                param="type",
            )
        answered: dict[str, Any] = (
            {"item": self._decisions.add(event)}
            if event["type"].endswith(".create")
            else {"item_id": self._decisions.delete(event)}
        )
        self.emit(_answering(f"{event['type']}d", messages.event_id(event), **answered))

    def _decide(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        if not self.config.decisions:
            raise ApiProblem(
                f"{event['type']} requires Decisions delegation.", code="invalid_value", param="type"
            )
        self._decisions.use(event["event_id"])
        self._delegate([], client_event_id=event["event_id"])

    def _play(self, event: Mapping[str, Any]) -> None:
        """Play a fixture in place of the model's voice; the user is not heard meanwhile."""
        if self._fixture is not None:
            raise ApiProblem("An audio fixture is playing.", code="invalid_value", param="type")
        pcm = messages.decode_audio(event["audio"])
        if not pcm or len(pcm) % 2 or len(pcm) > _MAX_FIXTURE_SECONDS * RATE * 2:
            raise ApiProblem(
                f"A fixture is PCM16 mono at 24 kHz, at most {_MAX_FIXTURE_SECONDS} seconds.",
                code="invalid_audio",
                param="audio",
            )
        self._interrupt()
        self._fixture = dict(event)
        self._voice_for(Say("", sound=pcm))
        self.emit(_answering("session.output_audio.fixture.playing", messages.event_id(event)))

    def _close(self, event: Mapping[str, Any]) -> None:
        self._handlers = {"session.input_audio.append": lambda event: None}
        self._is_closing = True
        self._closing = messages.event_id(event), self._now + _DRAIN_SECONDS
        self._timeline.finish()
        if self._pacing.speed:
            # The timeline stops; one more message of audio is on its way.
            self._stopped = True
            self._frames.clear()
            self._after(_LAST_AUDIO_SECONDS, self._send_last)
        self._after(_DRAIN_SECONDS, self._finish)
        self._advance()

    def _send_last(self) -> None:
        self._frames.append(self._voice.take()[0])
        self._send_frames()

    def _finish(self) -> None:
        """Continue the close that a client has asked for, once nothing is awaited for it."""
        if self._closing is None or (self._is_waiting and self._now < self._closing[1]):
            return
        client_event_id, self._closing = self._closing[0], None
        pause = 0.2 if self._pacing.speed else 0.0
        self._after(pause, self._fail_appends)
        self._after(3.5 * pause, lambda: self.close("close_requested", client_event_id))

    def close(self, reason: str, client_event_id: str | None = None) -> None:
        """End the session with `session.closed`.

        Args:
            reason: `close_requested`, `expired`, `content`, `remote_hangup` or `connection_lost`.
            client_event_id: The id of the event that asked for it.
        """
        if self.ended:
            return
        if self.config is not None:
            usage = {"seconds": self._seconds()}
            fields = {"reason": reason, "session": self.view(), "usage": usage}
            self.emit(_answering("session.closed", client_event_id, **fields))
        super().end(1000, reason)

    def end(self, code: int, reason: str) -> None:
        if code == INTERNAL_ERROR:
            super().end(code, reason)
        else:
            left = "remote_hangup" if self._transport == "sip" else "connection_lost"
            self.close(_ENDS.get(reason, left if reason in ("peer", "referred") else "connection_lost"))

    # Words and answers, from the driver

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        text = transcript.text if transcript is not None and transcript.error is None else ""
        if self._heard is not None and item_id == self._heard.early:
            self._heard.words = pieces(text)
        elif (heard := self._waiting.pop(item_id, None)) is not None:
            heard.words = pieces(text)
            self._understand(heard)
        else:
            return
        self._advance()

    def _understand(self, heard: _Heard) -> None:
        """Transcribe an utterance that is over, as far as it was not, and request the answer."""
        assert heard.end is not None
        if not heard.words:
            return
        rest = heard.words[heard.sent :]
        start = heard.start + heard.sent * _WORD
        each = max(0, heard.end - start) / max(1, len(rest))
        self._words.extend((start + int(number * each), word) for number, word in enumerate(rest))
        self._items.append(_message("user", "input_audio", "".join(heard.words)))
        self._spent += input_audio_tokens(milliseconds(heard.end - heard.start))
        self._send_words()
        if self._cues is None:
            self._ask()

    def _follow(self, heard: _Heard) -> None:
        """Transcribe a user who is speaking; the last word is certain only when nothing follows it."""
        due = min(len(heard.words) - 1, (self._timeline.position - heard.start) // _WORD)
        for number in range(heard.sent, due):
            self._words.append((heard.start + number * _WORD, heard.words[number]))
            heard.sent = number + 1

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        self.tick(now)
        if response_id == self._asked:
            if whole:
                self._asked = None
            self._todo.extend(actions)
        elif response_id in self._requests:
            self._requests[response_id].actions.extend(actions)
            self._requests[response_id].whole = whole
            self._take_answers()
        self._advance()

    def _take_answers(self) -> None:
        """Process the answers that are complete, in the order in which they were requested."""
        while self._requests and next(iter(self._requests.values())).whole:
            request_id = next(iter(self._requests))
            done = self._requests.pop(request_id).actions
            if self._backend.answers(request_id):
                said = self._backend.answer(request_id, done)
                done = [] if said is None or self._cues is not None else [said]
            self._todo.extend(done)

    def ahead(self, response_id: str) -> int:
        return len(self._todo) if response_id == self._asked else 0

    def _turn(self, *, backend: bool) -> Turn:
        assert self.config is not None
        settings = self.config.backend
        items = [*self._items, *self._backend.items]
        users = [item for item in items if item.get("role") == "user"]
        return Turn(
            text=_text(users[-1]) if users else "",
            items=items,
            session=self.view(),
            response={"tool_choice": settings.get("tool_choice", "auto")} if backend else {},
            tools=settings.get("tools", ()),
            format=self.config.format[0],
            voice=self.config.voice,
        )

    def _ask(self) -> None:
        """Request what the model says next, in place of what was requested before."""
        if self._asked is not None:
            self.effect(AnswerDropped(self._asked))
        self._asked, self._has_spoken = self.ids.new("turn"), False
        self.effect(AnswerNeeded(self._asked, self._turn(backend=False)))

    def _ask_backend(self, response_id: str) -> None:
        self._requests[response_id] = _Request()
        self.effect(AnswerNeeded(response_id, self._turn(backend=True)))

    def _speak(self, text: str) -> None:
        """Say a text as soon as it has its sound, after what is being said."""
        if self._cues is None:
            self._voice_for(Say(text))

    def _voice_for(self, said: Say) -> None:
        """Say something once it has its sound."""
        speech_id = self.ids.new("speech")
        self._requests[speech_id] = _Request()
        self.effect(SpeechNeeded(speech_id, said, self._turn(backend=False)))

    # The timeline

    def _advance(self) -> None:
        while not (self.ended or self.config is None or self._is_waiting or self._stopped):
            if self._stall is not None and self._timeline.position >= self._stall["at"] * RATE:
                self._stand_still(self._stall["seconds"])
                break
            pcm = self._timeline.step(self._now, ahead=self._is_busy)
            if pcm is None:
                break
            self._step(pcm)
        self._send_frames()
        self._finish()
        while self._agenda and self._agenda[0][0] <= self._now and not self.ended:
            heapq.heappop(self._agenda)[2]()

    def _stand_still(self, seconds: float | None) -> None:
        """Stop the timeline, for some time or for good."""
        self._stall, self._stopped = None, True
        if seconds is not None:
            self._after(seconds, self._move_on)

    def _move_on(self) -> None:
        if not self._is_closing:
            self._stopped = False
            self._timeline.resume(self._now)
            self._advance()

    def _due(self) -> float:
        times = [self._agenda[0][0]] if self._agenda else []
        if self._frames:
            times.append(self._next_frame)
        if self.config is not None and not (self._is_waiting or self._stopped):
            times.append(self._timeline.deadline(ahead=self._is_busy))
        return min(times, default=math.inf)

    def _drop(self) -> None:
        self._agenda.clear()
        self._frames.clear()

    def tick(self, now: float) -> None:
        if not self.ended and now >= self._expires:
            self._now = now
            self.close("expired")
        super().tick(now)

    def _after(self, seconds: float, function: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._now + seconds, next(self._order), function))

    def _unix(self) -> float:
        return self._unix_begun + self._now - self._begun

    def _seconds(self) -> float:
        return float(self._timeline.position // RATE)

    @property
    def _is_busy(self) -> bool:
        """Whether the timeline may run ahead of the user's audio: always in real time, otherwise while there
        is something to say."""
        return bool(self._pacing.speed or self._voice.speaking or self._todo or self._appends or self._words)

    @property
    def _is_waiting(self) -> bool:
        """Whether the timeline waits for words or an answer; in real time it never does."""
        return not self._pacing.speed and bool(self._asked or self._requests or self._waiting)

    def _step(self, pcm: bytes) -> None:
        """Advance by 100 ms.

        Args:
            pcm: The user's audio of that time.
        """
        end = self._timeline.position
        start = end - STEP
        self._listen(bytes(len(pcm)) if self._muted or self._fixture else pcm, start)
        if start % FRAME == 0:
            self._frame(start)
        sound, said = self._voice.take()
        if self.recording is not None:
            self.recording.add(pcm, sound.pcm)
        if said is not None:
            self._end_utterance(said)
        self._copy(pcm, sound.pcm, end)
        if self._timeline.catching_up and self._frames and not any(sound.pcm):
            return  # the track drops silence to get level
        self._frames.append(sound)
        self._send_frames()

    def _end_utterance(self, said: str) -> None:
        self._note_said(said)
        if self._fixture is not None and not said:
            fixture, self._fixture = self._fixture, None
            self.emit(_answering("session.output_audio.fixture.played", messages.event_id(fixture)))

    def _copy(self, heard: bytes, said: bytes, end: int) -> None:
        """Send sidebands both directions' audio, 200 ms each."""
        self._copied.append((heard, said))
        if end % FRAME == 0:
            received, sent = (_base64(b"".join(parts)) for parts in zip(*self._copied, strict=True))
            self._copied.clear()
            self.effect(Emit({"type": "session.input_audio.append", "audio": received}, to="sidebands"))
            at = {"start_ms": milliseconds(end - FRAME), "end_ms": milliseconds(end)}
            copy = {"type": "session.output_audio.delta", "delta": sent, **at}
            self.effect(Emit(copy, to="sidebands"))

    def _listen(self, pcm: bytes, start: int) -> None:
        if self._heard is not None:
            self._heard.pcm += pcm
        for edge in self._vad.push(pcm):
            if edge.kind == "started" and self._heard is None:
                begins = max(edge.sample, 0)
                kept = bytearray(pcm[max(0, begins - start) * 2 :])
                self._heard = _Heard(
                    self.ids.new("heard"),
                    begins,
                    bytearray(self._before[-(start - begins) * 2 :] if begins < start else b"") + kept,
                    early=self.ids.new("heard"),
                )
                self.effect(HearingNeeded(self._heard.early, bytes(self._heard.pcm), finished=False))
                if self._cues is None:
                    self._interrupt()
            elif edge.kind == "stopped" and self._heard is not None:
                heard, self._heard = self._heard, None
                heard.end = max(heard.start + FRAME, edge.sample - _SILENCE_MS * RATE // 1000)
                if heard.words:
                    self._understand(heard)
                else:
                    self._waiting[heard.id] = heard
                    self.effect(HearingNeeded(heard.id, bytes(heard.pcm[: _MAX_UTTERANCE * 2])))
        if self._heard is not None:
            self._follow(self._heard)
        self._before = pcm

    def _interrupt(self) -> None:
        """Stop the model, because the user speaks."""
        if self._asked is not None:
            self.effect(AnswerDropped(self._asked))
            self._asked = None
        self._todo.clear()
        self._silent_until = 0
        said = self._voice.stop()
        if said:
            self._note_said(said)

    def _frame(self, start: int) -> None:
        """Process what is due at the start of a frame of 200 ms."""
        while self._appends and self._appends[0].start + FRAME <= start:
            done = self._appends.popleft()
            self._send_at(f"session.{done.kind}.appended", done.start, client_event_id=done.client_event_id)
        self._send_words()
        while self._cues and self._cues[0].at_ms <= milliseconds(start):
            for action in self._cues.popleft().actions:
                if isinstance(action, Say) and speech_of(action) is None:
                    self._voice_for(action)
                else:
                    self._todo.append(action)
        while self._todo and not self._voice.speaking and start >= self._silent_until:
            self._act(self._todo.popleft(), start)
        words = self._voice.words()
        if words:
            self._send_at("session.output_transcript.delta", start, delta=words)

    def _act(self, action: Action, start: int) -> None:
        match action:
            case Say():
                self._has_spoken = True
                self._voice.say(action if isinstance(action, Utterance) else Utterance(action.text))
            case Pause(seconds):
                self._silent_until = start + int(seconds * RATE)
            case CallTool():
                calls: list[Action] = [action]
                while self._todo and isinstance(self._todo[0], CallTool):
                    calls.append(self._todo.popleft())
                self._acknowledge()
                self._delegate(calls)
            case Delegate(answers):
                assert self.config is not None
                if self.config.decisions:
                    self._acknowledge()
                try:
                    self._delegate([], answers)
                except ApiProblem as problem:
                    self.emit(problem.event())
            case Fail():
                self.emit(ApiProblem(action.message, type=action.type, code=action.code).event())

    def _acknowledge(self) -> None:
        """Say that the user has to wait, unless the model has said something or the client is quicker."""
        assert self.config is not None
        if self._has_spoken:
            return
        delay = self.config.acknowledgement_seconds
        if not delay:
            self._speak(_HOLDING)
            return
        self._acknowledging = waiting = self.ids.new("acknowledgement")

        def speak() -> None:
            if self._acknowledging == waiting:
                self._acknowledging = None
                self._speak(_HOLDING)

        self._after(delay, speak)

    def _delegate(
        self,
        actions: Sequence[Action],
        answers: Mapping[str, Any] | None = None,
        client_event_id: str | None = None,
    ) -> None:
        """Hand the work over to the backend, to decisions, or to the client."""
        assert self.config is not None
        delegation = {"id": self.ids.new("item"), "type": "delegation"}
        if (decisions := self.config.decisions) != {}:
            self._send_delegation({**delegation, "target": "decisions"}, client_event_id)
            self._decisions.decide(
                decisions["questions"],
                answers or {},
                model=decisions["model"],
                conversation=self._items,
                delegation=delegation["id"],
            )
            return
        if self.config.delegation == "client":
            self._delegations.add(delegation["id"])
            self._send_delegation({**delegation, "target": "client"})
            return
        response_id = self._backend.begin(delegation["id"])
        self._send_delegation({**delegation, "response_id": response_id, "target": "responses"})
        self._backend.started()
        if actions:
            self._backend.answer(response_id, actions)
        else:
            self._ask_backend(response_id)

    def _delegate_by_client(self) -> None:
        """Begin a delegation because the client has asked for a response."""
        self._items.extend(self._backend.items)
        self._speak(_HOLDING)
        self._delegate([])

    def _send_delegation(self, delegation: Mapping[str, Any], client_event_id: str | None = None) -> None:
        offset = milliseconds(self._timeline.position // FRAME * FRAME)
        created = {"offset_ms": offset, "delegation": delegation}
        self.emit(_answering("session.delegation.created", client_event_id, **created))

    def _trigger(self, delta: Mapping[str, Any]) -> None:
        """Decide what a delta of a transcript triggers."""
        assert self.config is not None
        for trigger in self.config.triggers:
            if trigger["event_type"] == delta["type"]:
                self._decisions.decide(
                    trigger["decisions"]["questions"],
                    {},
                    model=self.config.decisions.get("model", _DECISIONS_MODEL),
                    conversation=self._items,
                    source=delta,
                )

    def _send_words(self) -> None:
        """Send the user's words whose frame is over, a frame at a time."""
        while self._words and self._words[0][0] // FRAME * FRAME + FRAME <= self._timeline.position:
            start, text = self._words[0][0] // FRAME * FRAME, ""
            while self._words and self._words[0][0] < start + FRAME:
                text += self._words.popleft()[1]
            self._send_at("session.input_transcript.delta", start, delta=text)

    def _send_at(self, kind: str, start: int, **fields: Any) -> None:
        at = {"start_ms": milliseconds(start), "end_ms": milliseconds(start + FRAME)}
        given = {key: value for key, value in fields.items() if value is not None}
        event = self.stamped({"type": kind, **at, **given})
        self.effect(Emit(event))
        if "delta" in given:
            self._trigger(event)

    def _send_frames(self) -> None:
        """Send the output of the last steps, 100 ms each 100 ms."""
        assert self._encoder is not None or not self._frames
        while self._frames and not self.ended and self._next_frame <= self._now:
            frame = self._frames.popleft()
            if self._pacing.speed:
                self._next_frame = max(self._next_frame + STEP / RATE, self._now - STEP / RATE)
            self.effect(frame)
            if self._encoder is not None and not self._media:
                delta = _base64(self._encoder.push(frame.pcm))
                self.effect(Emit({"type": "session.output_audio.delta", "delta": delta}, to="own"))

    def _note_said(self, text: str) -> None:
        if text:
            self._items.append(_message("assistant", "output_audio", text))
            self._spent += output_audio_tokens(len(text) * 60) + text_tokens(text)

    def _usage(self) -> None:
        ratio = min(1.0, self._spent / _CONTEXT_TOKENS)
        usage = {"usage": {"seconds": self._seconds()}, "context_window": {"usage_ratio": ratio}}
        self.emit({"type": "session.usage.updated", **usage})
        if ratio > _MOST_CONTEXT:
            self._replace_engine()
        self._after(_USAGE_SECONDS, self._usage)

    def _fill_context(self) -> None:
        self._spent = _CONTEXT_TOKENS

    def _replace_engine(self) -> None:
        """Continue with an engine that has the instructions, and the end of the history."""
        kept: list[dict[str, Any]] = []
        spent = 0
        for item in reversed(self._items):
            spent += tokens(_text(item))
            if spent > _KEPT_TOKENS:
                break
            kept.insert(0, item)
        self._items, self._spent = kept, _BASE_TOKENS + spent

    def _expire_unheard(self) -> None:
        if not self._timeline.begun:
            self.close("expired")

    def _fail_appends(self) -> None:
        """Report the appends whose injection will not be completed."""
        pending = sorted([*self._lost, *self._appends], key=lambda append: append.start)
        self._lost.clear()
        self._appends.clear()
        for append in pending:
            problem = ApiProblem(
                "The session closed before the estimated context injection completed.",
                type="server_error",
                code="context_injection_incomplete",
            )
            self.emit(problem.event(append.client_event_id))


def _answering(kind: str, client_event_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return an event that answers a client's."""
    answered = {} if client_event_id is None else {"client_event_id": client_event_id}
    return {"type": kind, **fields, **answered}


def _live_error(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `error` event in the form of the Live API."""
    error = dict(event["error"])
    client_event_id = error.pop("event_id", None)
    if client_event_id is not None:
        error["client_event_id"] = client_event_id
    return {**event, "error": error}


def _base64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode()


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "transcript": text}]}


def _text(item: Mapping[str, Any]) -> str:
    """Return the words of a message."""
    parts = item.get("content") or ()
    if isinstance(parts, str):
        return parts
    return " ".join(str(part.get("transcript") or part.get("text") or "") for part in parts).strip()
